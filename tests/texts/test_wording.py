"""In a sentence the sign of a figure chooses the word: no amount is told with a direction and with a sign that takes it
back."""

import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.attribution.engine import attribute
from workbench.bias.intervene import MATTERS, Intervention
from workbench.bias.places import BORDER
from workbench.bias.where import Maps, differences
from workbench.evidence.card import assess
from workbench.models.loading import load_classifier
from workbench.stats.rates import Rate
from workbench.texts.wording import chosen, directed, duration

torch.set_num_threads(1)
SIGNED = re.compile(
    r"(sooner|later|rises|falls|raises|lowers|more|less|higher|lower)[^.]* by (an area of )?[-+]\d|[-+]\d[\d.]*%?"
    r" (sooner|later)"
)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.153, "15.3% sooner"), (-0.153, "15.3% later"), (0.0, "at once"), (-0.0, "at once"), (0.0004, "at once"),
        (-0.0004, "at once"),
        (0.0006, "0.1% sooner"), (-0.0006, "0.1% later"),
    ],
)  # fmt: skip
def test_the_sign_chooses_the_word_and_leaves_the_figure(value, said):
    assert directed(value, "{:.1%}", "sooner", "later", "at once") == said
    assert chosen(value, "{:.1%}", "sooner", "later", "at once") == said.rpartition("% ")[2]


@pytest.fixture(scope="module")
def model():
    """A score that is the brightness of the left half."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    weight = torch.zeros(2, 3, 16, 16)
    weight[1, :, :, :8] = 0.01
    net[1].weight.data, net[1].bias.data = weight.flatten(1), torch.zeros(2)
    return load_classifier(
        net, size=(16, 16), device="cpu", classes=["dark", "bright"], mean=(0.0,) * 3, std=(1.0,) * 3
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_map_that_is_turned_round_is_later_and_not_sooner_by_less_than_nothing(model, sign):
    seen = Image.fromarray(np.random.default_rng(0).integers(60, 256, (16, 16, 3), dtype=np.uint8))
    found = attribute(model, seen, "integrated_gradients", "bright", baseline="black")
    found = dataclasses.replace(found, values=sign * found.values)
    for name in ("deletion", "insertion"):
        finding = assess(model, seen, found, checks=[name])[name]
        assert math.copysign(1, finding.value) == sign
        assert ("sooner than for" in finding.reason, "later than for" in finding.reason) == (sign > 0, sign < 0)
        assert f"by an area of {abs(finding.value):.1%} of its range" in finding.reason
        assert not SIGNED.search(finding.reason), finding.reason


@pytest.mark.parametrize("target", ["bright", "dark"])
def test_completeness_says_which_way_the_score_goes(model, target):
    seen = Image.new("RGB", (16, 16), (200, 200, 200))
    model.model[1].weight.data[0] = -model.model[1].weight.data[1]
    found = attribute(model, seen, "integrated_gradients", target, baseline="black")
    reason = assess(model, seen, found, checks=["completeness"])["completeness"].reason
    assert f"the score {'rises' if target == 'bright' else 'falls'} by {abs(found.change):.4g}" in reason
    assert not SIGNED.search(reason)


@pytest.mark.parametrize(
    ("effect", "p", "said"),
    [
        (0.3, 0.001, "0.30 higher than where covering as much elsewhere does: the place speaks against the class"),
        (-0.3, 0.001, "0.30 lower than where covering as much elsewhere does, but does not clearly lower it"),
        (0.0, 0.001, "just where covering as much elsewhere does, too little to matter"),
        (MATTERS / 2, 0.001, "higher than where covering as much elsewhere does, too little to matter"),
        (0.3, 0.5, "is not proven"),
        (-0.3, 0.5, "is not proven"),
    ],
)
def test_covering_that_does_not_lower_the_score_is_told_as_what_it_does(effect, p, said):
    rate = Rate(effect, effect - 0.01, effect + 0.01, 30, 30)
    change = dataclasses.replace(rate, value=0.0, low=-0.01, high=0.01)
    found = Intervention(
        **told(Intervention, region=BORDER, change=change, elsewhere=change, effect=rate, p=p, frame=pd.DataFrame())
    )
    assert not found.matters
    assert found.otherwise.endswith(said)


def told(kind, **known):
    return {field.name: known.get(field.name) for field in dataclasses.fields(kind)}


def test_the_group_that_is_looked_at_more_is_the_one_with_the_larger_share():
    """Held equal within what the model calls alike, a gap is never negative, though of three groups the order may be
    another."""
    rng = np.random.default_rng(3)
    for _ in range(10):
        group, called = rng.integers(0, 3, 300), rng.integers(0, 3, 300)
        called = np.where(rng.random(300) < 0.8, group, called)
        heatmaps = rng.random((300, 32, 32)) ** rng.integers(1, 9, (3, 3))[group, called][:, None, None]
        heatmaps /= heatmaps.sum((1, 2), keepdims=True)
        frame = pd.DataFrame({"predicted": np.array(["a", "b", "c"])[called], "line": np.array(["x", "y", "z"])[group]})
        found = differences(Maps(frame, heatmaps, np.full(300, np.nan), "saliency"), "line")
        assert (found["gap"] >= 0).all()


@pytest.mark.parametrize(
    ("seconds", "words"), [(3.4, "3 s"), (89, "89 s"), (600, "10 min"), (3088, "51 min"), (7200, "2.0 h")]
)
def test_a_time_is_said_as_a_person_says_it(seconds, words):
    assert duration(seconds) == words
