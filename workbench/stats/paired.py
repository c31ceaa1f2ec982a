"""Two decisions about the same cases, which come in units: their difference and its test."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from workbench.stats.gaps import paired_difference
from workbench.stats.rates import Rate, student
from workbench.stats.significance import mcnemar

Decisions = NDArray[np.bool_]


def paired_difference_of_units(
    first: Decisions, second: Decisions, units: NDArray[np.intp] | None, level: float = 0.95
) -> Rate:
    """The difference of two proportions of the same cases, as `paired_difference`: first less second.

    Where cases come in units its variance is that of the units' sums, with Student's t for as many units (Obuchowski
    1998, "On the comparison of correlated proportions for clustered data"). It is never narrower than that of as many
    independent cases, and reaches from -1 to 1 for a single unit.

    Args:
        first: (M,) in which cases the first holds.
        second: (M,) likewise.
        units: (M,) the number of each case's unit; each case is one of its own where missing.
        level: Confidence level of the interval.
    """
    both, only_first, only_second, neither = (
        int(((first == x) & (second == y)).sum()) for x in (True, False) for y in (True, False)
    )
    plain = paired_difference(both, only_first, only_second, neither, level)
    if units is None or plain.value is None or plain.low is None or plain.high is None:
        return plain
    place, sizes = np.unique(units, return_inverse=True, return_counts=True)[1:]
    groups, low, high = len(sizes), plain.low, plain.high
    if groups < len(first):
        half = math.inf
        if groups > 1:
            error = np.bincount(place, first.astype(float) - second) - plain.value * sizes
            half = student(level, groups - 1) * math.sqrt(groups / (groups - 1) * (error**2).sum()) / len(first)
        low, high = max(min(low, plain.value - half), -1.0), min(max(high, plain.value + half), 1.0)
    return dataclasses.replace(plain, low=low, high=high, groups=groups)


def mcnemar_of_units(
    first: Decisions, second: Decisions, units: NDArray[np.intp] | None, alternative: str = "two-sided"
) -> float:
    """The exact p-value of McNemar's test for cases that come in units; `alternative` is "two-sided" or "greater".

    What is tested is that the two are exchangeable within each unit: each unit's difference keeps its size and takes
    either sign (Durkalski et al. 2003, "Analysis of clustered matched-pair data for a non-inferiority study design",
    gives the normal approximation). With units of one it is `mcnemar`. Arguments as `paired_difference_of_units`.
    """
    if units is None or len(np.unique(units)) == len(units):
        return mcnemar(int((first & ~second).sum()), int((second & ~first).sum()), alternative)
    place = np.unique(units, return_inverse=True)[1]
    sums = np.bincount(place, first.astype(float) - second).round().astype(np.intp)
    chances = np.ones(1)
    for size, many in zip(*np.unique(np.abs(sums[sums != 0]), return_counts=True), strict=True):
        chances = np.convolve(chances, _signs(int(size), int(many)))
    distance, observed = np.arange(len(chances)) - len(chances) // 2, int(sums.sum())
    beyond = distance >= observed if alternative == "greater" else np.abs(distance) >= abs(observed)
    return min(float(chances[beyond].sum()), 1.0)


def _signs(size: int, many: int) -> NDArray[np.float64]:
    """The chances of the sum of so many numbers of one size and either sign, from the lowest sum to the highest."""
    from scipy.stats import binom

    chances = np.zeros(2 * size * many + 1)
    chances[:: 2 * size] = binom.pmf(np.arange(many + 1), many, 0.5)
    return chances
