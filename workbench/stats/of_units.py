"""Means and calibration errors of cases that come in units, with their intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workbench.stats.calibration import BINS, DRAWS, debiased
from workbench.stats.rates import Rate, mean_of, student


def mean_of_units(values: NDArray[np.floating], units: NDArray[np.intp], level: float = 0.95) -> Rate:
    """The mean of values (M,) in 0 .. 1, with the linearised variance of a ratio over the units (Cochran 1977,
    "Sampling techniques", chapter 9) and Student's t for as many units; `count` is M.

    With one value a unit it is that of `means`.
    """
    size, place = len(values), np.unique(units, return_inverse=True)[1]
    groups = int(place.max(initial=-1)) + 1
    if not size:
        return Rate(None, None, None, 0, 0, 0)
    plain = mean_of(np.asarray(values, np.float64), level)
    mean = float(plain.value or 0)
    if groups < 2:
        return Rate(mean, 0.0, 1.0, size, size, groups)
    half = student(level, groups - 1) * math.sqrt(_variance(values - mean, place, groups)) / size
    if groups == size:
        half = mean - float(plain.low or 0)
    return Rate(mean, max(mean - half, 0.0), min(mean + half, 1.0), size, size, groups)


def calibration_of_units(
    cells: NDArray[np.float64], units: NDArray[np.intp], level: float = 0.95, seed: int = 0
) -> Rate:
    """The calibration error of `calibration_error` of cases that come in units.

    What chance puts into a bin is told from the units, whose residuals (hits less probabilities) are summed; the spread
    comes from drawing units, and whether a calibrated model would show as large an error from giving the units'
    residuals random signs (the wild bootstrap of Cameron, Gelbach and Miller 2008, "Bootstrap-based improvements for
    inference with clustered errors").

    Args:
        cells: (M, 6 * BINS) number, probability and its square of each case, by bin and miss or hit.
        units: (M,) the unit of each.
        level: Confidence level of the interval.
        seed: Of the draws.
    """
    size, place = len(cells), np.unique(units, return_inverse=True)[1]
    if not size:
        return Rate(None, None, None, 0, 0, 0)
    groups, rng = int(place.max()) + 1, np.random.default_rng(seed)
    sums = np.zeros((groups, 3, BINS, 2))
    np.add.at(sums, place, cells.reshape(size, 3, BINS, 2))
    count, gaps = sums[:, 0].sum(-1), sums[:, 0, :, 1] - sums[:, 1].sum(-1)
    hits = int(sums[:, 0, :, 1].sum())
    if groups < 2:
        return Rate(float(_error(count.sum(0), gaps.sum(0), np.zeros(BINS))), 0.0, 1.0, hits, size, groups)
    total = np.maximum(count.sum(0), 1)
    residuals = gaps - gaps.sum(0) / total * count
    spread = np.sqrt((residuals**2).sum(0) * groups / (groups - 1)) / total
    error = _error(count.sum(0), gaps.sum(0), spread)
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), DRAWS).astype(np.float64)
    drawn = _error(weights @ count, weights @ gaps, spread)
    signs = rng.integers(0, 2, (DRAWS, groups)) * 2.0 - 1
    by_chance = np.abs(signs @ gaps).sum(1) / size
    half = student(level, groups - 1) * drawn.std(ddof=1)
    calibrated = np.abs(gaps.sum(0)).sum() / size <= np.quantile(by_chance, (1 + level) / 2)
    low, value, high = np.clip([0.0 if calibrated else error - half, error, error + half], 0, 1).tolist()
    return Rate(value, low, high, hits, size, groups)


def _error(count: NDArray[np.float64], gaps: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """The debiased error of cases (..., BINS) and their summed residuals, likewise."""
    share = count / np.maximum(count.sum(-1, keepdims=True), 1)
    return debiased(np.abs(gaps) / np.maximum(count, 1), share, np.broadcast_to(spread, count.shape))


def _variance(residuals: NDArray[np.floating], place: NDArray[np.intp], groups: int) -> float:
    """Of their sum, from how the sums of the units vary."""
    return float((np.bincount(place, residuals, minlength=groups) ** 2).sum()) * groups / (groups - 1)
