"""The figures of a group: what each is, what it rests on, and its value with an interval, from counts alone."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.bias.by_unit import Joined, estimates_by_unit, joined
from workbench.errors import InputError
from workbench.predictions import Cases
from workbench.stats import Rate, auc, calibration_cells, calibration_error, f1_of, means, moments, wilson

Counts = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a group of images.

    Attributes:
        kind: How it is computed: a share of cases, a mean, or something of its own.
        better: Which end is the good one; None where neither is.
        defects: True where it is about a positive class.
        given_label: True where two groups are compared class by class, so that a different mix of classes alone is no
            gap.
    """

    kind: Literal["share", "F1", "mean", "AUC", "calibration"]
    better: Literal["high", "low"] | None = "high"
    defects: bool = True
    given_label: bool = False


FIGURES = {
    "accuracy": Figure("share", defects=False, given_label=True),
    "recall": Figure("share", given_label=True),
    "escape rate": Figure("share", "low", given_label=True),
    "overkill rate": Figure("share", "low", given_label=True),
    "precision": Figure("share"),
    "F1": Figure("F1"),
    "selection rate": Figure("share", None),
    "AUC": Figure("AUC"),
    "mean confidence": Figure("mean", None, defects=False, given_label=True),
    "calibration error": Figure("calibration", "low", defects=False),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Tally:
    """What the figures of G groups over K classes are computed from.

    Attributes:
        outcomes: (G, K, 2, 2, 2) as of `outcomes_of`, by true class.
        moments: (3, G, K) number, sum and sum of squares of the confidences by group and true class.
        cells: As of `calibration_cells`, of the confidence against being right.
        scores: (M,) the probability of the positive class, sorted by group; empty without one.
        defect: (M,) whether the case is of the positive class, likewise.
        ends: (G,) where each group ends in them.
        defects: Whether there is a positive class.
        joined: The cases, where they come in units of several; None where each is one of its own.
        known: Whether units are known.
    """

    outcomes: Counts
    moments: NDArray[np.float64]
    cells: NDArray[np.float64]
    scores: NDArray[np.float64]
    defect: NDArray[np.bool_]
    ends: NDArray[np.intp]
    defects: bool
    joined: Joined | None = None
    known: bool = False

    def group_scores(self, group: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The probabilities of the positive class in one group, and whether each case is of it, both (L,)."""
        part = slice(self.ends[group - 1] if group else 0, self.ends[group])
        return self.scores[part], self.defect[part]

    def shares(self, name: str) -> tuple[Counts, Counts]:
        """Hits and cases of a share or of F1, both (G, S), a column for each class that groups are compared within."""
        hits, count = shares_of(self.outcomes, name)
        return (hits, count) if FIGURES[name].given_label else (hits.sum(1, keepdims=True), count.sum(1, keepdims=True))


def tally(cases: Cases, codes: NDArray[np.intp], groups: int) -> Tally:
    """Count the cases of `groups` groups; `codes` (M,) is -1 for a case in none."""
    mask, whole = codes >= 0, joined(cases, codes, groups)
    codes, truth, confidence = codes[mask], cases.truth[mask], cases.confidence[mask]
    place = codes * cases.classes + truth
    order, scores = np.empty(0, np.intp), np.empty(0)
    if cases.positive:
        order, scores = np.argsort(codes, kind="stable"), cases.scores[mask]
    return Tally(
        outcomes_of(cases, mask, place, groups * cases.classes).reshape(groups, cases.classes, 2, 2, 2),
        moments(place, confidence, groups * cases.classes).reshape(3, groups, cases.classes),
        calibration_cells(groups, codes, confidence, (truth == cases.called[mask])),
        scores[order],
        cases.defect[mask][order],
        np.cumsum(np.bincount(codes, minlength=groups)),
        bool(cases.positive),
        whole,
        cases.units is not None,
    )


def outcomes_of(cases: Cases, mask: NDArray[np.bool_], place: NDArray[np.intp], places: int) -> Counts:
    """Count outcomes in any number of places.

    Args:
        cases: M images.
        mask: (M,) which of them are counted: L.
        place: (L,) where each belongs.
        places: How many places there are: P.

    Returns:
        (P, 2, 2, 2) by place, of another or of the positive class, wrong or right, and called another or the positive
        class.
    """
    truth, called = cases.truth[mask], cases.called[mask]
    code = ((place * 2 + cases.defect[mask]) * 2 + (truth == called)) * 2 + cases.is_positive(called)
    return np.bincount(code, minlength=places * 8).reshape(places, 2, 2, 2)


def shares_of(outcomes: Counts, name: str) -> tuple[Counts, Counts]:
    """Hits and cases that a share counts in outcomes (..., 2, 2, 2), both (...); for F1: F* = TP / (TP + FP + FN)."""
    if name == "accuracy":
        return outcomes[..., 1, :].sum((-1, -2)), outcomes.sum((-1, -2, -3))
    called = outcomes.sum(-2)
    hits, misses, alarms, passes = called[..., 1, 1], called[..., 1, 0], called[..., 0, 1], called[..., 0, 0]
    return {
        "recall": (hits, hits + misses),
        "escape rate": (misses, hits + misses),
        "overkill rate": (alarms, alarms + passes),
        "precision": (hits, hits + alarms),
        "F1": (hits, hits + misses + alarms),
        "selection rate": (hits + alarms, hits + misses + alarms + passes),
    }[name]


def estimates(table: Tally, name: str, level: float = 0.95, seed: int = 0) -> list[Rate]:
    """The figure called `name` for each of the G groups.

    Shares have Wilson's interval. F1 is 2 F* / (1 + F*) of the share F* = TP / (TP + FP + FN) (Hand et al. 2021, "F*:
    an interpretable transformation of the F-measure"), so Wilson's interval of F* carries over. The mean has Student's
    t interval, the AUC that of `stats.auc`, and the calibration error that of `calibration_error`. Where cases come in
    units, the intervals are those of `stats.share`, `mean_of_units`, `auc` by unit and `calibration_of_units`.

    Args:
        table: What was counted.
        name: One of `FIGURES`.
        level: Confidence level of the intervals.
        seed: Of the draws behind that of the calibration error.
    """
    kind = figure_of(name, table.defects).kind
    if table.joined is not None:
        return estimates_by_unit(table.joined, name, kind, level, seed)
    rates = _estimates(table, name, kind, level, seed)
    return [dataclasses.replace(rate, groups=rate.support) for rate in rates] if table.known else rates


def _estimates(table: Tally, name: str, kind: str, level: float, seed: int) -> list[Rate]:
    """Where each case counts for itself."""
    if kind in ("share", "F1"):
        hits, cases = (counts.sum(1).tolist() for counts in table.shares(name))
        rates = [wilson(hit, case, level) for hit, case in zip(hits, cases, strict=True)]
        return [f1_of(rate) for rate in rates] if kind == "F1" else rates
    if kind == "AUC":
        return [auc(*table.group_scores(group), level) for group in range(len(table.ends))]
    if kind == "mean":
        return means(table.moments.sum(2), level)
    return calibrations(table.cells, level, seed)


def figure_of(name: str, defects: bool) -> Figure:
    """The figure of that name.

    Raises:
        InputError: There is none, or it is about a positive class and there is none.
    """
    if name not in FIGURES:
        raise InputError(f"There is no figure {name!r}: choose one of {', '.join(FIGURES)}.")
    if FIGURES[name].defects and not defects:
        raise InputError(f"The {name} needs a positive class: say which class is the defect.")
    return FIGURES[name]


def calibrations(cells: NDArray[np.float64], level: float = 0.95, seed: int = 0) -> list[Rate]:
    """Calibration errors of G groups with their intervals. Arguments as `calibration_error`."""
    support, hits = cells[0].sum((1, 2)).astype(int).tolist(), cells[0][..., 1].sum(1).astype(int).tolist()
    errors = calibration_error(cells, level, seed).T.tolist()
    return [
        Rate(error, low, high, k, n) if n else Rate(None, None, None, 0, 0)
        for (error, low, high), k, n in zip(errors, hits, support, strict=True)
    ]
