"""The area under the ROC curve with its confidence interval."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.stats.ranks import midranks
from workbench.stats.rates import Rate, critical_value, student


def auc(scores: ArrayLike, positive: ArrayLike, level: float = 0.95, *, units: NDArray[np.intp] | None = None) -> Rate:
    """The area under the ROC curve: the chance that a positive case scores above a negative one, ties counting half.

    The interval is that of DeLong et al. 1988, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", taken on the logit scale so that it stays within 0 .. 1. Where that variance is zero (a
    perfect separation says nothing of its spread) it is the score interval of Newcombe 2006, "Confidence intervals for
    an effect size measure based on the Mann-Whitney statistic, part 2", method 5.

    Where cases come in units, what they contribute is summed over each unit: Obuchowski 1997, "Nonparametric analysis
    of clustered ROC curve data", with Student's t for the units of the rarer kind. A perfect separation then counts a
    unit once.

    Args:
        scores: Finite numbers of shape (N,), higher for positive.
        positive: Booleans of shape (N,).
        level: Confidence level of the interval.
        units: (N,) the number of each case's unit; each case is one of its own where missing.

    Returns:
        The area, with the positive cases as `count` and all cases as `support`; without a value where a class is
        missing.
    """
    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    if score.ndim != 1 or score.shape != truth.shape or not np.isfinite(score).all():
        raise ValueError("expected finite scores and booleans, both of shape (N,)")
    n, m = int(truth.sum()), int((~truth).sum())
    if n == 0 or m == 0:
        return Rate(None, None, None, n, n + m)
    above, below = placements(score, truth)
    area = float(above.mean())
    groups = None if units is None else len(np.unique(units))
    worth, critical = (n, m), critical_value(level)
    if units is None or groups == n + m:
        variance = (above.var(ddof=1) / n if n > 1 else 0.0) + (below.var(ddof=1) / m if m > 1 else 0.0)
    else:
        worth = len(np.unique(units[truth])), len(np.unique(units[~truth]))
        variance = _clustered_variance(above - area, below - area, units, truth)
        critical = student(level, max(min(worth) - 1, 1))
    if variance < 1e-12 or not 0 < area < 1 or min(worth) == 1:
        low, high = _newcombe(area, *worth, level)
    else:
        centre, half = math.log(area / (1 - area)), critical * math.sqrt(variance) / (area * (1 - area))
        low, high = (1 / (1 + math.exp(-min(max(end, -700), 700))) for end in (centre - half, centre + half))
    return Rate(area, low, high, n, n + m, groups)


def _clustered_variance(
    above: NDArray[np.float64], below: NDArray[np.float64], units: NDArray[np.intp], positive: NDArray[np.bool_]
) -> float:
    """The variance of an area from the deviations of the placements of its positive (n,) and negative cases (m,)."""
    place = np.unique(units, return_inverse=True)[1]
    first, second = (
        np.bincount(place[kind], part, minlength=place.max() + 1) / len(part)
        for kind, part in ((positive, above), (~positive, below))
    )
    counts = [len(np.unique(place[kind])) for kind in (positive, ~positive)] + [place.max() + 1]
    sums = (first**2).sum(), (second**2).sum(), 2 * (first * second).sum()
    scale = [count / (count - 1) if count > 1 else 0.0 for count in counts]
    return float(sum(factor * total for factor, total in zip(scale, sums, strict=True)))


def placements(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each case contributes to the area: its share of the cases of the other kind that it is on the right side of.

    Args:
        scores: Finite numbers of shape (N,).
        positive: Booleans of shape (N,), n of them true and m not, neither 0.

    Returns:
        For each positive case the share of the negatives below it (n,), and for each negative that of the positives
        above (m,).
    """
    ranks, n, m = midranks(scores), int(positive.sum()), int((~positive).sum())
    return (ranks[positive] - midranks(scores[positive])) / m, 1 - (ranks[~positive] - midranks(scores[~positive])) / n


def _newcombe(area: float, n: int, m: int, level: float) -> tuple[float, float]:
    """The values whose own standard error just reaches `area`, found by halving."""
    z, n_star = critical_value(level), (n + m) / 2 - 1

    def reaches(value: float) -> bool:
        spread = value * (1 - value) * (1 + n_star * (1 - value) / (2 - value) + n_star * value / (1 + value)) / (n * m)
        return (value - area) ** 2 <= z**2 * spread

    def limit(far: float) -> float:
        near = area
        for _ in range(60):
            middle = (near + far) / 2
            near, far = (middle, far) if reaches(middle) else (near, middle)
        return near

    return limit(0.0), limit(1.0)
