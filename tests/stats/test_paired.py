"""Paired differences and areas under the ROC curve by unit: against a bootstrap over units and by enumeration."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from workbench.stats.auc import auc
from workbench.stats.gaps import paired_difference
from workbench.stats.paired import mcnemar_of_units, paired_difference_of_units
from workbench.stats.significance import mcnemar


def two_models(rng, groups, size, shared):
    """Whether each of two models is right, where the parts of a unit are hard or easy together."""
    units = np.repeat(np.arange(groups), size)
    hard = shared * rng.standard_normal((2, groups))[:, units] + rng.standard_normal((2, len(units)))
    return hard[0] > -0.8, hard[1] > -0.6, units


def test_units_of_one_give_the_tests_of_independent_cases() -> None:
    first, second, _ = two_models(np.random.default_rng(0), 50, 1, 1)
    counts = [int(((first == x) & (second == y)).sum()) for x in (True, False) for y in (True, False)]
    alone = np.arange(50)[::-1]
    assert paired_difference_of_units(first, second, None) == paired_difference(*counts)
    assert paired_difference_of_units(first, second, alone) == dataclasses.replace(
        paired_difference(*counts), groups=50
    )
    assert mcnemar_of_units(first, second, alone) == mcnemar(counts[1], counts[2])
    scores = np.random.default_rng(1).random(50)
    assert auc(scores, first, units=alone) == dataclasses.replace(auc(scores, first), groups=50)


def test_the_difference_has_the_spread_of_whole_units_drawn_again() -> None:
    rng = np.random.default_rng(2)
    first, second, units = two_models(rng, 60, 8, 1.5)
    rate = paired_difference_of_units(first, second, units)
    sums = np.bincount(units, first.astype(float) - second)
    again = sums[rng.integers(0, 60, (4000, 60))].mean(1) / 8
    assert rate.high - rate.low == pytest.approx(2 * 2.0 * again.std(), rel=0.06)
    counts = [int(((first == x) & (second == y)).sum()) for x in (True, False) for y in (True, False)]
    plain = paired_difference(*counts)
    assert rate.high - rate.low > 1.3 * (plain.high - plain.low)
    assert (rate.value, rate.support, rate.groups) == (plain.value, 480, 60)
    single = paired_difference_of_units(first, second, np.zeros(480, np.intp))
    assert (single.low, single.high) == (-1, 1)


def test_the_test_counts_every_choice_of_signs() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        first, second, units = two_models(rng, 9, 4, 1.5)
        sums = np.bincount(units, first.astype(float) - second)
        signed = [abs(np.dot(signs, sums)) for signs in itertools.product((-1, 1), repeat=9)]
        expected = np.mean([total >= abs(sums.sum()) - 1e-9 for total in signed])
        assert mcnemar_of_units(first, second, units) == pytest.approx(expected)
    assert mcnemar_of_units(first, first, units) == 1


def test_the_test_by_unit_does_not_alarm_where_that_of_images_does() -> None:
    rng, alarms = np.random.default_rng(4), np.zeros(2)
    for _ in range(200):
        hard = 3 * rng.standard_normal((2, 20)) + 0.0
        units = np.repeat(np.arange(20), 10)
        first, second = (hard[i][units] + rng.standard_normal(200) > 0 for i in (0, 1))
        only = int((first & ~second).sum()), int((second & ~first).sum())
        alarms += [mcnemar_of_units(first, second, units) <= 0.05, mcnemar(*only) <= 0.05]
    assert alarms[0] <= 16
    assert alarms[1] > 60


def test_the_area_has_the_spread_of_whole_units_drawn_again() -> None:
    rng = np.random.default_rng(5)
    units = np.repeat(np.arange(60), rng.integers(2, 9, 60))
    bad = rng.random(60)[units] + 0.3 * rng.standard_normal(len(units)) > 0.5
    scores = bad + 1.2 * rng.standard_normal(60)[units] + 0.6 * rng.standard_normal(len(units))
    rate = auc(scores, bad, units=units)
    members = [np.flatnonzero(units == g) for g in range(60)]
    again = []
    for _ in range(600):
        rows = np.concatenate([members[g] for g in rng.integers(0, 60, 60)])
        again.append(roc_auc_score(bad[rows], scores[rows]))
    assert rate.value == pytest.approx(roc_auc_score(bad, scores))
    assert rate.high - rate.low == pytest.approx(2 * 2.0 * np.std(again), rel=0.12)
    plain = auc(scores, bad)
    assert rate.high - rate.low > 1.4 * (plain.high - plain.low)
    assert rate.groups == 60


def test_a_perfect_separation_of_few_parts_counts_parts() -> None:
    units = np.repeat(np.arange(12), 30)
    rate = auc((units < 6).astype(float), units < 6, units=units)
    expected = auc((np.arange(12) < 6).astype(float), np.arange(12) < 6)
    assert (rate.low, rate.high) == (expected.low, expected.high)
