"""Figures in words: what stands in a cell, and where nothing may be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.bias import Breakdown
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


def percent(value: float) -> str:
    """A share, as in 73.2 %."""
    return f"{100 * value:.1f} %"


def points(value: float, low: float, high: float) -> str:
    """A difference of shares, as in 6.5 points (1.8 to 11.5)."""
    return f"{100 * value:.1f} points ({100 * low:.1f} to {100 * high:.1f})"


def chance(p: float) -> str:
    """A test's p, as in p = 0.14."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def enough(found: Rate, figure: str) -> bool:
    """Whether a figure rests on enough cases to be told; of an AUC, cases of either kind."""
    cases = min(found.count, found.support - found.count) if figure == "AUC" else found.support
    return cases >= ENOUGH


def said(found: Rate, figure: str) -> str:
    """A figure with its interval, as in 73.2 % (66.7 to 78.8); or why there is none."""
    if not enough(found, figure):
        cases = min(found.count, found.support - found.count) if figure == "AUC" else found.support
        return f"too few ({cases:,})" if cases else "n/a"
    if found.value is None or found.low is None or found.high is None:
        return "n/a"
    if figure == "AUC":
        return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
    return f"{percent(found.value)} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def shown(found: Breakdown, figures: Sequence[str], first: str, most: int) -> pd.DataFrame:
    """The worst `most` rows as text, with one column a figure."""
    import pandas as pd

    frame = found.frame.head(most)
    rates = {figure: found.rates(figure) for figure in figures}
    lines = []
    for name, support in zip(frame["group"].tolist(), frame["support"].tolist(), strict=True):
        few = f"too few ({support:,})"
        figured = {f: said(rates[f][str(name)], f) if support >= ENOUGH else few for f in figures}
        lines.append({first: str(name), "images": support, **figured})
    return pd.DataFrame(lines, columns=[first, "images", *figures])


def told(found: Breakdown) -> pd.DataFrame:
    """The whole breakdown as numbers, without the figures that rest on too few cases."""
    frame = found.frame.copy()
    for figure in found.figures:
        rates = found.rates(figure)
        few = ~frame["enough"].to_numpy(bool) | np.array(
            [not enough(rates[str(name)], figure) for name in frame["group"]]
        )
        frame.loc[few, [figure, f"{figure} low", f"{figure} high"]] = math.nan
    return frame
