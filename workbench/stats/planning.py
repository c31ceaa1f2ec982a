"""How many independent cases a promise needs: for a ceiling with few mistakes, and for an interval of a given width."""

from __future__ import annotations

import math
from collections.abc import Callable

from workbench.stats.rates import critical_value, upper_bound

MOST_ASKED = 10**12
"""More cases than this are not searched."""


def cases_for_ceiling(ceiling: float, allowed: int = 0, level: float = 0.95) -> int:
    """The fewest independent cases among which `allowed` mistakes still prove that their rate is at most `ceiling`.

    By the exact one-sided bound of Clopper and Pearson 1934; without mistakes it is the "rule of three" made exact.

    Args:
        ceiling: A share between 0 and 1, both left out.
        allowed: Mistakes, 0 or more.
        level: Confidence of the one-sided bound.

    Raises:
        ValueError: Either lies outside of its range.

    Example:
        >>> from workbench.stats import cases_for_ceiling
        >>> [cases_for_ceiling(0.05, allowed) for allowed in (0, 1)]
        [59, 93]
    """
    if not 0 < ceiling < 1 or allowed < 0:
        raise ValueError(f"expected 0 < ceiling < 1 and allowed >= 0, got {ceiling} and {allowed}")
    return _first(lambda cases: float(upper_bound([allowed], cases, level)[0]) <= ceiling, allowed + 1)


def cases_for_interval(rate: float, half: float, level: float = 0.95) -> int:
    """The fewest independent cases whose `wilson` interval around `rate` extends at most `half` to either side, on
    average.

    Args:
        rate: The proportion that is expected, 0 to 1.
        half: Half of the interval's width, between 0 and 0.5, 0 left out.
        level: Confidence level of the interval.

    Raises:
        ValueError: Either lies outside of its range.

    Example:
        >>> from workbench.stats import cases_for_interval
        >>> cases_for_interval(0.5, 0.05), cases_for_interval(0.9, 0.05)
        (381, 141)
    """
    if not 0 <= rate <= 1 or not 0 < half <= 0.5:
        raise ValueError(f"expected 0 <= rate <= 1 and 0 < half <= 0.5, got {rate} and {half}")
    return _first(lambda cases: half_width(rate, cases, level) <= half, 1)


def half_width(rate: float, cases: float, level: float = 0.95) -> float:
    """Half of the width of `wilson`'s interval around a proportion of so many cases, not necessarily a whole number."""
    z = critical_value(level)
    if rate in (0.0, 1.0):  # one end of the interval is the proportion itself
        return z**2 / (cases + z**2) / 2
    return z / (1 + z**2 / cases) * math.sqrt(rate * (1 - rate) / cases + z**2 / (4 * cases**2))


def worth_of(rate: float, half: float, level: float = 0.95) -> float:
    """How many independent cases would give an interval of this `half_width` around `rate`: what dependent ones are
    worth. 0 where not even a single one is so vague."""
    low, high = 0.0, 1.0
    while half_width(rate, high, level) > half and high < MOST_ASKED:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if half_width(rate, max(middle, 1e-12), level) <= half else (middle, high)
    return high


def _first(holds: Callable[[int], bool], least: int) -> int:
    """The first number from `least` on for which something holds that then goes on to hold."""
    high = least
    while not holds(high) and high < MOST_ASKED:
        high *= 2
    low = high // 2 if high > least else least - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
