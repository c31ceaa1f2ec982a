"""Operating points: escapes and overkill at each threshold, with intervals, and what they cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.defects.halves import cases_of
from workbench.defects.review_band import Band
from workbench.errors import InputError
from workbench.predictions import Cases, Predictions, between
from workbench.stats import Estimates, Rate, difference, ends_along, ratio, share, wilson_bounds

if TYPE_CHECKING:
    import pandas as pd

FIGURES = ("escape rate", "overkill rate", "precision", "F1", "cost")
Column = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Costs:
    """What mistakes cost, and how many parts are bad.

    Attributes:
        escape: Of passing one defect, in any unit.
        overkill: Of rejecting one good part, in the same unit.
        prior: Share of defects on the line; as in the images where missing.
    """

    escape: float = 1.0
    overkill: float = 1.0
    prior: float | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.escape < np.inf and 0 <= self.overkill < np.inf):
            raise InputError("A cost must be a number from 0: correct the cost of an escape or of an overkill.")
        if self.prior is not None and not 0 < self.prior < 1:
            raise InputError(f"The share of defects on the line, {self.prior:g}, must lie between 0 and 1: correct it.")


def operating_points(
    predictions: Predictions,
    positive: str | Sequence[str] | None = None,
    *,
    rows: ArrayLike | None = None,
    costs: Costs | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Every threshold that decides differently, and how it does.

    A part is rejected whose score, the probability of a defect, is at or above the threshold. Between two neighbouring
    scores all thresholds decide alike: the middle stands for them. None lies above 1, so that a score of exactly 1 is
    always rejected.

    Args:
        predictions: N images.
        positive: The class or classes that are defects, as for `cases_of`.
        rows: (N,) which images count; all where missing. Images without a usable label never do.
        costs: What mistakes cost, and the share of defects on the line.
        level: Confidence level of the intervals.

    Returns:
        One row a threshold, in rising order: threshold, width (how far it can move without another decision), defects
        and good (how many there are), escapes, overkill, and each of `FIGURES` with its interval as "... low" and "...
        high". `cost` is that of a part on the line, on average; precision and F1 too are those of the line. Rates have
        Wilson's interval, or where images come in units that of `ends_along`; what is made of the two rates, which are
        taken as independent, has that of Zou and Donner 2008 and Donner and Zou 2012 (MOVER). NaN where there is
        nothing to compute a figure from.

    Raises:
        InputError: It is not known which classes are defects.

    Example:
        >>> points = wb.operating_points(pred)
        >>> points[["escapes", "overkill"]].head(3).to_numpy().tolist()
        [[0, 3], [0, 2], [0, 1]]
    """
    return points_of(cases_of(predictions, positive, rows), costs, level)


def points_of(cases: Cases, costs: Costs | None = None, level: float = 0.95) -> pd.DataFrame:
    """The operating points of some cases, as `operating_points`."""
    steps = steps_of(cases)
    orders = [
        in_order(cases, among, key) for among, key in ((cases.defect, cases.scores), (~cases.defect, -cases.scores))
    ]
    escapes, overkill = (
        _Mistakes(steps[name].to_numpy(), order) for name, order in zip(("escapes", "overkill"), orders, strict=True)
    )
    frame = _table(steps["threshold"].to_numpy(), escapes, escapes, overkill, cases, costs or Costs(), level)
    frame.insert(1, "width", steps["width"])
    return frame


def steps_of(cases: Cases) -> pd.DataFrame:
    """Threshold, width, escapes and overkill of the operating points alone, without any figure."""
    import pandas as pd

    levels, place = np.unique(cases.scores, return_inverse=True)
    edges = np.concatenate([[0.0], levels, [1.0]])
    defects, good = (np.bincount(place[kind], minlength=len(levels)) for kind in (cases.defect, ~cases.defect))
    escapes = np.concatenate([[0], np.cumsum(defects)])  # a threshold in gap i lies above the i lowest levels
    overkill = cases.good - np.concatenate([[0], np.cumsum(good)])
    width = np.diff(edges)
    valid = width > 0
    valid[0] = True  # at 0 everything is rejected, whatever the scores
    middle = between(edges[:-1], edges[1:])
    middle[0] = 0.0
    columns = {"threshold": middle, "width": width, "escapes": escapes, "overkill": overkill}
    return pd.DataFrame({name: values[valid] for name, values in columns.items()})


def point_at(cases: Cases, threshold: float | Band, costs: Costs | None = None, level: float = 0.95) -> pd.Series:
    """The figures at one threshold, as a row of `operating_points` without its width. Arguments as there.

    With a band, an escape is a defect that passes unseen, overkill a good part that is rejected unseen, and a part that
    a person looks at is neither and costs nothing: "review" says how many there are. Precision and F1 are those of what
    is rejected unseen.
    """
    band = threshold if isinstance(threshold, Band) else Band(threshold, threshold, threshold)
    verdicts = band.verdicts(cases.scores)
    passed, rejected = verdicts == "pass", verdicts == "reject"
    kinds = (cases.defect, passed), (cases.defect, ~rejected), (~cases.defect, rejected)
    escapes, unfound, overkill = (
        _Mistakes(np.array([int((among & wrong).sum())]), in_order(cases, among, ~wrong)) for among, wrong in kinds
    )
    frame = _table(np.array([band.threshold]), escapes, unfound, overkill, cases, costs or Costs(), level)
    if isinstance(threshold, Band):
        frame.insert(5, "review", int((verdicts == "review").sum()))
    return frame.iloc[0]


def rates_at(cases: Cases, threshold: float | Band) -> tuple[Rate, Rate]:
    """The share of the defects that pass unseen, and that of the good parts that are rejected unseen."""
    band = threshold if isinstance(threshold, Band) else Band(threshold, threshold, threshold)
    verdicts, units = band.verdicts(cases.scores), cases.units

    def rate(among: NDArray[np.bool_], verdict: str) -> Rate:
        return share((verdicts == verdict)[among], None if units is None else units[among])

    return rate(cases.defect, "pass"), rate(~cases.defect, "reject")


def in_order(cases: Cases, among: NDArray[np.bool_], key: NDArray[Any]) -> NDArray[np.intp] | None:
    """The units of the cases `among` (M,), in rising order of `key` (M,); None where none are known."""
    return None if cases.units is None else cases.units[among][np.argsort(key[among], kind="stable")]


@dataclasses.dataclass(frozen=True, eq=False)
class _Mistakes:
    """How many mistakes of a kind there are at T thresholds: counts (T,), and the units in the order in which they
    become mistakes, where they are known."""

    counts: NDArray[np.int64]
    units: NDArray[np.intp] | None


def _table(
    thresholds: Column,
    escapes: _Mistakes,
    unfound: _Mistakes,
    overkill: _Mistakes,
    cases: Cases,
    costs: Costs,
    level: float,
) -> pd.DataFrame:
    """The figures at T thresholds from missed defects and falsely rejected good parts."""
    import pandas as pd

    defects, good = cases.defects, cases.good
    escape_rate, miss_rate, overkill_rate = (
        _rate(count, support, level) for count, support in ((escapes, defects), (unfound, defects), (overkill, good))
    )
    prior = costs.prior if costs.prior is not None else defects / max(defects + good, 1)
    gain = _scale(overkill_rate, -costs.overkill * (1 - prior))
    cost, low, high = difference(_scale(escape_rate, costs.escape * prior), gain)
    figures = {
        "escape rate": escape_rate,
        "overkill rate": overkill_rate,
        "precision": _precision(miss_rate, overkill_rate, prior),
        "F1": _f1(miss_rate, overkill_rate, prior),
        "cost": (cost, np.maximum(low, 0), high),
    }
    ends = ("", " low", " high")
    columns = {
        f"{name}{end}": values for name, figure in figures.items() for end, values in zip(ends, figure, strict=True)
    }
    facts = {"threshold": thresholds, "defects": defects, "good": good}
    facts |= {"escapes": escapes.counts, "overkill": overkill.counts}
    return pd.DataFrame({**facts, **columns})


def _rate(mistakes: _Mistakes, support: int, level: float) -> Estimates:
    count, units = mistakes.counts, mistakes.units
    low, high = wilson_bounds(count, support, level) if units is None else ends_along(units, count, level)
    return (count / support if support else np.full(len(count), np.nan)), low, high


def _scale(figure: Estimates, factor: float, start: float = 0.0) -> Estimates:
    value, low, high = (start + factor * part for part in figure)
    return (value, low, high) if factor >= 0 else (value, high, low)


def _precision(misses: Estimates, overkill: Estimates, prior: float) -> Estimates:
    """Of the rejected parts of a line, the share that is defective: 1 / (1 + rejected good ones / rejected defects)."""
    odds, low, high = ratio(_scale(overkill, 1 - prior), _scale(misses, -prior, prior))
    return 1 / (1 + odds), 1 / (1 + high), 1 / (1 + low)


def _f1(misses: Estimates, overkill: Estimates, prior: float) -> Estimates:
    """2 x found / (found + rejected good ones + all defects), in shares of the line."""
    odds, low, high = ratio(_scale(overkill, 1 - prior, prior), _scale(misses, -prior, prior))
    return 2 / (1 + odds), 2 / (1 + high), 2 / (1 + low)
