"""Weighted figures over units, against scikit-learn, Wilson's interval, a jackknife over units, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from workbench.stats import auc, by_influence, mean_auc, mean_of, weighted_mean, weighted_share, wilson


def test_the_mean_auc_is_that_of_sklearn() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 200)
    scores = rng.normal(size=(200, 3)) + np.eye(3)[truth]
    scores = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    value, influence = mean_auc(scores, truth)
    assert value == pytest.approx(roc_auc_score(truth, scores, multi_class="ovr", average="macro"), abs=1e-12)
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    assert math.isnan(mean_auc(scores, np.zeros(200, int))[0])


def test_its_interval_is_that_of_a_jackknife_over_units() -> None:
    rng = np.random.default_rng(2)
    units = np.repeat(np.arange(60), 4)
    truth = np.repeat(rng.integers(0, 2, 60), 4)
    scores = rng.normal(size=240) + 0.7 * truth + np.repeat(rng.normal(size=60), 4)
    columns = np.stack([-scores, scores], 1)
    left_out = np.array([mean_auc(columns[units != u], truth[units != u])[0] for u in range(60)])
    error = math.sqrt(59 / 60 * ((left_out - left_out.mean()) ** 2).sum())
    value, influence = mean_auc(columns, truth)
    rate = by_influence(value, influence, units)
    assert rate.value == pytest.approx(auc(scores, truth == 1).value)
    assert (rate.high - rate.low) / 2 == pytest.approx(2.001 * error, rel=0.05)
    assert math.isinf(by_influence(value, influence, np.zeros(240, int)).high)


def test_even_weights_and_units_of_one_give_the_plain_intervals() -> None:
    rng = np.random.default_rng(3)
    hits, values, each = rng.random(400) < 0.8, rng.normal(size=400), np.full(400, 1 / 400)
    plain, rate = wilson(int(hits.sum()), 400), weighted_share(hits, each, np.arange(400))
    assert rate.value == plain.value
    assert (rate.low, rate.high) == pytest.approx((plain.low, plain.high), abs=1e-3)
    mean, weighted = mean_of(values), weighted_mean(values, each, np.arange(400))
    assert (weighted.value, weighted.low, weighted.high) == pytest.approx((mean.value, mean.low, mean.high), rel=1e-3)
    perfect = weighted_share(np.ones(400, bool), each, np.arange(400) // 10)
    assert perfect.high == 1.0
    assert perfect.low == pytest.approx(wilson(40, 40).low, abs=0.01)


def test_a_standardised_share_covers_the_truth_though_units_are_alike() -> None:
    """Two classes, right in 95 and 70 %, weighted to even shares; units of five images differ by 10 points."""
    rng, inside = np.random.default_rng(4), 0
    truth = np.repeat([0, 1], (400, 100))
    units = np.arange(500) // 5
    weights = np.where(truth == 0, 0.5 / 400, 0.5 / 100)
    for _ in range(300):
        shift = np.repeat(rng.choice((-0.05, 0.05), 100), 5)
        hits = rng.random(500) < np.where(truth == 0, 0.95, 0.7) + shift
        rate = weighted_share(hits, weights, units, strata=truth)
        inside += rate.low <= 0.825 <= rate.high
    assert 0.92 <= inside / 300 <= 0.99


def test_two_units_and_hundreds_of_intervals_rule_nothing_out() -> None:
    hits, units = np.array([True, True, False, True]), np.array([0, 0, 1, 1])
    rate = weighted_share(hits, np.full(4, 0.25), units, 1 - 1e-17 - 1e-16)
    assert (rate.value, rate.low, rate.high) == (0.75, 0.0, 1.0)
    narrower = weighted_share(hits, np.full(4, 0.25), units, 0.9)
    assert 0 < narrower.low < narrower.high < 1
