"""Class names in another order than the outputs are noticed; poor and constant models are not accused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from workbench.images.item import BytesSource, ImageItem
from workbench.predictions import DecisionRule, Predictions, Reordered, reordered, tabulate
from workbench.quality import Answers

DIGITS = tuple(str(number) for number in range(12))


def predicted(names, labels, calls, groups=None) -> Predictions:
    """A table of a model that calls each image the class of that number, with little doubt."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 0.1, (len(labels), len(names))).astype(np.float32)
    logits[np.arange(len(labels)), calls] += 4
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    items = [
        ImageItem(f"{i:04}.png", BytesSource(b""), label, attributes={} if groups is None else {"group": groups[i]})
        for i, label in enumerate(labels)
    ]
    ids = [item.name for item in items]
    return tabulate(items, logits, shares, {}, DecisionRule(tuple(names)), "model", ids)


def drawn(names, outputs, right=0.9, each=20, seed=0):
    """Labels, and the outputs of a model whose output i means `outputs[i]`, right in this share of images."""
    rng = np.random.default_rng(seed)
    labels = [name for name in names for _ in range(each)]
    meant = [label if rng.random() < right else str(rng.choice(names)) for label in labels]
    return labels, [list(outputs).index(name) for name in meant]


ORDERS = {
    "the other way round": (("good", "defective"), ("defective", "good")),
    "sorted as text": (DIGITS, sorted(DIGITS)),
    "sorted by their numbers": (sorted(DIGITS), DIGITS),
    "without regard to case": (("Dent", "Hole", "crack", "good"), ("crack", "Dent", "good", "Hole")),
    "too many in front": (("a", "b", "c", "d"), ("b", "c", "d", "a")),
    "missing in front": (("a", "b", "c", "d"), ("d", "a", "b", "c")),
    "last to first": (("a", "b", "c"), ("c", "b", "a")),
    "": (("a", "b", "c", "d", "e"), ("a", "c", "b", "d", "e")),
}


@pytest.mark.parametrize("why", ORDERS)
def test_an_order_that_fits_far_better_is_named_with_its_cause(why) -> None:
    names, outputs = ORDERS[why]
    result = reordered(predicted(names, *drawn(names, outputs, each=60 if len(names) < 6 else 20)))
    assert isinstance(result, Reordered)
    assert result.moved == tuple((name, meant) for name, meant in zip(names, outputs, strict=True) if name != meant)
    assert why in result.cause
    assert bool(result.cause) == bool(why)
    assert result.then > 0.8 > result.now


def test_the_figures_are_those_of_the_half_that_did_not_choose() -> None:
    labels, calls = drawn(("good", "defective"), ("defective", "good"), 0.95, 100)
    result = reordered(predicted(("good", "defective"), labels, calls))
    chosen = np.isin(np.arange(200), np.random.default_rng(0).permutation(200)[:100])
    names = np.array(["good", "defective"])
    truth, said = np.array(labels)[~chosen], names[np.array(calls)][~chosen]
    now = np.mean([(said[truth == name] == name).mean() for name in names])
    assert (result.now, result.then, result.support) == (now, pytest.approx(1 - now), 100)
    assert f"with {now:.0%}" in result.sentence
    assert "good means defective, defective means good" in result.sentence


@pytest.mark.parametrize("seed", range(5))
def test_no_model_is_accused_that_is_poor_constant_or_one_sided(seed) -> None:
    names, rng = ("good", "scratch", "stain"), np.random.default_rng(seed)
    labels, calls = drawn(names, names, 0.9, 40, seed)
    assert reordered(predicted(names, labels, calls)) is None, "it is right"
    assert reordered(predicted(names, labels, rng.integers(0, 3, 120))) is None, "it guesses"
    for one in range(3):
        assert reordered(predicted(names, labels, [one] * 120)) is None, "it calls everything one class"
    many = ["good"] * 85 + ["bad"] * 15
    assert reordered(predicted(("good", "bad"), many, [1] * 100)) is None, (
        "85 % agree the other way round, by one class"
    )
    weak = ["good"] * 60 + ["bad"] * 60
    calls = [int((rng.random() < 0.58) != (label == "bad")) for label in weak]
    assert reordered(predicted(("good", "bad"), weak, calls)) is None, "worse than chance, and no better the other way"


def test_a_handful_and_a_handful_of_units_give_no_verdict() -> None:
    names, outputs = ("good", "defective"), ("defective", "good")
    assert "58 labelled images are too few" in str(reordered(predicted(names, *drawn(names, outputs, 1, 29))))
    labels, calls = drawn(names, outputs, 1, 200)
    assert isinstance(reordered(predicted(names, labels, calls)), Reordered)
    parts = [f"part {i // 10}" for i in range(400)]
    assert "40 labelled units" in str(reordered(predicted(names, labels, calls, parts)))


def test_twenty_images_are_silent_only_where_they_show_the_names_to_be_right() -> None:
    names = ("good", "defective")
    labels, calls = drawn(names, names, 1, 10)
    assert reordered(predicted(names, labels, calls)) is None
    assert "20 labelled images are too few" in str(reordered(predicted(names, labels, [1 - call for call in calls])))
    one_missed = [*calls[:6], *[1] * 4, *calls[10:]]  # six of ten: more than half, but not surely
    assert "20 labelled images are too few" in str(reordered(predicted(names, labels, one_missed)))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["good"] * 200, "all labels are of one class"),
        (["good"] * 198 + ["bad"] * 2, "of a second class"),
        ([None] * 100, "no image has a label"),
        (["else"] * 100, "no image has a label"),
    ],
)
def test_what_cannot_be_looked_for_is_said(labels, words) -> None:
    assert words in str(reordered(predicted(("good", "bad"), labels, [0] * len(labels))))


def test_of_several_labels_an_image_it_is_not_looked_for() -> None:
    table = predicted(("good", "bad"), ["good", "bad"] * 50, [0, 1] * 50)
    several = dataclasses.replace(table, rule=DecisionRule(("good", "bad"), thresholds=(0.5, 0.5)))
    assert "several labels" in str(reordered(several))


def test_in_the_health_of_the_data_it_is_then_unknown() -> None:
    labels = [[line.verdict for line in Answers(reordered=found).by_question["labels"]] for found in ("why", None)]
    assert labels == [["unknown"], []]


def test_classes_that_no_image_shows_are_not_said_to_be_moved() -> None:
    names = ("a", "b", "c", "d", "e")
    labels, calls = drawn(("a", "b"), ("b", "a"), 1, 60)
    result = reordered(predicted(names, labels, calls))
    assert isinstance(result, Reordered)
    assert result.moved == (("a", "b"), ("b", "a"))
    assert reordered(predicted(names[:3], *drawn(("a", "c"), ("c", "b", "a"), 1, 60))).cause == ""
