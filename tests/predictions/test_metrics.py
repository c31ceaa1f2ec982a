"""The headline figures against SciPy, scikit-learn, simulation and brute force."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import InputError
from workbench.images.item import BytesSource, ImageItem
from workbench.predictions.headline import best_threshold, headline
from workbench.predictions.table import DecisionRule, Predictions, tabulate

CLASSES = ("functional", "defective")


def predictions(
    scores, labels, *, threshold=None, positive="defective", errors=None, classes=CLASSES, probabilities=None
) -> Predictions:
    scores = np.asarray(scores, dtype=np.float32)
    if probabilities is None:
        probabilities = np.stack([1 - scores, scores], 1)
    items = [ImageItem(f"{i}.png", BytesSource(b"%d" % i), label) for i, label in enumerate(labels)]
    rule = DecisionRule(tuple(classes), positive, threshold)
    return tabulate(items, np.log(probabilities + 1e-9).astype(np.float32), probabilities, errors or {}, rule, "key")


def test_headline_counts_and_leaves_out_what_cannot_be_judged() -> None:
    labels = ["defective", "defective", "defective", "functional", "functional", None, "scratched", "defective"]
    found = headline(
        predictions([0.9, 0.8, 0.2, 0.7, 0.1, 0.9, 0.9, 0.9], labels, threshold=0.5, errors={7: "cut off"})
    )
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
    assert {name: rate.value for name, rate in perfect.items()} == {
        "accuracy": 1,
        "AUC": 1,
        "recall": 1,
        "precision": 1,
    }


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
    all_thresholds = [0.0, *np.arange(0.005, 1, 0.01), 1.0]  # scores have two digits: no other decides otherwise
    for _ in range(10):
        truth = rng.random(60) < 0.4
        scores = (1 / (1 + np.exp(-rng.normal(size=60) - truth))).round(2)
        labels = np.where(truth, "defective", "functional")
        best = best_threshold(predictions(scores, labels))
        reached = headline(predictions(scores, labels, threshold=best))["accuracy"].count
        others = [headline(predictions(scores, labels, threshold=t))["accuracy"].count for t in all_thresholds]
        assert reached == max(others)


def test_best_threshold_is_the_middle_of_the_widest_gap() -> None:
    labels = ["functional", "functional", "defective", "functional", "defective"]
    # Between 0.2 and 0.3, and between 0.4 and 0.8, one case is wrong; the second gap is wider.
    assert best_threshold(predictions([0.1, 0.2, 0.3, 0.4, 0.8], labels)) == pytest.approx(0.6)


def test_best_threshold_with_scores_at_the_ends() -> None:
    assert best_threshold(predictions([0.0, 1.0], ["functional", "defective"])) == pytest.approx(0.5)
    table = predictions([0.0, 1.0, 1.0], ["functional", "functional", "defective"])
    assert (
        headline(predictions([0.0, 1.0, 1.0], list(table.frame.label), threshold=best_threshold(table)))[
            "accuracy"
        ].count
        == 2
    )


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
