"""A score reaches a threshold, or it does not: whoever asks, and whatever precision either was stored in."""

import ast
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from decisions import draft
from tables import scored

from workbench.defects.decision import decide, queue
from workbench.defects.halves import CHOSEN_ON, cases_of
from workbench.defects.operating import Costs, point_at, points_of
from workbench.defects.review_band import Band, band, review
from workbench.defects.threshold import choose
from workbench.errors import InputError
from workbench.images.item import BytesSource, ImageItem
from workbench.predictions.cases import all_scores
from workbench.predictions.headline import best_threshold
from workbench.predictions.table import DecisionRule, Predictions, between, near, reaches, tabulate
from workbench.ui.defects.histogram import _counted, _Ends, _Kind

THRESHOLDS = [0.7, 0.1, 1 / 3, 0.5, 0.0649, 0.2 + 0.1, 1.0, 1e-3]


def around(threshold):
    """The score that a threshold reads as in float32, the next one below and the next one above, within 0 .. 1."""
    at = np.float32(threshold)
    return np.nextafter(at, np.float32(0)), at, min(np.nextafter(at, np.float32(2)), np.float32(1))


def told(threshold, labels=("bad", "bad", "bad")):
    """What a rule with a threshold says of three parts around it, with the probabilities as a model gives them."""
    score = np.array(around(threshold), np.float32)
    items = [ImageItem(f"{i}.png", BytesSource(b"")) for i in range(3)]
    items = [
        dataclasses.replace(item, label=label, split="validation") for item, label in zip(items, labels, strict=True)
    ]
    probabilities = np.stack([1 - score, score], 1)
    rule = DecisionRule(("good", "bad"), "bad", threshold)
    return tabulate(items, np.log(probabilities + 1e-9), probabilities, {}, rule, "model", ["a", "b", "c"])


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("stored", [False, True], ids=["fresh", "from parquet"])
def test_everyone_who_compares_a_score_with_a_threshold_says_the_same(threshold, stored, tmp_path):
    table, expected = told(threshold), [False, True, True]
    if stored:
        table.save(tmp_path / "table.parquet")
        table = Predictions.load(tmp_path / "table.parquet")
    assert (table.frame["predicted"] == "bad").tolist() == expected, "the rule that Explain shows"
    doubles = table.probabilities.astype(np.float64)
    assert table.rule.decide(doubles)[0].tolist() == [0, 1, 1], "probabilities that went through float64"

    cases, scores = cases_of(table), all_scores(table, ("bad",))
    bare, every = Band(threshold, threshold, threshold), np.ones(3, bool)
    assert point_at(cases, threshold)["escapes"] == 1
    assert (bare.verdicts(scores) == "reject").tolist() == expected
    assert [decide("id", float(score), bare).verdict == "reject" for score in scores] == expected
    assert queue(cases, scores, every, bare, "escapes", ~every).tolist() == [0]
    assert queue(dataclasses.replace(cases, positive=("good",)), scores, every, bare, "overkill", ~every).tolist() in (
        [2, 1],
        [1, 2],
    )
    assert review(cases, bare).escapes == 1
    ends = _Ends(np.array([threshold]), np.array([threshold]))
    assert [_counted(_Kind("", np.sort(scores), verdict), ends).tolist() for verdict in ("pass", "reject")] == [
        [1],
        [2],
    ]


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_margin_of_a_rejected_part_is_never_negative(threshold):
    bare = Band(threshold, threshold, threshold)
    margins = [decide("id", float(score), bare).margin for score in around(threshold)]
    assert margins[0] < 0 == margins[1] <= margins[2]


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_page_says_on_which_side_the_score_that_decided_lies(threshold):
    from streamlit.testing.v1 import AppTest

    def page(table):
        from workbench.ui import draw

        for row in range(len(table)):
            draw.decision(table, row)

    at = AppTest.from_function(page, args=(told(threshold),)).run()
    assert not at.exception
    pattern = r"\) ([\d.]+)\s%, needs ([\d.]+)\s%.*wb-decision\">(\w+)<"
    shown = [re.search(pattern, h.value).groups() for h in at.html]
    assert [(float(score) >= float(least), called) for score, least, called in shown] == [
        (False, "good"),
        (True, "bad"),
        (True, "bad"),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_chosen_threshold_decides_as_it_was_counted_even_between_neighbouring_numbers(seed):
    """Scores so close together that no number lies between most of them."""
    chance = np.random.default_rng(seed)
    start = np.float32(chance.uniform(0.1, 0.9))
    ladder = start + np.arange(24) * np.spacing(start)
    picked = chance.permutation(ladder)
    table, costs = scored(picked[:14], picked[14:]), Costs(3, 1)
    cases = cases_of(table)
    points = points_of(cases, costs)
    for _, row in points.iterrows():
        again = point_at(cases, row["threshold"], costs)
        assert (again["escapes"], again["overkill"]) == (row["escapes"], row["overkill"]), row["threshold"]
    assert np.diff(points["threshold"]).min() > 0
    chosen = choose(cases, "cost", split=CHOSEN_ON, points=points)
    assert point_at(cases, chosen.threshold, costs)["cost"] == pytest.approx(points["cost"].min())
    right = max(((cases.scores >= level) == cases.defect).sum() for level in [*cases.scores, 2.0])
    assert (reaches(cases.scores, best_threshold(table)) == cases.defect).sum() == right


def test_between_neighbours_lies_a_threshold_that_parts_them():
    for low in np.float32([0.1, 0.5, 0.7, 1e-6, 0.99999994]):
        for high in (np.nextafter(low, np.float32(2)), min(low * 2, 1)):
            at = between(low, high)
            assert reaches(high, at)
            assert not reaches(low, at)


@pytest.mark.parametrize("score", [0.7, 0.1, 1 / 3, 0.9])
def test_a_band_keeps_its_promise_to_the_very_score_that_it_ends_at(score):
    """With one calibration part at the edge that part itself must not fall on the wrong side."""
    good, bad = np.full(19, score, np.float32), np.full(19, score, np.float32)
    found = band(cases_of(scored(good, bad)), 0.5, 0.9)
    assert set(found.verdicts(np.float32([score]))) == {"review"}
    assert not found.empty


def test_a_band_whose_ends_read_as_the_threshold_is_empty():
    at = float(np.float32(0.7))
    assert Band(at, 0.7, 0.7).empty
    found = band(cases_of(scored([0.1] * 19, [0.7] * 19)), 0.7, 0.9)
    assert (found.low, found.high, found.empty) == (at, at, True)
    assert at >= found.threshold, "what is written into the journal can be compared as it stands"


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_near_is_the_same_for_the_chip_and_for_the_queue(threshold):
    chance = np.random.default_rng(5)
    edges = np.float32([threshold - 0.1, threshold + 0.1, *chance.uniform(0, 1, 40)]).clip(0, 1)
    rule = DecisionRule(("good", "bad"), "bad", threshold)
    unsure = rule.decide(np.stack([1 - edges, edges], 1))[1]
    table = scored(edges, [])
    cases, every = cases_of(table), np.ones(len(edges), bool)
    waiting = queue(cases, all_scores(table, ("bad",)), every, Band(threshold, threshold, threshold), "near", ~every)
    assert sorted(waiting) == np.flatnonzero(unsure).tolist() == np.flatnonzero(near(edges, threshold)).tolist()


def test_nobody_compares_with_a_threshold_by_himself():
    """Whoever does must agree with the rest about the last digit: only a range check, against a number, is free to."""
    package, strange = Path(__file__).resolve().parents[2] / "workbench", []
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and all(
                isinstance(op, ast.Gt | ast.GtE | ast.Lt | ast.LtE) for op in node.ops
            ):
                sides = [node.left, *node.comparators]
                names = [side.attr if isinstance(side, ast.Attribute) else getattr(side, "id", "") for side in sides]
                rest = [side for side, name in zip(sides, names, strict=True) if name != "threshold"]
                ends = {"low", "high"}.issuperset(name for name in names if name != "threshold")
                if "threshold" in names and not ends and not all(isinstance(side, ast.Constant) for side in rest):
                    strange.append(f"{path.relative_to(package)}:{node.lineno}")
    assert not strange


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_journal_takes_the_verdict_that_the_band_gives_and_no_other(threshold):
    """Also where nothing is rejected, because the band ends above every score."""
    for score in around(threshold):
        for low, high in ((threshold, threshold), (0.0, threshold), (threshold, 1 + 2**-23)):
            found = Band(low, threshold, high)
            decided = decide("id", float(score), found)
            facts = {"score": decided.score, "coverage": 0.9, "chosen_on": "validation"}
            ends = {"threshold": threshold, "review_from": low, "review_to": high}
            draft(**facts, **ends, verdict=decided.verdict)
            for other in {"pass", "review", "reject"} - {decided.verdict}:
                with pytest.raises(InputError, match="does not follow"):
                    draft(**facts, **ends, verdict=other)
