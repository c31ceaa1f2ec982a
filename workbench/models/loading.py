"""Load classifiers without running anybody's code: safetensors, tensors-only pickles, published architectures."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.catalog import check_local, load_catalog, stored_path, validated
from workbench.errors import InputError
from workbench.files import open_file
from workbench.models.architectures import FETCHING, build, build_with_weights
from workbench.models.bounds import check_cost, check_options, check_size
from workbench.models.classifier import Classifier, set_evaluating
from workbench.models.exported import Exported, read_exported
from workbench.models.folder import ModelSpec, PreprocessingSpec, check_classes, read_spec, spec_key, weights_path
from workbench.models.heads import Answer, read_answer
from workbench.models.preprocessing import Preprocessing
from workbench.models.weights import read_weights
from workbench.predictions import DecisionRule, Limits

ANOMALY = ("normal", "anomalous")
"""The default classes of a model that answers with an anomaly score; the second is the positive one."""


def load_classifier(
    ref: str | os.PathLike[str] | nn.Module,
    *,
    classes: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    architecture: str | None = None,
    pretrained: bool = False,
    positive: str | None = None,
    threshold: float | None = None,
    name: str | None = None,
    device: str | None = None,
    trusted: bool = True,
    **preprocessing: object,
) -> Classifier:
    """Load a classifier.

    Args:
        ref: A catalog name; a folder with `model.toml`; a `.pt`, `.pth` or `.safetensors` file of weights (then
            `architecture` and `classes` are needed); a `.pt2` archive of `torch.export` from a source you trust, for
            opening one can run code (`workbench.models.exported.read_exported`); "timm:NAME" or "torchvision:NAME";
            "python:package.module:function" for a factory of your own; or an `nn.Module`.
        classes: Class names; counted from the output and numbered where missing. `class_names` means the same.
        architecture: What the weights in a file belong to: "timm:NAME", "torchvision:NAME" or "python:...".
        pretrained: Fetch the published weights of a timm or torchvision name; otherwise its weights are random and it
            says so.
        positive: The class that a defect decision is about.
        threshold: Probability of `positive` from which a part is called positive.
        name: How to call it on the screen.
        device: "cpu", "cuda"; the best there is where missing.
        trusted: False for what a visitor typed or uploaded: then nothing that could run code is followed.
        **preprocessing: Fields of `Preprocessing`: size, resize, crop, interpolation, mean, std.

    Returns:
        The classifier, on its device and in evaluation mode.

    Raises:
        InputError: With one sentence that says what does not fit.

    Example:
        >>> clf = wb.load_classifier("solar-cells", device="cpu", threshold=0.5)
        >>> clf.rule.threshold
        0.5
    """
    classes = classes or class_names
    settings = _Settings(classes, positive, threshold, name, device, preprocessing, trusted)
    if isinstance(ref, nn.Module):
        return settings.finish(ref, "model", _state_key(ref))
    entry = load_catalog().models.get(str(ref))
    if entry is not None:
        ref, trusted, settings = entry.ref, True, dataclasses.replace(settings, name=name or entry.title, trusted=True)
    elif not trusted and not str(ref).startswith(("timm:", "torchvision:")):
        raise InputError(
            f"There is no model named {str(ref)!r}: choose one of {', '.join(load_catalog().models)}, timm:NAME or"
            " torchvision:NAME."
        )
    ref = str(ref)
    if ref.startswith(("timm:", "torchvision:", "python:")):
        model, notes = build(ref, trusted=trusted, pretrained=pretrained)
        return settings.finish(model, ref, _state_key(model), notes=notes)
    path = stored_path(ref)
    if ref.strip() and path.is_dir():
        return load_folder(path, settings, trusted=trusted)
    if path.suffix.lower() == ".pt2" and path.is_file():
        return settings.finish(read_exported(path, _device(device)), path.stem, _file_key(path))
    if path.suffix.lower() in (".pt", ".pth", ".safetensors") and path.is_file():
        if architecture is None:
            raise InputError(
                f"{path.name} holds weights only: name the architecture they belong to (timm:NAME or torchvision:NAME),"
                " or add a model.toml."
            )
        model = build_with_weights(architecture, classes or (), read_weights(path), path.name, trusted=trusted)
        return settings.finish(model, path.stem, _state_key(model))
    if path.is_file():
        raise InputError(
            f"{path.name} is no file that a model is read from: give weights (.safetensors, .pt, .pth) or an archive"
            " (.pt2)."
        )
    check_local(ref)
    raise InputError(
        f"There is no model {ref!r}: give a catalog name ({', '.join(load_catalog().models)}), a folder with"
        " model.toml, a file of weights, a .pt2 archive, timm:NAME or torchvision:NAME."
    )


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What the caller said about a model that is still to be built."""

    classes: Sequence[str] | None = None
    positive: str | None = None
    threshold: float | None = None
    name: str | None = None
    device: str | None = None
    preprocessing: Mapping[str, object] = dataclasses.field(default_factory=dict)
    trusted: bool = True

    def finish(self, model: nn.Module, name: str, key: str, *, notes: tuple[str, ...] = ()) -> Classifier:
        """Try the model on a blank image and put the parts together."""
        chosen = validated(
            PreprocessingSpec, _published_preprocessing(model) | dict(self.preprocessing), "Preprocessing"
        )
        preprocessing = Preprocessing(**chosen.model_dump())
        if not self.trusted:
            check_size(preprocessing.size)
            check_cost(model, (len(preprocessing.mean), *preprocessing.size))
        device = _device(self.device)
        answer = _answer(model.to(device), preprocessing, device)
        width = 1 if answer.logits.ndim == 1 else answer.logits.shape[1]
        named = dataclasses.replace(self, classes=ANOMALY, positive=self.positive or ANOMALY[1])
        rule = (named if answer.scored and not self.classes else self)._rule(width)
        key = hashlib.sha256(f"{key} {preprocessing} {rule.class_names}".encode()).hexdigest()
        return Classifier(key, self.name or name, model, preprocessing, rule, device, width == 1, answer.scored, notes)

    def _rule(self, width: int) -> DecisionRule:
        classes = tuple(map(str, self.classes)) if self.classes else tuple(f"class {i}" for i in range(max(width, 2)))
        if len(classes) != max(width, 2):
            raise InputError(
                f"The class list names {len(classes)} classes but the model answers with {width}: give one name for"
                " each."
            )
        check_classes(classes)
        if self.positive is not None and self.positive not in classes:
            raise InputError(
                f"The positive class {self.positive!r} is not among the classes {', '.join(classes[:6])}: correct one"
                " of them."
            )
        if self.threshold is not None and self.positive is None:
            raise InputError("A threshold needs the class that it applies to: name the positive class.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"The threshold {self.threshold} is not a probability: give a number from 0 to 1.")
        return DecisionRule(classes, self.positive, self.threshold)


def load_folder(folder: Path, settings: _Settings = _Settings(), *, trusted: bool = True) -> Classifier:
    """Load the model that a folder's `model.toml` describes, but for what `settings` say otherwise. Errors as
    `load_classifier`, and `trusted` as there."""
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
    model = _model_of(folder, spec, settings, trusted=trusted)
    merged = dataclasses.replace(
        settings,
        classes=settings.classes or list(spec.classes),
        positive=settings.positive or spec.positive,
        threshold=spec.threshold if settings.threshold is None else settings.threshold,
        name=settings.name or spec.title or folder.name,
        trusted=trusted,
        preprocessing=spec.preprocessing.model_dump(exclude_unset=isinstance(model, Exported))
        | dict(settings.preprocessing),
    )
    key = spec_key(folder, spec)
    limits = Limits(**spec.limits.model_dump())
    classifier = dataclasses.replace(merged.finish(model, folder.name, key), limits=limits)
    if settings.classes or settings.preprocessing:  # another model than model.toml describes
        return classifier
    return dataclasses.replace(classifier, key=key)


def tried(_: bytes, folder: str) -> bytes:
    """Load and try a stranger's model in a separate process, to see whether it can be. Errors as `load_classifier`."""
    load_folder(Path(folder), trusted=False)
    return b""


def _model_of(folder: Path, spec: ModelSpec, settings: _Settings, *, trusted: bool) -> nn.Module:
    path = weights_path(folder, spec)
    if (spec.architecture == "exported") != (path.suffix.lower() == ".pt2"):
        raise InputError(
            f"model.toml names the architecture {spec.architecture!r} and the weights {spec.weights!r}, which do not go"
            " together: a .pt2 archive has the architecture 'exported', and nothing else has."
        )
    if spec.architecture == "exported":
        if not trusted:
            raise InputError(
                "Opening a .pt2 archive can run code, so it is taken from the command line or workbench.toml only:"
                " upload weights."
            )
        if spec.options or spec.order:
            raise InputError(
                "An exported model takes neither options nor weights by order: remove them from model.toml."
            )
        return read_exported(path, _device(settings.device))
    if spec.order and path.suffix == ".safetensors":
        raise InputError(
            "model.toml asks for weights by order, which .safetensors files do not keep: save the state dict as .pth."
        )
    state = read_weights(path)
    return build_with_weights(
        spec.architecture, spec.classes, state, spec.weights, trusted=trusted, options=spec.options, by_order=spec.order
    )


def _state_key(model: nn.Module) -> str:
    digest = hashlib.sha256(str(model).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _file_key(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _published_preprocessing(model: nn.Module) -> dict[str, object]:
    """What timm publishes with an architecture; torchvision's classifiers share a recipe; an archive has its size."""
    if isinstance(model, Exported):
        channels, *size = model.shape
        grey: dict[str, object] = {"mean": (0.5,), "std": (0.5,)} if channels == 1 else {}
        return grey | ({"size": tuple(size)} if None not in size else {})
    config = getattr(model, "pretrained_cfg", None)
    if isinstance(config, Mapping) and config.get("input_size"):
        return {
            "size": tuple(config["input_size"][1:]),
            "resize": "crop",
            "crop": float(config.get("crop_pct") or 1.0),
            "mean": tuple(config["mean"]),
            "std": tuple(config["std"]),
            "interpolation": (
                config["interpolation"]
                if config.get("interpolation") in ("nearest", "bilinear", "bicubic")
                else "bilinear"
            ),
        }
    if type(model).__module__.startswith("torchvision."):
        return {"resize": "crop", "crop": 0.875, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return {}


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(
            f"The device {name!r} cannot be used here: choose cpu" + (", cuda." if torch.cuda.is_available() else ".")
        ) from None
    return device


def _answer(model: nn.Module, preprocessing: Preprocessing, device: torch.device) -> Answer:
    """What the model says of one blank image: logits of shape (1, K) or (1,)."""
    channels = len(preprocessing.mean)
    blank = torch.zeros(1, channels, *preprocessing.size, device=device)
    modes = [(module, module.training) for module in model.modules()]
    set_evaluating(model)
    try:
        out = _first_answer(model, blank)
    except Exception as error:  # whatever the model's own code raises; it stays attached as the cause
        raise InputError(
            f"The model cannot take an image of {channels} x {preprocessing.size[0]} x {preprocessing.size[1]} "
            f"({(str(error) or type(error).__name__)[:120]}): correct size, mean and std."
        ) from error
    finally:
        for module, mode in modes:
            module.training = mode
    answer = read_answer(out)
    shape = tuple(answer.logits.shape)
    if shape != (1,) and (len(shape) != 2 or shape[0] != 1 or shape[1] == 0):
        raise InputError(f"The model answers with shape {shape} for one image: a classifier must answer (1, K).")
    return answer


def _first_answer(model: nn.Module, blank: Tensor) -> object:
    ask = torch.inference_mode()(model)
    try:
        return ask(blank)
    except RuntimeError as error:
        if "view" not in str(error) or all(p.is_contiguous() for p in model.parameters()):
            raise
    # its own code views a convolution's output as rows, as only this layout allows
    model.to(memory_format=torch.contiguous_format)
    return ask(blank)
