"""How many more cases a test needs: the power of the z-test of two proportions."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

POWER = 0.8
"""The chance with which a planned test is to find what is there; the convention of Cohen 1988."""
MOST_CASES = 100_000
"""More cases than this are no plan."""


def power(first: float, second: float, cases: tuple[int, int], critical: float) -> float:
    """The chance that a two-sided z-test finds two proportions to differ.

    Fleiss, Levin and Paik 2003, "Statistical methods for rates and proportions", without the correction for continuity:
    the pooled error under no difference, each proportion's own where they differ as told.

    Args:
        first: The true proportion of one group.
        second: That of the other.
        cases: How many cases each group has.
        critical: How many standard errors the test asks for, such as 1.96.
    """
    pooled = (first * cases[0] + second * cases[1]) / sum(cases)
    null = math.sqrt(pooled * (1 - pooled) * (1 / cases[0] + 1 / cases[1]))
    error = math.sqrt(first * (1 - first) / cases[0] + second * (1 - second) / cases[1])
    if error == 0:
        return float(abs(first - second) > critical * null)
    return NormalDist().cdf((abs(first - second) - critical * null) / error)


def more_of_smaller(first: float, second: float, cases: tuple[int, int], critical: float) -> int | None:
    """How many more cases of the smaller group give the test `POWER`; None where up to `MOST_CASES` do not.

    Arguments as `power`.
    """
    smaller = 0 if cases[0] <= cases[1] else 1

    def grown(more: int) -> float:
        return power(first, second, (cases[0] + more * (smaller == 0), cases[1] + more * (smaller == 1)), critical)

    return _least(grown)


def more_of_each(first: float, second: float, cases: tuple[int, int], critical: float) -> int | None:
    """How many more cases of either group give the test `POWER`; None and arguments as `more_of_smaller`."""
    return _least(lambda more: power(first, second, (cases[0] + more, cases[1] + more), critical))


def _least(grown: Callable[[int], float]) -> int | None:
    """The least number for which the power, which grows with it, reaches `POWER`."""
    if grown(MOST_CASES) < POWER:
        return None
    low, high = -1, MOST_CASES
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if grown(middle) >= POWER else (middle, high)
    return high
