"""The table of methods keeps its promises."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench import attribution
from workbench.attribution.integrated import FEWEST, MOST_GRADIENTS
from workbench.attribution.methods import METHODS
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
FINE = {"guided_grad_cam"}  # a layer method with the detail, and so the channels, of guided backprop
DEPENDS = {
    "integrated_gradients",
    "feature_ablation",
}  # how often they ask depends on model and image; the table says about


class Odd(nn.Module):
    """A model that gives an anomaly map itself."""

    def forward(self, x):
        found = x.mean(1).sigmoid()
        return found.amax((1, 2)), found


@pytest.fixture(scope="module")
def asked(tiny_transformer, cheap):
    """For every method at its defaults on an input of 224 pixels: its map and the evaluations it announced."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 80, 9, stride=8), nn.Conv2d(80, 4, 3, stride=3), nn.ReLU())
    nets = [nn.Sequential(body, nn.Flatten(), nn.Linear(4 * 9 * 9, 2)), tiny_transformer((224, 224)), Odd()]
    convolutional, attentive, odd = (load_classifier(net.eval(), device="cpu") for net in nets)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    found = {}
    for name, method in METHODS.items():
        clf = {"attention": attentive, "own": odd}.get(method.family, convolutional)
        more = {"layer": "0.0"} if "layer" in method.params else {}
        totals = []
        more |= {"background": cheap(name)["background"]} if method.background else {}
        values = attribution.attribute(
            clf, image, name, 1, on_progress=lambda done, total, totals=totals: totals.append(total), **more
        )
        found[name] = values, totals[-1]
    return found


def test_every_method_has_one_implementation():
    assert attribution.IMPLEMENTATIONS.keys() == METHODS.keys()
    assert all(name == method.name for name, method in METHODS.items())
    assert {m.family for m in METHODS.values()} == {"gradient", "perturbation", "layer", "attention", "own"}


@pytest.mark.parametrize("name", sorted(METHODS.keys() - DEPENDS))
def test_the_cost_is_what_the_defaults_ask_for(asked, name):
    assert asked[name][1] == METHODS[name].cost


def test_a_cost_that_depends_on_the_image_is_about_right(asked):
    assert asked["feature_ablation"][1] == pytest.approx(METHODS["feature_ablation"].cost, rel=0.3)
    assert FEWEST <= METHODS["integrated_gradients"].cost <= MOST_GRADIENTS == asked["integrated_gradients"][1]


@pytest.mark.parametrize("name", METHODS)
def test_the_promises_hold(asked, name):
    method, (found, _) = METHODS[name], asked[name]
    assert (found.delta is not None) == method.complete == (found.relative_delta is not None)
    assert bool((found.values < 0).any()) == method.signed
    assert (found.values > 0).any()
    assert found.values.shape[0] == (1 if method.family in ("layer", "attention", "own") and name not in FINE else 3)
    assert ("layer" in method.params) == (method.family == "layer")
    noted = {"background", "background_digest"} if method.background else set()
    noted |= {"evaluations"} if name in ("integrated_gradients", "expected_gradients") else set()
    assert set(found.params) == set(method.params) | noted


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
