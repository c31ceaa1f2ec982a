"""Figures of weighted cases that come in units, from what each case adds to them (the linearisation of Deville 1999,
"Variance estimation for complex statistics and estimators"): means, shares and areas under ROC curves, and their
differences."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workbench.stats.auc import placements
from workbench.stats.rates import Rate, student, wilson_bounds

Numbers = NDArray[np.float64]
Strata = NDArray[np.intp] | None


def mean_auc(scores: NDArray[np.floating], truth: NDArray[np.intp]) -> tuple[float, Numbers]:
    """The area under the ROC curve of each class against all others, averaged over the classes (Provost and Domingos
    2001; it knows no threshold and no share of the classes), and what each case adds to it.

    Args:
        scores: (M, K) probabilities, finite.
        truth: (M,) classes as columns of them; those that do not occur do not count.

    Returns:
        The mean, and the influence (M,) of each case, which sum to 0; the mean is NaN for a single class.
    """
    influence, areas = np.zeros(len(truth)), []
    for column in np.unique(truth):
        own = truth == column
        if own.all():
            break
        above, below = placements(np.asarray(scores[:, column], np.float64), own)
        areas.append(float(above.mean()))
        influence[own] += (above - areas[-1]) / len(above)
        influence[~own] += (below - areas[-1]) / len(below)
    return (float(np.mean(areas)), influence / len(areas)) if areas else (math.nan, influence)


def by_influence(
    value: float, influence: NDArray[np.floating], units: NDArray[np.intp], level: float = 0.95, more: float = 0.0
) -> Rate:
    """A figure with Student's interval over units, from the influence of each case.

    Args:
        value: The figure.
        influence: (M,) what each case adds to it.
        units: (M,) the number of each case's unit.
        level: Confidence level of the interval.
        more: A variance from elsewhere.

    Returns:
        The figure; its ends are infinite for a single unit, and `count` is 0.
    """
    place = np.unique(units, return_inverse=True)[1]
    groups = int(place.max(initial=-1)) + 1
    half = math.inf
    if groups > 1:
        squares = float((np.bincount(place, influence, minlength=groups) ** 2).sum())
        half = student(level, groups - 1) * math.sqrt(squares * groups / (groups - 1) + more)
    return Rate(value, value - half, value + half, 0, len(influence), groups)


def weighted_mean(
    values: Numbers, weights: Numbers, units: NDArray[np.intp], level: float = 0.95, strata: Strata = None
) -> Rate:
    """The mean of values (M,) under weights (M,) that sum to 1, whatever the range of the values, with the interval of
    `by_influence`; `strata` as for `weighted_share`."""
    return by_influence(float(weights @ values), weights * (values - _expected(values, weights, strata)), units, level)


def weighted_share(
    hits: NDArray[np.bool_], weights: Numbers, units: NDArray[np.intp], level: float = 0.95, strata: Strata = None
) -> Rate:
    """A share under weights (M,) that sum to 1, with Wilson's interval for the effective number of cases.

    That number is the variance of independent cases over that of the share (Korn and Graubard 1998, "Confidence
    intervals for proportions with small expected number of positive counts estimated from survey data"), at most what
    the weights are worth (Kish 1965). Where none or all are hits each unit counts once.

    Args:
        hits: Booleans (M,).
        weights: Of the cases.
        units: (M,) the number of each case's unit.
        level: Confidence level of the interval.
        strata: (M,) numbers from 0 of groups whose summed weights are given, as in a mean that is standardised to the
            class shares of others; one group where missing.
    """
    place = np.unique(units, return_inverse=True)[1]
    groups = int(place.max(initial=-1)) + 1
    value = round(float(weights @ hits), 12)  # weights sum to 1 but for rounding
    sums = np.bincount(place, weights * (hits - _expected(hits.astype(np.float64), weights, strata)), minlength=groups)
    variance = float((sums**2).sum())
    size = 1 / float((np.bincount(place, weights, minlength=groups) ** 2).sum())
    if variance > 0:
        size = min(1 / float((weights**2).sum()), value * (1 - value) / variance)
    wide = math.erf(student(level, max(groups - 1, 1)) / math.sqrt(2))
    number = max(round(size), 1)
    if wide >= 1:  # so few units for so high a level that nothing is ruled out
        return Rate(value, 0.0, 1.0, int(hits.sum()), len(hits), groups)
    low, high = (float(end[0]) for end in wilson_bounds(np.array([value * number]), number, wide))
    return Rate(value, min(low, value), max(high, value), int(hits.sum()), len(hits), groups)


def _expected(values: Numbers, weights: Numbers, strata: Strata) -> Numbers:
    """Of each case the weighted mean of its stratum, (M,)."""
    place = np.zeros(len(values), np.intp) if strata is None else strata
    total, mass = np.bincount(place, weights * values), np.bincount(place, weights)
    return np.asarray(np.divide(total, mass, out=np.zeros(len(mass)), where=mass > 0)[place], np.float64)
