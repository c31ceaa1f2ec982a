"""The headline figures against SciPy, scikit-learn, simulation and brute force."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem
from workbench.metrics import auc, best_threshold, headline, holm, mean_of, wilson
from workbench.predictions import DecisionRule, Predictions, tabulate

CLASSES = ("functional", "defective")


def predictions(scores, labels, *, threshold=None, positive="defective", errors=None, classes=CLASSES, probabilities=None) -> Predictions:
    scores = np.asarray(scores, dtype=np.float32)
    if probabilities is None:
        probabilities = np.stack([1 - scores, scores], 1)
    items = [ImageItem(f"{i}.png", BytesSource(b"%d" % i), label) for i, label in enumerate(labels)]
    rule = DecisionRule(tuple(classes), positive, threshold)
    return tabulate(items, np.log(probabilities + 1e-9).astype(np.float32), probabilities, errors or {}, rule, "key")


@pytest.mark.parametrize(("count", "support"), [(0, 7), (7, 7), (1, 2), (580, 656), (3, 1000), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_agrees_with_scipy(count, support, level) -> None:
    expected = binomtest(count, support).proportion_ci(level, method="wilson")
    rate = wilson(count, support, level)
    assert rate.value == count / support
    assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (rate.count, rate.support) == (count, support)


def test_wilson_of_nothing_has_no_value() -> None:
    rate = wilson(0, 0)
    assert (rate.value, rate.low, rate.high, rate.support) == (None, None, None, 0)
    with pytest.raises(ValueError, match="count"):
        wilson(2, 1)


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


def test_the_mean_of_values_has_students_interval() -> None:
    rng = np.random.default_rng(0)
    for level in (0.8, 0.95):
        drawn = [mean_of(rng.normal(0.2, 1, 8), level) for _ in range(2000)]
        assert np.mean([rate.low <= 0.2 <= rate.high for rate in drawn]) == pytest.approx(level, abs=0.02)
    one = mean_of(np.array([-0.5]))
    assert (one.value, one.count, one.support) == (-0.5, 1, 1)
    assert np.isnan([one.low, one.high]).all()
    none = mean_of(np.zeros(0))
    assert (none.value, none.low, none.support) == (None, None, 0)


def test_headline_counts_and_leaves_out_what_cannot_be_judged() -> None:
    labels = ["defective", "defective", "defective", "functional", "functional", None, "scratched", "defective"]
    found = headline(predictions([0.9, 0.8, 0.2, 0.7, 0.1, 0.9, 0.9, 0.9], labels, threshold=0.5, errors={7: "cut off"}))
    assert (found["accuracy"].count, found["accuracy"].support) == (3, 5)
    assert (found["recall"].count, found["recall"].support) == (2, 3)
    assert (found["precision"].count, found["precision"].support) == (2, 3)
    assert found["AUC"].value == pytest.approx(5 / 6)
    assert (found["AUC"].count, found["AUC"].support) == (3, 5)


def test_headline_of_some_rows_follows_the_threshold() -> None:
    table = predictions([0.9, 0.8, 0.2, 0.7], ["defective", "defective", "defective", "functional"], threshold=0.75)
    assert headline(table)["accuracy"].value == 0.75
    assert headline(table, np.array([True, False, True, False]))["accuracy"].value == 0.5
    perfect = headline(table, np.array([True, True, False, True]))
    assert {name: rate.value for name, rate in perfect.items()} == {"accuracy": 1, "AUC": 1, "recall": 1, "precision": 1}


def test_headline_without_rows_labels_or_positive_class() -> None:
    table = predictions([0.9, 0.1], ["defective", "defective"])
    assert headline(table)["AUC"].value is None
    assert headline(table)["recall"].value == 0.5
    nothing = headline(table, np.zeros(2, dtype=bool))
    assert all(rate.value is None and rate.support == 0 for rate in nothing.values())
    assert set(headline(predictions([0.9], ["defective"], positive=None))) == {"accuracy"}
    assert headline(predictions([0.9], [None]))["accuracy"].value is None


def test_headline_is_the_same_after_a_round_trip(tmp_path) -> None:
    table = predictions([0.9, 0.2, 0.7, 0.1], ["defective", None, "functional", "functional"], threshold=0.5)
    table.save(tmp_path / "predictions.parquet")
    assert headline(Predictions.load(tmp_path / "predictions.parquet")) == headline(table)


def test_best_threshold_beats_every_other() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        truth = rng.random(60) < 0.4
        scores = (1 / (1 + np.exp(-rng.normal(size=60) - truth))).round(2)
        labels = np.where(truth, "defective", "functional")
        best = best_threshold(predictions(scores, labels))
        reached = headline(predictions(scores, labels, threshold=best))["accuracy"].count
        others = [headline(predictions(scores, labels, threshold=t))["accuracy"].count for t in np.linspace(0, 1, 203)]
        assert reached == max(others)


def test_best_threshold_is_the_middle_of_the_widest_gap() -> None:
    labels = ["functional", "functional", "defective", "functional", "defective"]
    # Between 0.2 and 0.3, and between 0.4 and 0.8, one case is wrong; the second gap is wider.
    assert best_threshold(predictions([0.1, 0.2, 0.3, 0.4, 0.8], labels)) == pytest.approx(0.6)


def test_best_threshold_with_scores_at_the_ends() -> None:
    assert best_threshold(predictions([0.0, 1.0], ["functional", "defective"])) == pytest.approx(0.5)
    table = predictions([0.0, 1.0, 1.0], ["functional", "functional", "defective"])
    assert headline(predictions([0.0, 1.0, 1.0], list(table.frame.label), threshold=best_threshold(table)))["accuracy"].count == 2


def test_best_threshold_knows_that_some_good_parts_are_wrong_anyway() -> None:
    classes = ("a", "b", "bad")
    probabilities = np.array([[0.6, 0.1, 0.3], [0.1, 0.4, 0.5], [0.5, 0.1, 0.4], [0.1, 0.2, 0.7]], np.float32)
    table = predictions([0] * 4, ["a", "b", "b", "bad"], classes=classes, positive="bad", probabilities=probabilities)
    assert best_threshold(table) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("labels", "positive", "words"),
    [
        (["functional", "functional"], "defective", "without a defective part"),
        (["defective", "defective"], "defective", "without a part that is not defective"),
        ([None, None], "defective", "without a defective part"),
        (["functional", "defective"], None, "names no positive class"),
    ],
)
def test_no_threshold_is_guessed(labels, positive, words) -> None:
    with pytest.raises(InputError, match=words):
        best_threshold(predictions([0.2, 0.8], labels, positive=positive))


def test_importing_the_figures_needs_no_torch() -> None:
    code = "import sys, workbench.metrics; print([m for m in ('torch', 'scipy', 'streamlit', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_holm_is_its_definition() -> None:
    rng = np.random.default_rng(5)
    for p in ([0.01, 0.04, 0.03, 0.005], [0.5], [0.02, 0.02, 0.9], rng.random(40)):
        adjusted = holm(p)
        p = np.asarray(p)
        for i, one in enumerate(p):  # the largest of (T - rank) p over all that are as small, and never over 1
            smaller = np.sort(p)[: (np.sort(p) <= one).sum()]
            expected = min(1, max((len(p) - r) * x for r, x in enumerate(smaller)))
            assert adjusted[i] == pytest.approx(expected, abs=1e-15)
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).tolist() == []
