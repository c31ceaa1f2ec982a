"""How many parts an agreement study needs: how wide its intervals will be, and which differences it would see."""

from __future__ import annotations

import math

from workbench.stats import critical_value

STUDY_POWER = 0.8
"""With which chance a difference of the stated size is to be found."""


def kappa_half_width(kappa: float, parts: int, prevalence: float = 0.5, level: float = 0.95) -> float:
    """Half of the width of the interval that so many parts give around a kappa of two decisions each, in large samples.

    The variance is that of Bloch and Kraemer 1989, "2 x 2 kappa coefficients: measures of agreement or association".

    Args:
        kappa: What is expected, -1 to 1.
        parts: Independent ones, at least 1.
        prevalence: The share of decisions that call a part a defect, between 0 and 1.
        level: Confidence level of the interval.

    Example:
        >>> from workbench.agreement import kappa_half_width
        >>> round(kappa_half_width(0.8, 50), 2)
        0.17
    """
    spread = (1 - kappa) * (1 - 2 * kappa) + kappa * (2 - kappa) / (2 * prevalence * (1 - prevalence))
    return critical_value(level) * math.sqrt((1 - kappa) / parts * spread)


def seen_difference(parts: int, discordant: float, level: float = 0.95, power: float = STUDY_POWER) -> float:
    """The smallest difference in the share of right decisions between two arms that McNemar's test of so many parts
    finds with this power: Connor 1987, "Sample size for testing differences in proportions for the paired-sample
    design".

    Args:
        parts: Independent ones, each decided once in each arm.
        discordant: The share of parts that are decided differently in the two arms, above 0.
        level: One less the level of the two-sided test.
        power: Between 0 and 1.

    Returns:
        The difference; `discordant` itself, the largest that there can be, where so few parts would not see that.
    """
    alpha, beta = critical_value(level), critical_value(2 * power - 1)

    def needed(difference: float) -> float:
        rest = math.sqrt(max(discordant - difference**2, 0.0))
        return ((alpha * math.sqrt(discordant) + beta * rest) / difference) ** 2

    low, high = 1e-9, discordant
    if needed(high) > parts:
        return discordant
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if needed(middle) <= parts else (middle, high)
    return high
