"""Calibration in bins of as many cases each, beside what a calibrated model of this very size would show."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from workbench.stats.calibration import BINS, calibration_error
from workbench.stats.clusters import share
from workbench.stats.of_units import calibration_of_units
from workbench.stats.rates import Rate, moments
from workbench.stats.significance import tail

LEAST_IN_BIN = 10
"""Cases in a bin, where ties allow: of fewer no share can be seen."""
SIMULATED, LEVEL = 999, 0.95
_ROOM = 4_000_000
"""Numbers that one step of a simulation holds."""
Numbers = NDArray[np.float64]
Hits = NDArray[np.bool_]
Units = NDArray[np.intp] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Binned:
    """The calibration of one probability over M cases in B bins of about as many each.

    Attributes:
        codes: (M,) the bin of each case, by ascending probability; equal probabilities share one.
        shares: How often what the probability is of came true in each bin, B of them.
        expected: (B,) the mean probability.
        band: (2, B) between which a calibrated model's share lies in 95 of 100 draws, bin by bin.
        error: The expected calibration error, its excess by chance taken off, with its interval.
        plain: The same error as it is, which chance makes too high.
        floor: What a calibrated model of this size shows of `plain`: the mean, and the 95th percentile.
        p_value: The chance that a calibrated model shows as large a `plain`.
    """

    codes: NDArray[np.intp]
    shares: tuple[Rate, ...]
    expected: Numbers
    band: Numbers
    error: Rate
    plain: float
    floor: tuple[float, float]
    p_value: float


def equal_mass(scores: Numbers, most: int = BINS, least: int = LEAST_IN_BIN) -> NDArray[np.intp]:
    """The bin of each case, (M,): at most so many, of about as many cases each; cases with one score share one.

    Args:
        scores: (M,) probabilities.
        most: Bins.
        least: Cases in each, where there are so many.
    """
    bins = max(min(most, len(scores) // least), 1)
    order = np.sort(scores)
    edges = np.unique(order[np.arange(1, bins) * len(order) // bins])
    return np.unique(np.searchsorted(edges, scores, side="right"), return_inverse=True)[1].astype(np.intp)


def binned_calibration(scores: Numbers, hits: Hits, units: Units = None, seed: int = 0) -> Binned:
    """The calibration of probabilities (M,), M at least 1, against whether what they are of came true.

    What a calibrated model would show is drawn 999 times: each case comes true with its own probability (consistency
    resampling, Bröcker and Smith 2007, "Increasing the reliability of reliability diagrams"). Where cases come in units
    those of some units come true by one and the same draw: of as many as make the residuals of two cases of a unit as
    alike as they are (`likeness_in_units`).

    Args:
        scores: (M,) probabilities.
        hits: (M,) whether it came true.
        units: (M,) the unit of each case; each is one of its own where missing.
        seed: Of the draws.
    """
    rng, size = np.random.default_rng(seed), len(scores)
    codes = equal_mass(scores)
    bins = int(codes.max()) + 1
    counts = np.bincount(codes, minlength=bins)
    gaps = np.bincount(codes, hits - scores, minlength=bins)
    alone = units is None or len(np.unique(units)) == size
    place = np.arange(size) if units is None else np.unique(units, return_inverse=True)[1]
    drawn = _calibrated(codes, scores, place, 0.0 if alone else likeness_in_units(scores, hits - scores, place), rng)
    plain, null = float(np.abs(gaps).sum()) / size, np.abs(drawn).sum(1) / size
    expected, p_value = np.bincount(codes, scores, minlength=bins) / counts, tail(plain, null)
    error = error_in_bins(codes, scores, hits, None if alone else units, seed)
    return Binned(
        codes=codes,
        shares=tuple(share(hits[codes == b], None if units is None else units[codes == b]) for b in range(bins)),
        expected=expected,
        band=(expected + np.quantile(drawn / counts, [0.025, 0.975], axis=0)).clip(0, 1),
        error=_at_least(error, chance=p_value >= (1 - LEVEL) / 2),
        plain=plain,
        floor=(float(null.mean()), float(np.quantile(null, LEVEL))),
        p_value=p_value,
    )


def error_in_bins(codes: NDArray[np.intp], scores: Numbers, hits: Hits, units: Units, seed: int = 0) -> Rate:
    """The calibration error of `calibration_error`, or by unit that of `calibration_of_units`, in bins of one's own.

    Args:
        codes: (M,) the bin of each case, below `BINS`.
        scores: (M,) probabilities.
        hits: (M,) whether it came true.
        units: (M,) the unit of each case; each is one of its own where missing.
        seed: Of the draws.
    """
    place = codes * 2 + hits
    if units is None:
        cells = moments(place, scores, BINS * 2).reshape(3, 1, BINS, 2)
        value, low, high = calibration_error(cells, seed=seed)[:, 0].tolist()
        return Rate(value, low, high, int(hits.sum()), len(hits))
    one = (place[:, None] == np.arange(2 * BINS)).astype(np.float64)
    parts = np.concatenate([one * scores[:, None] ** power for power in range(3)], axis=1)
    return calibration_of_units(parts, units, seed=seed)


def _at_least(error: Rate, *, chance: bool) -> Rate:
    """The error with a lower end of 0 where chance explains it, and an upper end that also holds what so few units may
    not have shown: the bound of Clopper and Pearson 1934 for none among as many. Bins in which all came true, or
    nothing did, seem to have no spread."""
    units = error.support if error.groups is None else error.groups
    low = 0.0 if chance else error.low
    return dataclasses.replace(error, low=low, high=max(error.high or 0.0, 1 - ((1 - LEVEL) / 2) ** (1 / units)))


def _calibrated(
    codes: NDArray[np.intp], scores: Numbers, place: NDArray[np.intp], alike: float, rng: np.random.Generator
) -> Numbers:
    """Hits less probability in each bin, (draws, B), where each case comes true with its probability, and the cases of
    a share `alike` of the units `place` (M,) by one and the same draw."""
    order = np.argsort(codes, kind="stable")
    starts, p, unit = np.searchsorted(codes[order], np.arange(codes.max() + 1)), scores[order], place[order]
    step, groups, parts = max(_ROOM // len(p), 1), int(place.max()) + 1, []
    for first in range(0, SIMULATED, step):
        size = min(step, SIMULATED - first)
        draws = rng.random((size, len(p)))
        if alike > 0:
            common = np.where(rng.random((size, groups)) < alike, rng.random((size, groups)), np.nan)[:, unit]
            draws = np.where(np.isnan(common), draws, common)
        parts.append(np.add.reduceat((draws < p) - p, starts, axis=1))
    return np.concatenate(parts)


def likeness_in_units(scores: Numbers, residuals: Numbers, place: NDArray[np.intp]) -> float:
    """The share of units whose cases come true by one draw, from 0 to 1, under which residuals of two cases of a unit
    are as alike as they are seen to be, and by a standard error more, for few units show it badly; 1 for one unit.

    Args:
        scores: (M,) probabilities.
        residuals: (M,) hits less probabilities.
        place: (M,) the number of each case's unit, from 0.
    """
    groups = int(place.max()) + 1
    order = np.lexsort((-scores, place))
    p, unit = scores[order], place[order]
    rank = np.arange(len(p)) - np.searchsorted(unit, unit)  # of so many cases of its unit p is the smaller one
    least = np.bincount(unit, rank * p, minlength=groups)
    sums, squares = (np.bincount(unit, values, minlength=groups) for values in (p, p**2))
    most = least - (sums**2 - squares) / 2
    own, each = (np.bincount(place, values, minlength=groups) for values in (residuals, residuals**2))
    seen = (own**2 - each) / 2
    if groups < 2 or most.sum() <= 0:
        return 1.0
    share = seen.sum() / most.sum()
    error = np.sqrt(((seen - share * most) ** 2).sum()) / most.sum()
    return float(np.clip(share + error, 0, 1))
