"""The rules of a gate that ask models again."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from gated import Dropping, image_set, loaded, network, said
from paired_sides import pair_of, parts
from reliability_nets import study

from workbench.report import GateSide
from workbench.report.gate_holds import _corruption, _judged, evidence_ruling, steady
from workbench.report.gate_pairing import pairing
from workbench.report.gate_rules import EvidenceRule, ShortcutsRule
from workbench.report.gate_rulings import Levels, share_bounds

LEVELS = Levels(0.95, 0.99)


@pytest.fixture(scope="module")
def images():
    return image_set(5, 40)


def test_dropout_that_is_left_on_is_found_and_never_passes(images) -> None:
    calm, wild = loaded(network().eval()), loaded(network().eval())
    wild = dataclasses.replace(wild, model=Dropping(wild.model))  # as one that the trial at loading did not find out
    sides = {name: GateSide(name, model, said(model, images)) for name, model in (("calm", calm), ("wild", wild))}
    found = {r.rule: r for r in steady(pairing(sides["calm"], sides["wild"], images.items))}
    assert [found["steady: old"].outcome, found["steady: new"].outcome] == ["pass", "fail"]
    assert found["steady: new"].images
    turned = {r.rule: r for r in steady(pairing(sides["wild"], sides["calm"], images.items))}
    assert [turned["steady: old"].outcome, turned["steady: new"].outcome] == ["not enough", "pass"]


def test_corruption_is_held_kind_by_kind_at_the_worst_bound() -> None:
    turns = np.zeros((200, 2), int)
    turns[:30, 1], turns[30:60, 1] = 2, 4  # under the second kind 30 pass from severity 2 on, 30 more only from 4
    found = _corruption(study(turns, ("vibration", "dust")), "escapes", 0.1, 2, LEVELS)
    assert (found.outcome, found.figure) == ("not enough", 0.15)
    assert found.most == pytest.approx(share_bounds(np.arange(200) < 30, None, LEVELS.among(2)).most)
    worse = _corruption(study(turns, ("vibration", "dust")), "escapes", 0.1, 4, LEVELS)
    assert worse.outcome == "fail"
    assert "(Dust, the worst): 30.0 % (60 of 200 images)" in worse.sentence
    assert _corruption(study(np.zeros((200, 1), int)), "escapes", 0.1, 5, LEVELS).outcome == "pass"
    assert _corruption(study(np.zeros((5, 1), int)), "escapes", 0.1, 5, LEVELS).outcome == "not enough"


def finding(p):
    way = SimpleNamespace(effect=SimpleNamespace(value=0.6))
    cue = SimpleNamespace(name="the top right corner", target="defective", carriers=("part1",))
    return SimpleNamespace(cue=cue, p=p, accused=True, transplant=SimpleNamespace(put=way, taken=None))


def searched(*findings, **settings):
    facts = {"classes": ("defective",), "images": 200, "strong": True, "power": 0.9, "unexplained": []}
    return SimpleNamespace(accused=list(findings), findings=list(findings), **(facts | settings))


@pytest.mark.parametrize(
    ("in_old", "known", "outcome"),
    [
        ("does not", True, "fail"),
        ("decides", True, "pass"),
        ("decides", False, "fail"),
        ("unknown", True, "not enough"),
        ("unknown", False, "fail"),
    ],
)
def test_a_cue_is_new_where_it_does_not_decide_with_the_old_model(in_old, known, outcome) -> None:
    accused = finding(0.001)
    ruling = _judged(searched(accused), [accused], {id(accused): in_old}, ShortcutsRule(known=known))
    assert ruling.outcome == outcome
    assert "the top right corner" in ruling.sentence


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"classes": ()}, "no class has enough"),
        ({"strong": False, "power": 0.4}, "chance of 40"),
        ({"strong": False, "power": None}, "chance of 0"),
        ({"unexplained": [SimpleNamespace(target="pit")]}, "pit"),
    ],
)
def test_a_search_that_could_not_have_found_a_cue_does_not_clear(settings, word) -> None:
    ruling = _judged(searched(**settings), [], {}, ShortcutsRule())
    assert ruling.outcome == "not enough"
    assert word in ruling.sentence


def test_a_cue_that_is_not_sure_enough_to_fail_does_not_pass_either() -> None:
    assert _judged(searched(finding(0.02)), [], {}, ShortcutsRule()).outcome == "not enough"
    assert _judged(searched(), [], {}, ShortcutsRule()).outcome == "pass"


def test_maps_of_untrained_weights_are_held_against_the_model(images) -> None:
    torch_side = loaded(network().eval())
    side = GateSide("new", torch_side, said(torch_side, images))
    ruling = evidence_ruling(pairing(side, side, images.items), EvidenceRule(failing=0.9, images=4), LEVELS, 0, print)
    assert ruling.support == 4
    assert ruling.outcome in ("pass", "not enough")
    assert len(ruling.images) == round((ruling.figure or 0) * 4)


def test_no_image_is_not_enough() -> None:
    pair = pair_of(parts([0, 1]), [0, 1], [0, 1], unread=(0, 1))
    assert {ruling.outcome for ruling in steady(pair)} == {"not enough"}
