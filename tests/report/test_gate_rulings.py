"""Bounds of a gate and what they come to, against exact enumeration and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from workbench.report.gate_rulings import (
    Bounds,
    Levels,
    change_bounds,
    mean_bounds,
    outcome_of,
    ruled,
    share_bounds,
)
from workbench.stats import paired_difference


def flags(count, support):
    return np.arange(support) < count


@pytest.mark.parametrize("count", [0, 1, 7, 60])
def test_bounds_of_a_share_are_those_of_clopper_and_pearson(count) -> None:
    bounds = share_bounds(flags(count, 60), None, Levels(0.95, 0.99))
    assert bounds.most == pytest.approx(binomtest(count, 60, alternative="less").proportion_ci(0.95, "exact").high)
    least = binomtest(count, 60, alternative="greater").proportion_ci(0.99, "exact").low
    assert bounds.least == pytest.approx(least, abs=1e-12)
    assert (bounds.value, bounds.count, bounds.support) == (count / 60, count, 60)


def test_a_share_at_its_ceiling_passes_and_fails_as_seldom_as_is_said() -> None:
    """By enumeration of all counts of 80 images whose share is exactly the ceiling."""
    levels = Levels.shared(0.95, 5)
    assert levels.failing == pytest.approx(0.99)
    outcomes = [outcome_of(share_bounds(flags(count, 80), None, levels), 0.1) for count in range(81)]
    chances = binom.pmf(np.arange(81), 80, 0.1)
    assert 0 < sum(chances[i] for i, word in enumerate(outcomes) if word == "pass") <= 0.05
    assert 0 < sum(chances[i] for i, word in enumerate(outcomes) if word == "fail") <= 0.01


def test_images_of_one_part_are_worth_less() -> None:
    units = np.repeat(np.arange(20), 3)
    alone, joined = (share_bounds(flags(6, 60), of, Levels(0.95, 0.99)) for of in (None, units))
    assert joined.most > alone.most
    assert joined.least < alone.least
    assert joined.rests_on == "60 images in 20 units"


def test_the_ends_of_a_change_are_those_of_the_paired_interval() -> None:
    now, before = flags(9, 50), flags(4, 50)
    bounds = change_bounds(now, before, None, Levels(0.95, 0.99))
    assert bounds.most == pytest.approx(paired_difference(4, 5, 0, 41, 0.9).high)
    assert bounds.least == pytest.approx(paired_difference(4, 5, 0, 41, 0.98).low)
    assert bounds.value == pytest.approx(0.1)


def test_one_unit_bounds_nothing_and_says_so() -> None:
    bounds = mean_bounds(np.arange(6) / 10, np.zeros(6, np.intp), Levels(0.95, 0.99))
    assert bounds.few
    assert outcome_of(bounds, 0.9) == "not enough"
    assert "no bound" in ruled("x", "What", bounds, 0.9, Levels(0.95, 0.99)).sentence


@pytest.mark.parametrize(
    ("least", "most", "outcome", "word"),
    [
        (0.0, 0.1, "pass", "at most 10.0 %"),
        (0.05, 0.11, "not enough", "at most 11.0 %"),
        (0.1, 0.3, "not enough", "at most"),
        (0.101, 0.3, "fail", "at least 10.1 %"),
    ],
)
def test_a_rule_is_held_against_its_bounds_and_not_its_estimate(least, most, outcome, word) -> None:
    ruling = ruled("x", "What", Bounds(0.1, least, most, 40, 30, 4), 0.1, Levels(0.95, 0.99))
    assert ruling.outcome == outcome
    assert word in ruling.sentence
    assert "4 of 40 images in 30 units" in ruling.sentence


def test_questions_within_a_rule_share_its_chance_to_fail() -> None:
    assert Levels(0.95, 0.99).among(4) == Levels(0.95, pytest.approx(0.9975))
