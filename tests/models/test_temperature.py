"""A temperature in `model.toml`: probabilities move, decisions do not, keys do, and nothing is divided twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import plain_nets
import pytest
import torch
from PIL import Image

from workbench.attribution.engine import attribute
from workbench.errors import InputError
from workbench.files.keys import unique_text
from workbench.models.classifier import ask
from workbench.models.folder import ModelSpec, read_spec, spec_key
from workbench.models.loading import load_classifier
from workbench.models.rereading import reread, settings_toml
from workbench.models.tempering import tempered, untempered
from workbench.predictions import DecisionRule, at_temperature, moved
from workbench.probe.search import margin_of

torch.set_num_threads(1)
NAMES_OF_TWO = ("good", "bad")


def folder_at(tmp_path, line, name="model"):
    folder = tmp_path / name
    torch.manual_seed(0)
    plain_nets.model_folder(folder)
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace("[preprocessing]", f"{line}\n[preprocessing]"))
    return folder


def decisions(logits, rule, several=False):
    return rule.decide(tempered(torch.from_numpy(logits), rule, several=several).numpy())[0]


@pytest.mark.parametrize("temperature", [0.3, 0.954, 1.31, 3.0])
def test_not_one_decision_changes_at_a_moved_threshold(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (20_000, 2)).astype(np.float32)
    logits[:2000] = logits[:2000].round()  # many ties
    plain = untempered(torch.from_numpy(logits), several=False).numpy()
    changed = 0
    for threshold in (0.5, 0.4983, 0.9, 0.01, float(plain[5, 1]), float(plain[2500, 1])):
        edge = np.log(threshold) - np.log1p(-threshold)
        logits[-5000:, 1] = logits[-5000:, 0] + edge + rng.normal(0, 1e-6, 5000)  # on the threshold and a step beside
        rule = DecisionRule(NAMES_OF_TWO, "bad", threshold)
        warm = at_temperature(rule, temperature)
        assert (decisions(logits, rule) == decisions(logits, warm)).all()
        exact = untempered(torch.from_numpy(logits) / temperature, several=False).numpy()
        changed += (warm.decide(exact)[0] != decisions(logits, rule)).sum()
        shown = tempered(torch.from_numpy(logits), warm, several=False).numpy()
        assert np.abs(shown - exact).max() < 2e-6
    assert changed > 100  # rounding alone would turn some around


def test_the_most_probable_class_and_ties_stay():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1e-7, (4000, 5)).astype(np.float32) + 3
    logits[:50] = 1.0
    logits[50:100, :2] += np.float32(40)
    rule = DecisionRule(tuple("abcde"))
    for temperature in (0.1, 7.0):
        warm = at_temperature(rule, temperature)
        assert (decisions(logits, rule) == decisions(logits, warm)).all()
    assert (decisions(logits, warm)[:50] == 0).all()


def test_each_label_of_several_keeps_its_decision():
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 3, (5000, 3)).astype(np.float32)
    rule = DecisionRule(("a", "b", "c"), thresholds=(0.5, 0.2, 0.9))
    warm = at_temperature(rule, 1.7)
    assert warm.thresholds == pytest.approx([1 / (1 + (1 / t - 1) ** (1 / 1.7)) for t in rule.thresholds])
    before = untempered(torch.from_numpy(logits), several=True).numpy() >= np.float32(rule.thresholds)
    after = tempered(torch.from_numpy(logits), warm, several=True).numpy() >= np.float32(warm.thresholds)
    assert (before == after).all()
    assert warm.about(1) == DecisionRule(("no b", "b"), "b", warm.thresholds[1], temperature=1.7)


def test_no_threshold_is_made_up_where_none_keeps_the_decisions():
    with pytest.raises(InputError, match="decisions of 3 classes"):
        at_temperature(DecisionRule(("a", "b", "c"), "b", 0.3), 2.0)
    with pytest.raises(InputError, match="too near to 0 or 1"):
        at_temperature(DecisionRule(NAMES_OF_TWO, "bad", 0.99999), 0.05)
    with pytest.raises(InputError, match=r"not one from 0\.01 to 100"):
        at_temperature(DecisionRule(NAMES_OF_TWO, "bad", 0.5), 1e9)
    there = at_temperature(DecisionRule(NAMES_OF_TWO, "bad", 0.4983), 1.31)
    back = at_temperature(there, 1.0)
    assert np.float32(back.threshold) == np.float32(0.4983)
    assert at_temperature(there, 1.31) == there
    assert [moved(value, 3.0) for value in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("value", ["0", "-1.5", "nan", "inf", "1e9", '"1.3"', "true", "[1.3]"])
def test_a_hostile_temperature_is_one_clear_sentence(tmp_path, value):
    folder = folder_at(tmp_path, f"temperature = {value}")
    with pytest.raises(InputError, match=r"^model\.toml is not valid at 'temperature' \(Input should be .*\): correct"):
        load_classifier(folder)


def test_a_folder_applies_it_once_and_says_so(tmp_path):
    plain = load_classifier(folder_at(tmp_path, ""))
    warm_folder = folder_at(tmp_path, "temperature = 2.5", "warm")
    warm = load_classifier(warm_folder)
    image = plain_nets.noise_image(size=(64, 64))
    x = plain.prepare(image)[None]
    assert torch.equal(plain.forward(x), warm.forward(x))
    expected = (plain.forward(x) / 2.5).softmax(1).numpy()
    assert ask(warm, [image]) == pytest.approx(expected, abs=1e-7)
    assert ask(reread(warm, positive="bad"), [image]) == pytest.approx(expected, abs=1e-7)
    assert any("temperature 2.5" in fact.value for fact in warm.facts)
    assert "temperature = 2.5\n" in settings_toml(warm, read_spec(warm_folder))
    assert "temperature" not in settings_toml(plain)


def test_every_key_holds_it_and_those_from_before_stay(tmp_path):
    folder = folder_at(tmp_path, "")
    before = spec_key(folder, read_spec(folder))
    said = read_spec(folder_at(tmp_path, "temperature = 1.0", "said"))
    assert spec_key(folder, said) == before
    assert spec_key(folder, said.model_copy(update={"temperature": 1.1})) != before
    rule = DecisionRule(NAMES_OF_TWO, "bad", 0.5)
    fields = {name: getattr(rule, name) for name in ("class_names", "positive", "threshold", "thresholds")}
    assert unique_text(rule) == unique_text(fields)
    assert unique_text(dataclasses.replace(rule, temperature=1.1)) != unique_text(rule)
    assert ModelSpec(architecture="timm:x", weights="w").temperature == 1


def test_tiles_are_joined_before_it_is_applied():
    net = plain_nets.wrap(
        plain_nets.Linear(2), classes=NAMES_OF_TWO, positive="bad", tiles={"size": (8, 12), "decision": "mean"}
    )
    rule = dataclasses.replace(net.rule, temperature=3.0)
    warm = dataclasses.replace(net, rule=rule)
    image = Image.fromarray(np.random.default_rng(4).integers(0, 256, (20, 40, 3), dtype=np.uint8))
    logits = torch.from_numpy(ask(net, [image])).log() / 3
    assert ask(warm, [image]) == pytest.approx(logits.softmax(1).numpy(), abs=1e-6)


@pytest.mark.parametrize("outputs", [1, 3])
def test_maps_of_a_probability_follow_it_and_those_of_a_logit_stay(outputs):
    clf = plain_nets.wrap(plain_nets.Linear(outputs))
    warm = dataclasses.replace(clf, rule=dataclasses.replace(clf.rule, temperature=2.0))
    image = plain_nets.noise_image(size=(12, 8))
    cold, hot = (attribute(c, image, "input_x_gradient", target=1, score="logit") for c in (clf, warm))
    assert np.array_equal(cold.values, hot.values)
    assert cold.output == hot.output
    x = clf.prepare(image)[None].requires_grad_()
    (clf.logits(x) / 2).softmax(1)[0, 1].backward()
    hot = attribute(warm, image, "input_x_gradient", target=1, score="probability")
    assert hot.values == pytest.approx((x * x.grad)[0].detach().numpy(), abs=1e-7)
    assert hot.output == pytest.approx((clf.logits(x) / 2).softmax(1)[0, 1].item(), abs=1e-6)
    assert not np.allclose(hot.values, attribute(clf, image, "input_x_gradient", target=1, score="probability").values)


@pytest.mark.parametrize(("classes", "was"), [(2, 0), (2, 1), (3, 0), (3, 2)])
def test_the_margin_of_an_attack_falls_below_zero_where_the_decision_flips(classes, was):
    rule = DecisionRule(tuple("abc"[:classes]), "b", 0.3, temperature=2.0)
    logits = torch.from_numpy(np.random.default_rng(3).normal(0, 2, (3000, classes)).astype(np.float32))
    margin, decided = margin_of(rule, was)(logits).numpy(), rule.decide((logits / 2).softmax(1).numpy())[0]
    clear = np.abs(margin) > 1e-4
    assert ((margin > 0) == (decided == was))[clear].all()
