"""The figures of groups whose images come in units, and the tests of their gaps: a unit counts, not its images."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import FAMILY, GROUP, By, Cases, factorise
from workbench.stats import (
    BINS,
    Blocks,
    Rate,
    auc,
    blocks_of,
    calibration_of_units,
    debiased_error,
    excess_in_units,
    f1_of,
    mean_of_units,
    means_differ_by_units,
    placements,
    share,
    sums_of_shuffles,
    tail,
)

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Joined:
    """L cases of G groups that come in units.

    Attributes:
        codes: (L,) the group of each.
        units: (L,) its unit.
        truth: (L,) its class.
        right: (L,) whether it was decided rightly.
        defect: (L,) whether its class is positive.
        called: (L,) whether it was called positive.
        confidence: (L,) the probability of what it was called.
        scores: (L,) the probability of the positive class; empty without one.
        groups: G.
    """

    codes: NDArray[np.intp]
    units: NDArray[np.intp]
    truth: NDArray[np.intp]
    right: NDArray[np.bool_]
    defect: NDArray[np.bool_]
    called: NDArray[np.bool_]
    confidence: Floats
    scores: Floats
    groups: int

    def counted(self, name: str) -> tuple[NDArray[np.bool_], Floats]:
        """Which cases a share, F1 or mean counts, (L,), and the value of each: 1 for a hit, 0 for a miss."""
        if name in ("accuracy", "mean confidence"):
            return np.ones(len(self.codes), bool), (self.right if name == "accuracy" else self.confidence).astype(float)
        cases, hits = {
            "recall": (self.defect, self.called),
            "escape rate": (self.defect, ~self.called),
            "overkill rate": (~self.defect, self.called),
            "precision": (self.called, self.defect),
            "F1": (self.defect | self.called, self.defect & self.called),
            "selection rate": (np.ones(len(self.codes), bool), self.called),
        }[name]
        return cases, hits.astype(np.float64)

    def units_of(self, name: str, kind: str) -> NDArray[np.intp]:
        """In how many units the cases of a figure come in each group, (G,); of an AUC those of the scarcer kind."""
        if kind == "AUC":
            return np.minimum(self._units(self.defect), self._units(~self.defect))
        return self._units(np.ones(len(self.codes), bool) if kind == "calibration" else self.counted(name)[0])

    def _units(self, mask: NDArray[np.bool_]) -> NDArray[np.intp]:
        return units_in(self.units[mask], self.codes[mask], self.groups)

    def cells(self) -> Floats:
        """What the calibration error counts of each case, as `cells_of`."""
        return cells_of(self.confidence, self.right)


def cells_of(scores: Floats, hits: NDArray[np.bool_]) -> Floats:
    """What the calibration error counts of each of L cases, (L, 6 * BINS), as `stats.calibration_cells` sums it."""
    place = np.minimum((scores * BINS).astype(np.intp), BINS - 1) * 2 + hits
    one = (place[:, None] == np.arange(2 * BINS)).astype(np.float64)
    return np.concatenate([one * scores[:, None] ** power for power in range(3)], axis=1)


def units_in(units: NDArray[np.intp], codes: NDArray[np.intp], groups: int) -> NDArray[np.intp]:
    """How many units have a case in each of G groups, (G,), from the unit and the group of each case."""
    return np.bincount(np.unique(np.stack([codes, units]), axis=1)[0], minlength=groups)


def joined(cases: Cases, codes: NDArray[np.intp], groups: int) -> Joined | None:
    """The cases that fall into a group, `codes` (M,) being -1 for the others; None where each is a unit of its own."""
    mask = codes >= 0
    if cases.units is None or len(np.unique(cases.units[mask])) == mask.sum():
        return None
    truth, called = cases.truth[mask], cases.called[mask]
    scores = cases.scores[mask] if cases.positive else np.empty(0)
    return Joined(
        codes[mask],
        cases.units[mask],
        truth,
        truth == called,
        cases.defect[mask],
        cases.is_positive(called),
        cases.confidence[mask],
        scores,
        groups,
    )


def asked_by(cases: Cases, by: By) -> Cases:
    """The cases with the units that a comparison by an attribute counts."""
    joins = joined_by(cases.predictions.frame, cases.rows, by)
    return dataclasses.replace(cases, joined_by=joins) if joins else cases


def joined_by(frame: pd.DataFrame, rows: NDArray[np.intp], by: By) -> tuple[str, ...]:
    """The columns that join images for a comparison by an attribute; empty where nothing speaks against all that do.

    Where the groups that are stated are themselves compared, or something finer, they cannot be its units too: then
    images of one family are.
    """
    if GROUP not in frame or not frame[GROUP].notna().any():
        return ()
    parts = (by,) if isinstance(by, str) else by
    return (FAMILY,) if GROUP in parts or any(_finer(frame, rows, name) for name in parts) else ()


def _finer(frame: pd.DataFrame, rows: NDArray[np.intp], name: str) -> bool:
    """Whether each value of an attribute lies within one stated group, and some group holds several."""
    if name not in frame or name in ("label", "split"):
        return False
    value, group = (factorise(frame[column], rows)[0] for column in (name, GROUP))
    value, group = (codes[(value >= 0) & (group >= 0)] for codes in (value, group))
    pairs = np.unique(np.stack([value, group]), axis=1).shape[1]
    return pairs == len(np.unique(value)) > len(np.unique(group)) > 0


def estimates_by_unit(table: Joined, name: str, kind: str, level: float, seed: int) -> list[Rate]:
    """The figure called `name` for each of the G groups. Arguments as `figures.estimates`."""
    if kind == "AUC":
        return [
            auc(table.scores[inside], table.defect[inside], level, units=table.units[inside])
            for inside in (table.codes == g for g in range(table.groups))
        ]
    if kind == "calibration":
        cells = table.cells()
        return [
            calibration_of_units(cells[table.codes == g], table.units[table.codes == g], level, seed)
            for g in range(table.groups)
        ]
    counts, values = table.counted(name)
    rates = []
    for g in range(table.groups):
        inside = counts & (table.codes == g)
        if kind == "mean":
            rates.append(mean_of_units(values[inside], table.units[inside], level))
            continue
        rate = share(values[inside] > 0, table.units[inside], level)
        rates.append(f1_of(rate) if kind == "F1" else rate)
    return rates


def p_by_unit(
    table: Joined, name: str, kind: str, within: bool, indices: list[int], draws: int, rng: np.random.Generator
) -> tuple[float, float | None]:
    """The chance of a gap as wide as that between the groups `indices`, were units assigned to them at random, and the
    gap that it is the chance of; None where that is the gap overall.

    Args:
        table: The cases.
        name: The figure.
        kind: Its kind.
        within: Whether groups are compared class by class.
        indices: The groups that take part.
        draws: Of the test.
        rng: Where they come from.
    """
    rank = np.full(table.groups, -1)
    rank[indices] = np.arange(len(indices))
    codes = rank[table.codes]
    counts, values = (codes >= 0, table.confidence) if kind in ("AUC", "calibration") else table.counted(name)
    mask = counts & (codes >= 0)
    classes = table.truth[mask] if within else table.defect[mask].astype(np.intp) if kind == "AUC" else None
    blocks, size = blocks_of(codes[mask], table.units[mask], classes), len(indices)
    if kind == "AUC":
        return _areas_differ(
            table, mask, codes[mask], blocks_of(codes[mask], table.units[mask]), size, draws, rng
        ), None
    if kind == "calibration":
        batches = sums_of_shuffles(table.cells()[mask], blocks, size, draws, rng)
        own = np.stack([table.cells()[mask & (codes == g)].sum(0) for g in range(size)])
        null = np.concatenate([_error_range(part) for part in batches])
        return tail(float(_error_range(own[None])[0]), null), None
    gap = float(np.ptp(excess_in_units(values[mask], blocks, size)))
    return means_differ_by_units(values[mask], blocks, size, draws, rng), gap if kind == "share" else None


def _error_range(sums: Floats) -> Floats:
    """The range over groups of the calibration errors of cells (D, G, 6 * BINS), (D,)."""
    cells = np.moveaxis(sums.reshape(*sums.shape[:2], 3, BINS, 2), 2, 0)
    return np.asarray(np.ptp(debiased_error(cells).clip(0, 1), axis=1))


def _areas_differ(
    table: Joined,
    mask: NDArray[np.bool_],
    codes: NDArray[np.intp],
    blocks: Blocks,
    size: int,
    draws: int,
    rng: np.random.Generator,
) -> float:
    """For areas under the ROC curve: of the placements among all cases, a column each for defects and the others."""
    defect = table.defect[mask]
    columns = np.zeros((len(codes), 4))
    for column, (kind, values) in enumerate(zip((True, False), placements(table.scores[mask], defect), strict=True)):
        columns[defect == kind, 2 * column] = values - values.mean()
        columns[defect == kind, 2 * column + 1] = 1

    def spans(sums: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            area = sums[..., 0] / sums[..., 1] + sums[..., 2] / sums[..., 3]
        return np.asarray(np.nanmax(area, 1) - np.nanmin(area, 1))

    own = np.stack([columns[codes == g].sum(0) for g in range(size)])
    null = np.concatenate([spans(part) for part in sums_of_shuffles(columns, blocks, size, draws, rng)])
    return tail(float(spans(own[None])[0]), null[np.isfinite(null)])
