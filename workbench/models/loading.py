"""Load classifiers without running anybody's code: safetensors, tensors-only pickles, published architectures."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from workbench.catalog import check_local, load_catalog, stored_path
from workbench.errors import InputError
from workbench.models.architectures import FETCHING, build, build_with_weights
from workbench.models.bounds import check_options
from workbench.models.class_lists import classes_of
from workbench.models.classifier import Classifier
from workbench.models.folder import (
    FORMATS,
    ModelSpec,
    class_form,
    class_words,
    read_description,
    read_spec,
    spec_key,
    weights_path,
)
from workbench.models.formats import open_path
from workbench.models.hub import HUB_FILES
from workbench.models.mending import state_key
from workbench.models.reading import Fact, Opened
from workbench.models.settings import Settings
from workbench.models.weights import holds_weights, read_weights, weights_title
from workbench.predictions import Limits


def load_classifier(
    ref: str | os.PathLike[str] | nn.Module,
    *,
    classes: Sequence[str] | Mapping[object, object] | None = None,
    class_names: Sequence[str] | None = None,
    architecture: str | None = None,
    pretrained: bool = False,
    positive: str | None = None,
    threshold: float | None = None,
    name: str | None = None,
    device: str | None = None,
    head: str | None = None,
    output: int | str | None = None,
    thresholds: Mapping[str, float] | None = None,
    label: str | None = None,
    prompt: str | None = None,
    trusted: bool = True,
    state: str | None = None,
    prefix_tokens: int | None = None,
    **preprocessing: object,
) -> Classifier:
    """Load a classifier.

    Args:
        ref: A catalog name; a folder with `model.toml`; a file of weights (`.safetensors`, `.pt`, `.pth`, `.ckpt`,
            `.bin` or what else `torch.save` wrote; then `architecture` is needed); a `.pt2` archive of `torch.export`
            from a source you trust, for opening one can run code (`workbench.models.exported.read_exported`);
            "timm:NAME" or "torchvision:NAME"; "python:package.module:function" for a factory of your own; or an
            `nn.Module`.
        classes: Class names, or a dict of numbers to names or of names to numbers; counted from the output and
            numbered where missing. `class_names` means the same.
        architecture: What the weights in a file belong to: "timm:NAME", "torchvision:NAME" or "python:...".
        pretrained: Fetch the published weights of a timm or torchvision name; otherwise its weights are random and it
            says so.
        positive: The class that a defect decision is about.
        threshold: Probability of `positive` from which a part is called positive.
        name: How to call it on the screen.
        device: "cpu", "cuda"; the best there is where missing.
        head: What the model answers with: "logits", "probabilities", "sigmoid" (one probability), "multilabel" or
            "anomaly"; seen in a trial where missing.
        output: Which of several outputs holds the classes: its place in a tuple or its name in a dict.
        thresholds: Of a "multilabel" model, the probability of a label from which it is called true, by label.
        label: Ask a "multilabel" model about this label alone, as a classifier of two classes.
        prompt: What a model that is asked with texts is asked about each class, as "a photo of a {}".
        trusted: False for what a visitor typed or uploaded: then nothing that could run code is followed.
        state: Which copy of the weights to take from a checkpoint that holds several, such as "state_dict" beside
            "state_dict_ema"; the moving average where missing.
        prefix_tokens: Tokens that stand before those of the image in a transformer (class, distillation and register
            tokens), where the corner test does not find them by itself.
        **preprocessing: Fields of `Preprocessing`: size, resize, crop, interpolation, mean, std, resize_to, backend,
            antialias, channels, range; the rest is as published with the architecture.

    Returns:
        The classifier, on its device and in evaluation mode.

    Raises:
        InputError: With one sentence that says what does not fit.

    Example:
        >>> clf = wb.load_classifier("solar-cells", device="cpu", threshold=0.5)
        >>> clf.rule.threshold
        0.5
    """
    given = classes or class_names
    settings = Settings(
        classes_of(given, "The class list").names if isinstance(given, Mapping) else given,
        positive,
        threshold,
        name,
        device,
        preprocessing,
        head,
        output,
        thresholds or {},
        label,
        trusted,
        prompt=prompt,
        state=state or "",
        prefix_tokens=prefix_tokens,
    )
    if isinstance(ref, nn.Module):
        return settings.finish(Opened(ref, state_key(ref), "model"))
    entry = load_catalog().models.get(str(ref))
    if entry is not None:
        ref, trusted, settings = entry.ref, True, dataclasses.replace(settings, name=name or entry.title, trusted=True)
    elif not trusted and not str(ref).startswith(("timm:", "torchvision:")):
        raise InputError(
            f"There is no model named {str(ref)!r}: choose one of {', '.join(load_catalog().models)}, timm:NAME or"
            " torchvision:NAME."
        )
    ref = str(ref)
    return _load_path(ref, settings, architecture=architecture, pretrained=pretrained, trusted=trusted)


def _load_path(
    ref: str, settings: Settings, *, architecture: str | None, pretrained: bool, trusted: bool
) -> Classifier:
    if ref.startswith(("timm:", "torchvision:", "python:")):
        model, notes = build(ref, trusted=trusted, pretrained=pretrained)
        return settings.finish(Opened(model, state_key(model), ref, architecture=ref, notes=notes))
    path = stored_path(ref)
    if ref.strip() and path.is_dir():
        return load_folder(path, settings, trusted=trusted)
    if path.is_file():
        return load_file(path, settings, architecture=architecture, trusted=trusted)
    check_local(ref)
    raise InputError(
        f"There is no model {ref!r}: give a catalog name ({', '.join(load_catalog().models)}), a folder with"
        " model.toml or of the Hugging Face hub, an ONNX file, a TorchScript or .pt2 archive, a file of weights,"
        " timm:NAME or torchvision:NAME."
    )


def load_file(
    path: Path, settings: Settings | None = None, *, architecture: str | None = None, trusted: bool = True
) -> Classifier:
    """Load the model in a file that is there. Errors as `load_classifier`, and `trusted` as there."""
    settings = dataclasses.replace(settings or Settings(), trusted=trusted)
    if architecture is None or path.name not in HUB_FILES:
        opened = open_path(path, settings, trusted=trusted)
        if opened is not None:
            return settings.finish(opened)
    if holds_weights(path):
        return _load_weights(path, architecture, settings)
    raise InputError(
        f"{path.name} is no file that a model is read from: give weights (.safetensors, .pt, .pth, .ckpt, .bin), an"
        " ONNX file (.onnx) or an archive (.pt2, TorchScript)."
    )


def _load_weights(path: Path, architecture: str | None, settings: Settings) -> Classifier:
    if architecture is None:
        raise InputError(
            f"{path.name} holds weights only: name the architecture they belong to (timm:NAME or torchvision:NAME),"
            " or add a model.toml."
        )
    opened = build_with_weights(
        architecture,
        settings.classes or (),
        read_weights(path),
        path.name,
        trusted=settings.trusted,
        choice=settings.state,
        size=settings.size(),
    )
    key, name = state_key(opened.model), weights_title(path)
    return settings.finish(dataclasses.replace(opened, key=key, name=name, architecture=architecture, file=path.name))


def load_folder(folder: Path, settings: Settings | None = None, *, trusted: bool = True) -> Classifier:
    """Load the model that a folder's `model.toml` describes, or itself as one of the Hugging Face hub, but for what
    `settings` say otherwise. Errors as `load_classifier`, and `trusted` as there."""
    settings = settings or Settings()
    if not (folder / "model.toml").exists() and (found := open_path(folder, settings, trusted=trusted)):
        return dataclasses.replace(settings, trusted=trusted).finish(found)
    spec = read_spec(folder)
    if not trusted and spec.weights.startswith("package:"):
        raise InputError(
            "An uploaded model.toml may not name weights in an installed package: put the weights beside it."
        )
    if fetching := sorted(FETCHING & spec.options.keys()):
        raise InputError(
            f"model.toml may not set the option {fetching[0]!r}, which fetches other weights: name them under weights."
        )
    if not trusted:
        check_options(spec.options)
    if settings.state:
        spec = spec.model_copy(update={"state": settings.state})
    opened = _open(folder, spec, settings, trusted=trusted)
    facts = (*opened.facts, *([] if settings.classes else [_class_fact(folder, spec)]))
    opened = dataclasses.replace(_described(opened, folder, spec), key=(key := spec_key(folder, spec)), facts=facts)
    merged = _merged(settings, spec, folder.name, trusted=trusted)
    classifier = dataclasses.replace(merged.finish(opened), limits=Limits(**spec.limits.model_dump()))
    if classifier.head.several and not merged.head:
        raise InputError(
            "The model answers with a probability for each of several labels, which do not sum to 1: write head ="
            ' "multilabel" into model.toml if several can be true of one image.'
        )
    return classifier if settings.other else dataclasses.replace(classifier, key=key)


def _described(opened: Opened, folder: Path, spec: ModelSpec) -> Opened:
    """A model with what its `model.toml` says of its preprocessing, which goes before what its file says."""
    own = [opened.source or spec.weights] if opened.preprocessing else []
    return dataclasses.replace(
        opened,
        name=folder.name,
        preprocessing=dict(opened.preprocessing) | spec.preprocessing.model_dump(exclude_unset=True),
        source=" and ".join(dict.fromkeys(["model.toml", *own])),
        architecture=spec.architecture,
        file=Path(spec.weights).name,
    )


def _class_fact(folder: Path, spec: ModelSpec) -> Fact:
    named = read_description(folder).classes
    if not named:
        return Fact("classes", class_words(list(spec.classes)), "config.json", "stated", "classes")
    source = f"{named}, {class_form(folder)}" if isinstance(named, str) else "model.toml"
    return Fact("classes", class_words(list(spec.classes)), source, "stated", "classes")


def _merged(settings: Settings, spec: ModelSpec, name: str, *, trusted: bool) -> Settings:
    """What the caller says, and what `model.toml` does where they say nothing."""
    return dataclasses.replace(
        settings,
        classes=settings.classes or list(spec.classes),
        positive=settings.positive or spec.positive,
        threshold=spec.threshold if settings.threshold is None else settings.threshold,
        name=settings.name or spec.title or name,
        trusted=trusted,
        head=settings.head or spec.head,
        output=spec.output if settings.output is None else settings.output,
        thresholds=settings.thresholds or spec.thresholds,
        prefix_tokens=spec.prefix_tokens if settings.prefix_tokens is None else settings.prefix_tokens,
        temperature=spec.temperature,
    )


def load_stranger(path: Path) -> Classifier:
    """Load what somebody uploaded: a folder with `model.toml`, one of the Hugging Face hub, or an ONNX file. Errors as
    `load_classifier`."""
    settings = Settings(trusted=False)
    opened = None if (path / "model.toml").is_file() else open_path(path, settings, trusted=False)
    return settings.finish(opened) if opened is not None else load_folder(path, trusted=False)


def tried(_: bytes, path: str) -> bytes:
    """Load and try a stranger's model in a separate process, to see whether it can be. Errors as `load_classifier`."""
    load_stranger(Path(path))
    return b""


def _open(folder: Path, spec: ModelSpec, settings: Settings, *, trusted: bool) -> Opened:
    path = weights_path(folder, spec)
    ending = FORMATS.get(spec.architecture)
    if (path.suffix.lower() == ".pt2" and ending != ".pt2") or (ending and path.suffix.lower() != ending):
        raise InputError(
            f"model.toml names the architecture {spec.architecture!r} and the weights {spec.weights!r}, which do not go"
            " together: a .pt2 archive has the architecture 'exported', and nothing else has."
        )
    if spec.architecture in FORMATS:
        return _open_format(folder, path, spec, settings, trusted=trusted)
    if spec.order and path.suffix == ".safetensors":
        raise InputError(
            "model.toml asks for weights by order, which .safetensors files do not keep: save the state dict as .pth."
        )
    chosen = "size" in spec.preprocessing.model_fields_set
    return build_with_weights(
        spec.architecture,
        settings.classes or spec.classes,
        read_weights(path),
        spec.weights,
        trusted=trusted,
        options=spec.options,
        by_order=spec.order,
        choice=spec.state,
        size=settings.size() or (spec.preprocessing.size if chosen else None),
    )


def _open_format(folder: Path, path: Path, spec: ModelSpec, settings: Settings, *, trusted: bool) -> Opened:
    """The model of a folder whose file describes itself."""
    if spec.options or spec.order or spec.state:
        raise InputError(
            f"A model of the architecture {spec.architecture!r} takes neither options nor weights by order or state:"
            " remove them from model.toml."
        )
    asked = dataclasses.replace(
        settings, classes=settings.classes or spec.classes, prompt=settings.prompt or spec.prompt
    )
    opened = open_path(folder if spec.architecture == "huggingface" else path, asked, trusted=trusted)
    if opened is None:
        raise InputError(
            f"model.toml names the architecture {spec.architecture!r}, and {spec.weights} is no such file: correct one"
            " of them."
        )
    return opened
