"""A rule at another temperature, which divides logits before they become probabilities: its thresholds move along."""

from __future__ import annotations

import dataclasses
import math

from workbench.catalog import COLDEST, HOTTEST
from workbench.errors import InputError
from workbench.predictions.table import DecisionRule, as_scores


def moved(threshold: float, temperature: float) -> float:
    """Where a threshold on the probability of one of two classes comes to stand once logits are divided by
    `temperature`: the probability whose log-odds are as much smaller. From 0 to 1; 0, 1/2 and 1 stay.

    Example:
        >>> round(moved(0.9, 2.0), 6)
        0.75
    """
    if threshold in (0.0, 1.0):
        return threshold
    odds = (math.log(threshold) - math.log1p(-threshold)) / temperature
    return 1 / (1 + math.exp(-odds)) if odds > 0 else math.exp(odds) / (1 + math.exp(odds))


def at_temperature(rule: DecisionRule, temperature: float) -> DecisionRule:
    """The rule that decides alike of the same logits, with probabilities at another temperature: its thresholds move.

    Raises:
        InputError: The temperature is out of bounds, or no threshold keeps all decisions: one for a class among more
            than two, for the others' logits tell there, or one so near to 0 or 1 that it does not survive the move.
    """
    if not COLDEST <= temperature <= HOTTEST:
        raise InputError(
            f"The temperature {temperature} is not one from {COLDEST:g} to {HOTTEST:g}: give such a number."
        )
    if rule.threshold is not None and len(rule.class_names) > 2:
        raise InputError(
            f"No threshold for {rule.positive!r} keeps the decisions of {len(rule.class_names)} classes at another"
            " temperature, because the other classes' logits tell there: remove the threshold, or leave the"
            " temperature as it is."
        )
    ratio = temperature / rule.temperature
    return dataclasses.replace(
        rule,
        temperature=temperature,
        threshold=None if rule.threshold is None else _kept(rule.threshold, ratio),
        thresholds=None if rule.thresholds is None else tuple(_kept(value, ratio) for value in rule.thresholds),
    )


def _kept(threshold: float, ratio: float) -> float:
    """The threshold moved; refused where moving it back would not give the same one in the precision of scores."""
    there = moved(threshold, ratio)
    score, back = as_scores([there, moved(there, 1 / ratio)])
    if back != as_scores(threshold) or score == 0 < threshold:
        raise InputError(
            f"The threshold {threshold} is too near to 0 or 1 to be told from it at this temperature: choose another"
            " threshold first."
        )
    return there
