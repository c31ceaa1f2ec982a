"""What sets a slice apart: measurements of its images, of which it is told only what is not chance, with the figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.bias.slices import Slice
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.predictions import Predictions, groupable, units_of
from workbench.stats import SIGNIFICANT, apart_by_units, holm, midranks, ranks_differ
from workbench.texts import shown

MEASURED_EDGE = 128
"""Pixels of the longer side on which an image is measured: noise of single pixels is no property of it."""
LEAST_SHIFT = 0.5
"""Standard deviations of all images by which a slice must lie apart: less nobody sees."""
MEASURES: Mapping[str, tuple[str, str]] = {
    "brightness": ("brighter", "darker"),
    "contrast": ("more contrast", "less contrast"),
    "sharpness": ("sharper", "less sharp"),
}
"""What is measured of an image, and the words for more and for less of it."""


@dataclasses.dataclass(frozen=True)
class Shift:
    """A measurement that is higher or lower in a slice than in the other images.

    Attributes:
        measure: One of `MEASURES`, or an attribute.
        inside: Its median in the slice.
        outside: Its median among the other images.
        by: How far the means lie apart, in standard deviations of all images.
    """

    measure: str
    inside: float
    outside: float
    by: float

    def __str__(self) -> str:
        more, less = MEASURES.get(self.measure, (f"higher {self.measure}", f"lower {self.measure}"))
        word = more if self.by > 0 else less
        return f"{word} ({self.measure} {self.inside:.3g} here, {self.outside:.3g} elsewhere)"


def measures(items: Sequence[ImageItem], on_progress: Callable[[int, int], None] | None = None) -> NDArray[np.float64]:
    """Brightness, contrast and sharpness of N images, (N, 3): the mean of the grey values from 0 to 1, their standard
    deviation, and that of their Laplacian; NaN where an image cannot be read."""
    from scipy.ndimage import laplace

    lines = np.full((len(items), len(MEASURES)), np.nan)
    for number, item in enumerate(items):
        if on_progress:
            on_progress(number, len(items))
        try:
            image = item.open().convert("L")
        except InputError:
            continue
        image.thumbnail((MEASURED_EDGE, MEASURED_EDGE), Image.Resampling.BILINEAR)
        grey = np.asarray(image, np.float64) / 255
        lines[number] = grey.mean(), grey.std(), laplace(grey).std()
    if on_progress:
        on_progress(len(items), len(items))
    return lines


def shifts(part: Slice, places: NDArray[np.intp], values: NDArray[np.float64], predictions: Predictions) -> list[Shift]:
    """The measurements that set a slice apart, the widest shift first.

    A measurement counts where its ranks differ between the slice and the other images by more than chance (Mann and
    Whitney 1947, corrected for the number of measurements, Holm; where images come in units, by exchanging whole units)
    and its means lie `LEAST_SHIFT` standard deviations apart.

    Args:
        part: The slice.
        places: (M,) where the images that count stand in the table of predictions.
        values: (M, 3) what was measured of them, as `measures` gives it.
        predictions: The table: attributes that are numbers of many values count as measurements too.
    """
    inside = np.isin(places, part.members)
    columns = dict(zip(MEASURES, values.T, strict=True)) | _numbers(predictions, places)
    lines, p_values, known = [], [], units_of(predictions.frame)
    units = None if known is None else known[places]
    for name, column in columns.items():
        finite = np.isfinite(column)
        own, others = column[inside & finite], column[~inside & finite]
        if min(len(own), len(others)) < 2 or (spread := float(column[finite].std())) == 0:
            continue
        by = float(own.mean() - others.mean()) / spread
        lines.append(Shift(name, float(np.median(own)), float(np.median(others)), by))
        p_values.append(_chance(column[finite], inside[finite], None if units is None else units[finite]))
    adjusted = holm(p_values)
    told = [line for line, p in zip(lines, adjusted, strict=True) if p <= SIGNIFICANT and abs(line.by) >= LEAST_SHIFT]
    return sorted(told, key=lambda line: -abs(line.by))


def _chance(values: NDArray[np.float64], inside: NDArray[np.bool_], units: NDArray[np.intp] | None) -> float:
    """The chance of ranks so far apart of values (M,) `inside` a slice and of the others."""
    if units is None or len(np.unique(units)) == len(units):
        return ranks_differ(values[inside], values[~inside])
    return apart_by_units(midranks(values), inside, units)


def name_of(part: Slice, told: Sequence[Shift]) -> str:
    """A slice's name by what sets it apart the most, without markup: an attribute, or else a measurement, and the label
    that is more frequent in it; empty where nothing does."""
    attributes = [trait for trait in part.traits if trait.attribute not in ("label", "predicted")]
    labels = [trait for trait in part.traits if trait.attribute == "label"]
    names = [f"{trait.attribute} {shown(trait.value)}" for trait in (*attributes[:1], *labels[:1])]
    if told and not attributes:
        names.insert(0, str(told[0]).partition(" (")[0])
    return ", ".join(names)


def _numbers(predictions: Predictions, places: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """The attributes that are numbers of many values."""
    frame = predictions.frame
    columns = {name: frame[name] for name in groupable(predictions) if frame[name].dtype.kind == "f"}
    return {name: column.to_numpy(np.float64)[places] for name, column in columns.items()}
