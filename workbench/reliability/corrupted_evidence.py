"""What becomes of the evidence under a corruption: destroyed in the image, or still there and no longer looked at."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem, Pixels, corrupt, shrunk
from workbench.reliability.corrupted_answers import CORRUPTED_EDGE

if TYPE_CHECKING:
    from workbench.models import Classifier

EVIDENCE_METHODS = ("grad_cam", "gradient_attention", "saliency")
"""Methods of one backward pass; the first that suits the model draws both maps."""
REGION = 0.1
"""The share of the image that is the evidence's region, the strongest places of the clean map, where there is no
mask."""
SURVIVES = 0.5
"""Correlation of the region's pixels with what they were, below which it is called destroyed."""
LEFT = 0.5
"""Of the map's strength that lay in the region, less than this is left where it is called abandoned."""
MOVED_BY = 4
"""Pixels of an image of 224 by which the region may have moved."""
Fate = Literal["destroyed", "abandoned", "still looked at", "never looked at"]


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """The evidence of one decision without a corruption and with it.

    Attributes:
        fate: What became of it.
        before: (H, W) the map of the class decided on without the corruption, over the image.
        after: (H, W) the map of the same class, over the corrupted image.
        region: (H, W) where the evidence lies.
        marked: Whether that is the image's mask; else the strongest places of `before`.
        inside_before: Share of the map's strength for the class that lies in the region.
        inside_after: The same under the corruption.
        left: Strength of the map in the region under the corruption, as a share of what it was.
        area: Share of the image that the region covers: what a map without aim would have in it.
        likeness: Correlation of the region's pixels with what they were, at the best of small shifts.
        method: The method of the maps.
        clean: (H, W, C) the image.
        corrupted: (H, W, C) the image under the corruption.
    """

    fate: Fate
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    region: NDArray[np.bool_]
    marked: bool
    inside_before: float
    inside_after: float
    left: float
    area: float
    likeness: float
    method: str
    clean: Pixels
    corrupted: Pixels

    @property
    def sentence(self) -> str:
        """The figures behind the fate."""
        where = "the marked defect" if self.marked else f"the strongest {self.area:.0%} of the clean map"
        return (
            f"Evidence {self.fate}: {self.inside_before:.0%} of the map lies on {where} without the corruption,"
            f" {self.inside_after:.0%} with it (by chance {self.area:.0%}), where its strength is {self.left:.0%} of"
            f" what it was; the pixels there correlate with what they were at {self.likeness:.2f}."
        )


def traced(classifier: Classifier, item: ImageItem, kind: str, severity: int) -> Traced:
    """Look for the evidence of a decision in the corrupted image.

    Raises:
        InputError: The image cannot be read or have the corruption, no quick method suits the model, or a map is zero
            everywhere.
    """
    from workbench.attribution import METHODS, attribute, suits

    method = next((name for name in EVIDENCE_METHODS if suits(classifier, name) is None), None)
    if method is None:
        raise InputError("No quick method of maps suits this model: what becomes of the evidence is not known.")
    clean = shrunk(classifier.levels(item), CORRUPTED_EDGE)
    pixels = corrupt(clean, kind, severity)
    first = attribute(classifier, classifier.input(clean), method)
    second = attribute(classifier, classifier.input(pixels), method, first.target)
    before, after = (map_.on_image() for map_ in (first, second))
    strengths = [_for_the_class(values, signed=METHODS[method].signed) for values in (before, after)]
    if not all(strength.any() for strength in strengths):
        raise InputError("A map is zero everywhere: what becomes of the evidence is not known.")
    mask = _mask(item, before.shape)
    region = _strongest(strengths[0]) if mask is None else mask
    inside, still = (float(strength[region].sum() / strength.sum()) for strength in strengths)
    lay, lies = (float(strength[region].sum()) for strength in strengths)
    left = lies / lay if lay else 0.0
    area, likeness = float(region.mean()), _likeness(clean, pixels, region)
    fate = _fate(inside, left, area, likeness)
    marked = mask is not None
    return Traced(fate, before, after, region, marked, inside, still, left, area, likeness, method, clean, pixels)


def _for_the_class(values: NDArray[np.float32], *, signed: bool) -> NDArray[np.float64]:
    return np.asarray(values.clip(0) if signed else np.abs(values), np.float64)


def _fate(inside: float, left: float, area: float, likeness: float) -> Fate:
    if inside <= area:
        return "never looked at"
    if likeness < SURVIVES:
        return "destroyed"
    return "abandoned" if left < LEFT else "still looked at"


def _mask(item: ImageItem, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """The image's mask in the size of its maps; None where there is none that marks anything."""
    from PIL import Image

    mask = item.open_mask() if item.mask is not None else None
    if mask is None or not mask.any():
        return None
    small = np.asarray(Image.fromarray(mask).resize((shape[1], shape[0]), Image.Resampling.NEAREST))
    return small if small.any() and not small.all() else None


def _strongest(strength: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The `REGION` of the places with the largest values, so many also where values are alike."""
    count = max(math.ceil(REGION * strength.size), 1)
    region = np.zeros(strength.size, bool)
    region[np.argsort(-strength.ravel(), kind="stable")[:count]] = True
    return region.reshape(strength.shape)


def _likeness(clean: Pixels, pixels: Pixels, region: NDArray[np.bool_]) -> float:
    """Pearson's correlation of the region's pixels before and after, the best over small shifts; 0 where either is
    flat."""
    first, second = (values.mean(-1, dtype=np.float64) for values in (clean, pixels))
    rows, columns = np.nonzero(region)
    reach = math.ceil(MOVED_BY * min(region.shape) / 224)
    own = first[rows, columns]
    own = own - own.mean()
    best = 0.0
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            at = (rows + dy).clip(0, region.shape[0] - 1), (columns + dx).clip(0, region.shape[1] - 1)
            other = second[at] - second[at].mean()
            size = math.sqrt(float((own**2).sum() * (other**2).sum()))
            best = max(best, float((own * other).sum()) / size if size > 0 else 0.0)
    return best
