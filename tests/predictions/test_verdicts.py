"""The sentence about one decision, by value: each kind of rule, truth and mistake."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from workbench.images.item import BytesSource, ImageItem
from workbench.predictions import DecisionRule, Predictions, percent, tabulate, verdict_of

BINARY = DecisionRule(("functional", "defective"), "defective", 0.58)
SEVERAL = DecisionRule(("good", "pit", "stain"), "pit", 0.4)
BARE = DecisionRule(("good", "pit", "stain"), "pit")
GOOD = DecisionRule(("good", "bad"), "good", 0.9)
PLAIN = DecisionRule(("cat", "dog", "fox"))


def predicted(
    rule: DecisionRule, probabilities: list[float], label: str | None, errors: dict[int, str] | None = None
) -> Predictions:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    p = np.array([probabilities], np.float32)
    item = ImageItem("a.png", BytesSource(buffer.getvalue()), label=label)
    return tabulate([item], np.log(p + 1e-9), p, errors or {}, rule, "digest")


@pytest.mark.parametrize(
    ("rule", "probabilities", "label", "sentence"),
    [
        (BINARY, [0.513, 0.487], "defective", "Missed defect. P(defective) 48.7 %, needs 58.0 %. Close."),
        (BINARY, [0.9, 0.1], "defective", "Missed defect. P(defective) 10.0 %, needs 58.0 %."),
        (BINARY, [0.05, 0.95], "functional", "Good part rejected. P(defective) 95.0 %, needs 58.0 %."),
        (BINARY, [0.979, 0.021], "functional", "Right: functional. P(defective) 2.1 %, needs 58.0 %."),
        (BINARY, [0.4, 0.6], None,
         "Called defective. P(defective) 60.0 %, needs 58.0 %. The ground truth is not known. Close."),
        (SEVERAL, [0.5, 0.2, 0.3], "pit", "Missed defect: called good, is pit. P(pit) 20.0 %, needs 40.0 %."),
        (SEVERAL, [0.1, 0.1, 0.8], "good", "Wrong: called stain, is good. P(pit) 10.0 %, needs 40.0 %."),
        (SEVERAL, [0.05, 0.9, 0.05], "stain", "Wrong: called pit, is stain. P(pit) 90.0 %, needs 40.0 %."),
        (SEVERAL, [0.05, 0.9, 0.05], "good", "Good part rejected: called pit, is good. P(pit) 90.0 %, needs 40.0 %."),
        (SEVERAL, [0.1, 0.1, 0.8], "pit", "Wrong: called stain, is pit. P(pit) 10.0 %, needs 40.0 %."),
        (BARE, [0.5, 0.35, 0.15], "pit", "Missed defect: called good, is pit, 50.0 % probable. Close."),
        (GOOD, [0.95, 0.05], "bad", "Missed defect: called good, is bad. P(good) 95.0 %, needs 90.0 %. Close."),
        (PLAIN, [0.98, 0.01, 0.01], "cat", "Right: cat, 98.0 % probable."),
        (PLAIN, [0.2, 0.7, 0.1], "cat", "Wrong: called dog, is cat, 70.0 % probable."),
        (PLAIN, [0.2, 0.7, 0.1], "cow", "Called dog, 70.0 % probable. Its label, cow, is no class of this model."),
    ],
)  # fmt: skip
def test_the_verdict_is_one_sentence(
    rule: DecisionRule, probabilities: list[float], label: str | None, sentence: str
) -> None:
    assert verdict_of(predicted(rule, probabilities, label), 0).sentence == sentence


def test_close_is_what_the_table_calls_unsure_and_nothing_else() -> None:
    for score in np.linspace(0, 1, 41):
        table = predicted(BINARY, [1 - score, score], "defective")
        verdict = verdict_of(table, 0)
        assert verdict.close == bool(table.frame["unsure"][0]) == verdict.sentence.endswith("Close.")


def test_an_image_that_cannot_be_read_has_no_verdict() -> None:
    verdict = verdict_of(predicted(BINARY, [np.nan, np.nan], "defective", {0: "It is damaged."}), 0)
    assert (verdict.word, verdict.close) == ("Not read", False)


def test_a_share_never_reads_as_what_it_is_not() -> None:
    assert percent(0.0) == "0.0 %"
    assert percent(1.0) == "100.0 %"
    assert percent(0.0001) == "under 0.1 %"
    assert percent(0.99999) == "over 99.9 %"
    below, threshold = 0.57986, 0.5799
    assert percent(below, beside=threshold) != percent(threshold, beside=below)
