"""One decision in words, the queues in the order of their gravity, and the nearest neighbours by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tables import scored, table, with_attributes

from workbench.defects.decision import QUEUES, Decision, alternatives, decide, queue, reasons
from workbench.defects.halves import cases_of
from workbench.defects.review_band import Band
from workbench.defects.spots import Filled, Spot
from workbench.predictions.cases import all_scores
from workbench.predictions.table import UNSURE

BARE = Band(0.41, 0.41, 0.41)


def spot(mass: float, area: float) -> Spot:
    return Spot(np.ones((1, 1), bool), (0, 0, 1, 1), area, mass, 1.0)


def filled(before: float, after: float, *elsewhere: float) -> Filled:
    return Filled("inpaint", before, after, elsewhere)


BAND = Band(0.2, 0.41, 0.8)
WORDS = [
    (
        (0.93, BARE, [spot(0.78, 0.02), spot(0.1, 0.3)], [filled(0.93, 0.12, 0.95, 0.9), filled(0.93, 0.5, 0.1, 0.2)]),
        "Rejected (score 0.93, rejected from 0.41). No label says what it is. Its strongest hint is box 1; painting it"
        " over drops the score to 0.12 (as much elsewhere: 0.90 to 0.95): the score rests on it, and without it the"
        " part would pass.",
    ),
    (
        (0.1, BARE, [spot(0.314, 0.256)], [filled(0.1, 0.3, 0.0999, 0.1, 0.1001)]),
        "Passed (score 0.10, rejected from 0.41). No label says what it is. Its strongest hint is box 1; painting it"
        " over raises the score to 0.30 (as much elsewhere: 0.10): it holds the score down.",
    ),
    (
        (0.6, BAND, [spot(1, 0.0123)], [filled(0.6, 0.602, 0.2, 0.9)]),
        "For review (score 0.60, reviewed from 0.20, rejected from 0.80). No label says what it is. Its strongest hint"
        " is box 1; painting it over changes nothing.",
    ),
    (
        (0.6, BAND, [spot(1, 0.0123)], [filled(0.6, 0.7, 0.2, 0.9)]),
        "For review (score 0.60, reviewed from 0.20, rejected from 0.80). No label says what it is. Its strongest hint"
        " is box 1; painting it over raises the score to 0.70, no more than elsewhere (0.20 to 0.90).",
    ),
    (
        (0.05, BARE, [spot(0.4, 0.05)], [filled(0.05, 0.73, 0.04, 0.47)]),
        "Passed (score 0.05, rejected from 0.41). No label says what it is. Its strongest hint is box 1; painting it"
        " over raises the score to 0.73 (as much elsewhere: 0.04 to 0.47): it holds the score down, and without it the"
        " part would be rejected.",
    ),
    (
        (0.93, BARE, [spot(0.4, 0.05)], [filled(0.8, 0.1, 0.7)]),
        "Rejected (score 0.93, rejected from 0.41). No label says what it is. Its strongest hint is box 1; painting it"
        " over drops the score from 0.80 (at the size shown) to 0.10 (as much elsewhere: 0.70): the score rests on it,"
        " and without it the part would pass.",
    ),
    ((0.4, Band(0.5, 0.5, 0.5), [], []), "Passed (score 0.40, rejected from 0.50). No label says what it is."),
    (
        (0.41, BARE, [spot(0.5, 0.05)], []),
        "Rejected (score 0.41, rejected from 0.41). No label says what it is. Its strongest hint is box 1.",
    ),
]


@pytest.mark.parametrize(("given", "said"), WORDS)
def test_the_sentence_word_for_word(given, said) -> None:
    assert decide("id", *given).sentence == said


TRUTHS = [
    (0.02, BARE, "bad", "Passed (score 0.02, rejected from 0.41), though it is labelled bad.", "escape"),
    (0.02, BARE, "good", "Passed (score 0.02, rejected from 0.41), and it is labelled good.", None),
    (0.92, BARE, "good", "Rejected (score 0.92, rejected from 0.41), though it is labelled good.", "overkill"),
    (0.92, BARE, "bad", "Rejected (score 0.92, rejected from 0.41), and it is labelled bad.", None),
    (0.92, BARE, None, "Rejected (score 0.92, rejected from 0.41). No label says what it is.", None),
    (0.02, BAND, "bad", "Passed (score 0.02, reviewed from 0.20), though it is labelled bad.", "escape"),
    (0.92, BAND, "good", "Rejected (score 0.92, rejected from 0.80), though it is labelled good.", "overkill"),
    (0.5, BAND, "bad", "For review (score 0.50, reviewed from 0.20, rejected from 0.80); it is labelled bad.", None),
    (0.99, Band(0.2, 0.41, 1.1), "bad", "For review (score 0.99, reviewed from 0.20); it is labelled bad.", None),
]


@pytest.mark.parametrize(("score", "band", "label", "said", "mistake"), TRUTHS)
def test_the_sentence_says_what_the_label_makes_of_the_decision(score, band, label, said, mistake) -> None:
    found = decide("id", score, band, label=label, positive=("bad",))
    assert (found.sentence, found.mistake) == (said, mistake)


def test_the_sentence_names_what_the_map_shows() -> None:
    said = decide("id", 0.93, BARE, [spot(0.78, 0.02)], hint="The score is most sensitive to").sentence
    assert said.endswith(" The score is most sensitive to box 1.")


def test_numbers_that_differ_read_differently_and_those_that_read_alike_are_not_told_apart() -> None:
    def start(score, at):
        return decide("id", score, Band(at, at, at)).sentence.partition(" No label")[0]

    assert start(0.4951, 0.5049) == "Passed (score 0.495, rejected from 0.505)."
    assert start(0.41003, 0.41) == "Rejected (score 0.41003, rejected from 0.41000)."
    assert start(0.4100000001, 0.41) == "Rejected (score 0.41, rejected from 0.41)."
    read = decide("id", 0.9349, BARE, [spot(1, 1)], [filled(0.9349, 0.9251, 0.8951, 0.9002)]).sentence
    assert read.endswith("painting it over changes nothing.")
    read = decide("id", 0.9349, BARE, [spot(1, 1)], [filled(0.9349, 0.9351, 0.8949, 0.8951)]).sentence
    assert read.endswith(
        "painting it over raises the score to 0.94, further than elsewhere (0.89 to 0.90), but by less than 0.05."
    )


ALTERNATIVES = [
    ("pass", ("good", "bad"), ("bad",), "good", ["bad"]),
    ("reject", ("good", "bad"), ("bad",), "bad", ["good"]),
    ("review", ("good", "bad"), ("bad",), "bad", ["good", "bad"]),
    ("pass", ("good", "dent", "pit"), ("dent", "pit"), "good", ["dent", "pit"]),
    ("reject", ("good", "dent", "pit"), ("dent", "pit"), "pit", ["good", "dent"]),
    ("pass", ("fine", "good", "pit"), ("pit",), "fine", ["pit", "good"]),
]


@pytest.mark.parametrize(("verdict", "classes", "positive", "called", "offered"), ALTERNATIVES)
def test_who_overrules_may_say_all_that_contradicts(verdict, classes, positive, called, offered) -> None:
    assert alternatives(verdict, classes, positive, called) == offered


def test_the_reasons_offered_fit_what_is_said() -> None:
    assert reasons("pass", "bad", ("bad",))[0] == "The defect is visible."
    assert reasons("reject", "good", ("bad",))[0] == "No defect is visible."
    assert reasons("reject", "pit", ("dent", "pit"))[0] == "Another kind of defect is visible."


def test_the_margin_and_the_verdict_are_those_of_the_band() -> None:
    for score, verdict in ((0.1, "pass"), (0.2, "review"), (0.79, "review"), (0.8, "reject")):
        found = decide("id", score, Band(0.2, 0.5, 0.8))
        assert isinstance(found, Decision)
        assert found.verdict == verdict
        assert found.margin == pytest.approx(score - 0.5)


EFFECTS = [
    ((0.5, 0.1, 0.2, 0.3), "rests"), ((0.5, 0.2, 0.2, 0.3), "none"), ((0.5, 0.25, 0.2, 0.3), "none"),
    ((0.05, 0.73, 0.04, 0.47), "holds down"), ((0.05, 0.47, 0.04, 0.47), "none"), ((0.05, 0.3, 0.04, 0.47), "none"),
    ((0.5, 0.47, 0.48, 0.5), "little"), ((0.5, 0.53, 0.48, 0.5), "little"), ((0.5, 0.5, 0.48, 0.49), "none"),
    ((0.5, 0.4, 0.1, 0.2), "none"),  # it falls, but elsewhere further
    ((0.5, 0.6, 0.8, 0.9), "none"),  # it rises, but elsewhere further
]  # fmt: skip


@pytest.mark.parametrize(("given", "effect"), EFFECTS)
def test_a_region_counts_where_every_random_place_moves_the_score_less_in_either_direction(given, effect) -> None:
    assert filled(*given).effect == effect
    before, after, *elsewhere = given
    down, up = (
        before - after > 0 and all(after < other for other in elsewhere),
        after > before and all(after > o for o in elsewhere),
    )
    assert (effect != "none") == (down or up)
    assert (effect in ("rests", "holds down")) == ((down or up) and abs(after - before) >= 0.05)
    for threshold in (0.02, 0.4, 0.99):
        found = decide("id", before, Band(threshold, threshold, threshold), [spot(0.5, 0.05)], [filled(*given)])
        if effect in ("rests", "holds down"):
            assert found.meaning(found.filled[0]) in found.sentence, "heading and table say the same"
        turned = (before >= threshold) != (after >= threshold) and effect in ("rests", "holds down")
        assert ("without it the part would " + ("be rejected" if up else "pass") in found.sentence) == turned


def test_what_a_region_does_for_a_review_is_said_too() -> None:
    found = decide(
        "id",
        0.5,
        Band(0.2, 0.5, 0.8),
        [spot(0.5, 0.05)],
        [filled(0.5, 0.9, 0.4), filled(0.5, 0.1, 0.4), filled(0.9, 0.1, 0.95)],
    )
    assert [found.meaning(tried) for tried in found.filled] == [
        "it holds the score down, and without it the part would be rejected",
        "the score rests on it, and without it the part would pass",
        "the score rests on it",  # at the size shown it would not have been for review in the first place
    ]


GOOD, BAD = [0.05, 0.35, 0.55, 0.62, 0.94], [0.02, 0.15, 0.46, 0.66, 0.99]
DOUBT = Band(0.3, 0.5, 0.6)


def waiting(name: str, band: Band = DOUBT, rows=None, overruled=(), predictions=None) -> list[float]:
    """The scores that wait under a name, in their order."""
    predictions = scored(GOOD, BAD) if predictions is None else predictions
    cases, scores = cases_of(predictions), all_scores(predictions, ("bad",))
    rows = np.ones(len(scores), bool) if rows is None else rows
    found = queue(cases, scores, rows, band, name, np.isin(np.arange(len(scores)), overruled))
    return scores[found].round(2).tolist()


def test_the_gravest_wait_first() -> None:
    assert waiting("escapes") == [0.02, 0.15]
    assert waiting("overkill") == [0.94, 0.62]
    assert waiting("near") == [0.46, 0.55, 0.35]
    assert waiting("overruled", overruled=[0, 2, 9]) == [0.55, 0.05, 0.99]
    assert waiting("all") == [0.46, 0.55, 0.62, 0.35, 0.66, 0.15, 0.94, 0.05, 0.02, 0.99]
    with pytest.raises(KeyError):
        waiting("others")


def test_without_a_band_those_near_the_threshold_are_in_doubt() -> None:
    bare = Band(0.5, 0.5, 0.5)
    assert UNSURE == 0.1
    assert waiting("near", bare) == [0.46, 0.55]
    assert waiting("escapes", bare) == [0.02, 0.15, 0.46]
    assert waiting("overkill", bare) == [0.94, 0.62, 0.55]


def test_only_what_is_looked_at_waits() -> None:
    rows = np.arange(10) >= 6
    assert waiting("escapes", rows=rows) == [0.15]
    assert waiting("overkill", rows=rows) == []
    assert waiting("all", rows=rows) == [0.46, 0.66, 0.15, 0.99]


def test_images_without_a_label_are_neither_escapes_nor_overkill() -> None:
    predictions = table([None, "strange", "bad", "good", None], ["bad"] * 5, confidence=[0.1, 0.92, 0.2, 0.8, 0.55])
    found = {name: waiting(name, predictions=predictions, overruled=[4]) for name in QUEUES}
    assert found == {
        "escapes": [0.2],
        "overkill": [0.8],
        "near": [0.55],
        "overruled": [0.55],
        "all": [0.55, 0.2, 0.8, 0.1, 0.92],
    }


def test_what_cannot_be_read_waits_nowhere() -> None:
    predictions = with_attributes(scored([np.nan, 0.92], [np.nan, 0.1]), split="test")
    predictions.frame.loc[[0, 2], "verdict"] = None
    found = {name: waiting(name, predictions=predictions, overruled=range(4)) for name in QUEUES}
    assert found == {"escapes": [0.1], "overkill": [0.92], "near": [], "overruled": [0.1, 0.92], "all": [0.1, 0.92]}


def test_equal_scores_keep_the_order_of_the_table() -> None:
    predictions = scored([0.9, 0.8] * 200, [0.1, 0.2] * 200)
    cases, scores = cases_of(predictions), all_scores(predictions, ("bad",))
    nobody, every = np.zeros(800, bool), np.ones(800, bool)
    assert queue(cases, scores, every, DOUBT, "escapes", nobody).tolist() == [*range(400, 800, 2), *range(401, 800, 2)]
    assert queue(cases, scores, every, DOUBT, "overkill", nobody).tolist() == [*range(0, 400, 2), *range(1, 400, 2)]
