"""How often people overrule the machine, as a control chart: a p-chart (Shewhart 1931; Montgomery, "Introduction to
statistical quality control")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.files import CheckResult
from workbench.stats import ENOUGH, Rate, wilson

if TYPE_CHECKING:
    import pandas as pd

SUBGROUP, BASE = 20, 5
"""Decisions of a point of the chart, and points at least that the limits are taken from."""
TAIL = 0.00135
"""The chance beyond either limit without a change: that of three standard deviations of a normal variable."""


@dataclasses.dataclass(frozen=True, eq=False)
class OverruleChart:
    """The share of overruled decisions, in order of time.

    Attributes:
        frame: A row a point: from, to, decisions, overruled, share, low, high (its 95 % interval), lower limit, upper
            limit, base (whether the limits rest on it), outside.
        base: The share that the limits are drawn around.
        reason: Why there are no limits; empty where there are.
    """

    frame: pd.DataFrame
    base: Rate
    reason: str = ""


def overrule_chart(times: Sequence[str], overruled: Sequence[bool] | NDArray[np.bool_]) -> OverruleChart:
    """The chart of decisions in their order.

    Points hold `SUBGROUP` decisions each, the last what is left of them if that is half as many. The limits are exact
    quantiles of the binomial distribution around the share of the first half of the points, at least `BASE`.

    Args:
        times: (N,) when each was made, ISO 8601.
        overruled: (N,) whether a person decided otherwise.
    """
    import pandas as pd

    hits = np.asarray(overruled, np.bool_)
    starts = list(range(0, len(hits), SUBGROUP))
    if starts and len(hits) - starts[-1] < SUBGROUP // 2:
        starts.pop()
    rows = []
    for start in starts:
        part = slice(start, start + SUBGROUP)
        rate = wilson(int(hits[part].sum()), len(hits[part]))
        rows.append((times[start], times[part][-1], rate.support, rate.count, rate.value, rate.low, rate.high))
    frame = pd.DataFrame(rows, columns=["from", "to", "decisions", "overruled", "share", "low", "high"])
    based = max(len(frame) // 2, BASE)
    if len(frame) <= BASE:
        why = (
            f"{len(hits):,} decisions are in the journal of this model: limits need more than {SUBGROUP * BASE} to rest"
            " on, and what came after."
        )
        blank = frame.assign(**{"lower limit": np.nan, "upper limit": np.nan, "base": False, "outside": False})
        return OverruleChart(blank, wilson(int(hits.sum()), len(hits)), why)
    base = wilson(int(frame["overruled"][:based].sum()), int(frame["decisions"][:based].sum()))
    return OverruleChart(_with_limits(frame, float(base.value or 0), based), base)


def _with_limits(frame: pd.DataFrame, centre: float, based: int) -> pd.DataFrame:
    from scipy.stats import binom

    size = frame["decisions"].to_numpy()
    low, high = binom.ppf(TAIL, size, centre), binom.ppf(1 - TAIL, size, centre)
    hits = frame["overruled"].to_numpy()
    return frame.assign(
        **{
            "lower limit": np.maximum(low, 0) / size,
            "upper limit": high / size,
            "base": np.arange(len(frame)) < based,
            "outside": (hits > high) | (hits < low),
        }
    )


def overrule_results(chart: OverruleChart) -> list[CheckResult]:
    """The check "overrule rate": whether a point after those that the limits rest on lies outside of them."""
    base, frame = chart.base, chart.frame
    facts = (base.value, base.low, base.high)
    if chart.reason or base.support < ENOUGH:
        return [CheckResult("overrule rate", "unknown", chart.reason, *facts, support=base.support)]
    later = frame[~frame["base"]]
    out = later[later["outside"]]
    said = (
        f"{len(later)} points of {SUBGROUP} decisions since then; limits around {100 * (base.value or 0):.1f} % of"
        f" {base.support:,} earlier decisions (95 % interval {100 * (base.low or 0):.1f} to"
        f" {100 * (base.high or 0):.1f} %)."
    )
    if len(out):
        first = out.iloc[0]
        lead = (
            f"People overrule the model at another rate than before: {len(out)} points lie outside of the control"
            f" limits, the first from {first['from'][:10]} with {int(first['overruled'])} of {int(first['decisions'])}."
        )
        return [CheckResult("overrule rate", "warn", f"{lead} {said}", *facts, support=base.support)]
    lead = "The rate at which people overrule the model stays within its control limits."
    return [CheckResult("overrule rate", "ok", f"{lead} {said}", *facts, support=base.support)]
