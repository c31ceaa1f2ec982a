"""Simpson's paradox: where a gap between groups is created, hidden or reversed by what the groups consist of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.bias.by_unit import asked_by, joined, units_in
from workbench.bias.figures import FIGURES, figure_of, outcomes_of, shares_of
from workbench.errors import InputError
from workbench.predictions import By, Cases, Groups, Predictions, cases_of, groups_of
from workbench.stats import ENOUGH, FEW_UNITS, critical_value, simultaneous

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["reversed", "explained", "hidden"]
Span = tuple[float, float, float]
FIGURES_WITHIN = tuple(name for name, figure in FIGURES.items() if figure.kind == "share")


@dataclasses.dataclass(frozen=True, eq=False)
class Simpson:
    """A gap between two groups, seen over all and within strata.

    Attributes:
        by: What the groups are grouped by.
        within: What the strata are.
        figure: The figure.
        first: The group with the higher value overall.
        second: The other group.
        overall: The gap first minus second over all, with its interval of 95 % (value, low, high).
        inside: The gap within strata: the mean of the strata's gaps weighted by Mantel and Haenszel, with its interval;
            NaN where no stratum holds both groups.
        shift: Overall minus inside, what the groups consist of makes of the gap, with its interval.
        kind: "reversed", "explained" or "hidden" where the two differ (see `simpson`), else None.
        warning: What to tell the reader then, in a sentence.
        frame: One row a stratum that holds either group: stratum, first and second (the figure there), first support,
            second support, gap, weight.
    """

    by: str
    within: str
    figure: str
    first: str
    second: str
    overall: Span
    inside: Span
    shift: Span
    kind: Kind | None
    warning: str | None
    frame: pd.DataFrame


def simpson(
    predictions: Predictions,
    by: By,
    figure: str = "accuracy",
    within: str = "label",
    *,
    rows: NDArray[np.bool_] | None = None,
    positive: str | None = None,
) -> Simpson | None:
    """Hold the gap between groups against the gap within classes, or within the groups of another attribute.

    Within strata, the gap is sum(w (a - b)) / sum(w) over the strata s that hold both groups, w = n_a n_b / (n_a + n_b)
    (Mantel and Haenszel 1959; for differences Greenland and Robins 1985). Each pair of groups with `ENOUGH` cases, of
    `FEW_UNITS` units where they come in units, is looked at. The two gaps are taken to differ where the interval of
    (overall - inside) leaves 0 out: normal, from the influence of each case or unit, wide enough for all pairs together
    (`stats.simultaneous`). Then the gap is

    - "reversed": both intervals leave 0 out, and inside it points the other way;
    - "explained": overall the interval leaves 0 out, and inside the gap is less than half as wide, or points the other
    way by chance;
    - "hidden": inside the interval leaves 0 out, and the gap is more than twice as wide as overall.

    Args:
        predictions: N images.
        by: An attribute, or two crossed.
        figure: A share: one of `FIGURES_WITHIN`.
        within: "label" or another attribute.
        rows: Booleans of shape (N,): which images count; all where missing.
        positive: The class that defect figures are about; the rule's where missing.

    Returns:
        The pair whose gaps differ the most in a way that has a name; without one the pair with the widest gap; None
        where fewer than two groups have enough cases.

    Raises:
        InputError: There is no such attribute, class, or share, or not one image can be judged.
    """
    cases = asked_by(cases_of(predictions, rows, positive), by)
    if figure_of(figure, bool(cases.positive)).kind != "share":
        raise InputError(f"The {figure} is no share of images: choose one of {', '.join(FIGURES_WITHIN)}.")
    if within in ((by,) if isinstance(by, str) else by):
        raise InputError(f"Groups and strata are both by {within}: choose two different attributes.")
    groups, strata = groups_of(cases, by), groups_of(cases, within)
    mask = (groups.codes >= 0) & (strata.codes >= 0)
    shape = len(groups.names), len(strata.names)
    place = groups.codes[mask] * shape[1] + strata.codes[mask]
    hits, count = shares_of(outcomes_of(cases, mask, place, shape[0] * shape[1]).reshape(*shape, 2, 2, 2), figure)
    members = _members(cases, mask, groups.codes, strata.codes, figure, shape[0])
    enough = np.full(shape[0], FEW_UNITS) if members is None else members.units_in(shape[0])
    indices = np.flatnonzero((count.sum(1) >= ENOUGH) & (enough >= FEW_UNITS)).tolist()
    if len(indices) < 2:
        return None
    z = critical_value(simultaneous(len(indices)))
    share = hits.sum(1) / np.maximum(count.sum(1), 1)
    numbers = [(a, b) if share[a] >= share[b] else (b, a) for i, a in enumerate(indices) for b in indices[i + 1 :]]
    pairs = [_Pair(hits[[a, b]], count[[a, b]], z, members and members.of(a, b)) for a, b in numbers]
    size = [(pair.kind is not None, abs(pair.overall - pair.inside) if pair.kind else pair.overall) for pair in pairs]
    best = max(range(len(pairs)), key=size.__getitem__)
    first, second = (groups.names[g] for g in numbers[best])
    return _result(pairs[best], first, second, groups, strata, figure)


@dataclasses.dataclass(frozen=True, eq=False)
class _Members:
    """The cases that a share counts, where they come in units: the group of each (from 0), its stratum, whether it
    misses, and its unit, all (L,)."""

    group: NDArray[np.intp]
    stratum: NDArray[np.intp]
    miss: NDArray[np.intp]
    unit: NDArray[np.intp]

    def of(self, first: int, second: int) -> _Members:
        """Those of two groups, as 0 and 1."""
        inside = (self.group == first) | (self.group == second)
        parts = (self.group == second).astype(np.intp), self.stratum, self.miss, self.unit
        return _Members(*(part[inside] for part in parts))

    def units_in(self, groups: int) -> NDArray[np.intp]:
        """How many units each group holds, (G,)."""
        return units_in(self.unit, self.group, groups)

    def error(self, influence: NDArray[np.float64]) -> float:
        """The standard error of a gap, from what one more case adds to it, (2, 2, S) by outcome, group and stratum,
        or (2, 2, 1) where it is the same in all strata."""
        sign = 1 - 2 * self.group
        _, place = np.unique(self.unit, return_inverse=True)
        strata = int(self.stratum.max(initial=0)) + 1
        each = np.broadcast_to(influence, (2, 2, max(strata, influence.shape[-1])))
        sums = np.bincount(place, sign * each[self.miss, self.group, self.stratum])
        return float(np.sqrt((sums**2).sum() * len(sums) / max(len(sums) - 1, 1)))


def _members(
    cases: Cases,
    mask: NDArray[np.bool_],
    groups: NDArray[np.intp],
    strata: NDArray[np.intp],
    figure: str,
    size: int,
) -> _Members | None:
    table = joined(cases, np.where(mask, groups, -1), size)
    if table is None:
        return None
    counts, values = table.counted(figure)
    return _Members(
        table.codes[counts], strata[mask][counts], (values[counts] == 0).astype(np.intp), table.units[counts]
    )


class _Pair:
    """Two groups' shares over S strata, the higher first: hits and cases (2, S), and the standard errors allowed."""

    def __init__(self, hits: NDArray[np.int64], count: NDArray[np.int64], z: float, members: _Members | None) -> None:
        self.count = count
        self.share = np.divide(hits, count, out=np.full(count.shape, np.nan), where=count > 0)
        shared = np.divide(count[0] * count[1], count.sum(0), out=np.zeros(count.shape[1]), where=count.sum(0) > 0)
        self.weight = shared / shared.sum() if shared.any() else np.full(len(shared), np.nan)
        size = count.sum(1, keepdims=True)
        whole = hits.sum(1, keepdims=True) / size
        self.overall = float(whole[0, 0] - whole[1, 0])
        self.inside = float(np.nansum(self.weight * (self.share[0] - self.share[1]))) if shared.any() else np.nan
        # What one more hit (1) or miss (0) adds to each gap, and its square over all cases.
        outcome, rate = np.array([1.0, 0.0])[:, None, None], np.nan_to_num(self.share)
        cases = np.stack([hits, count - hits])
        on_whole = (outcome - whole) / size
        on_inside = np.nan_to_num(self.weight) * (outcome - rate) / np.maximum(count, 1)
        self.error, self.inner_error, self.shift_error = (
            float(np.sqrt((cases * influence**2).sum())) if members is None else members.error(influence)
            for influence in (on_whole, on_inside, on_whole - on_inside)
        )
        self.kind = self._kind(z)

    def _kind(self, z: float) -> Kind | None:
        if np.isnan(self.inside) or abs(self.overall - self.inside) <= z * self.shift_error:
            return None
        clear = self.overall > z * self.error
        if abs(self.inside) > z * self.inner_error:
            if clear and self.inside < 0:
                return "reversed"
            if abs(self.inside) > 2 * self.overall:
                return "hidden"
        return "explained" if clear and self.inside < self.overall / 2 else None


def _result(pair: _Pair, first: str, second: str, groups: Groups, strata: Groups, figure: str) -> Simpson:
    import pandas as pd

    shift = pair.overall - pair.inside
    spans = _span(pair.overall, pair.error), _span(pair.inside, pair.inner_error), _span(shift, pair.shift_error)
    what = "each class" if strata.by == "label" else f"each {strata.by}"
    over, inside = (f"{100 * abs(span[0]):.1f} points" for span in spans[:2])
    ends = {
        "reversed": (
            f"but within {what} it is {inside} lower: the groups differ in composition, and the overall gap misleads."
        ),
        "explained": (
            f"but within {what} the gap is {inside}{' the other way' if pair.inside < 0 else ''}: "
            "the composition of the groups explains most of it."
        ),
        "hidden": (
            f"but within {what} it is {inside} {'lower' if pair.inside < 0 else 'higher'}: their composition hides the"
            " gap."
        ),
    }
    start = f"Overall, the {figure} of {groups.by} {first} is {over} higher than that of {second}"
    warning = f"{start}, {ends[pair.kind]}" if pair.kind else None
    occupied = pair.count.sum(0) > 0
    frame = pd.DataFrame(
        {
            "stratum": [name for name, flag in zip(strata.names, occupied, strict=True) if flag],
            "first": pair.share[0, occupied],
            "first support": pair.count[0, occupied],
            "second": pair.share[1, occupied],
            "second support": pair.count[1, occupied],
            "gap": (pair.share[0] - pair.share[1])[occupied],
            "weight": pair.weight[occupied],
        }
    )
    return Simpson(groups.by, strata.by, figure, first, second, *spans, pair.kind, warning, frame)


def _span(value: float, error: float) -> Span:
    half = critical_value(0.95) * error
    return value, value - half, value + half
