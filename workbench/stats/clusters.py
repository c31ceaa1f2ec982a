"""Shares of images that come in groups: images of one part are not independent, so that an interval counts less."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.stats.rates import Rate, critical_value, wilson


def share(hits: ArrayLike, units: NDArray[np.intp] | None = None, level: float = 0.95) -> Rate:
    """A proportion of cases that come in units, with a score interval of as many cases as they are worth.

    The cases are worth fewer by the design effect (Kish 1965, "Survey sampling"; Korn and Graubard 1998, "Confidence
    intervals for proportions with small expected number of positive counts estimated from survey data"): the variance
    of the ratio over the units, over that of independent cases, with Student's t for the few units. With one case a
    unit, or without units, it is `wilson`.

    Args:
        hits: (M,) booleans.
        units: (M,) the number of each case's unit; each case is one of its own where missing.
        level: Confidence level of the interval.

    Returns:
        The share; `groups` says how many units it rests on, where units are given.
    """
    hit = np.asarray(hits, dtype=bool)
    count, support = int(hit.sum()), len(hit)
    if units is None or not support:
        return wilson(count, support, level)
    _, place = np.unique(units, return_inverse=True)
    size = np.bincount(place).astype(np.float64)
    groups = len(size)
    if groups == support:
        return dataclasses.replace(wilson(count, support, level), groups=groups)
    if groups < 2:
        return Rate(count / support, 0.0, 1.0, count, support, groups)
    own, mean = np.bincount(place, hit), count / support
    variance = groups / (groups - 1) * float(((own - mean * size) ** 2).sum()) / support**2
    plain = mean * (1 - mean) / support
    worth = support if plain == 0 else min(support, support * plain / max(variance, 1e-12))
    if count in (0, support):
        worth = groups
    low, high = _score(mean, worth * (critical_value(level) / _student(level, groups - 1)) ** 2, level)
    return Rate(mean, low if count else 0.0, high if count < support else 1.0, count, support, groups)


def _student(level: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def _score(mean: float, support: float, level: float) -> tuple[float, float]:
    """Wilson's interval for a share of so many cases, not necessarily a whole number."""
    z = critical_value(level)
    centre = (mean + z**2 / (2 * support)) / (1 + z**2 / support)
    half = z / (1 + z**2 / support) * (mean * (1 - mean) / support + z**2 / (4 * support**2)) ** 0.5
    return max(centre - half, 0.0), min(centre + half, 1.0)
