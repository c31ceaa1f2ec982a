"""What an attribution is: one score, and the map of where it came from."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from workbench.attribution.methods import METHODS, UNBELIEVABLE
from workbench.drawing import scale_of
from workbench.errors import InputError
from workbench.models import Classifier, Placement
from workbench.texts import panel, panel_chip, panel_image, panel_note

PANEL_EDGE = 256
"""Pixels of the longer side of a map in a notebook."""

ScoreKind = Literal["logit", "probability", "margin"]
SCORES: Mapping[str, str] = MappingProxyType(
    {
        "logit": "the class's raw output, before any temperature; for a single-output model its log-odds",
        "probability": "the class's probability, which also falls when another class rises",
        "margin": "the class's logit minus that of another class: why this one rather than that one",
    }
)


@dataclasses.dataclass(frozen=True)
class Score:
    """The one number that is shown, explained and measured.

    Attributes:
        kind: "logit", "probability" or "margin".
        target: Column of the class.
        against: Column of the other class of a margin.
    """

    kind: ScoreKind
    target: int
    against: int | None = None

    def of(self, classifier: Classifier, logits: Tensor) -> Tensor:
        """Scores of shape (N,) for logits of shape (N, K)."""
        if self.kind == "probability":
            return classifier.probabilities(logits)[:, self.target]
        if self.against is not None:
            return logits[:, self.target] - logits[:, self.against]
        if classifier.single:
            return logits[:, self.target] - logits[:, 1 - self.target]
        return logits[:, self.target]


@dataclasses.dataclass(frozen=True, eq=False)
class Attribution:
    """A map of where one score of one image came from.

    Attributes:
        values: Signed float32 of shape (C, H, W) in the score's unit (per unit of input for gradients), over the
            model's input; C is 1 for layer maps.
        method: Name in `METHODS`.
        target: Column of the class that is explained.
        score: "logit", "probability" or "margin".
        params: Everything else that the map depends on.
        output: The score's value on this image.
        delta: Convergence delta: the sum of the map minus (score of the image - score of the baseline); None for
            methods that promise no sum.
        change: Score of the image minus score of the baseline; None likewise.
        placement: Where the map lies on the image.
        classifier: Digest of the classifier.

    Example:
        >>> att.values.shape, att.values.dtype
        ((3, 256, 256), dtype('float32'))
        >>> att.on_image().shape  # height and width of the image
        (300, 300)
    """

    values: NDArray[np.float32]
    method: str
    target: int
    score: ScoreKind
    params: Mapping[str, object]
    output: float
    delta: float | None
    change: float | None
    placement: Placement
    classifier: str

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.dtype != np.float32:
            raise ValueError(f"expected float32 values of shape (C, H, W), got {self.values.dtype} {self.values.shape}")
        if not np.isfinite(self.values).all():
            raise InputError("The map holds values that are not numbers: the model's output overflows on this image.")

    def __getstate__(self) -> dict[str, object]:
        """Pickle `params` as a plain dict: a read-only view of one cannot be pickled, which caches and workers need."""
        return self.__dict__ | {"params": dict(self.params)}

    def heatmap(self) -> NDArray[np.float32]:
        """The sum over channels, (H, W), over the model's input."""
        return self.values.sum(0)

    def on_image(self) -> NDArray[np.float32]:
        """The heatmap over the pixels of the original image, (height, width)."""
        return self.placement.to_original(self.heatmap())

    @property
    def ranking(self) -> NDArray[np.float32]:
        """What speaks for the class most comes first: (H, W), over the model's input.

        Of values that say how the score reacts to a pixel the size counts, whichever direction they point in. Other
        values are shares of the score, and those below zero speak against it.
        """
        return np.abs(self.values).sum(0) if METHODS[self.method].reacts else self.heatmap()

    @property
    def relative_delta(self) -> float | None:
        """|delta| as a share of the change that the map explains."""
        if self.delta is None or not self.change:
            return None
        return abs(self.delta / self.change)

    def _repr_html_(self) -> str:
        """The map for a notebook, over the pixels of the image, which it does not hold itself."""
        method, relative = METHODS[self.method], self.relative_delta
        facts: dict[str, object] = {
            "Explained": f"{self.score} of class column {self.target} = {self.output:.4g}",
            "Settings": ", ".join(f"{name} {value}" for name, value in self.params.items()) or "none",
            "Values": f"{' x '.join(map(str, self.values.shape))}, in {method.unit}",
            "Model": self.classifier[:12],
        }
        if self.delta is not None:
            share = "not measurable" if relative is None else f"{relative:.1%} of the change"
            facts["Convergence delta"] = f"{self.delta:+.3g} ({share})"
        notes = [] if self.values.any() else [panel_note("This map is zero everywhere.")]
        if relative is not None and relative > UNBELIEVABLE:
            words = f"misses {relative:.0%} of the score change that it must sum to: do not take it as the reason"
            notes = [panel_chip(words, "bad")]
        return panel(f"Attribution map: {method.title}", facts, *notes, self._picture(method.signed))

    def _picture(self, signed: bool) -> str:
        """The map and its bar of colours as HTML."""
        size = self.placement.original
        factor = min(PANEL_EDGE / max(size), 1.0)
        small = Image.new("1", (max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)))
        heatmap = self.placement.scaled(small).to_original(self.heatmap())
        scale, buffer = scale_of([heatmap], signed), io.BytesIO()
        Image.fromarray(scale.colours(heatmap)).save(buffer, "PNG")
        ticks = [label for _, label in scale.ticks()]
        alt = f"attribution map by {METHODS[self.method].title}"
        return panel_image(buffer.getvalue(), alt, scale.gradient(), ticks)
