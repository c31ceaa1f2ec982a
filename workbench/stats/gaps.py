"""Gaps between shares or means, of two, paired or not, and between the extremes of several (MOVER)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.stats.rates import Rate, wilson

Estimates = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""A figure, the lower and the upper end of its interval, each (T,)."""


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


def simultaneous(groups: int, level: float = 0.95) -> float:
    """The level of each group's interval at which all differences between `groups` groups hold at `level` together.

    It is that of z = q / sqrt(2), with q the quantile of the range of as many standard normal variables: Tukey's
    studentised range, conservative for groups of unequal size (Hayter 1984). For two groups it is `level` itself.
    """
    from scipy.stats import studentized_range

    return math.erf(float(studentized_range.ppf(level, groups, math.inf)) / 2)


def gap(estimates: Sequence[Rate]) -> Gap:
    """The gap between the extremes among two or more estimates, from the limits of each.

    For two groups and Wilson's limits, the interval of the difference is the hybrid score interval of Newcombe 1998,
    "Interval estimation for the difference between independent proportions"; from other limits it is the same by the
    method of Zou and Donner 2008 (MOVER), and that of the ratio by Donner and Zou 2012, "Closed-form confidence
    intervals for functions of the normal mean and standard deviation". For more groups every pair's interval counts:
    the true gap is at least the largest of their lower and at most the largest of their upper ends. So the limits must
    be those of the level that `simultaneous` gives; the interval then covers the gap of the true extremes, whichever
    they are, in at least that share of cases (for two groups in just that share, but in up to half of the rest more
    where the true gap is near 0, below which no interval reaches).

    Raises:
        ValueError: There are fewer than two estimates, or one is without a value.
    """
    if len(estimates) < 2 or any(rate.value is None for rate in estimates):
        raise ValueError("expected two or more estimates with values")
    value, low, high = np.array([(rate.value, rate.low, rate.high) for rate in estimates], dtype=np.float64).T
    lowest, highest = int(value.argmin()), int(value.argmax())
    row, column = np.nonzero(~np.eye(len(value), dtype=bool))
    pairs = (value[row], low[row], high[row]), (value[column], low[column], high[column])
    _, from_high, to_high = difference(*pairs)
    span = float(value[highest] - value[lowest]), max(float(from_high.max()), 0.0), float(to_high.max())
    if value[highest] <= 0:
        return Gap(lowest, highest, span, (math.nan, 0.0, 1.0))
    _, least, most = ratio(*pairs)
    least[2 * value[column] <= high[column]] = 0  # the method's lower limit needs a denominator that is clear of 0
    quotient = float(value[lowest] / value[highest]), float(least.min()), min(float(np.nanmin(most)), 1.0)
    return Gap(lowest, highest, span, quotient)


def difference(first: Estimates, second: Estimates, correlation: float = 0.0) -> Estimates:
    """First less second, from the limits of each.

    It is that of Zou and Donner 2008, "Construction of confidence limits about effect measures" (MOVER), for figures of
    some correlation.

    Args:
        first: T figures with their limits.
        second: As many.
        correlation: Of the two estimates.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second

    def reach(x: NDArray, y: NDArray) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(x**2 - 2 * correlation * x * y + y**2, 0))

    return a - b, a - b - reach(a - a_low, b_high - b), a - b + reach(a_high - a, b - b_low)


def paired_difference(both: int, only_first: int, only_second: int, neither: int, level: float = 0.95) -> Rate:
    """The difference of two proportions of the same cases: first less second.

    Its interval is method 10 of Newcombe 1998, "Improved confidence intervals for the difference between binomial
    proportions based on paired data": Wilson's limits of each, put together with the correlation of the two, corrected
    for continuity.

    Args:
        both: Cases in which both hold.
        only_first: Cases in which the first alone holds.
        only_second: Cases in which the second alone holds.
        neither: The other cases.
        level: Confidence level of the interval.

    Returns:
        The difference, with `only_first` as count; without a value where there are no cases.
    """
    cases = both + only_first + only_second + neither
    if not cases:
        return Rate(None, None, None, 0, 0)
    rates = wilson(both + only_first, cases, level), wilson(both + only_second, cases, level)
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    product = both * neither - only_first * only_second
    phi = (max(product - cases / 2, 0) if product > 0 else product) / math.sqrt(margins) if margins else 0.0
    first, second = (tuple(np.array([(rate.value, rate.low, rate.high)], np.float64).T) for rate in rates)
    value, low, high = (float(end[0]) for end in difference(first, second, phi))
    return Rate(value, low, high, only_first, cases)


def ratio(first: Estimates, second: Estimates) -> Estimates:
    """First over second, neither of them negative, from the limits of each.

    It is that of Donner and Zou 2012, "Closed-form confidence intervals for functions of the normal mean and standard
    deviation". Infinite where the second is 0, and NaN where both are.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    with np.errstate(divide="ignore", invalid="ignore"):
        value, inner = a / b, a * b
        below, above = b_high * (2 * b - b_high), b_low * (2 * b - b_low)
        low = (inner - np.sqrt(np.maximum(inner**2 - a_low * (2 * a - a_low) * below, 0))) / below
        high = (inner + np.sqrt(np.maximum(inner**2 - a_high * (2 * a - a_high) * above, 0))) / above
        # The limit where 2b meets its upper end
        low = np.where(np.abs(below) < 1e-12, a_low * (2 * a - a_low) / (2 * inner), low)
    low = np.where(a == 0, 0.0, np.clip(low, 0, None))
    empty, high = np.isnan(value), np.where(b_low <= 0, np.inf, high)
    return value, np.where(empty, np.nan, low), np.where(empty, np.nan, high)
