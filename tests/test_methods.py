"""The table of methods keeps its promises."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench import attribution
from workbench.loading import load_classifier
from workbench.methods import METHODS

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def asked():
    """For every method at its defaults on an input of 224 pixels: its map and how many inputs the model was asked about."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 9, stride=8), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 27 * 27, 2)).eval()
    clf = load_classifier(model, device="cpu")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    found = {}
    for name in METHODS:
        totals = []
        values = attribution.attribute(clf, picture, name, 1, on_progress=lambda done, total, totals=totals: totals.append(total))
        found[name] = values, totals[-1]
    return found


def test_every_method_has_one_implementation():
    assert attribution._IMPLEMENTATIONS.keys() == METHODS.keys()
    assert all(name == method.name for name, method in METHODS.items())
    assert {m.family for m in METHODS.values()} == {"gradient", "perturbation", "layer"}


@pytest.mark.parametrize("name", METHODS)
def test_the_cost_is_what_the_defaults_ask_for(asked, name):
    assert asked[name][1] == METHODS[name].cost


@pytest.mark.parametrize("name", METHODS)
def test_the_promises_hold(asked, name):
    method, (found, _) = METHODS[name], asked[name]
    assert (found.delta is not None) == method.complete == (found.relative_delta is not None)
    assert bool((found.values < 0).any()) == method.signed
    assert found.values.shape[0] == (1 if method.family == "layer" else 3)
    assert ("layer" in method.params) == (method.family == "layer")
    assert set(found.params) == set(method.params)


@pytest.mark.parametrize("method", METHODS.values(), ids=str)
def test_a_reader_is_told_what_it_is(method):
    assert method.title
    assert method.unit
    assert method.plain.endswith(".")
    assert len(method.plain) < 160
    assert any(year in method.paper for year in map(str, range(2013, 2027)))


def test_the_cheapest_comes_first():
    costs = [method.cost for method in METHODS.values()]
    assert costs == sorted(costs)


def test_the_table_cannot_be_changed_by_a_caller():
    with pytest.raises(TypeError):
        METHODS["mine"] = METHODS["saliency"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        METHODS["saliency"].cost = 0
