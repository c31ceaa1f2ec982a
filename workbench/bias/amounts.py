"""Figures in sentences: shares, differences of shares and p-values."""

from __future__ import annotations

from workbench.stats import ENOUGH, FEW_UNITS, Rate


def percent(value: float) -> str:
    """A share, as in 73.2 %."""
    return f"{100 * value:.1f} %"


def interval(rate: Rate) -> str:
    """A share in whole per cent with its interval, as in 48 % (36 to 60); "none" without a value."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "none"
    return f"{100 * rate.value:.0f} % ({100 * rate.low:.0f} to {100 * rate.high:.0f})"


def images_of(rate: Rate) -> str:
    """What a figure rests on, as in 60 images, or 60 images in 12 units."""
    return f"{rate.support:,} images{rate.in_units()}"


def points(value: float, low: float, high: float) -> str:
    """A difference of shares, as in 6.5 points (1.8 to 11.5)."""
    return f"{100 * value:.1f} points ({100 * low:.1f} to {100 * high:.1f})"


def chance(p: float) -> str:
    """A test's p, as in p = 0.14."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def rounded(count: int) -> str:
    """A number to two digits, upwards, as in 1,300 for 1,234."""
    step = 10 ** max(len(str(count)) - 2, 0)
    return f"{-(-count // step) * step:,}"


def enough_of(unit: str) -> str:
    """How much is needed to say anything, as in 30 images of 10 parts.

    Args:
        unit: What is counted, in the plural, as `Independence.unit` says it.
    """
    return f"{ENOUGH} images" if unit == "images" else f"{ENOUGH} images in {FEW_UNITS} {unit}"
