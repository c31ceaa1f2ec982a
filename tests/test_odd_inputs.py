"""What the pages say of answers that are no numbers, maps without a pattern, and samples from elsewhere: nothing is
claimed of them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.attribution.engine import attribute
from workbench.bias.where import Maps
from workbench.catalog import shared
from workbench.evidence.card import assess
from workbench.evidence.location import agreement
from workbench.models.classifier import Classifier, ask
from workbench.models.loading import load_classifier
from workbench.ui import runs
from workbench.ui.bias import where

torch.set_num_threads(1)
MUTE = "is not a number: look for damaged weights."
EXPLAINED = {f"###{path.read_text(encoding='utf-8').splitlines()[0]}" for path in shared("help").glob("*.md")}
"""Headings of explanations, which speak of no image."""


@pytest.fixture
def mute(monkeypatch, empty_shelves):
    """A model whose weights are damaged: it answers, but with no number."""
    monkeypatch.setattr(
        Classifier, "logits", lambda self, inputs: torch.full((len(inputs), len(self.class_names)), torch.nan)
    )


def told(at):
    return "\n".join(
        at.unescaped(e.value) for kind in (at.markdown, at.caption, at.error, at.warning, at.info) for e in kind
    )


@pytest.mark.parametrize("view", ["edit", "regions", "contrast", "compare", "sweep", "attack"])
def test_no_view_decides_on_an_answer_that_is_no_number(visit, mute, view):
    at = visit("probe", view=view, model="metal-sound", image="0000.png")
    assert not at.exception
    assert MUTE in told(at)
    assert "nan" not in told(at)
    headings = {m.value.splitlines()[0] for m in at.markdown if m.value.startswith("####")}
    assert headings <= EXPLAINED | {"#### What must go", "#### What must stay"}


def test_explain_explains_no_answer_that_is_no_number(visit, mute, monkeypatch):
    monkeypatch.setattr(runs, "known_predictions", lambda view: None)
    at = visit("explain", model="metal-sound")
    assert not at.exception
    assert MUTE in told(at)
    assert not at.maps()
    assert "target" not in {s.key for s in at.selectbox}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    return load_classifier(net, size=(24, 24), device="cpu", classes=["a", "b", "c"])


SEEN = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8))


def test_answers_that_are_no_numbers_are_refused_where_the_model_is_asked(model, mute, refusal):
    assert MUTE in refusal(lambda: ask(model, [np.zeros((24, 24, 3), np.uint8)]))


@pytest.mark.parametrize("level", [0.0, 0.1, -0.1])
def test_a_map_without_a_pattern_names_no_place(model, level):
    """Its pixels come in an order drawn by lot, and luck would now and then pass for faithfulness."""
    found = attribute(model, SEEN, "input_x_gradient", "a")
    even = dataclasses.replace(found, values=np.full_like(found.values, level))
    card = assess(model, SEEN, even, checks=["deletion", "insertion"])
    for name in ("deletion", "insertion"):
        assert (card[name].verdict, card[name].value) == ("not applicable", None)
        assert "The map is constant" in card[name].reason
    names, matrix = agreement([found, even])
    assert len(names) == 2
    assert matrix[0, 0] == pytest.approx(1)
    assert np.isnan([matrix[0, 1], matrix[1, 0], matrix[1, 1]]).all()


@pytest.mark.parametrize(("inside", "verdict"), [(0, "fails"), (1, "doubtful"), (2, "holds")])
def test_a_peak_of_several_pixels_is_told_as_such(model, inside, verdict):
    found = attribute(model, SEEN, "input_x_gradient", "a")
    values, mask = np.zeros_like(found.values), np.zeros((24, 24), bool)
    mask[4:8, 4:8] = True
    values[:, [5, 15], [5, 15]] = 1
    mask[5, 5], mask[15, 15] = inside > 0, inside > 1
    finding = assess(model, SEEN, dataclasses.replace(found, values=values), mask, checks=["pointing"])["pointing"]
    assert finding.verdict == verdict
    assert finding.value == inside / 2


@pytest.mark.parametrize(("split", "said"), [("test", "of the test split"), (None, "without a split")])
def test_maps_of_other_images_are_told_by_where_they_are_from(split, said):
    frame = pd.DataFrame({"name": ["a", "b"], "split": pd.Series([split] * 2, dtype=object)})
    assert said in where.elsewhere(Maps(frame, np.ones((2, 32, 32)), np.full(2, np.nan), "saliency"))
