"""What a decision is made from: the right images, the right classes, and two halves that have nothing in common."""

from __future__ import annotations

import dataclasses
import time
import timeit
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from tables import solar, table, with_attributes

from workbench.defects.halves import CHOSEN_ON, REPORTED_ON, cases_of, deal, of_split
from workbench.predictions.cases import all_scores, defect_classes

METAL = ("good", "scratch", "pit")


def test_the_defects_are_those_of_the_rule_or_all_that_are_not_good() -> None:
    assert defect_classes(solar()) == ("defective",)
    assert defect_classes(table(["pit"], ["pit"], classes=METAL, positive=None)) == ("scratch", "pit")
    assert defect_classes(table(["pit"], ["pit"], classes=METAL, positive="pit")) == ("pit",)
    assert defect_classes(table(["pit"], ["pit"], classes=METAL, positive=None), ["pit", "scratch"]) == (
        "scratch",
        "pit",
    )
    assert defect_classes(solar(), "functional") == ("functional",)


@pytest.mark.parametrize(
    ("classes", "positive", "said"),
    [
        (("cat", "dog"), None, "name those that are defects"),
        (METAL, "dent", "'dent'"),
        (METAL, ["pit", "dent"], "'dent'"),
        (METAL, METAL, "leave out those that are good"),
        (METAL, [], "leave out those that are good"),
    ],
)
def test_without_defects_that_are_known_nothing_is_guessed(refusal, classes, positive, said) -> None:
    predictions = table([classes[0]], [classes[1]], classes=classes, positive=None)
    assert said in refusal(lambda: cases_of(predictions, positive))


def test_a_score_is_the_probability_of_any_defect() -> None:
    predictions = table(
        ["good", "pit", "good"], ["good", "scratch", "pit"], classes=METAL, positive=None, confidence=[0.5, 0.75, 1.0]
    )
    assert cases_of(predictions).scores.tolist() == [0.5, 0.875, 1.0]
    assert cases_of(predictions, "pit").scores.tolist() == [0.25, 0.125, 1.0]
    assert (cases_of(solar()).scores == solar().probabilities[:, 1].astype(float)).all()


def test_a_sum_of_rounded_probabilities_stays_a_probability() -> None:
    predictions = table(["pit"], ["pit"], classes=METAL, positive=None)
    predictions = dataclasses.replace(predictions, probabilities=np.array([[0, 0.6000001, 0.4]], np.float32))
    assert all_scores(predictions, ("scratch", "pit")).tolist() == [1.0]


def test_only_readable_images_with_a_label_the_model_knows_count() -> None:
    predictions = table(["good", "bad", None, "strange", "bad"], ["bad"] * 5, confidence=[0.1, 0.2, 0.3, 0.4, np.nan])
    predictions.frame.loc[4, ["verdict", "predicted"]] = None
    cases = cases_of(predictions)
    assert cases.rows.tolist() == [0, 1]
    assert cases.mask.tolist() == [True, True, False, False, False]
    assert (cases.scores.round(6).tolist(), cases.defect.tolist()) == ([0.1, 0.2], [False, True])
    assert (cases.good, cases.defects) == (1, 1)
    assert np.isnan(all_scores(predictions, ("bad",))[4])
    assert cases_of(predictions, rows=[False, True, True, True, True]).mask.tolist() == [
        False,
        True,
        False,
        False,
        False,
    ]


def test_a_split_is_that_split() -> None:
    cases = cases_of(solar())
    for split, defects, good in ((CHOSEN_ON, 123, 271), (REPORTED_ON, 205, 451)):
        found = of_split(cases, split)
        assert (found.defects, found.good) == (defects, good)
        assert set(solar().frame["split"][found.mask]) == {split}
    assert not of_split(cases, "elsewhere").mask.any()
    assert (of_split(cases, REPORTED_ON).where(np.arange(2624) < 1500).mask[1500:] == 0).all()


def unsplit(labels, **columns):
    """A set without a validation split, each image with bytes of its own."""
    return with_attributes(
        table(labels, labels, confidence=np.linspace(0.5, 1, len(labels))), **({"split": None} | columns)
    )


def test_halves_are_disjoint_complete_and_alike() -> None:
    cases = cases_of(unsplit(["good"] * 71 + ["bad"] * 30))
    halves = deal(cases)
    first, second = halves[CHOSEN_ON], halves[REPORTED_ON]
    assert not (first.mask & second.mask).any()
    assert (first.mask | second.mask).all()
    assert (first.good, first.defects, second.good, second.defects) == (36, 15, 35, 15)
    assert 0.2 < (first.mask[1:] == first.mask[:-1]).mean() < 0.8  # not simply every other one of the table
    assert 5 < first.mask[:35].sum() < 30


def test_halves_are_always_the_same_whatever_the_order() -> None:
    labels = ["good", "bad", "bad"] * 40
    predictions = unsplit(labels)
    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = dataclasses.replace(
        predictions,
        frame=predictions.frame.iloc[order].reset_index(drop=True),
        probabilities=predictions.probabilities[order],
    )

    def ids(table):
        return {half: set(table.frame["id"][cases.mask]) for half, cases in deal(cases_of(table)).items()}

    assert ids(predictions) == ids(predictions) == ids(shuffled)


def test_copies_of_an_image_stay_together_even_under_two_labels() -> None:
    twice = [str(i // 2) for i in range(60)]
    labels = ["good"] * 60 + ["bad"] * 60 + ["good"] * 31
    predictions = unsplit(labels, id=[*twice, *twice, *(f"once {i}" for i in range(31))])
    halves = deal(cases_of(predictions))
    first, second = (set(predictions.frame["id"][half.mask]) for half in halves.values())
    assert not first & second
    assert (len(first), len(second)) == (31, 30)


def test_no_half_holds_what_was_trained_on() -> None:
    labels = ["good"] * 60 + ["bad"] * 60
    split = (["train"] * 20 + ["test"] * 20 + [None] * 20) * 2
    ids = [str(i) for i in range(120)]
    ids[25] = ids[3]  # a copy of a training image
    halves = deal(cases_of(unsplit(labels, split=split, id=ids)))
    dealt = halves[CHOSEN_ON].mask | halves[REPORTED_ON].mask
    assert dealt.tolist() == [name != "train" and row != 25 for row, name in enumerate(split)]
    assert Counter(pd.Series(labels)[halves[CHOSEN_ON].mask]) == {"good": 20, "bad": 20}


def test_an_image_without_a_digest_is_in_no_half() -> None:
    predictions = unsplit(["good", "bad"] * 10)
    predictions.frame.loc[3, ["id", "verdict"]] = None
    predictions.frame.loc[4, ["id", "verdict", "split"]] = [None, None, "train"]
    dealt = sum(half.mask for half in deal(cases_of(predictions)).values())
    assert dealt.tolist() == [row not in (3, 4) for row in range(20)]


def test_dealing_ten_times_as_many_takes_no_hundred_times_as_long() -> None:
    def seconds(count):
        cases = cases_of(unsplit(list(np.where(np.arange(count) % 3, "good", "bad"))))
        return min(timeit.repeat(lambda: deal(cases), number=1, repeat=3, timer=time.process_time))

    assert seconds(20_000) < 25 * seconds(2_000)
