"""What differs, in words and as a figure with its interval: beside a p-value, how large a difference is."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from workbench.reliability.drift_figures import Asked
from workbench.reliability.drift_sides import MAP_CELLS
from workbench.stats import Rate, auc, mean_of_units, share, units_or_cases


@dataclasses.dataclass(frozen=True)
class Effect:
    """How large a difference is.

    Attributes:
        words: What differs, with the figures of both sides.
        meaning: What `rate` is; empty where there is none.
        rate: A figure of the new side with its 95 % interval, by unit.
        reference: What the reference has for it.
    """

    words: str
    meaning: str = ""
    rate: Rate | None = None
    reference: float | None = None


def effect_of(asked: Asked, new: NDArray[np.bool_], units: NDArray[np.intp] | None) -> Effect:
    """The difference of the M images that `asked` is about, of which `new` (M,) lie on the new side; neither side is
    empty."""
    if asked.kind == "number":
        return _of_number(asked, new, units)
    if asked.kind == "category":
        return _of_category(asked, new, units)
    if asked.name.startswith("mass by region"):
        return _of_regions(asked.values, new, units)
    if asked.name.startswith("centroid"):
        ours, theirs = asked.values[new].mean(0), asked.values[~new].mean(0)
        return Effect(
            f"mean centroid {100 * theirs[0]:.0f} % down and {100 * theirs[1]:.0f} % across in the reference,"
            f" {100 * ours[0]:.0f} % and {100 * ours[1]:.0f} % on the new side"
        )
    return Effect("")


def _of_number(asked: Asked, new: NDArray[np.bool_], units: NDArray[np.intp] | None) -> Effect:
    known = np.isfinite(asked.values)
    ours, theirs = asked.values[new & known], asked.values[~new & known]
    if not len(ours) or not len(theirs):
        has, lacks = ("reference", "new side") if len(theirs) else ("new side", "reference")
        return Effect(f"known of images of the {has} alone, of none of the {lacks}")
    rate = auc(asked.values[known], new[known], units=None if units is None else units[known])
    missing = (~known[new]).mean(), (~known[~new]).mean()
    gap = f"; not known of {missing[1]:.0%} and {missing[0]:.0%}" if max(missing) > 0 else ""
    words = f"median {np.median(theirs):.4g} in the reference, {np.median(ours):.4g} on the new side{gap}"
    return Effect(words, "how often a new image has more of it than one of the reference", rate, 0.5)


def _of_category(asked: Asked, new: NDArray[np.bool_], units: NDArray[np.intp] | None) -> Effect:
    codes = asked.values.astype(np.intp)
    count = len(asked.words)
    ours, theirs = (np.bincount(codes[side], minlength=count) / side.sum() for side in (new, ~new))
    most = int(np.abs(ours - theirs).argmax())
    rate = share(codes[new] == most, None if units is None else units[new])
    word = asked.words[most]
    unseen = " (a value that the reference does not have)" if not theirs[most] else ""
    words = f"{word}: {theirs[most]:.1%} of the reference, {ours[most]:.1%} of the new side{unseen}"
    return Effect(words, f"the share of {word}", rate, float(theirs[most]))


def _of_regions(cells: NDArray[np.float64], new: NDArray[np.bool_], units: NDArray[np.intp] | None) -> Effect:
    ours, theirs = cells[new].mean(0), cells[~new].mean(0)
    most = int(np.abs(ours - theirs).argmax())
    rate = mean_of_units(cells[new, most], units_or_cases(units, len(new))[new])
    row, column = divmod(most, MAP_CELLS)
    place = f"row {row + 1}, column {column + 1} of {MAP_CELLS} x {MAP_CELLS} regions"
    words = f"{place} holds {theirs[most]:.1%} of the mass in the reference, {ours[most]:.1%} on the new side"
    return Effect(words, f"the mean mass in {place}", rate, float(theirs[most]))
