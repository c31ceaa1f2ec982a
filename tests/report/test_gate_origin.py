"""What is known of a new model before its decisions are counted, on networks whose weights and ways are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gated import image_set, loaded, network, said
from torch import manual_seed

from workbench.report import Eligible, GateSide, gate
from workbench.report.gate_origin import preprocessing_ruling, unseen_rulings
from workbench.report.gate_pairing import pairing
from workbench.report.gate_rules import GateRules


@pytest.fixture(scope="module")
def images():
    return image_set(5, 24)


def net(seed):
    manual_seed(seed)
    return network().eval()


def side(name, model, images):
    return GateSide(name, model, said(model, images))


def ruling(images, old, new):
    return preprocessing_ruling(pairing(side("old", old, images), side("new", new, images), images.items))


def test_the_same_weights_given_another_image_are_told_from_a_training(images) -> None:
    middle = float(np.median(said(loaded(net(0)), images).probabilities[:, 1]))
    old, resized = (loaded(net(0), threshold=middle, **more) for more in ({}, {"resize": "shorter", "resize_to": 40}))
    found = ruling(images, old, resized)
    changed = (said(old, images).frame["predicted"] != said(resized, images).frame["predicted"]).sum()
    assert found.outcome == "fail"
    assert found.sentence == (
        "Stated preprocessing: stretched to 32 x 32 for the old model, shorter side to 40, middle 32 x 32 for the new"
        " one. Given 16 images prepared as for the old model, the new one answers each as the old one does: the weights"
        f" are the same, and by the preprocessing alone {changed} of 24 decisions ({100 * changed / 24:.1f} %) change:"
        " shown to be broken."
    )
    assert len(found.images) == changed > 0
    other = ruling(images, old, loaded(net(1), resize="shorter", resize_to=40))
    assert other.outcome == "fail"
    assert "the weights are the same" not in other.sentence


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mean": (0.4, 0.5, 0.5)}, "mean 0.5, 0.5, 0.5 for the old model, mean 0.4, 0.5, 0.5 for the new one"),
        ({"interpolation": "nearest"}, "bilinear for the old model, nearest for the new one"),
        ({"channels": "bgr"}, "RGB for the old model, colours in the order BGR for the new one"),
        ({"backend": "tensor"}, "backend = 'pillow' for the old model, backend = 'tensor' for the new one"),
        ({"size": (24, 24)}, "32 for the old model, input 24 x 24 for the new one"),
    ],
)
def test_each_setting_that_differs_is_named(images, settings, words) -> None:
    found = ruling(images, loaded(net(0)), loaded(net(0), **settings))
    assert found.outcome == "fail"
    assert words in found.sentence
    assert "the weights are the same" in found.sentence


def test_another_training_given_the_same_image_keeps_to_the_rule(images) -> None:
    found = ruling(images, loaded(net(0)), loaded(net(1)))
    assert found.outcome == "pass"
    assert "stretched to 32 x 32, bilinear" in found.sentence
    assert ruling(images, loaded(net(0)), loaded(net(0))).sentence.endswith("nothing has changed.")


def test_a_model_that_answers_all_alike_is_not_said_to_have_the_same_weights(images) -> None:
    dead = [net(seed) for seed in (0, 1)]
    for one in dead:
        one[-1].weight.data.zero_()
        one[-1].bias.data.zero_()
    found = ruling(images, loaded(dead[0]), loaded(dead[1], size=(24, 24)))
    assert "the weights are the same" not in found.sentence


def test_without_the_rule_another_preprocessing_is_a_note(images) -> None:
    sides = [side(name, loaded(net(0), **more), images) for name, more in (("old", {}), ("new", {"size": (24, 24)}))]
    counted = Eligible(images.items, {}, ())
    rules = {"split": "all", "accuracy": {"margin": 0.9}}
    result = gate(*sides, images, counted, GateRules.model_validate(rules))
    assert any(note.startswith("Stated preprocessing: input 32 x 32") for note in result.notes)
    asked = gate(*sides, images, counted, GateRules.model_validate({**rules, "preprocessing": {"same": True}}))
    assert asked.outcome == "fail"
    assert not any(note.startswith("Stated preprocessing") for note in asked.notes)


def test_a_model_that_learned_from_the_test_split_fails_however_good_it_is(images) -> None:
    counted = Eligible(images.items[2:], {item.name: "x" for item in images.items[:2]}, ())
    assert unseen_rulings(counted) == []  # no record says
    for learned, outcome in ((("part0000.png", "part0001.png"), "fail"), ((), "pass")):
        (found,) = unseen_rulings(dataclasses.replace(counted, learned=learned))
        assert (found.outcome, found.images, found.support) == (outcome, learned, 24)
        assert f"chosen on {len(learned)} of 24 images" in found.sentence
