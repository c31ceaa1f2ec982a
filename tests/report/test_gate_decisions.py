"""The rules of a gate on decisions, on models that say what they are told to."""

from __future__ import annotations

import numpy as np
import pytest
from paired_sides import pair_of, parts
from scipy.stats import binomtest

from workbench.errors import InputError
from workbench.report.gate_decisions import decision_rulings
from workbench.report.gate_rules import GateRules
from workbench.report.gate_rulings import Levels

EVEN = np.arange(400) % 2
"""Half of 400 parts are defective."""


def asked(pair, levels=None, **rules):
    rules = GateRules.model_validate(rules)
    levels = levels or Levels.shared(0.95, rules.asked)
    return {ruling.rule: ruling for ruling in decision_rulings(pair, rules, levels)}


def missing(count, among=EVEN):
    """Calls that are right but for the first so many defects."""
    calls = among.copy()
    calls[np.flatnonzero(among == 1)[:count]] = 0
    return calls


def test_escapes_are_held_against_the_bound_of_the_defects_alone() -> None:
    pair = pair_of(parts(EVEN), EVEN, missing(6))
    found = asked(pair, escapes={"ceiling": 0.06})["escapes: ceiling"]
    high = binomtest(6, 200, alternative="less").proportion_ci(0.95, "exact").high
    assert found.most == pytest.approx(high)
    assert (found.outcome, found.figure, found.support) == ("pass", 0.03, 200)
    assert asked(pair, escapes={"ceiling": 0.055})["escapes: ceiling"].outcome == "not enough"
    worse = asked(pair_of(parts(EVEN), EVEN, missing(30)), escapes={"ceiling": 0.06})["escapes: ceiling"]
    assert worse.outcome == "fail"
    assert worse.images[0] == "part1"


def test_overkill_looks_at_good_parts_and_escapes_do_not_count_there() -> None:
    calls = EVEN.copy()
    calls[np.flatnonzero(EVEN == 0)[:40]] = 1
    found = asked(pair_of(parts(EVEN), EVEN, calls), overkill={"ceiling": 0.1, "margin": 0.1}, escapes={"ceiling": 0.1})
    outcomes = {name: ruling.outcome for name, ruling in found.items()}
    assert outcomes == {
        "answers": "pass",
        "escapes: ceiling": "pass",
        "overkill: ceiling": "fail",
        "overkill: margin": "fail",
    }
    assert found["overkill: margin"].figure == pytest.approx(0.2)


def test_what_the_old_model_misses_too_is_no_loss() -> None:
    found = asked(pair_of(parts(EVEN), missing(30), missing(30)), accuracy={"margin": 0.02}, escapes={"margin": 0.03})
    assert {ruling.outcome for ruling in found.values()} == {"pass"}
    assert found["accuracy"].figure == 0


def test_decisions_that_change_count_whether_or_not_they_were_right() -> None:
    calls = EVEN.copy()
    calls[[0, 1, 2, 3, 5]] = [1, 0, 1, 0, 0]  # two good ones and three defects are wrong now
    before = EVEN.copy()
    before[[6, 7]] = [1, 0]  # and two were wrong before
    found = asked(pair_of(parts(EVEN), before, calls), churn={"ceiling": 0.05})["churn"]
    high = binomtest(7, 400, alternative="less").proportion_ci(0.95, "exact").high
    assert (found.outcome, found.figure, found.support) == ("pass", 7 / 400, 400)
    assert found.most == pytest.approx(high)
    assert "5 were right and are wrong now, 2 the other way round." in found.sentence
    assert found.images[:2] == ("part0", "part1")
    nowhere = asked(pair_of(parts([None] * 40), [0] * 40, [1] * 40), churn={"ceiling": 0.5})["churn"]
    assert (nowhere.outcome, nowhere.support) == ("fail", 40)
    same = asked(pair_of(parts(EVEN), EVEN, EVEN, new_key="a"), churn={"ceiling": 0.01})["churn"]
    assert same.outcome == "pass"
    assert "one model with one rule" in same.sentence


def test_a_ruined_group_is_found_though_the_whole_looks_fine() -> None:
    cameras = ["ruined" if number % 8 < 2 else "fine" for number in range(400)]
    calls = EVEN.copy()
    calls[[number for number in range(400) if number % 16 < 2]] = 0
    pair = pair_of(parts(EVEN, camera=cameras), EVEN, calls)
    found = asked(pair, accuracy={"margin": 0.1}, groups={"by": "camera", "margin": 0.1, "gap": 0.15})
    assert [found[name].outcome for name in ("accuracy", "groups: margin", "groups: gap")] == [
        "pass",
        "fail",
        "fail",
    ]
    assert "(ruined)" in found["groups: margin"].sentence
    assert found["groups: margin"].figure == pytest.approx(0.25)


def test_small_groups_never_pass_unseen() -> None:
    cameras = ["rare" if number < 4 else "common" for number in range(400)]
    pair = pair_of(parts(EVEN, camera=cameras), EVEN, EVEN)
    found = asked(pair, groups={"by": "camera", "margin": 0.2})["groups: margin"]
    assert found.outcome == "not enough"
    left = asked(pair, groups={"by": "camera", "margin": 0.2, "least": 10})["groups: margin"]
    assert left.outcome == "pass"
    assert "Left out, with fewer than 10 images: rare" in left.sentence


def test_groups_that_are_not_there_are_bad_input() -> None:
    with pytest.raises(InputError, match="'oven'"):
        asked(pair_of(parts(EVEN), EVEN, EVEN), groups={"by": "oven", "margin": 0.1})


@pytest.mark.parametrize(("sure", "outcome"), [(0.9, "pass"), (0.995, "not enough"), (0.6, "fail")])
def test_calibration_is_held_against_what_came_true(sure, outcome) -> None:
    calls = EVEN.copy()
    turned = np.arange(400) % 20 < 2
    calls[turned] = 1 - calls[turned]
    found = asked(pair_of(parts(EVEN), EVEN, calls, sure=sure), calibration={"error": 0.1})["calibration"]
    assert found.outcome == outcome
    assert found.figure == pytest.approx(abs(sure - 0.9), abs=0.03)


def test_an_anomaly_score_is_no_probability_and_has_no_calibration() -> None:
    found = asked(pair_of(parts(EVEN), EVEN, EVEN, scored=True), calibration={"error": 0.5}, escapes={"ceiling": 0.1})
    assert [found[name].outcome for name in ("calibration", "escapes: ceiling")] == ["not enough", "pass"]


def test_an_image_that_only_the_new_model_cannot_read_breaks_the_gate() -> None:
    items = parts(EVEN)
    found = asked(pair_of(items, EVEN, EVEN, unread=(3, 5)), accuracy={"margin": 0.1})
    assert found["answers"].outcome == "fail"
    assert found["answers"].images == ("part3", "part5")


def test_one_model_twice_has_lost_nothing_however_few_the_images() -> None:
    pair = pair_of(parts([0, 1, 1, 0, 1]), [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], new_key="a")
    found = asked(
        pair, accuracy={"margin": 0.0}, escapes={"margin": 0.0, "ceiling": 0.2}, groups={"by": "label", "margin": 0}
    )
    assert [ruling.outcome for ruling in found.values()] == ["pass", "not enough", "pass", "pass", "pass"]


def test_five_images_and_lots_of_two_tell_nothing() -> None:
    pair = pair_of(parts([0, 1, 1, 0, 1]), [0, 1, 1, 0, 1], [0, 1, 1, 0, 1])
    rules = {"accuracy": {"margin": 0.05}, "escapes": {"ceiling": 0.1}, "overkill": {"ceiling": 0.1}}
    found = asked(pair, calibration={"error": 0.1}, **rules)
    assert {name: ruling.outcome for name, ruling in found.items() if name != "answers"} == dict.fromkeys(
        ("accuracy", "escapes: ceiling", "overkill: ceiling", "calibration"), "not enough"
    )
    lots = [f"lot {number // 200}" for number in range(400)]
    found = asked(pair_of(parts(EVEN, group=lots), EVEN, EVEN), **rules)
    assert {found[name].outcome for name in ("accuracy", "escapes: ceiling")} == {"not enough"}


def test_without_labels_or_a_good_class_nothing_passes() -> None:
    bare = pair_of(parts([None] * 30), [0] * 30, [0] * 30)
    rules = {"accuracy": {"margin": 0.1}, "calibration": {"error": 0.1}, "groups": {"by": "label", "gap": 0.1}}
    found = asked(bare, escapes={"ceiling": 0.1}, **rules)
    assert [ruling.outcome for ruling in found.values()] == ["pass", *["not enough"] * 4]
