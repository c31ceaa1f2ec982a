"""From a model that was opened to a classifier: joined with what the caller says, tried, and named."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from workbench.catalog import validated
from workbench.errors import InputError
from workbench.models.bounds import check_cost, check_size
from workbench.models.classifier import Classifier, set_evaluating
from workbench.models.exported import Exported
from workbench.models.folder import PreprocessingSpec, check_classes
from workbench.models.heads import Answer, read_answer
from workbench.models.preprocessing import Preprocessing
from workbench.models.reading import Opened
from workbench.predictions import DecisionRule

ANOMALY = ("normal", "anomalous")
"""The default classes of a model that answers with an anomaly score; the second is the positive one."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the caller said about a model that is still to be built; it goes before what the model's own file says.

    Attributes:
        classes: Class names.
        positive: The class that a defect decision is about.
        threshold: Probability of `positive` from which a part is called positive.
        name: How to call it on the screen.
        device: Where it computes.
        preprocessing: Fields of `PreprocessingSpec`.
        trusted: False for what a visitor typed or uploaded.
    """

    classes: Sequence[str] | None = None
    positive: str | None = None
    threshold: float | None = None
    name: str | None = None
    device: str | None = None
    preprocessing: Mapping[str, object] = dataclasses.field(default_factory=dict)
    trusted: bool = True

    def finish(self, opened: Opened) -> Classifier:
        """Try a model, and put the parts together.

        Raises:
            InputError: It is no classifier, or what was said of it does not fit.
        """
        model, said = opened.model, dataclasses.replace(self, classes=self.classes or opened.classes or None)
        stated = published_preprocessing(model) | dict(opened.preprocessing)
        chosen = validated(PreprocessingSpec, stated | dict(self.preprocessing), "Preprocessing")
        preprocessing = Preprocessing(**chosen.model_dump())
        if not self.trusted:
            check_size(preprocessing.size)
            check_cost(model, (len(preprocessing.mean), *preprocessing.size))
        device = device_of(self.device)
        answer = _answer(model.to(device), preprocessing, device)
        width = 1 if answer.logits.ndim == 1 else answer.logits.shape[1]
        named = dataclasses.replace(said, classes=ANOMALY, positive=self.positive or ANOMALY[1])
        rule = (named if answer.scored and not said.classes else said)._rule(width)
        key = hashlib.sha256(f"{opened.key} {preprocessing} {rule.class_names}".encode()).hexdigest()
        name = self.name or opened.name
        return Classifier(
            key, name, model, preprocessing, rule, device, width == 1, answer.scored, opened.notes, facts=opened.facts
        )

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


def published_preprocessing(model: nn.Module) -> dict[str, object]:
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


def device_of(name: str | None) -> torch.device:
    """The device of that name, or the best there is. Raises InputError where it cannot be used."""
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
