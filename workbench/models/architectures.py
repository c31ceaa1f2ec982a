"""Networks by the names of their architectures, built and given their weights; a stranger's is drawn without memory
first."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.models.bounds import check_parameters, outline
from workbench.models.fitting import Fit, matched
from workbench.models.misfits import SizeError, WidthError
from workbench.models.reading import Fact, Opened
from workbench.models.reshaping import built_size

FETCHING = frozenset((
    "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "weights",
    "weights_backbone",
))  # fmt: skip
"""Options of timm and torchvision that read or fetch weights from elsewhere."""
SIZES = {"timm": "img_size", "torchvision": "image_size"}
"""The option that sets the size of the inputs, for architectures that are built for one."""


def build(
    ref: str,
    *,
    trusted: bool,
    pretrained: bool = False,
    options: Mapping[str, object] | None = None,
    check: Callable[[nn.Module], object] = lambda drawn: None,
) -> tuple[nn.Module, tuple[str, ...]]:
    """Make the network that a name stands for, its convolutions laid out with the channels last, a quarter faster on
    the CPU.

    Args:
        ref: "timm:NAME", "torchvision:NAME" or "python:package.module:function".
        trusted: False for what a visitor typed: then it is drawn without memory first, and refused where too large.
        pretrained: Fetch the published weights, else they are random.
        options: Keywords of the architecture.
        check: Refuses what is drawn so, by raising.

    Returns:
        The network, and what to note of it.

    Raises:
        InputError: There is no such architecture, it cannot be built, or not by a visitor.
    """
    family, _, name = ref.partition(":")
    if family == "python":
        if not trusted:
            raise InputError(
                "A python: factory runs code, so it is taken from the command line or workbench.toml only, never from a"
                " page."
            )
        return _factory(name, dict(options or {})).to(memory_format=torch.channels_last), ()
    makers = {"timm": _timm, "torchvision": _torchvision}
    if family not in makers:
        raise InputError(
            f"There is no architecture {ref!r}: use timm:NAME, torchvision:NAME or python:package.module:function."
        )
    with torch.random.fork_rng(devices=[]):
        if not trusted:
            drawn = outline(
                lambda: makers[family](name, False, dict(options or {})), short_lists=family == "torchvision"
            )
            check_parameters(drawn, ref)
            check(drawn)
        torch.manual_seed(0)  # so that a link to an untrained network shows the same one to everybody
        model = makers[family](name, pretrained, dict(options or {})).to(memory_format=torch.channels_last)
    return model, (
        () if pretrained else (f"The weights of {ref} are random: it was never trained, so its answers mean nothing.",)
    )


def _timm(name: str, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    import timm

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3)
        raise InputError(
            f"timm has no model {name!r}" + (f" (it has {', '.join(near)})" if near else "") + ": correct the name."
        )
    return _make(lambda: timm.create_model(name, pretrained=pretrained, **options), f"timm:{name}", pretrained)


def _torchvision(name: str, pretrained: bool, options: dict[str, object]) -> nn.Module:
    from torchvision import models

    if name not in models.list_models(module=models):
        raise InputError(f"torchvision has no classifier {name!r}: correct the name.")
    return _make(
        lambda: models.get_model(name, weights="DEFAULT" if pretrained else None, **options),
        f"torchvision:{name}",
        pretrained,
    )


def _make(make: Callable[[], nn.Module], ref: str, pretrained: bool) -> nn.Module:
    try:
        return make()
    except Exception as error:  # each architecture raises its own kinds for options that it cannot be built with
        if pretrained and isinstance(error, OSError | RuntimeError):
            raise InputError(
                f"The published weights of {ref} could not be fetched ({type(error).__name__}): "
                "connect to the network, or save them beside a model.toml."
            ) from None
        raise InputError(
            f"{ref} cannot be built with these options ({error}): correct the name or its options."
        ) from None


def _factory(name: str, options: dict[str, object]) -> nn.Module:
    module, _, function = name.partition(":")
    try:
        model = getattr(importlib.import_module(module), function)(**options)
    except Exception as error:  # whatever the factory's own code raises; it stays attached as the cause
        raise InputError(
            f"python:{name} cannot be used ({type(error).__name__}: {error}): give package.module:function, importable"
            " from here, that takes the options and returns a torch.nn.Module."
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(f"python:{name} returned {type(model).__name__}: it must return a torch.nn.Module.")
    return model


def build_with_weights(
    architecture: str,
    classes: Sequence[str],
    state: Mapping[str, Tensor],
    name: str,
    *,
    trusted: bool,
    options: Mapping[str, object] | None = None,
    by_order: bool = False,
    choice: str = "",
    size: tuple[int, int] | None = None,
) -> Opened:
    """The network with its weights, as wide as there are classes; two classes may share one logit.

    Args:
        architecture: As `ref` of `build`, which takes `trusted` and `options` too.
        classes: Their names; the weights tell the width where there are none.
        state: Weights, as `read_weights` names them, found by name or `by_order`.
        name: What to call their file in a message.
        choice: Which copy of the weights to take, as `matched`.
        size: (height, width) of the input where somebody states it; position embeddings are for others' sizes
            interpolated, and where nobody does the network is built for theirs.

    Raises:
        InputError: As `build`, or the weights do not fit.
    """
    family = architecture.partition(":")[0]
    widths = [2, 1] if len(classes) == 2 else [len(classes)]
    heads = [{}] if family == "python" or not classes else [{"num_classes": width} for width in widths]

    def lay(model: nn.Module, resample: bool) -> Fit:
        if size is not None and not resample and built_size(model) not in (None, size):
            raise SizeError(f"{architecture} is built for another size.", size)
        resample = resample or size is not None
        return matched(model, state, name, by_order=by_order, choice=choice, resample=resample)

    misfits = []
    for head in heads:
        try:
            model, fit, keywords = _filled(
                architecture, {**(options or {}), **head}, lay, trusted=trusted, counted=not classes
            )
        except InputError as error:
            misfits.append(error)
        else:
            built = built_size(model) if SIZES.get(family) in keywords.keys() - (options or {}).keys() else None
            told = built is not None and size is None
            fact = Fact("weights", f"position embeddings for inputs of {built} pixels", name, "stated", "size")
            return Opened(
                model,
                "",
                name,
                preprocessing={"size": built} if told else {},
                source=name if told else "",
                facts=(*fit.facts, *([fact] if told else [])),
                notes=fit.notes,
            )
    raise misfits[0]


def _filled(
    architecture: str,
    keywords: Mapping[str, object],
    lay: Callable[[nn.Module, bool], Fit],
    *,
    trusted: bool,
    counted: bool,
) -> tuple[nn.Module, Fit, Mapping[str, object]]:
    """A network with its weights, the fit of these and the keywords it was made with: where the weights tell another
    size of the inputs, or where classes are to be `counted` another width, with that."""
    family = architecture.partition(":")[0]
    option = SIZES.get(family)
    resample = option is None or option in keywords
    try:
        model, _ = build(architecture, trusted=trusted, options=keywords, check=lambda drawn: lay(drawn, resample))
        fit = lay(model, resample)
    except SizeError as error:
        more = {option or "": error.size if family == "timm" else error.size[0]}
    except WidthError as error:
        if not counted or "num_classes" in keywords or family == "python":
            raise
        more = {"num_classes": error.width}
    else:
        model.load_state_dict(dict(fit.tensors), strict=False)
        return model, fit, keywords
    return _filled(architecture, {**keywords, **more}, lay, trusted=trusted, counted=counted)
