"""The calibration error of many groups at once, with an interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.stats.rates import critical_value, moments

BINS = 15
DRAWS = 500
_CHUNK = 64

Cells = NDArray[np.float64]


def calibration_cells(
    groups: int, codes: NDArray[np.intp], scores: NDArray[np.float64], hits: NDArray[np.bool_]
) -> Cells:
    """What the calibration error is computed from.

    Args:
        groups: G.
        codes: (M,) the group of each case.
        scores: (M,) probabilities.
        hits: (M,) whether what the probability is of came true.

    Returns:
        (3, G, BINS, 2): for each group, bin of the probability, and miss or hit, the number of cases, the sum of their
        probabilities, and the sum of the squares.
    """
    place = (codes * BINS + np.minimum((scores * BINS).astype(np.intp), BINS - 1)) * 2 + hits
    return moments(place, scores, groups * BINS * 2).reshape(3, groups, BINS, 2)


def calibration_error(cells: Cells, level: float = 0.95, seed: int = 0) -> NDArray[np.float64]:
    """The expected calibration error of Guo et al. 2017, "On calibration of modern neural networks": 15 bins of equal
    width.

    That figure is too high by what chance puts into each bin, the more so the smaller the group; its expected excess is
    taken off as in Kumar et al. 2019, "Verified uncertainty calibration" (the gap of a bin as a normal variable). The
    interval is that of a normal variable whose spread a bootstrap of the cells gives (500 draws, chance within a cell
    as normal noise). Where a calibrated model would show as large an error in more than half of (1 - level) of draws
    (the consistency resampling of Bröcker and Smith 2007, "Increasing the reliability of reliability diagrams"), it
    reaches down to 0.

    Args:
        cells: From `calibration_cells`, for G groups.
        level: Confidence level of the interval.
        seed: Of the draws.

    Returns:
        (3, G): the error, and the lower and upper end of its interval; NaN for a group without a case.
    """
    rng = np.random.default_rng(seed)
    parts = [_with_interval(cells[:, start : start + _CHUNK], level, rng) for start in range(0, cells.shape[1], _CHUNK)]
    return np.concatenate(parts, axis=1)


def debiased_error(cells: Cells) -> NDArray[np.float64]:
    """The error minus its expected excess, for cells (3, ..., BINS, 2); negative if the excess is overestimated."""
    return debiased(*_bins(cells))


def debiased(gap: NDArray[np.float64], share: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same from each bin's gap, share of the cases and standard error, all (..., BINS)."""
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(spread > 0, gap / spread, np.inf)
    expected = spread * np.sqrt(2 / np.pi) * np.exp(-(steps**2) / 2) + gap * (1 - 2 * ndtr(-steps))
    return (share * (2 * gap - expected)).sum(-1)


def resampled(cells: Cells, sizes: NDArray[np.intp], draws: int, rng: np.random.Generator) -> Cells:
    """Cells (3, draws, G, BINS, 2) of as many cases a group as `sizes` (G,), drawn from `cells` (3, G, BINS, 2)."""
    count = np.maximum(cells[0], 1)
    mean = cells[1] / count
    variance = np.maximum(cells[2] / count - mean**2, 0)
    flat = cells[0].reshape(len(sizes), -1)
    draw = rng.multinomial(sizes, flat / flat.sum(1, keepdims=True), size=(draws, len(sizes)))
    counts = draw.reshape(draws, *cells.shape[1:])
    sums = counts * mean + np.sqrt(counts * variance) * rng.standard_normal(counts.shape)
    return np.stack([counts.astype(np.float64), sums, np.zeros_like(sums)])


def _with_interval(cells: Cells, level: float, rng: np.random.Generator) -> NDArray[np.float64]:
    sizes = cells[0].sum((1, 2)).astype(np.intp)
    result = np.full((3, len(sizes)), np.nan)
    occupied = sizes > 0
    cells, sizes = cells[:, occupied], sizes[occupied]
    error = debiased_error(cells)
    half = critical_value(level) * debiased_error(resampled(cells, sizes, DRAWS, rng)).std(0, ddof=1)
    gap, share, _ = _bins(cells)
    count = cells[0].sum(-1)
    expected = np.divide(cells[1].sum(-1), count, out=np.zeros_like(count), where=count > 0)
    hits = rng.binomial(count.astype(np.intp), expected.clip(0, 1), size=(DRAWS, *count.shape))
    by_chance = (np.abs(hits - cells[1].sum(-1)) / sizes[:, None]).sum(-1)
    calibrated = (share * gap).sum(-1) <= np.quantile(by_chance, (1 + level) / 2, axis=0)
    low = np.where(calibrated, 0, error - half)
    result[:, occupied] = np.stack([error, low, error + half]).clip(0, 1)
    return result


def _bins(cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """For each bin the gap between hits and probability, the share of the cases, and the standard error of the hits."""
    count = cells[0].sum(-1)
    divisor = np.maximum(count, 1)
    rate = cells[0][..., 1] / divisor
    share = count / np.maximum(count.sum(-1, keepdims=True), 1)
    return np.abs(rate - cells[1].sum(-1) / divisor), share, np.sqrt(rate * (1 - rate) / divisor)
