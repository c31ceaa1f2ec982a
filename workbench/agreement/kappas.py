"""Chance-corrected agreement: Cohen's and Fleiss' kappa, with intervals that count parts and not decisions.

Both are 1 - D / E: the share D of pairs of decisions that differ, over the share E that would differ by chance. Where
nothing could differ by chance, because all decisions are alike, there is no kappa.

The interval is linearised over the units (Cochran 1977, "Sampling techniques", chapter 9), with Student's t for as many
units, on the scale of log(D / E) toward less agreement, and of D / E itself toward more, where that of the logarithm is
too narrow. It knows nothing where few or no decisions differ; so it is widened to what the interval of the share D
alone allows.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from workbench.stats import share, student, wilson

Codes = NDArray[np.intp]
Numbers = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Kappa:
    """A chance-corrected agreement with its 95 % interval.

    Attributes:
        value: From -1 to 1, 1 where all decisions agree; None where there is none, because all decisions are alike or
            nothing could be compared.
        low: Lower end of the interval; None likewise.
        high: Upper end.
        agreement: The share of pairs of decisions that agree, chance included; None where nothing was compared.
        units: How many parts, or units of parts, it rests on.
        pairs: How many pairs of decisions.
    """

    value: float | None
    low: float | None
    high: float | None
    agreement: float | None
    units: int
    pairs: int


NO_KAPPA = Kappa(None, None, None, None, 0, 0)


def cohen(first: Codes, second: Codes, units: Codes | None = None, level: float = 0.95) -> Kappa:
    """Cohen's kappa of two raters: Cohen 1960, "A coefficient of agreement for nominal scales".

    Args:
        first: (M,) what the first said of each case, as numbers of categories from 0.
        second: (M,) what the second said of the same cases.
        units: (M,) the unit of each case; each is one of its own where missing.
        level: Confidence level of the interval.

    Example:
        >>> import numpy as np
        >>> from workbench.agreement import cohen
        >>> first, second = np.repeat([0, 0, 1, 1], [44, 6, 3, 97]), np.repeat([0, 1, 0, 1], [44, 6, 3, 97])
        >>> round(cohen(first, second).value, 2)
        0.86
    """
    size = len(first)
    if not size:
        return NO_KAPPA
    cases = np.arange(size) if units is None else units
    place = np.unique(cases, return_inverse=True)[1]
    groups, kinds = int(place.max()) + 1, int(max(first.max(), second.max())) + 1
    differs = first != second
    observed = float(differs.mean())
    margins = [np.zeros((groups, kinds)), np.zeros((groups, kinds))]
    for margin, codes in zip(margins, (first, second), strict=True):
        np.add.at(margin, (place, codes), 1.0)
    a, b = (margin.sum(0) / size for margin in margins)
    expected = float(1 - a @ b)
    if expected < 1e-12:
        return Kappa(None, None, None, 1 - observed, groups, size)
    many = np.bincount(place).astype(np.float64)
    of_observed = np.bincount(place, differs.astype(np.float64)) - observed * many
    of_expected = -(margins[0] @ b + margins[1] @ a - 2 * many * (a @ b))
    low, high = _ends(observed, expected, of_observed / size, of_expected / size, level)
    alone = share(differs, cases, level)
    ends = max(high, float(alone.high or 0) / expected), min(low, float(alone.low or 0) / expected)
    return _kappa(observed, expected, ends, groups, size)


def fleiss(counts: NDArray[np.integer], level: float = 0.95) -> Kappa:
    """Fleiss' kappa of several decisions about each part, whoever made them: Fleiss 1971, "Measuring nominal scale
    agreement among many raters".

    Where parts have different numbers of decisions each part counts alike, in the shares of the categories too.

    Args:
        counts: (N, K) how many decisions on each part named each category; parts with fewer than two are left out.
        level: Confidence level of the interval.

    Example:
        >>> import numpy as np
        >>> from workbench.agreement import fleiss
        >>> round(fleiss(np.array([[3, 0], [3, 0], [0, 3], [1, 2]])).value, 3)
        0.657
    """
    counts = np.asarray(counts, np.float64)
    counts = counts[counts.sum(1) >= 2]
    parts = len(counts)
    if not parts:
        return NO_KAPPA
    many = counts.sum(1)
    own = 1 - (counts * (counts - 1)).sum(1) / (many * (many - 1))
    shares = counts / many[:, None]
    mean = shares.mean(0)
    observed, expected = float(own.mean()), float(1 - mean @ mean)
    pairs = int((many * (many - 1) / 2).sum())
    if expected < 1e-12:
        return Kappa(None, None, None, 1 - observed, parts, pairs)
    of_expected = -2 * (shares @ mean - mean @ mean)
    low, high = _ends(observed, expected, (own - observed) / parts, of_expected / parts, level)
    differing = wilson(int((own > 0).sum()), parts, level)
    each = float(own[own > 0].mean()) if observed else _most_differing(float(many.max()), counts.shape[1])
    most, least = (float(end or 0) * each / expected for end in (differing.high, differing.low))
    return _kappa(observed, expected, (max(high, most), min(low, least)), parts, pairs)


def _most_differing(decisions: float, kinds: int) -> float:
    """The largest share of pairs of so many decisions that can differ."""
    full, rest = divmod(int(decisions), kinds)
    sizes = np.array([full + 1] * rest + [full] * (kinds - rest), np.float64)
    return float(1 - (sizes * (sizes - 1)).sum() / (decisions * (decisions - 1)))


def _ends(
    observed: float, expected: float, of_observed: Numbers, of_expected: Numbers, level: float
) -> tuple[float, float]:
    """The interval of D / E from the residuals (G,) of each of both, by unit."""
    groups = len(of_observed)
    if groups < 2:
        return 0.0, math.inf
    if not observed:
        return 0.0, 0.0
    residuals = of_observed / observed - of_expected / expected
    half = student(level, groups - 1) * math.sqrt(float((residuals**2).sum()) * groups / (groups - 1))
    return observed / expected * max(1 - half, 0.0), observed / expected * math.exp(half)


def _kappa(observed: float, expected: float, ends: tuple[float, float], units: int, pairs: int) -> Kappa:
    """The kappa of D and E; `ends` are the upper and the lower end of D / E."""
    low, high = (float(np.clip(1 - end, -1, 1)) for end in ends)
    return Kappa(1 - observed / expected, low, high, 1 - observed, units, pairs)
