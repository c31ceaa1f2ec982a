"""Figures in words: what stands in a cell, and where nothing may be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.bias import Breakdown, percent
from workbench.stats import ENOUGH, Rate

if TYPE_CHECKING:
    import pandas as pd

CLASS_FIGURES = (
    "recall",
    "precision",
    "specificity",
    "false-positive rate",
    "F1",
    "mean confidence",
    "calibration error",
)
GROUP_FIGURES = (
    "accuracy",
    "escape rate",
    "overkill rate",
    "precision",
    "F1",
    "AUC",
    "selection rate",
    "mean confidence",
    "calibration error",
)


def enough(rate: Rate, figure: str) -> bool:
    """Whether a figure rests on enough cases to be told; of an AUC, cases of either kind."""
    cases = min(rate.count, rate.support - rate.count) if figure == "AUC" else rate.support
    return cases >= ENOUGH and not rate.few_units


def interval(rate: Rate, figure: str) -> str:
    """A figure with its interval, as in 73.2 % (66.7 to 78.8); or why there is none."""
    if not enough(rate, figure):
        cases = min(rate.count, rate.support - rate.count) if figure == "AUC" else rate.support
        return few(rate, cases) if cases else "n/a"
    if rate.value is None or rate.low is None or rate.high is None:
        return "n/a"
    if figure == "AUC":
        return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"
    return f"{percent(rate.value)} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def few(rate: Rate, cases: int) -> str:
    """That too few images, or too few units of them, speak."""
    return f"too few ({rate.groups:,} units)" if rate.few_units and cases >= ENOUGH else f"too few ({cases:,})"


def table(breakdown: Breakdown, figures: Sequence[str], first: str, most: int) -> pd.DataFrame:
    """The worst `most` rows as text, with one column a figure, and one of units where images come in fewer."""
    import pandas as pd

    frame = breakdown.frame.head(most)
    rates = {figure: breakdown.rates(figure) for figure in figures}
    joined = breakdown.independence.units not in (None, breakdown.independence.images)
    lines = []
    for name, support, ok in zip(*(frame[column].tolist() for column in ("group", "support", "enough")), strict=True):
        first_rate = next(iter(rates.values()))[str(name)]
        short, units = few(first_rate, support), {"units": first_rate.groups} if joined else {}
        cells = {f: interval(rates[f][str(name)], f) if ok else short for f in figures}
        lines.append({first: str(name), "images": support, **units, **cells})
    return pd.DataFrame(lines, columns=[first, "images", *(["units"] if joined else []), *figures])


def numbers(breakdown: Breakdown) -> pd.DataFrame:
    """The whole breakdown as numbers, without the figures that rest on too few cases."""
    frame = breakdown.frame.copy()
    for figure in breakdown.figures:
        rates = breakdown.rates(figure)
        few = ~frame["enough"].to_numpy(bool) | np.array(
            [not enough(rates[str(name)], figure) for name in frame["group"]]
        )
        frame.loc[few, [figure, f"{figure} low", f"{figure} high"]] = math.nan
    return frame
