"""The area under the ROC curve against scikit-learn, a bootstrap and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from workbench.stats.auc import auc


@pytest.mark.parametrize("digits", [1, 8])  # one digit makes many ties
def test_auc_agrees_with_sklearn(digits) -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(300) < 0.3
    scores = (rng.normal(size=300) + truth).round(digits)
    assert auc(scores, truth).value == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert auc(-scores, truth).value == pytest.approx(1 - auc(scores, truth).value, abs=1e-12)


def test_auc_interval_agrees_with_a_bootstrap() -> None:
    rng = np.random.default_rng(2)
    truth = np.arange(400) < 120
    scores = rng.normal(size=400) + 1.5 * truth
    draws = []
    for _ in range(1500):
        rows = np.concatenate([rng.integers(0, 120, 120), rng.integers(120, 400, 280)])
        draws.append(roc_auc_score(truth[rows], scores[rows]))
    low, high = np.quantile(draws, [0.025, 0.975])
    rate = auc(scores, truth)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=0.008)


def test_auc_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(3)
    expected = 0.856  # P(Z1 + 1.5 > Z2) = Phi(1.5 / sqrt(2))
    inside = 0
    for _ in range(400):
        rate = auc(np.concatenate([rng.normal(size=40) + 1.5, rng.normal(size=60)]), np.arange(100) < 40)
        inside += rate.low <= expected <= rate.high
    assert 0.92 <= inside / 400 <= 0.98


@pytest.mark.parametrize("n", [1, 2, 40])
def test_a_perfect_auc_has_an_honest_interval(n) -> None:
    rate = auc(np.arange(2 * n), np.arange(2 * n) >= n)
    assert rate.value == rate.high == 1
    assert 0 < rate.low < 1
    worst = auc(-np.arange(2 * n), np.arange(2 * n) >= n)
    assert (worst.low, worst.high) == pytest.approx((0, 1 - rate.low))
    assert auc(np.arange(400), np.arange(400) >= 200).low > 0.97


def test_auc_of_one_class_or_of_a_constant() -> None:
    one = auc([0.1, 0.2], [True, True])
    assert (one.value, one.low, one.count, one.support) == (None, None, 2, 2)
    flat = auc(np.ones(20), np.arange(20) < 5)
    assert flat.value == 0.5
    assert flat.low < 0.5 < flat.high
    with pytest.raises(ValueError, match="finite"):
        auc([np.nan, 1.0], [True, False])
