"""Proportions and means with their confidence intervals."""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

ENOUGH = 30
"""On fewer cases than this nothing is said of a class, a group or a model."""
FEW_UNITS = 10
"""With fewer units than this no interval can be trusted: what varies between them is hardly seen."""


@dataclasses.dataclass(frozen=True)
class Rate:
    """A figure between 0 and 1 with its confidence interval.

    Attributes:
        value: The figure, or None where there is nothing to compute it from.
        low: Lower end of the interval, or None likewise.
        high: Upper end of the interval, or None likewise.
        count: How many of the cases count as hits; for an AUC, how many are positive.
        support: How many cases the figure rests on.
        groups: How many independent units those cases come in; None where each is taken as independent.
        least: One-sided lower bound of the share, and
        most: its upper bound, each with 95 % confidence, where some units hold several cases; None where the exact
            bounds of independent cases hold.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int
    support: int
    groups: int | None = None
    least: float | None = None
    most: float | None = None

    @property
    def few_units(self) -> bool:
        """Whether the cases come in so few units that no interval can be trusted."""
        return self.groups is not None and self.groups < min(FEW_UNITS, self.support)

    def in_units(self, unit: str = "units", word: str = "in") -> str:
        """In how many units the cases come, in words to put behind their number; empty where these are not fewer.

        Args:
            unit: What the units are called, in the plural with an s.
            word: How the cases lie in them.
        """
        if self.groups in (None, self.support):
            return ""
        return f" {word} {self.groups:,} {unit.removesuffix('s') if self.groups == 1 else unit}"


def wilson(count: int, support: int, level: float = 0.95) -> Rate:
    """A proportion with the score interval of Wilson 1927, "Probable inference, the law of succession, and statistical
    inference".

    Args:
        count: Hits.
        support: Cases.
        level: Confidence level of the interval.

    Returns:
        The proportion; without a value where `support` is 0.
    """
    if not 0 <= count <= support:
        raise ValueError(f"expected 0 <= count <= support, got {count} of {support}")
    if support == 0:
        return Rate(None, None, None, 0, 0)
    low, high = wilson_bounds(np.array([count]), support, level)
    return Rate(count / support, float(low[0]), float(high[0]), count, support)


def wilson_bounds(
    counts: NDArray[np.integer] | NDArray[np.floating], support: int, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends (T,) of `wilson`'s interval for counts of hits (T,) among `support` cases each; NaN for none."""
    if support == 0:
        return np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    z, share = critical_value(level), counts / support
    centre = (share + z**2 / (2 * support)) / (1 + z**2 / support)
    half = z / (1 + z**2 / support) * np.sqrt(share * (1 - share) / support + z**2 / (4 * support**2))
    low, high = np.maximum(centre - half, 0), np.minimum(centre + half, 1)
    return np.where(counts == 0, 0.0, low), np.where(counts == support, 1.0, high)


def upper_bound(counts: ArrayLike, support: int, level: float = 0.95) -> NDArray[np.float64]:
    """Exact one-sided upper bounds (T,) of the shares of `counts` (T,) among `support` cases (Clopper and Pearson
    1934): 1 if all hit."""
    from scipy.special import betaincinv

    count = np.asarray(counts)
    return np.where(count < support, betaincinv(count + 1, np.maximum(support - count, 1), level), 1.0)


def mean_of(values: NDArray[np.floating], level: float = 0.95, units: NDArray[np.intp] | None = None) -> Rate:
    """The mean of values (N,), whatever their range, with Student's interval; its ends are NaN for a single value.

    Where values come in units the variance is that of a ratio over the units (Cochran 1977, "Sampling techniques",
    chapter 9), with Student's t for as many units. The interval is never narrower than that of independent values, and
    its ends are NaN for a single unit.

    Args:
        values: Numbers.
        level: Confidence level of the interval.
        units: (N,) the number of each value's unit; each value is one of its own where missing.

    Returns:
        The mean, with the number of values below zero as `count`; without a value where there are none.
    """
    from scipy.special import stdtrit

    size = len(values)
    if size == 0:
        return Rate(None, None, None, 0, 0)
    half = float(stdtrit(size - 1, (1 + level) / 2) * values.std(ddof=1)) / math.sqrt(size) if size > 1 else math.nan
    mean, groups = float(values.mean()), None
    if units is not None:
        place = np.unique(units, return_inverse=True)[1]
        groups = int(place.max()) + 1
        if groups == 1:
            half = math.nan
        elif groups < size:
            spread = float((np.bincount(place, values - mean) ** 2).sum()) * groups / (groups - 1)
            half = max(half, float(stdtrit(groups - 1, (1 + level) / 2)) * math.sqrt(spread) / size)
    return Rate(mean, mean - half, mean + half, int((values < 0).sum()), size, groups)


def f1_of(rate: Rate) -> Rate:
    """F1 from F*, interval and all."""
    value, low, high = (None if x is None else 2 * x / (1 + x) for x in (rate.value, rate.low, rate.high))
    return dataclasses.replace(rate, value=value, low=low, high=high)


def moments(codes: NDArray[np.intp], values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Number, sum and sum of squares of values (M,) by their `codes` (M,): (3, size)."""
    sums = [np.bincount(codes, weights, minlength=size) for weights in (None, values, values**2)]
    return np.stack(sums).astype(np.float64)


def means(sums: NDArray[np.float64], level: float = 0.95) -> list[Rate]:
    """Means between 0 and 1 with Student's t interval, from the sums (3, G) that `moments` gives."""
    from scipy.special import stdtrit

    rates = []
    for count, total, squares in sums.T.tolist():
        n, mean = int(count), total / max(count, 1)
        if n == 0:
            rates.append(Rate(None, None, None, 0, 0))
            continue
        error = (max(squares / n - mean**2, 0) / (n - 1)) ** 0.5 if n > 1 else 1.0
        half = float(stdtrit(n - 1, (1 + level) / 2)) * error if n > 1 else 1.0
        rates.append(Rate(mean, max(mean - half, 0.0), min(mean + half, 1.0), n, n))
    return rates


def critical_value(level: float) -> float:
    """How many standard errors a normal variable's two-sided interval of that level extends: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)


def student(level: float, freedom: float) -> float:
    """How many standard errors that of Student's t extends, without SciPy: 2.09 for 0.95 and 19 degrees of freedom.

    The density is summed in the angle whose tangent is t over the root of the degrees of freedom.
    """
    angle = np.linspace(0, math.pi / 2, 4001)
    mass = np.cos(angle) ** (freedom - 1)
    total = np.concatenate([[0], np.cumsum((mass[1:] + mass[:-1]) / 2)])
    return float(math.sqrt(freedom) * np.tan(np.interp(level * total[-1], total, angle)))
