"""Gaps between groups: how wide, how sure, and whether chance alone would make them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.bias.by_unit import asked_by, p_by_unit
from workbench.bias.figures import FIGURES, Tally, estimates, figure_of, tally
from workbench.errors import InputError
from workbench.predictions import By, Groups, Predictions, cases_of, groups_of
from workbench.stats import (
    ENOUGH,
    FEW_UNITS,
    SIGNIFICANT,
    Rate,
    aucs_differ,
    calibrations_differ,
    excess_of,
    gap,
    holm,
    means_differ,
    shares_differ,
    simultaneous,
)

if TYPE_CHECKING:
    import pandas as pd

SHUFFLES = 4000
COMPARED = tuple(name for name in FIGURES if name != "recall")
"""What is compared by default: all but the recall, which is 1 less the escape rate."""
GAP = (
    *("lowest value", "highest value", "lowest support", "highest support", "gap", "gap low", "gap high"),
    *("gap within", "ratio", "ratio low", "ratio high", "p"),
)
"""The numbers of a gap, in their order."""
UNITS = ("lowest units", "highest units")
"""In how many independent units the cases of either group come."""


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Gaps between groups, one for each attribute and figure.

    Attributes:
        frame: One row a gap: by, figure, groups (how many have enough images to be compared), left out (how many have
            not), lowest and highest (their names), worst (which of the two it is, None where neither end is the
            better), lowest units, highest units (in how many independent units the cases of either come), lowest value,
            highest value, lowest support, highest support (the cases that either rests on), gap, gap low, gap high, gap
            within (the gap that the test judges: of a share that is compared class by class, without what a different
            mix of classes makes), ratio (lowest over highest), ratio low, ratio high, p, unit (what the units are, in
            the plural), p adjusted, significant. NaN and None where fewer than two groups can be compared.
        tests: For how many tests `p adjusted` accounts (Holm).
        split: The name of the split that the images come from.
    """

    frame: pd.DataFrame
    tests: int
    split: str

    def row(self, by: str, figure: str) -> pd.Series:
        """The gap of one figure between the groups of one attribute."""
        return self.frame[(self.frame["by"] == by) & (self.frame["figure"] == figure)].iloc[0]


def compare(
    predictions: Predictions,
    *by: By,
    figures: Sequence[str] | None = None,
    rows: NDArray[np.bool_] | None = None,
    positive: str | None = None,
    draws: int = SHUFFLES,
    seed: int = 0,
) -> Comparison:
    """The gap of each figure between the groups of each attribute, with interval and test.

    A group takes part in a figure with at least `ENOUGH` cases that it rests on (for the AUC: of either kind). The
    interval of 95 % is that of `stats.gap`: it covers the gap of the true extremes. `p` is the chance of so wide a gap
    if images were assigned to groups at random: among the images of each class for figures that judge the decision
    given the class (accuracy, recall, escape rate, overkill rate, mean confidence), so that a different mix of classes
    is no evidence; among all cases that the figure rests on for the others. It is a permutation test on counts,
    for means and the AUC by the permutations' normal limit (Strasser and Weber 1999), for the calibration error by
    draws from the groups put together. Where images come in units, those of one group change places as a whole, and
    images of a unit that lies in several groups do so within it (`stats.blocks_of`); a group then needs `FEW_UNITS` of
    them too. `p adjusted` is Holm's over all rows; a gap is significant where it is at most
    0.05. Rows without a positive class have only the figures that need none.

    Args:
        predictions: N images.
        by: Attributes, or pairs of them to be crossed.
        figures: Names out of `figures.FIGURES`; `COMPARED` where missing.
        rows: Booleans of shape (N,): which images count; all where missing.
        positive: The class that defect figures are about; the rule's where missing.
        draws: Of each test.
        seed: Of the draws.

    Raises:
        InputError: There is no such attribute, figure or class, or not one image can be judged.
    """
    import pandas as pd

    if not by:
        raise InputError("No attribute to group the images by: name one.")
    cases = cases_of(predictions, rows, positive)
    defects = bool(cases.positive)
    names = [name for name in COMPARED if defects or not FIGURES[name].defects] if figures is None else list(figures)
    for name in names:
        figure_of(name, defects)
    rng = np.random.default_rng(seed)
    lines = []
    for attribute in by:
        own = asked_by(cases, attribute)
        groups = _not_label(groups_of(own, attribute))
        table = tally(own, groups.codes, len(groups.names))
        unit = {"unit": own.independence.unit}
        lines += [_line(table, groups, name, draws, rng) | unit for name in names]
    frame = pd.DataFrame(lines)
    mask = frame["p"].notna().to_numpy()
    adjusted = np.full(len(frame), np.nan)
    adjusted[mask] = holm(frame["p"].to_numpy()[mask])
    frame = frame.assign(**{"p adjusted": adjusted, "significant": adjusted <= SIGNIFICANT})
    return Comparison(frame, int(mask.sum()), cases.split)


def fairness(
    predictions: Predictions,
    by: By,
    *,
    rows: NDArray[np.bool_] | None = None,
    positive: str | None = None,
    least: int = ENOUGH,
) -> dict[str, Rate]:
    """Fairness between the groups of an attribute, as Fairlearn defines it (Weerts et al. 2023), with intervals of 95
    %.

    "demographic parity difference" and "demographic parity ratio" are those of the selection rate, "equalized odds
    difference" is the wider of the gaps in recall and in overkill rate (its interval: the wider of both, each at 97.5
    %), and "worst-group accuracy" is the lowest accuracy of a group (Sagawa et al. 2020; its interval holds for all
    groups together, by Šidák's level). Intervals of gaps are those of `stats.gap`.

    Args:
        predictions: N images.
        by: An attribute, or two crossed.
        rows: Booleans of shape (N,): which images count; all where missing.
        positive: The class that selection and odds are about; the rule's where missing.
        least: On how many cases a group's figure must rest to take part.

    Returns:
        Each measure by its name; only "worst-group accuracy" without a positive class, and no value where too few
        groups take part. `count` is the number of groups that take part, and `support` their cases.
    """
    cases = asked_by(cases_of(predictions, rows, positive), by)
    groups = _not_label(groups_of(cases, by))
    table = tally(cases, groups.codes, len(groups.names))
    measures = {}
    if cases.positive:
        spans = _spans(table, "selection rate", 0.95, least)
        measures["demographic parity difference"], measures["demographic parity ratio"] = spans
        odds = [_spans(table, name, 0.975, least)[0] for name in ("recall", "overkill rate")]
        measures["equalized odds difference"] = _widest([span for span in odds if span.value is not None])
    indices = _large_groups(table, "accuracy", least)
    shares = estimates(table, "accuracy", 0.95 ** (1 / max(len(indices), 1)))
    measures["worst-group accuracy"] = _lowest([shares[g] for g in indices])
    return measures


def _line(table: Tally, groups: Groups, name: str, draws: int, rng: np.random.Generator) -> dict[str, object]:
    indices = _large_groups(table, name, ENOUGH)
    line = {"by": groups.by, "figure": name, "groups": len(indices), "left out": len(groups.names) - len(indices)}
    if len(indices) < 2:
        return line | dict.fromkeys(("lowest", "highest", "worst")) | dict.fromkeys((*UNITS, *GAP), np.nan)
    all_rates = estimates(table, name, simultaneous(len(indices)), seed=int(rng.integers(2**31)))
    rates = [all_rates[g] for g in indices]
    span = gap(rates)
    lowest, highest = groups.names[indices[span.lowest]], groups.names[indices[span.highest]]
    worst = {"high": lowest, "low": highest, None: None}[FIGURES[name].better]
    p, within = _test(table, name, indices, span.difference[0], draws, rng)
    extremes = rates[span.lowest], rates[span.highest]
    values = (*(rate.value for rate in extremes), *(rate.support for rate in extremes))
    values += (*span.difference, within, *span.ratio, p)
    line |= dict(zip(UNITS, (rate.groups or rate.support for rate in extremes), strict=True))
    return line | {"lowest": lowest, "highest": highest, "worst": worst} | dict(zip(GAP, values, strict=True))


def _test(
    table: Tally, name: str, indices: list[int], observed: float, draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """The chance of a gap as wide as `observed` between the groups `indices` if images, or units of them, were assigned
    at random; and the gap that it is the chance of: of a share without what a different mix of classes makes."""
    figure = FIGURES[name]
    if table.joined is None:
        within = observed
        if figure.kind == "share":
            within = float(np.ptp(excess_of(*(counts[indices] for counts in table.shares(name)))))
        return _p(table, name, indices, observed, draws, rng), within
    p, apart = p_by_unit(table.joined, name, figure.kind, figure.given_label, indices, draws, rng)
    return p, observed if apart is None else apart


def _p(table: Tally, name: str, indices: list[int], observed: float, draws: int, rng: np.random.Generator) -> float:
    """The chance of a gap as wide as `observed` between the groups `indices` if images were assigned at random."""
    figure = FIGURES[name]
    if figure.kind in ("share", "F1"):
        hits, cases = (counts[indices] for counts in table.shares(name))
        return shares_differ(hits, cases, draws, rng)
    if figure.kind == "mean":
        return means_differ(table.moments[:, indices], draws, rng)
    if figure.kind == "AUC":
        return aucs_differ([table.group_scores(g) for g in indices], observed, draws, rng)
    return calibrations_differ(table.cells[:, indices], observed, draws, rng)


def _large_groups(table: Tally, name: str, least: int) -> list[int]:
    """The groups with at least `least` cases that a figure rests on, and enough units of them, of either kind for the
    AUC."""
    kind = FIGURES[name].kind
    if kind in ("share", "F1"):
        support = table.shares(name)[1].sum(1)
    elif kind == "AUC":
        defects = [table.group_scores(g)[1] for g in range(len(table.ends))]
        support = np.array([min(defect.sum(), (~defect).sum()) for defect in defects])
    else:
        support = table.moments[0].sum(1)
    enough = support >= max(least, 1)
    if table.joined is not None and least > 1:
        enough &= table.joined.units_of(name, kind) >= FEW_UNITS
    return np.flatnonzero(enough).tolist()


def _spans(table: Tally, name: str, level: float, least: int) -> tuple[Rate, Rate]:
    """Difference and ratio of a share between the groups with enough cases, as rates; `count` is their number."""
    indices = _large_groups(table, name, least)
    rates = estimates(table, name, simultaneous(max(len(indices), 2), level))
    rates = [rates[g] for g in indices]
    support = sum(rate.support for rate in rates)
    if len(indices) < 2:
        return (Rate(None, None, None, len(indices), support),) * 2
    span = gap(rates)
    value, low, high = (None, None, None) if math.isnan(span.ratio[0]) else span.ratio
    return Rate(*span.difference, len(indices), support), Rate(value, low, high, len(indices), support)


def _widest(spans: list[Rate]) -> Rate:
    if not spans:
        return Rate(None, None, None, 0, 0)
    value, low, high = (max(getattr(span, end) for span in spans) for end in ("value", "low", "high"))
    return Rate(value, low, high, min(span.count for span in spans), sum(span.support for span in spans))


def _lowest(rates: list[Rate]) -> Rate:
    if not rates:
        return Rate(None, None, None, 0, 0)
    value, low, high = (min(getattr(rate, end) for rate in rates) for end in ("value", "low", "high"))
    return Rate(value, low, high, len(rates), sum(rate.support for rate in rates))


def _not_label(groups: Groups) -> Groups:
    """Refuse classes as groups: figures within a class have no gap between classes."""
    if groups.by == "label":
        raise InputError(
            "Classes are not groups of one another: use breakdown for classes, and compare them by an attribute."
        )
    return groups
