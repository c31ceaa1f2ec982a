"""Shares of cases that come in units: images of one part are not independent, so that they say less than as many parts.

`share` and `ends_along` need no SciPy, so that the first page stands at once.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.stats.rates import FEW_UNITS, Rate, upper_bound, wilson, wilson_bounds

ONE_SIDED = 0.95
"""With which confidence a share lies above `Rate.least`, and below `Rate.most`."""
MOST_COUNTS = 128
"""So many different counts have their interval computed; between them it is interpolated."""
_STEP = 0.2
Numbers = NDArray[np.float64]


def share(hits: ArrayLike, units: NDArray[np.intp] | None = None, level: float = 0.95) -> Rate:
    """A proportion of cases that come in units, with the interval of `ends_along`; `wilson`'s without units, or where
    each case is a unit of its own.

    Args:
        hits: (M,) booleans.
        units: (M,) the number of each case's unit; each case is one of its own where missing.
        level: Confidence level of the interval.

    Returns:
        The share; `groups` says how many units it rests on, where units are given. `least` and `most` are there where
        some hold several cases: the wider of both ways of `ends_along`, one-sided.
    """
    hit = np.asarray(hits, dtype=bool)
    count, support = int(hit.sum()), len(hit)
    rate = wilson(count, support, level)
    if units is None or not support:
        return rate
    place, sizes = _sizes(units)
    if len(sizes) == support:
        return dataclasses.replace(rate, groups=support)
    low, high = ends_along(units[np.argsort(~hit, kind="stable")], np.array([count]), level)
    least, most = 0.0, 1.0
    if len(sizes) >= FEW_UNITS:
        hits = np.bincount(place[hit], minlength=len(sizes))
        angles, mass = _density(hits, sizes)
        least, most = _by_ratio(hits, sizes, ONE_SIDED)
        least = min(least, float(_quantiles(angles, mass / np.tan(angles), [1 - ONE_SIDED])[0])) if count else 0.0
        most = max(most, float(_quantiles(angles, mass * np.tan(angles), [ONE_SIDED])[0])) if count < support else 1.0
    return Rate(count / support, float(low[0]), float(high[0]), count, support, len(sizes), least, most)


def complement(rate: Rate, level: float = 0.95) -> Rate:
    """The share of the cases that are no hits."""
    if rate.value is None or rate.low is None or rate.high is None or rate.least is None or rate.most is None:
        return dataclasses.replace(wilson(rate.support - rate.count, rate.support, level), groups=rate.groups)
    return dataclasses.replace(
        rate,
        value=1 - rate.value,
        low=1 - rate.high,
        high=1 - rate.low,
        count=rate.support - rate.count,
        least=1 - rate.most,
        most=1 - rate.least,
    )


def ends_along(units: NDArray[np.intp], counts: NDArray[np.integer], level: float = 0.95) -> tuple[Numbers, Numbers]:
    """The ends (T,) of the interval of a proportion whose hits are the first so many cases of an order.

    The shares of the units are beta-distributed around the proportion; how alike the cases of a unit are, their
    intra-unit correlation, is integrated over rather than estimated (density as the inverse of its root), for of few
    units or rare hits no estimate is to be trusted: Franco et al. 2019, "Comparative study of confidence intervals for
    proportions in complex sample surveys", who find that intervals from an estimated design effect (Korn and Graubard
    1998) cover too seldom. The proportion has Jeffreys' prior, and the interval equal tails. Where a few units are
    unlike all others, as a bad lot is, no beta distribution fits, and the estimated design effect covers better: the
    interval is the wider of both at either end, and never narrower than `wilson`'s of as many independent cases. Fewer
    than `FEW_UNITS` units count as one case each.

    Of more than `MOST_COUNTS` different counts the others are interpolated.

    Args:
        units: (M,) the unit of each case, in the order in which they become hits.
        counts: (T,) how many of them are.
        level: Confidence level of the interval.
    """
    support = len(units)
    place, sizes = _sizes(units)
    low, high = wilson_bounds(counts, support, level)
    if not support or len(sizes) == support:
        return low, high
    if len(sizes) < FEW_UNITS:
        return wilson_bounds(counts * len(sizes) / support, len(sizes), level)
    nodes = _nodes(counts, support)
    tails = [(1 - level) / 2, (1 + level) / 2]
    hits = [np.bincount(place[:count], minlength=len(sizes)) for count in nodes]
    ends = np.array([_quantiles(*_density(own, sizes), tails) for own in hits])
    ratios = np.array([_by_ratio(own, sizes, tails[1]) for own in hits])
    ends = np.stack([np.minimum(ends[:, 0], ratios[:, 0]), np.maximum(ends[:, 1], ratios[:, 1])], 1)
    middle = _angle(nodes / support)
    reach = np.abs(_angle(ends) - middle[:, None])
    at = _angle(counts / support)
    lower, upper = (np.interp(counts, nodes, part) for part in reach.T)
    low = np.minimum(low, np.sin(np.maximum(at - lower, 0)) ** 2)
    high = np.maximum(high, np.sin(np.minimum(at + upper, np.pi / 2)) ** 2)
    return np.where(counts == 0, 0.0, low), np.where(counts == support, 1.0, high)


def upper_along(units: NDArray[np.intp] | None, counts: ArrayLike, support: int, level: float = 0.95) -> Numbers:
    """One-sided upper bounds (T,) of a proportion whose hits are the first so many cases of an order.

    They are made as `ends_along`, the higher of both ways, but with the prior that gives the exact bound of Clopper and
    Pearson where the cases are independent, than which they are never lower. Without units they are that bound.

    Args:
        units: (M,) the unit of each case, in the order in which they become hits.
        counts: (T,) how many of them are.
        support: M.
        level: With which confidence the proportion lies below.
    """
    count = np.asarray(counts, np.intp)
    plain = upper_bound(count, support, level)
    if units is None or not support:
        return plain
    place, sizes = _sizes(units)
    if len(sizes) == support:
        return plain
    if len(sizes) < FEW_UNITS:
        return upper_bound(np.ceil(count * len(sizes) / support), len(sizes), level)
    known, back = np.unique(count, return_inverse=True)
    bounds = np.ones(len(known))
    for i in np.flatnonzero(known < support):
        hits = np.bincount(place[: known[i]], minlength=len(sizes))
        angles, mass = _density(hits, sizes)
        bounds[i] = max(_quantiles(angles, mass * np.tan(angles), [level])[0], _by_ratio(hits, sizes, level)[1])
    return np.maximum(plain, bounds[back])


def _by_ratio(hits: NDArray[np.intp], sizes: NDArray[np.intp], quantile: float) -> tuple[float, float]:
    """Bounds of the proportion from the variance of a ratio over the units (Korn and Graubard 1998): the score interval
    of as many cases as theirs are worth, with Student's t; each bound holds with the probability `quantile`."""
    support, groups = int(sizes.sum()), len(sizes)
    mean = float(hits.sum()) / support
    if not 0 < mean < 1:
        return mean, mean
    variance = groups / (groups - 1) * float(((hits - mean * sizes) ** 2).sum()) / support**2
    z = NormalDist().inv_cdf(quantile)
    alike = support**2 / float((sizes.astype(np.float64) ** 2).sum())  # what they are worth if each unit is all alike
    worth = float(np.clip(mean * (1 - mean) / max(variance, 1e-12), alike, support))
    worth *= (z / _student(z, groups - 1)) ** 2
    centre, spread = mean + z**2 / (2 * worth), z * (mean * (1 - mean) / worth + z**2 / (4 * worth**2)) ** 0.5
    return (centre - spread) / (1 + z**2 / worth), (centre + spread) / (1 + z**2 / worth)


def _student(z: float, freedom: int) -> float:
    """The quantile of Student's t where a normal variable has `z`: Hill's expansion, for nine degrees and more."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))


def _sizes(units: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The units numbered from 0, (M,), and how many cases each has, (G,)."""
    _, place, sizes = np.unique(units, return_inverse=True, return_counts=True)
    return place, sizes


def _nodes(counts: NDArray[np.integer], support: int) -> NDArray[np.integer]:
    """The counts to compute an interval for: all different ones where they are few, else the densest where a case more
    matters most."""
    known = np.unique(counts)
    if len(known) <= MOST_COUNTS:
        return known
    wanted = np.sin(np.linspace(_angle(known[0] / support), _angle(known[-1] / support), MOST_COUNTS)) ** 2 * support
    return np.unique(known[np.abs(known[:, None] - wanted).argmin(0)])


def _angle(value: ArrayLike) -> Numbers:
    """The arc sine of the root, which spreads proportions evenly."""
    return np.asarray(np.arcsin(np.sqrt(np.clip(value, 0, 1))), np.float64)


def _density(hits: NDArray[np.intp], sizes: NDArray[np.intp]) -> tuple[Numbers, Numbers]:
    """How likely the angle of a proportion is given the hits (G,) of units of those sizes (G,), by Jeffreys' prior,
    under which all angles are alike: angles (A,) and densities (A,)."""
    support, groups = int(sizes.sum()), len(sizes)
    centre, least = _angle((hits.sum() + 0.5) / (support + 1)), support**-0.5
    most = np.arcsinh(2.5 * (support / groups) ** 0.5) + _STEP
    angles = np.unique((centre + least * np.sinh(np.arange(-most, most, _STEP))).clip(1e-7, np.pi / 2 - 1e-7))
    correlation, weights = _correlations(support / groups, min(16 + 2 * round(groups**0.5), 128))
    alike = ((1 - correlation) / correlation)[:, None]
    first, second = np.sin(angles) ** 2 * alike, np.cos(angles) ** 2 * alike
    chances = _rising(first, hits) + _rising(second, sizes - hits) - _rising(alike, sizes)
    density = weights @ np.exp(chances - chances.max())
    fine = np.interp(np.arange(0, len(angles) - 0.99, 0.1), np.arange(len(angles)), angles)
    return fine, np.exp(np.interp(fine, angles, np.log(density + 1e-300)))


@cache
def _nodes_of(count: int) -> tuple[Numbers, Numbers]:
    return np.polynomial.legendre.leggauss(count)


def _correlations(size: float, count: int) -> tuple[Numbers, Numbers]:
    """Nodes and weights of an integral over the intra-unit correlation, its density as the inverse of its root; dense
    where it begins to matter for units of that mean size."""
    nodes, weights = _nodes_of(count)
    spread = 4 * size**0.5
    growth = spread ** ((nodes + 1) / 2)
    return ((growth - 1) / (spread - 1)) ** 2, weights * growth


def _quantiles(angles: Numbers, mass: Numbers, levels: list[float]) -> Numbers:
    """Quantiles of the proportion from densities (A,) of its angle (A,)."""
    total = np.concatenate([[0], np.cumsum((mass[1:] + mass[:-1]) / 2 * np.diff(angles))])
    return np.asarray(np.sin(np.interp(np.array(levels) * total[-1], total, angles)) ** 2, np.float64)


def _rising(start: Numbers, steps: NDArray[np.intp]) -> Numbers:
    """The logarithm of the product of the rising factorials of `start` (...), so many steps up each: (G,)."""
    values, times = np.unique(steps[steps > 0], return_counts=True)
    if not len(values):
        return np.zeros_like(start)
    if values[-1] < 4 * len(values):
        taken = times.sum() - np.searchsorted(np.repeat(values, times), np.arange(values[-1]), "right")
        return np.asarray(np.log(start[..., None] + np.arange(values[-1])) @ taken, np.float64)
    return np.asarray(_log_gamma(start[..., None] + values) @ times - times.sum() * _log_gamma(start), np.float64)


def _log_gamma(x: Numbers) -> Numbers:
    """The logarithm of the gamma function for positive numbers: Stirling's series after eight steps up."""
    up = x + 8
    below = np.log(x * (x + 1) * (x + 2) * (x + 3)) + np.log((x + 4) * (x + 5) * (x + 6) * (x + 7))
    series = (1 / 12 - (1 / 360 - 1 / (1260 * up**2)) / up**2) / up
    return np.asarray((up - 0.5) * np.log(up) - up + np.log(2 * np.pi) / 2 + series - below, np.float64)
