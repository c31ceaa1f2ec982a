"""Reasons of models that are built by hand, so that what each goes by is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gated import EDGE, image_set, loaded, said
from torch import nn

from workbench.report import Eligible, GateSide, gate
from workbench.report.gate_pairing import pairing
from workbench.report.gate_reasons import agreement, correlated, reasons_rulings
from workbench.report.gate_rules import GateRules
from workbench.report.gate_rulings import Levels


class Looking(nn.Module):
    """A network that calls a part defective by the green of one half, with weights that differ from training to
    training by the seed's noise."""

    def __init__(self, left: bool, seed: int, noise: float = 0.2) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        weight = noise * torch.randn(EDGE, EDGE, generator=generator)
        weight[:, slice(0, EDGE // 2) if left else slice(EDGE // 2, EDGE)] += 1
        self.weight = nn.Parameter(weight / EDGE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = (x[:, 1] * self.weight).sum((1, 2))
        return torch.stack([-score, score], 1)


@pytest.fixture(scope="module")
def images():
    return image_set(3, 40)


def rulings(images, old, new, null, **settings):
    sides = [GateSide(name, model, said(model, images)) for name, model in (("old", old), ("new", new))]
    pair = pairing(*sides, images.items)
    rule = GateRules.model_validate({"reasons": {"null": ["x"], "images": 24, **settings}}).reasons
    return {r.rule: r for r in reasons_rulings(pair, null, rule, Levels(0.95, 0.99), 0, lambda *_: None)}


def test_the_correlation_is_that_over_all_places_of_all_images() -> None:
    amounts = np.random.default_rng(0).normal(size=(3, 20, 25))
    amounts[1] += amounts[0]
    pairs = correlated(amounts)
    flat = (amounts - amounts.mean(2, keepdims=True)).reshape(3, -1)
    expected = flat @ flat.T / np.sqrt(np.outer((flat**2).sum(1), (flat**2).sum(1)))
    assert pairs.mean(0) == pytest.approx(expected)
    assert np.diagonal(pairs, axis1=1, axis2=2) == pytest.approx(1)


def test_the_spread_of_what_images_add_is_that_of_the_correlation() -> None:
    """Held against leaving out one image after the other (the jackknife)."""
    rng = np.random.default_rng(1)
    amounts = rng.normal(size=(2, 150, 9)) * rng.exponential(size=(1, 150, 1))
    amounts[1] += amounts[0]
    pairs = correlated(amounts)[:, 0, 1]
    left = [correlated(np.delete(amounts, place, 1))[:, 0, 1].mean() for place in range(150)]
    jackknife = np.sqrt(149 / 150 * ((np.array(left) - np.mean(left)) ** 2).sum())
    assert pairs.std(ddof=1) / np.sqrt(150) == pytest.approx(jackknife, rel=0.1)


def test_a_model_that_looks_at_the_other_half_is_found_and_a_further_training_is_not(images) -> None:
    old, *null = (loaded(Looking(True, seed)) for seed in range(3))
    other = rulings(images, old, loaded(Looking(False, 7)), null)
    assert {name: ruling.outcome for name, ruling in other.items()} == {
        "reasons: regions": "fail",
        "reasons: maps": "fail",
    }
    alike = rulings(images, old, loaded(Looking(True, 8)), null)
    assert {ruling.outcome for ruling in alike.values()} == {"pass"}
    assert "3 trainings agree at" in alike["reasons: maps"].sentence


def test_the_regions_of_a_half_are_those_that_count(images) -> None:
    models = [loaded(Looking(left, seed, 0.0)) for left, seed in ((True, 0), (True, 1), (False, 2))]
    found = agreement(models[:1] + models, images.items[:20], ["defective"] * 20, "regions")
    assert found.pairs[:, 0, 1].mean() == pytest.approx(1)
    assert found.pairs[:, 1, 3].mean() < 0.1


def test_without_a_null_it_cannot_be_told(images) -> None:
    old = loaded(Looking(True, 0))
    for null in ([], [loaded(Looking(True, 1))], [old, old]):
        found = rulings(images, old, loaded(Looking(True, 2)), null)
        assert {ruling.outcome for ruling in found.values()} == {"not enough"}
        assert "two trainings of one recipe agree is not known" in found["reasons: regions"].sentence


def test_trainings_that_differ_by_more_than_the_margin_tell_nothing(images) -> None:
    old, new = loaded(Looking(True, 0)), loaded(Looking(True, 3))
    null = [loaded(Looking(True, 1)), loaded(Looking(False, 2))]
    found = rulings(images, old, new, null, by=["regions"], margin=0.1)["reasons: regions"]
    assert found.outcome == "not enough"
    assert "apart themselves, more than the margin" in found.sentence
    noise = [loaded(Looking(True, seed, 60.0)) for seed in range(4)]
    found = rulings(images, noise[0], noise[1], noise[2:], by=["maps"], margin=0.3)["reasons: maps"]
    assert found.outcome == "not enough"


def test_a_whole_gate_on_one_model_twice_passes_and_says_why(images) -> None:
    model = loaded(Looking(True, 0))
    one = GateSide("one", model, said(model, images))
    rules = GateRules.model_validate({"accuracy": {"margin": 0.0}, "shortcuts": {}, "reasons": {}})
    result = gate(one, one, images, Eligible(images.items, {}, ()), rules)
    assert (result.outcome, result.code) == ("pass", 0)
    assert "one model with one rule" in result.rulings[1].sentence
