"""Tests of significance: permutations, McNemar's, and the correction for making many of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.stats.auc import placements
from workbench.stats.calibration import Cells, debiased_error, resampled

SIGNIFICANT = 0.05
"""The level of a test: a p-value up to it is more than chance would explain."""
_AT_ONCE = 8000
_EQUAL = 1e-12
"""Statistics nearer than this are equal: they are sums of fractions."""


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values (T,) adjusted for their number: Holm 1979, "A simple sequentially rejective multiple test procedure"."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted


def shares_differ(hits: NDArray[np.integer], cases: NDArray[np.integer], draws: int, rng: np.random.Generator) -> float:
    """The chance of so wide a range of shares if cases were assigned to groups at random within each stratum.

    The range is that of each group's share less the share to be expected of its strata, which for one stratum is the
    range of the shares. The draws are those of a permutation test (Fisher; Phipson and Smyth 2010 for the + 1), made on
    the counts.

    Args:
        hits: (G, S) by group and stratum.
        cases: (G, S), with at least one case in each group.
        draws: How many permutations.
        rng: Where they come from.
    """
    size, total, hit_sum = cases.sum(1), cases.sum(0), hits.sum(0)
    expected = _expected(hits, cases)
    samples = np.zeros((draws, len(cases)))
    for stratum in np.flatnonzero((hit_sum > 0) & (hit_sum < total)):
        samples += rng.multivariate_hypergeometric(cases[:, stratum], hit_sum[stratum], size=draws, method="marginals")
    return tail(np.ptp(excess_of(hits, cases)), np.ptp((samples - expected) / size, axis=1))


def excess_of(hits: NDArray[np.integer], cases: NDArray[np.integer]) -> NDArray[np.float64]:
    """Each group's share less the share to be expected of its strata, (G,). Arguments as `shares_differ`."""
    return np.asarray((hits.sum(1) - _expected(hits, cases)) / cases.sum(1), np.float64)


def _expected(hits: NDArray[np.integer], cases: NDArray[np.integer]) -> NDArray[np.float64]:
    return np.asarray(cases @ (hits.sum(0) / np.maximum(cases.sum(0), 1)), np.float64)


def means_differ(moments: NDArray[np.float64], draws: int, rng: np.random.Generator) -> float:
    """As `shares_differ` for means, whose permutations are drawn as normal variables of their exact covariance.

    Args:
        moments: (3, G, S) number, sum and sum of squares by group and stratum.
        draws: How many.
        rng: Where they come from.
    """
    count, total, squares = moments
    cases = np.maximum(count.sum(0), 1)
    mean = total.sum(0) / cases
    variance = np.maximum(squares.sum(0) - cases * mean**2, 0) / np.maximum(cases - 1, 1)
    size = count.sum(1)
    excess = (total.sum(1) - count @ mean) / size
    return tail(np.ptp(excess), normal_ranges(count / size[:, None], count, variance, draws, rng))


def aucs_differ(
    parts: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]],
    observed: float,
    draws: int,
    rng: np.random.Generator,
) -> float:
    """As `means_differ` for areas under the ROC curve `observed` apart, from each group's scores and truth."""
    above, below = placements(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    count = np.array([(truth.sum(), (~truth).sum()) for _, truth in parts], dtype=np.float64)
    variance = np.array([above.var(ddof=1), below.var(ddof=1)])
    return tail(observed, normal_ranges(np.ones_like(count), count, variance, draws, rng))


def calibrations_differ(cells: Cells, observed: float, draws: int, rng: np.random.Generator) -> float:
    """As `shares_differ` for calibration errors `observed` apart, by draws from the cells of all groups together."""
    sizes = cells[0].sum((1, 2)).astype(np.intp)
    pooled = np.broadcast_to(cells.sum(1, keepdims=True), cells.shape)
    step = max(_AT_ONCE // len(sizes), 1)
    samples = (resampled(pooled, sizes, min(step, draws - start), rng) for start in range(0, draws, step))
    return tail(observed, np.concatenate([np.ptp(debiased_error(part).clip(0, 1), axis=1) for part in samples]))


def normal_ranges(
    weights: NDArray[np.float64],
    count: NDArray[np.float64],
    variance: NDArray[np.float64],
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Ranges (draws,) over G groups of weighted sums of means, if the cases of each stratum were shuffled.

    Args:
        weights: (G, S) of each stratum's mean in the group's sum; 0 where it has none.
        count: (G, S) cases.
        variance: (S,) of the cases in each stratum.
        draws: How many.
        rng: Where they come from.
    """
    own = np.divide(weights**2, count, out=np.zeros_like(weights), where=count > 0) @ variance
    shared = (weights * (variance / np.maximum(count.sum(0), 1))) @ weights.T
    values, vectors = np.linalg.eigh(np.diag(own) - shared)
    deviations = rng.standard_normal((draws, len(own))) * np.sqrt(np.maximum(values, 0)) @ vectors.T
    return np.asarray(np.ptp(deviations, axis=1))


def tail(observed: float, null: NDArray[np.float64]) -> float:
    """The share of `null` (draws,) that is at least as large as what was observed, which counts as one of them."""
    return float((1 + (null >= observed - _EQUAL).sum()) / (1 + len(null)))


def mcnemar(only_first: int, only_second: int, alternative: str = "two-sided") -> float:
    """The exact p-value for so many cases in which `only_first` or `only_second` holds; `alternative` as SciPy has it,
    1 without any.

    McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages".
    """
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, alternative=alternative).pvalue) if discordant else 1.0


def at_least(hits: ArrayLike, drawn: ArrayLike, marked: ArrayLike, total: int) -> NDArray[np.float64]:
    """The hypergeometric chance (T,) of at least `hits` marked cases among `drawn` of `total`, `marked` in all."""
    from scipy.stats import hypergeom

    return np.asarray(hypergeom.sf(np.subtract(hits, 1), total, marked, drawn), np.float64)


def ranks_differ(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The two-sided p-value for one of two samples, (N,) and (M,), to lie higher than the other: Mann and Whitney 1947,
    "On a test of whether one of two random variables is stochastically larger than the other"."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(first, second, method="asymptotic").pvalue)
