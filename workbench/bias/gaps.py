"""Gaps between the best and the worst of several groups: intervals and tests that account for having looked for the extremes."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from workbench.metrics import Rate

_EQUAL = 1e-12
"""Ranges nearer than this are equal: they are sums of fractions."""


@dataclasses.dataclass(frozen=True)
class Gap:
    """How far the lowest and the highest of several groups lie apart.

    Attributes:
        lowest: The number of the group with the lowest value.
        highest: The number of the group with the highest.
        difference: Highest minus lowest, with its interval (value, low, high).
        ratio: Lowest over highest, with its interval; NaN where the highest is 0.
    """

    lowest: int
    highest: int
    difference: tuple[float, float, float]
    ratio: tuple[float, float, float]


@functools.lru_cache
def simultaneous(groups: int, level: float = 0.95) -> float:
    """The level of each group's interval at which all differences between `groups` groups hold at `level` together.

    It is that of z = q / sqrt(2), with q the quantile of the range of as many standard normal variables: Tukey's studentised range,
    conservative for groups of unequal size (Hayter 1984). For two groups it is `level` itself.
    """
    from scipy.special import ndtr

    at = np.linspace(-8, 8, 2001)
    density = np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi)

    def below(q: float) -> float:
        return float(groups * np.trapezoid(density * (ndtr(at) - ndtr(at - q)) ** (groups - 1), at))

    low, high = 0.0, 12.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < level else (low, middle)
    return 2 * NormalDist().cdf(low / math.sqrt(2)) - 1


def gap(estimates: Sequence[Rate]) -> Gap:
    """The gap between the extremes among two or more estimates, from the limits of each.

    For two groups and Wilson's limits, the interval of the difference is the hybrid score interval of Newcombe 1998, "Interval
    estimation for the difference between independent proportions"; from other limits it is the same by the method of Zou and
    Donner 2008 (MOVER), and that of the ratio by Donner and Zou 2012, "Closed-form confidence intervals for functions of the normal
    mean and standard deviation". For more groups every pair's interval counts: the true gap is at least the largest of their lower
    and at most the largest of their upper ends. So the limits must be those of the level that `simultaneous` gives; the
    interval then covers the gap of the true extremes, whichever they are, in at least that share of cases (for two groups in just
    that share, but in up to half of the rest more where the true gap is near 0, below which no interval reaches).

    Raises:
        ValueError: There are fewer than two estimates, or one is without a value.
    """
    if len(estimates) < 2 or any(rate.value is None for rate in estimates):
        raise ValueError("expected two or more estimates with values")
    value, low, high = np.array([(rate.value, rate.low, rate.high) for rate in estimates], dtype=np.float64).T
    lowest, highest = int(value.argmin()), int(value.argmax())
    from_high, to_high = difference(value, low, high)
    apart = float(value[highest] - value[lowest])
    if value[highest] <= 0:
        return Gap(lowest, highest, (apart, max(from_high.max(), 0.0), to_high.max()), (math.nan, 0.0, 1.0))
    least, most = ratio(value, low, high)
    among = (float(value[lowest] / value[highest]), float(least.min()), float(min(most.min(), 1.0)))
    return Gap(lowest, highest, (apart, float(max(from_high.max(), 0.0)), float(to_high.max())), among)


def difference(value: NDArray, low: NDArray, high: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Limits (G, G) of row minus column, from values and limits (G,)."""
    apart = value[:, None] - value
    down, up = (value - low) ** 2, (high - value) ** 2
    limits = apart - np.sqrt(down[:, None] + up), apart + np.sqrt(up[:, None] + down)
    for limit in limits:
        np.fill_diagonal(limit, 0)
    return limits


def ratio(value: NDArray, low: NDArray, high: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Limits (G, G) of row over column, from values and limits (G,) that are not negative; infinite where the column may be 0."""
    product = value[:, None] * value

    def limit(own: NDArray, other: NDArray, sign: int) -> NDArray[np.float64]:
        below = other * (2 * value - other)
        root = np.sqrt(np.maximum(product**2 - (own * (2 * value - own))[:, None] * below, 0))
        return np.divide(product + sign * root, below, out=np.full_like(product, np.inf), where=np.broadcast_to(below > 0, product.shape))

    limits = limit(low, high, -1), limit(high, low, 1)
    limits[0][:, 2 * value <= high] = 0  # the method's lower limit needs a denominator that is clear of 0
    for found in limits:
        np.fill_diagonal(found, 1)
    return limits


def shares_differ(hits: NDArray[np.integer], cases: NDArray[np.integer], draws: int, rng: np.random.Generator) -> float:
    """The chance of so wide a range of shares if the groups were dealt out at random within each stratum.

    The range is that of each group's share less the share to be expected of its strata, which for one stratum is the range of the
    shares. The draws are those of a permutation test (Fisher; Phipson and Smyth 2010 for the + 1), made on the counts.

    Args:
        hits: (G, S) by group and stratum.
        cases: (G, S), with at least one case in each group.
        draws: How many permutations.
        rng: Where they come from.
    """
    size, total, found = cases.sum(1), cases.sum(0), hits.sum(0)
    expected = cases @ (found / np.maximum(total, 1))
    drawn = np.zeros((draws, len(cases)))
    for stratum in np.flatnonzero((found > 0) & (found < total)):
        drawn += rng.multivariate_hypergeometric(cases[:, stratum], found[stratum], size=draws, method="marginals")
    return tail(np.ptp((hits.sum(1) - expected) / size), np.ptp((drawn - expected) / size, axis=1))


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


def normal_ranges(
    weights: NDArray[np.float64], count: NDArray[np.float64], variance: NDArray[np.float64], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Ranges (draws,) over G groups of weighted sums of means, if the cases of each stratum were dealt out at random.

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
    """The share of `null` that is at least as large as what was observed, which counts as one of them."""
    return float((1 + (null >= observed - _EQUAL).sum()) / (1 + len(null)))
