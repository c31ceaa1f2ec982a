"""A folder with a model: its `model.toml`, read and written in this one place, and the digest of what it describes.

Neither needs torch, so that a model can be listed, checked and refused before anything heavy is imported.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from workbench.catalog import COLDEST, HOTTEST, Strict, is_inside, read_text, read_toml, scheme, stored_path, validated
from workbench.errors import InputError
from workbench.files import file_digest
from workbench.models.class_lists import read_class_list
from workbench.models.hub import read_hub
from workbench.models.shards import content_key

if TYPE_CHECKING:
    from workbench.predictions import DecisionRule, Limits

WEIGHTS = "model.safetensors"
"""What the weights are called in the folders that the workbench writes."""
MOST_CLASSES, LONGEST_CLASS = 25_000, 500
"""Classes of a model, and characters of a name; ImageNet-21k has 21,841."""

FORMATS = {"huggingface": "", "onnx": ".onnx", "torchscript": "", "exported": ".pt2"}
"""Architectures that stand for a format, and how the file of each must end."""

Size = Annotated[int, Field(ge=1, le=4096)]
Resize = Literal["stretch", "crop", "pad", "shorter", "longer", "both"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
Backend = Literal["pillow", "tensor", "float"]
Channels = Literal["rgb", "bgr"] | tuple[str, ...]


_FIRST = {
    "": {"architecture", "options", "weights", "order", "classes", "positive", "preprocessing", "limits"},
    "preprocessing": {"size", "resize", "crop", "interpolation", "mean", "std"},
}
"""Fields that digests of models have always named, even at their defaults."""


class TilesSpec(Strict):
    """How images larger than a tile are cut; they are read whole where the table is missing.

    Attributes:
        size: Height and width of a tile in pixels of the image; the input's where missing.
        overlap: The share of a tile that it has in common with its neighbour, at least.
        decision: `maximum`: the image is as bad as its worst tile; `mean`: the mean of all tiles' probabilities.
    """

    size: tuple[Size, Size] | None = None
    overlap: float = Field(default=0.25, ge=0, le=0.5)
    decision: Literal["maximum", "mean"] = "maximum"


class PreprocessingSpec(Strict):
    """How an image becomes the model's input; what is left out is taken from those who published the architecture.

    Attributes:
        size: Height and width of the input in pixels.
        resize: How an image of another shape is fitted to it.
        resize_to: With `shorter`, `longer` and `both`: what the side or sides are resized to before the middle is cut
            out, one number or height and width; `size` / `crop` where missing.
        crop: The share of the image that is kept; above 1 it is padded.
        interpolation: How pixels are computed when the size changes.
        backend: Whose arithmetic resizes: `pillow` (timm, torchvision), `tensor` (8 bit tensors, as in transformers)
            or `float` (tensors without rounding).
        antialias: Whether shrinking averages; only tensors can do without.
        channels: The order in which the model takes colours, and `mean` and `std` give theirs; or the names of its 1 to
            32 channels, as in `["red", "green", "blue", "nir"]`.
        range: The counts of an image that become 0 and 1; where missing, 0 and what the image's file or type can hold:
            255 or 65535, for floats between 0 and 1 these.
        tiles: How images larger than a tile are cut.
        mean: Subtracted from pixels in 0 .. 1: one number for grey, three for colour, or one a channel.
        std: Divided by, likewise.
    """

    size: tuple[Size, Size] = (224, 224)
    resize: Resize = "stretch"
    resize_to: Size | tuple[Size, Size] | None = None
    crop: float = Field(default=1.0, gt=0, le=2)
    interpolation: Interpolation = "bilinear"
    backend: Backend = "pillow"
    antialias: bool = True
    channels: Channels = "rgb"
    range: tuple[float, float] | None = None
    tiles: TilesSpec | None = None
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 0.5, 0.5)

    @property
    def complete(self) -> bool:
        """Whether it says all, so that nothing is taken from those who published the architecture."""
        said = self.model_fields_set
        whole = self.resize in ("stretch", "crop", "pad") or bool(said & {"crop", "resize_to"})
        return whole and said >= {"size", "resize", "interpolation", "mean", "std"}


class LimitsSpec(Strict):
    """The most mistakes that are acceptable; the first page says whether they are kept.

    Attributes:
        escapes: Of the defective parts, at most this share may pass.
        overkill: Of the good parts, at most this share may be rejected.
        errors: For a model without a defect class: of all images, at most this share may be called something else.
    """

    escapes: float | None = Field(default=None, gt=0, lt=1)
    overkill: float | None = Field(default=None, gt=0, lt=1)
    errors: float | None = Field(default=None, gt=0, lt=1)


class ModelSpec(Strict):
    """The contents of a `model.toml`.

    Attributes:
        title: Its name on the screen; the folder's where missing.
        about: One sentence about it.
        architecture: `timm:NAME`, `torchvision:NAME`; from trusted sources only also `python:package.module:function`,
            `exported` for a `.pt2` archive and `torchscript`; `huggingface` for a folder of the Hugging Face hub, and
            `onnx`.
        options: Keywords for the architecture's constructor.
        weights: A file beside `model.toml`, or `package:NAME/path` for one in an installed package.
        state: Which copy of the weights to take from a checkpoint that holds several, such as "state_dict" beside
            "state_dict_ema"; the moving average where missing.
        order: True where the weights' names differ from the architecture's but their order and shapes agree.
        classes: Class names, or the name of a text file with one a line, with their numbers, or of a JSON file; a
            folder of the Hugging Face hub names its own.
        prompt: What a model that is asked with texts is asked about each class, as "a photo of a {}".
        positive: The class that a defect decision is about.
        threshold: Score of the positive class from which a part is called positive.
        head: What it answers with: "logits", "probabilities", "sigmoid", "multilabel" or "anomaly"; seen in a trial
            where missing.
        output: Which of several outputs holds the classes: its place or its name.
        thresholds: Of a "multilabel" head, the probability of a label from which it is called true, by label.
        prefix_tokens: Tokens before those of the image in a transformer: class, distillation and register tokens;
            found by trying where missing.
        temperature: What logits are divided by before they become probabilities; thresholds are of these, and an
            attribution of a logit is of the model's own.
        preprocessing: How an image becomes its input.
        limits: The most mistakes that are acceptable.
    """

    title: str = ""
    about: str = ""
    architecture: str
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    weights: str
    state: str = ""
    order: bool = False
    classes: list[str] | str = Field(default_factory=list)
    prompt: str | None = None
    positive: str | None = None
    threshold: float | None = Field(default=None, ge=0, le=1)
    head: Literal["logits", "probabilities", "sigmoid", "multilabel", "anomaly"] | None = None
    output: int | str | None = None
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    prefix_tokens: int | None = Field(default=None, ge=0, le=1024)
    temperature: float = Field(default=1.0, ge=COLDEST, le=HOTTEST, strict=True)
    preprocessing: PreprocessingSpec = PreprocessingSpec()
    limits: LimitsSpec = LimitsSpec()


def read_description(folder: Path) -> ModelSpec:
    """The `model.toml` in `folder` as written; its class list may still be a file name. Errors as `read_spec`."""
    return validated(ModelSpec, read_toml(folder / "model.toml"), "model.toml")


def read_spec(folder: Path) -> ModelSpec:
    """The `model.toml` in `folder`, its class list read.

    Raises:
        InputError: It is missing or not valid.
    """
    spec = read_description(folder)
    if spec.architecture == "huggingface":
        spec = _with_own(folder, spec)
    if not spec.classes:
        raise InputError("model.toml is not valid at 'classes' (Field required): correct that entry.")
    if isinstance(spec.classes, str):
        path = None if scheme(spec.classes) else stored_path(spec.classes, folder)
        if path is None or not is_inside(path, folder) or not path.is_file():
            raise InputError(
                f"model.toml names the class list {spec.classes!r}, which is not in its folder: put it there."
            )
        spec = spec.model_copy(update={"classes": read_class_list(read_text(path), spec.classes).names})
    longest = max(map(len, spec.classes), default=0)
    if len(spec.classes) > MOST_CLASSES or longest > LONGEST_CLASS:
        raise InputError(
            f"model.toml names {len(spec.classes):,} classes with up to {longest:,} characters, over the limit of"
            f" {MOST_CLASSES:,} with {LONGEST_CLASS}: correct the class list."
        )
    check_classes(spec.classes)
    if spec.positive is not None and spec.positive not in spec.classes:
        raise InputError(
            f"model.toml names the positive class {spec.positive!r}, which is none of its classes: correct one of them."
        )
    return spec


def class_form(folder: Path) -> str:
    """How the classes of a `model.toml` whose class list can be read are written, in words."""
    spec = read_description(folder)
    if not isinstance(spec.classes, str):
        return "a list"
    return read_class_list(read_text(stored_path(spec.classes, folder)), spec.classes).form


def class_words(names: Sequence[str]) -> str:
    """Class names as a line."""
    return f"{len(names):,}: {', '.join(names[:6])}" + (" …" if len(names) > 6 else "")


def _with_own(folder: Path, spec: ModelSpec) -> ModelSpec:
    """A description with what a Hugging Face folder states itself, where it says nothing."""
    hub = read_hub(folder)
    head = spec.head or ("multilabel" if hub.several else None)
    return spec.model_copy(update={"classes": spec.classes or list(hub.classes), "head": head})


def check_classes(classes: Sequence[str]) -> None:
    """Refuse, by `InputError`, a list that names a class twice or not at all: no label could tell which is meant."""
    if "" in classes:
        raise InputError(
            f"The class list names nothing in place {classes.index('') + 1}: give that class a name, or remove it."
        )
    if twice := next((name for name, count in Counter(classes).items() if count > 1), None):
        raise InputError(f"The class list names {twice!r} twice: give each class its own name.")


def spec_key(folder: Path, spec: ModelSpec) -> str:
    """Digest of a model: its weights' bytes and all that decides what they compute. Needs no torch."""
    path = weights_path(folder, spec)
    weights = read_hub(folder).key if spec.architecture == "huggingface" else content_key(path)
    later = {name: _unsaid(part, _FIRST[name]) for name, part in (("", spec), ("preprocessing", spec.preprocessing))}
    silent = {"title", "about", "threshold", "thresholds", "limits"} | later[""]
    settings = spec.model_dump_json(exclude=dict.fromkeys(silent, True) | {"preprocessing": later["preprocessing"]})
    scheme, _, factory = spec.architecture.partition(":")
    code = f" {_code_digest(factory.partition(':')[0])}" if scheme == "python" else ""
    return hashlib.sha256(f"{weights} {settings}{code}{_publisher(spec)}".encode()).hexdigest()


def _publisher(spec: ModelSpec) -> str:
    """Whose recipe fills in what a description leaves out of its preprocessing, by the versions that it comes with."""
    if spec.architecture in FORMATS or spec.preprocessing.complete:
        return ""
    return " ".join(("", *(f"{name} {metadata.version(name)}" for name in ("timm", "torchvision"))))


def thresholds_of(labels: Sequence[str], thresholds: Mapping[str, float]) -> tuple[float, ...]:
    """A threshold for each of several labels that can be true at once: what is set, or else one half.

    Raises:
        InputError: One is set for something else.
    """
    if strange := sorted(thresholds.keys() - set(labels)):
        raise InputError(f"A threshold is set for {strange[0]!r}, which is none of the labels: correct its name.")
    return tuple(thresholds.get(label, 0.5) for label in labels)


def label_key(key: str, column: int) -> str:
    """Digest of a model of several labels, `key`, asked about the one in a column."""
    return hashlib.sha256(f"{key} label {column}".encode()).hexdigest()


def _unsaid(spec: Strict, first: Set[str]) -> set[str]:
    """Fields that are younger than the first digests and have their defaults: they change none."""
    fields = type(spec).model_fields
    return {name for name in fields.keys() - first if getattr(spec, name) == fields[name].default}


@lru_cache(maxsize=32)
def _code_digest(module: str) -> str:
    """Digest of a module's source, found without importing it, when first asked for: Python loads it once."""
    for base in sys.path:
        path = Path(base, *module.split("."))
        for source in (path / "__init__.py", path.with_suffix(".py")):
            if source.is_file():
                return file_digest(source)
    return "not found"


def weights_path(folder: Path, spec: ModelSpec) -> Path:
    """Where the weights of `spec` lie.

    Raises:
        InputError: The file is missing, or climbs out of the folder.
    """
    path = stored_path(spec.weights, folder)
    if not spec.weights.startswith("package:") and not is_inside(path, folder):
        raise InputError(
            f"model.toml names weights outside of its folder ({spec.weights!r}): put the file beside model.toml."
        )
    if not path.is_file():
        raise InputError(
            f"The weights {spec.weights!r} are not in {folder.name}: put the file there or correct model.toml."
        )
    return path


def model_toml(
    command: str, title: str, about: str, architecture: str, rule: DecisionRule, size: int, limits: Limits | None = None
) -> str:
    """The text of a `model.toml` for a network trained here.

    Args:
        command: What wrote it, after `workbench`.
        title: On the screen.
        about: One sentence.
        architecture: As `ModelSpec.architecture`.
        rule: The classes, and the positive class and threshold where there are any.
        size: Height and width of the input in pixels.
        limits: The most mistakes that are acceptable, where some are set.
    """
    lines = [
        f"# Written by `workbench {command}`.",
        f"title = {_quote(title)}",
        f"about = {_quote(about)}",
        f"architecture = {_quote(architecture)}",
        f"weights = {_quote(WEIGHTS)}",
        f"classes = [{', '.join(map(_quote, rule.class_names))}]",
        *([] if rule.positive is None else [f"positive = {_quote(rule.positive)}"]),
        *([] if rule.threshold is None else [f"threshold = {rule.threshold}  # chosen on the validation split"]),
        "",
        "[preprocessing]",
        f"size = [{size}, {size}]",
        'resize = "stretch"',
        'interpolation = "bilinear"',
        "mean = [0.5, 0.5, 0.5]",
        "std = [0.5, 0.5, 0.5]",
    ]
    if limits is not None:
        shares = {name: share for name, share in dataclasses.asdict(limits).items() if share is not None}
        lines += ["", "[limits]", *(f"{name} = {share}" for name, share in shares.items())]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON lets this one stand, TOML does not
