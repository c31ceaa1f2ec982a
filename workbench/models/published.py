"""Preprocessing as those publish it who made an architecture or its weights, and where each setting comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from workbench.images import MOST_CHANNELS
from workbench.models.bounds import outline
from workbench.models.exported import Exported
from workbench.models.folder import PreprocessingSpec
from workbench.models.preprocessing import Preprocessing
from workbench.models.reading import Fact, How

REFINEMENTS = frozenset(("resize_to", "crop", "backend", "antialias", "channels", "range", "tiles"))
"""Settings of whose defaults nothing need be said."""
STATED = "stated in"
"""The key of a `pretrained_cfg` that did not come with timm but out of a file: which."""
MOST_PARTS = 8
"""Parts of a network among which one is looked for that somebody publishes."""
LARGEST_HEAD = 12
"""Weights and biases of a last layer, or of what took its place, at most."""
_CROP_MODES = {"squash": "both", "border": "longer"}
"""timm's names for what is not a centre crop."""


@dataclasses.dataclass(frozen=True)
class Published:
    """Preprocessing that somebody states.

    Attributes:
        fields: Fields of `PreprocessingSpec`; those that nobody states are left out.
        source: Who states them, in words.
        how: How sure they are.
        facts: What else must be known to trust them.
    """

    fields: Mapping[str, object] = dataclasses.field(default_factory=dict)
    source: str = ""
    how: How = "published"
    facts: tuple[Fact, ...] = ()


ASSUMED = Published(source="nobody says otherwise", how="assumed")


def published(model: nn.Module, architecture: str = "", file: str = "") -> Published:
    """The preprocessing that belongs to a network: timm's, torchvision's, or the shape that an archive states.

    Args:
        model: The network.
        architecture: As of `build`; without it, timm's networks carry their own, and torchvision's are recognised.
        file: What the file of its weights is called: torchvision's own files have recipes of their own.

    Example:
        >>> from workbench.models import build
        >>> from workbench.models.published import published
        >>> model, _ = build("torchvision:squeezenet1_1", trusted=True)
        >>> published(model, "torchvision:squeezenet1_1").fields["resize_to"]
        256
    """
    model = _unwrapped(model)
    if isinstance(model, Exported):
        size = model.shape[1:]
        return Published({"size": tuple(size)} if None not in size else {}, "the archive's shape", "stated")
    config = getattr(model, "pretrained_cfg", None)
    if isinstance(config, Mapping) and config.get("input_size"):
        name = ".".join(str(config[part]) for part in ("architecture", "tag") if config.get(part))
        source = config.get(STATED) or f"published with {architecture or f'timm:{name}'}"
        said = _coloured(model, from_timm(config, _own_size(model)), source)
        return dataclasses.replace(said, how="stated") if STATED in config else said
    if type(model).__module__.startswith("torchvision.models"):
        name = architecture.removeprefix("torchvision:") if architecture.startswith("torchvision:") else ""
        return _of_torchvision(model, name or _recognised(model), file)
    inner = [part for part in model.children() if part is not model]
    found = [said for said in map(published, inner) if said.fields] if len(inner) < MOST_PARTS else []
    if len(found) != 1:
        return Published()
    source = found[0].source if found[0].how == "assumed" else f"{found[0].source}, which it is built on"
    return dataclasses.replace(found[0], source=source, how="assumed")


def _unwrapped(model: nn.Module) -> nn.Module:
    """The network that gets an input as it is: behind what compiles or spreads it, or first in a row."""
    while True:
        inner: object = None
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        elif type(model) is nn.Sequential and len(model):
            inner = model[0]
        else:
            inner = getattr(model, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def guessed(model: nn.Module) -> Published:
    """What is assumed for want of better where a network takes other than three channels."""
    channels = model.shape[0] if isinstance(model, Exported) else getattr(model, "in_chans", None)
    halves = (0.5,) * (channels if isinstance(channels, int) and 0 < channels <= MOST_CHANNELS else 3)
    return dataclasses.replace(ASSUMED, fields={"mean": halves, "std": halves})


def from_timm(config: Mapping[str, Any], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """What `timm.data.create_transform` does for a `pretrained_cfg`, as fields of `PreprocessingSpec`.

    Args:
        config: The entry of a network or of its `config.json`.
        size: (height, width) that the network was built for, where it differs.
    """
    from timm.data.config import resolve_data_config

    data = resolve_data_config({}, pretrained_cfg=dict(config))
    return {
        "size": size or tuple(data["input_size"][1:]),
        "resize": _CROP_MODES.get(data["crop_mode"], "shorter"),
        "crop": float(data["crop_pct"]),
        "interpolation": data["interpolation"],
        "mean": tuple(map(float, data["mean"])),
        "std": tuple(map(float, data["std"])),
    }


def _own_size(model: nn.Module) -> tuple[int, int] | None:
    """(height, width) that a network's position embeddings or windows fix; None where it takes any."""
    own = getattr(model, "_traits", {}).get("img_size") or getattr(
        getattr(model, "patch_embed", None), "img_size", None
    )
    own = own or getattr(model, "image_size", None)
    if isinstance(own, int):
        return own, own
    return (int(own[0]), int(own[1])) if isinstance(own, Sequence) and len(own) == 2 else None


def _coloured(model: nn.Module, fields: Mapping[str, Any], source: str, facts: tuple[Fact, ...] = ()) -> Published:
    """The recipe for the channels that the network takes: for grey, the mean over the three that are published."""
    first = next((part.in_channels for part in model.modules() if isinstance(part, nn.Conv2d)), 3)
    channels = getattr(model, "in_chans", 1 if first == 1 else 3)
    if channels == 3:
        return Published(fields, source, facts=facts)
    kept = {name: value for name, value in fields.items() if name not in ("mean", "std")}
    if channels != 1:
        return Published(kept, source, facts=facts)
    mean, std = (round(float(np.mean(fields[name])), 6) for name in ("mean", "std"))
    words = f"for grey, mean {mean:.4g} and std {std:.4g}"
    note = Fact("preprocessing", words, f"the average of the colours {source}", "assumed", "preprocessing.mean")
    return Published({**kept, "mean": (mean,), "std": (std,)}, source, facts=(*facts, note))


def _of_torchvision(model: nn.Module, name: str, file: str) -> Published:
    """The recipe of a torchvision network: that of the weights that the file is, or else of the default ones."""
    from torchvision.models import get_model_weights

    if not name:
        return Published()
    recipes = {weights.name: weights for weights in get_model_weights(name)}
    default = get_model_weights(name).DEFAULT
    size = _own_size(model)
    match = next((w for w in recipes.values() if file and w.url.endswith(f"/{file}")), None)
    fitting = [w for w in (default, *recipes.values()) if size in (None, (w.transforms().crop_size[0],) * 2)]
    chosen = match or (fitting or [default])[0]
    fields = _recipe(chosen.transforms())
    if size and size != fields["size"]:
        fields = {name: value for name, value in fields.items() if name != "resize_to"} | {"size": size}
    others = [f"{w.name} {text}" for w in recipes.values() if w != chosen and (text := _unlike(w, chosen))]
    also = f"; {', '.join(others)}" if others and not match else ""
    facts: tuple[Fact, ...] = ()
    if getattr(model, "transform_input", None) is False:
        facts = (
            Fact(
                "preprocessing",
                "the network does not normalise once more by itself, as those of torchvision's own weights do",
                "transform_input = false",
                "assumed",
                "options.transform_input",
            ),
        )
    return _coloured(model, fields, f"published with torchvision:{name} for {chosen.name}{also}", facts)


def _recipe(transform: Any) -> dict[str, Any]:
    crop, side = transform.crop_size[0], transform.resize_size[0]
    return {
        "size": (crop, crop),
        "resize": "shorter",
        "resize_to": side,
        "crop": crop / side,
        "interpolation": transform.interpolation.value,
        "mean": tuple(map(float, transform.mean)),
        "std": tuple(map(float, transform.std)),
    }


def _unlike(weights: Any, chosen: Any) -> str:
    """How the recipe of other weights of an architecture differs."""
    other, this = _recipe(weights.transforms()), _recipe(chosen.transforms())
    if other == this:
        return ""
    same = [name for name in ("size", "resize_to", "interpolation") if other[name] == this[name]]
    words = {
        "size": f"size {weights.transforms().crop_size[0]}",
        "resize_to": f"resize_to {other['resize_to']}",
        "interpolation": str(other["interpolation"]),
    }
    return "has " + ", ".join(text for name, text in words.items() if name not in same)


def _recognised(model: nn.Module) -> str:
    """The name of a torchvision network that came without, by the shapes of all but its last layer; empty where none
    fits."""
    from torchvision import models

    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    fitting = {}
    for name in models.list_models(module=models):
        builder = models.get_model_builder(name)
        if builder.__annotations__.get("return") is type(model):
            drawn = list(outline(partial(builder, weights=None), short_lists=True).state_dict().items())[:-2]
            if all(shapes.get(key) == tensor.shape for key, tensor in drawn):
                fitting[name] = len(drawn)
    best = max(fitting, key=fitting.__getitem__, default="")
    return best if best and len(shapes) - fitting[best] <= LARGEST_HEAD else ""


Joined = Mapping[str, tuple[object, Published]]
"""Each field of `PreprocessingSpec` with its value and who says it."""


def join(voices: Sequence[Published]) -> Joined:
    """Lay what is said of preprocessing on top of each other, the later before the earlier; the rest is assumed.

    Who says something else of the size or of the way to resize takes back an earlier voice's refinements of it.
    """
    fields: dict[str, tuple[object, Published]] = {}
    for voice in voices:
        said = {name: value for name, value in voice.fields.items() if value is not None}
        stale = {"resize_to"} if said.keys() & {"size", "crop"} else set()
        if "resize" in fields and said.get("resize", fields["resize"][0]) != fields["resize"][0]:
            stale |= {"resize_to", "crop"}
        if said.get("resize") in ("crop", "pad"):
            stale |= {"backend", "antialias"}
        if isinstance(mean := said.get("mean"), Sequence) and len(mean) == 1:
            stale |= {"channels"}
        fields = {name: pair for name, pair in fields.items() if name not in stale}
        fields |= {name: (value, voice) for name, value in said.items()}
    return {name: (field.default, ASSUMED) for name, field in PreprocessingSpec.model_fields.items()} | fields


def facts_of(prep: Preprocessing, joined: Joined) -> Iterator[Fact]:
    """One line for all that one voice says, and one for what is assumed because nobody says it."""
    voices = {(voice.source, voice.how): voice for _, voice in joined.values()}
    for (source, how), voice in voices.items():
        names = {name for name, (_, who) in joined.items() if (who.source, who.how) == (source, how)}
        names -= REFINEMENTS if how == "assumed" else frozenset()
        if words := prep.words(names):
            setting = f"preprocessing.{next(iter(names))}" if len(names) == 1 else "preprocessing"
            yield Fact("preprocessing", words, source, how, setting)
            yield from voice.facts
