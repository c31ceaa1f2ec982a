"""A model's performance by class or by group, each figure with its interval, and the confusion matrix."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.bias.by_unit import asked_by, cells_of
from workbench.bias.figures import FIGURES, calibrations, estimates, tally
from workbench.predictions import By, Cases, Independence, Predictions, by_of, cases_of, groups_of
from workbench.stats import (
    BINS,
    ENOUGH,
    FEW_UNITS,
    Rate,
    calibration_cells,
    calibration_of_units,
    f1_of,
    mean_of_units,
    means,
    moments,
    share,
    simultaneous,
)
from workbench.texts import panel, panel_note, panel_rows

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, eq=False)
class Breakdown:
    """Figures of G classes or groups.

    Attributes:
        by: "label", the attribute, or "first x second".
        figures: The names of the figures.
        frame: One row a group, worst first, the groups with too few images last: group, support (its images), enough
            (whether there are `ENOUGH`, of at least `FEW_UNITS` units where units are known), and for each figure four
            columns: its name, and the name followed by "low", "high" and "support" (the cases that it rests on). NaN
            where there is nothing to compute it from.
        values: What each row's group is in the table of predictions: (value,), or (first, second).
        codes: (N,) the row of the frame that each image counts in; -1 where it counts in none.
        split: The name of the split that the images come from; several are joined by "and".
        independence: Which of those images count as one.

    Example:
        >>> table = wb.breakdown(pred, by="module type")
        >>> accuracy = table.rates("accuracy")["mono"]
        >>> accuracy.count, accuracy.support
        (11, 12)
    """

    by: str
    figures: tuple[str, ...]
    frame: pd.DataFrame
    values: tuple[tuple[object, ...], ...]
    codes: NDArray[np.intp]
    split: str
    independence: Independence
    _rates: tuple[dict[str, Rate], ...] = dataclasses.field(repr=False)
    _together: dict[str, Rate] = dataclasses.field(repr=False)

    @property
    def together(self) -> dict[str, Rate]:
        """The recall of the classes with enough images, by name, with intervals that hold for all of them together."""
        return self._together

    def rates(self, figure: str) -> dict[str, Rate]:
        """One figure by the name of the group, in the frame's order."""
        return {str(name): rates[figure] for name, rates in zip(self.frame["group"], self._rates, strict=True)}

    def _repr_html_(self) -> str:
        """The figures for a notebook, each with its 95 % interval and what it rests on."""
        groups = zip(self.frame["group"], self.frame["support"], self.frame["enough"], self._rates, strict=True)
        lines = (
            (name, f"{support:,}", *(_shown(figure, rate, enough) for figure, rate in rates.items()))
            for name, support, enough, rates in groups
        )
        head = ("Group", "Images", *(f"{figure[:1].upper()}{figure[1:]}" for figure in self.figures))
        facts = {
            "Images": f"{self.independence.counted}, split {self.split}" if self.split else self.independence.counted
        }
        count = len(self.frame)
        return panel(
            f"Figures by {self.by}",
            facts,
            panel_rows(head, lines, count, "groups"),
            panel_note(f"In brackets 95 % intervals, each for itself. {self.independence.sentence}"),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Confusion:
    """Which class is taken for which.

    Attributes:
        class_names: The K classes.
        counts: (K, K) images by true class (row) and predicted class (column).
        codes: (N,) the cell of each image, row times K plus column; -1 where it does not count.
    """

    class_names: tuple[str, ...]
    counts: NDArray[np.int64]
    codes: NDArray[np.intp]

    def members(self, label: str, predicted: str) -> NDArray[np.intp]:
        """Where the L images of a true and a predicted class stand in the table of predictions, (L,)."""
        row, column = self.class_names.index(label), self.class_names.index(predicted)
        return np.flatnonzero(self.codes == row * len(self.class_names) + column)


def _shown(figure: str, rate: Rate, enough: bool) -> str:
    """A figure with its interval and support; none where too little is there to say it."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "n/a"
    if not enough:
        return f"too few ({rate.support:,}{rate.in_units()})"
    form = "{:.3f}" if figure == "AUC" else "{:.1%}"
    value, low, high = map(form.format, (rate.value, rate.low, rate.high))
    return f"{value} ({low} to {high}) of {rate.support:,}{rate.in_units()}"


def breakdown(
    predictions: Predictions,
    by: By = "label",
    *,
    rows: NDArray[np.bool_] | None = None,
    positive: str | None = None,
    seed: int = 0,
) -> Breakdown:
    """How good a model is for each class, or for each group.

    By "label" each class stands against the rest: recall, precision, specificity and false-positive rate (Wilson's
    intervals), F1 (see `figures.estimates`), the mean confidence in the decision on its images (Student's t), and the
    calibration error of its own probability on all images (the class-wise error of Kull et al. 2019, "Beyond
    temperature scaling"; the interval is that of `calibration_error`). By an attribute, or a pair of them crossed, each
    group has the accuracy, the mean confidence, the calibration error of the confidence and, with a positive class,
    recall, escape rate, overkill rate, precision, F1, selection rate and AUC. All intervals are of 95 %, each for
    itself.

    The worst is first: the one whose recall (of a group: accuracy) is the lowest at the upper end of its interval, that
    is, even when seen in the kindest light. Images without a usable label, unreadable ones, and those without the
    attribute never count.

    Args:
        predictions: N images.
        by: "label", an attribute, or two attributes.
        rows: Booleans of shape (N,): which images count; all where missing.
        positive: The class that defect figures are about; the rule's where missing.
        seed: Of the draws behind the calibration error's interval.

    Returns:
        One row a class or group of images, worst first, each figure with its interval and support.

    Raises:
        InputError: There is no such attribute or class, or not one image can be judged.

    Example:
        >>> table = wb.breakdown(pred, by="label")
        >>> table.frame[["group", "support"]].to_numpy().tolist()
        [['functional', 3], ['defective', 9]]
    """
    cases = asked_by(cases_of(predictions, rows, positive), by)
    if by == "label":
        codes, lines, names = cases.truth, _of_classes(cases, seed), predictions.class_names
        values: tuple[tuple[object, ...], ...] = tuple((name,) for name in names)
        present = np.bincount(cases.truth, minlength=len(names)) + np.bincount(cases.called, minlength=len(names)) > 0
    else:
        groups = groups_of(cases, by)
        codes, names, values = groups.codes, groups.names, groups.values
        lines, present = _of_groups(cases, codes, len(names), seed), np.ones(len(names), bool)
    support = np.bincount(codes[codes >= 0], minlength=len(names)).tolist()
    enough = [_enough(cases, codes == g) for g in range(len(names))]
    order = sorted(np.flatnonzero(present).tolist(), key=lambda g: _badness(next(iter(lines[g].values())), enough[g]))
    rank = np.full(len(names) + 1, -1)
    rank[order] = np.arange(len(order))
    ranks = np.full(len(predictions), -1)
    ranks[cases.rows] = rank[codes]
    rates = tuple(lines[g] for g in order)
    frame = _frame([(names[g], support[g], enough[g]) for g in order], rates)
    values = tuple(values[g] for g in order)
    sure = [g for g in order if enough[g]] if by == "label" else []
    together = dict(zip([names[g] for g in sure], _recalls(cases, sure), strict=True))
    by_words, known = by_of(predictions, by), cases.independence
    return Breakdown(by_words, tuple(rates[0]), frame, values, ranks, cases.split, known, rates, together)


def confusion(predictions: Predictions, rows: NDArray[np.bool_] | None = None) -> Confusion:
    """Count which class is taken for which, among the images of `rows` (N,) that can be judged.

    Raises:
        InputError: Not one image can be judged.
    """
    cases = cases_of(predictions, rows)
    codes = np.full(len(predictions), -1)
    codes[cases.rows] = cases.truth * cases.classes + cases.called
    return Confusion(predictions.class_names, _counts(cases), codes)


def _counts(cases: Cases) -> NDArray[np.int64]:
    k = cases.classes
    return np.bincount(cases.truth * k + cases.called, minlength=k * k).reshape(k, k)


def _of_classes(cases: Cases, seed: int) -> list[dict[str, Rate]]:
    k = cases.classes
    mean = means(moments(cases.truth, cases.confidence, k))
    cells = np.empty((3, k, BINS, 2))
    for c in range(k):
        cells[:, [c]] = calibration_cells(1, np.zeros_like(cases.truth), cases.probability(c), cases.truth == c)
    called, right, units = cases.called, cases.truth == cases.called, cases.units
    alone = units is None or len(np.unique(units)) == len(units)
    rows = []
    for c, error in enumerate(calibrations(cells, seed=seed)):
        own, said = cases.truth == c, called == c
        shares = {
            "recall": (right, own),
            "precision": (right, said),
            "specificity": (~said, ~own),
            "false-positive rate": (said, ~own),
            "F1": (right & own, own | said),
        }
        row = {name: share(hits[of], None if units is None else units[of]) for name, (hits, of) in shares.items()}
        row["F1"] = f1_of(row["F1"])
        row |= {"mean confidence": mean[c], "calibration error": error}
        if units is not None:
            row |= _by_unit(cases, units, c, row, alone, seed)
        rows.append(row)
    return rows


def _by_unit(
    cases: Cases, units: NDArray[np.intp], c: int, row: dict[str, Rate], alone: bool, seed: int
) -> dict[str, Rate]:
    """The mean confidence and the calibration error of a class where images come in units."""
    if alone:
        names = ("mean confidence", "calibration error")
        return {name: dataclasses.replace(row[name], groups=row[name].support) for name in names}
    own = cases.truth == c
    return {
        "mean confidence": mean_of_units(cases.confidence[own], units[own]),
        "calibration error": calibration_of_units(cells_of(cases.probability(c), own), units, seed=seed),
    }


def _recalls(cases: Cases, classes: list[int]) -> list[Rate]:
    """The recall of some classes with intervals that hold for all of them together."""
    level, rates = simultaneous(max(len(classes), 2)), []
    for c in classes:
        own = cases.truth == c
        rates.append(share(cases.called[own] == c, None if cases.units is None else cases.units[own], level))
    return rates


def _of_groups(cases: Cases, codes: NDArray[np.intp], groups: int, seed: int) -> list[dict[str, Rate]]:
    table = tally(cases, codes, groups)
    names = [name for name, figure in FIGURES.items() if cases.positive or not figure.defects]
    figures = {name: estimates(table, name, seed=seed) for name in names}
    return [{name: rates[group] for name, rates in figures.items()} for group in range(groups)]


def _enough(cases: Cases, inside: NDArray[np.bool_]) -> bool:
    """Whether a class or group holds enough images, and enough units of them."""
    size = int(inside.sum())
    return size >= ENOUGH and (cases.units is None or len(np.unique(cases.units[inside])) >= FEW_UNITS)


def _badness(rate: Rate, enough: bool) -> tuple[bool, float, float, int]:
    """Sorts the worst first and those with too few images last."""
    if rate.value is None or rate.high is None:
        return True, 2.0, 2.0, 0
    return not enough, rate.high, rate.value, -rate.support


def _frame(groups: list[tuple[str, int, bool]], rates: tuple[dict[str, Rate], ...]) -> pd.DataFrame:
    import pandas as pd

    names, support, enough = zip(*groups, strict=True)
    columns: dict[str, object] = {"group": list(names), "support": list(support), "enough": list(enough)}
    for figure in rates[0]:
        for suffix, field in (("", "value"), (" low", "low"), (" high", "high")):
            values = [getattr(group[figure], field) for group in rates]
            columns[figure + suffix] = np.array([np.nan if x is None else x for x in values], dtype=np.float64)
        columns[f"{figure} support"] = [group[figure].support for group in rates]
    return pd.DataFrame(columns)
