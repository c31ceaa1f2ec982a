"""The sentence about the maps of one image: planted maps whose agreement and place are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

import workbench as wb
from workbench.attribution import Attribution
from workbench.evidence import reading
from workbench.evidence.accord import alike
from workbench.stats import spearman

SIZE = 48


@pytest.fixture(scope="module")
def template() -> Attribution:
    """A real map, for its placement."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    clf = wb.load_classifier(net, class_names=["good", "bad"], size=(SIZE, SIZE))
    return wb.attribute(clf, Image.new("RGB", (SIZE, SIZE), "red"), method="input_x_gradient", target="bad")


def spot(y: int, x: int, seed: int, sign: int = 1) -> np.ndarray:
    """A blob around a place, with noise of its own: (1, H, W)."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    noise = np.random.default_rng(seed).random((SIZE, SIZE)) * 0.05
    return (sign * (np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 300) + noise)[None]).astype(np.float32)


def made(template: Attribution, values: np.ndarray, method: str = "input_x_gradient") -> Attribution:
    return dataclasses.replace(template, values=np.repeat(values, 3, 0), method=method)


def test_maps_with_one_spot_agree_and_are_strongest_there(template: Attribution) -> None:
    maps = [made(template, spot(8, 40, seed), name) for seed, name in enumerate(("input_x_gradient", "saliency"))]
    text = reading(maps, "bad")
    assert text.startswith("The maps agree (rank correlation 0.")
    assert "strongest at the upper right (" in text
    assert text.endswith("which speaks for bad.")
    assert "speaks against bad" in reading([made(template, spot(8, 40, 1, sign=-1))], "bad")


def test_maps_with_spots_apart_do_not_agree(template: Attribution) -> None:
    maps = [made(template, spot(8, 8, 0)), made(template, spot(40, 40, 1), "saliency")]
    assert reading(maps, "bad").startswith(
        "The maps do not agree: no two are more alike than unrelated maps can be (rank"
    )


def test_the_odd_one_out_is_named(template: Attribution) -> None:
    names = ("input_x_gradient", "saliency", "occlusion")
    places = ((8, 40), (8, 40), (40, 8))
    maps = [made(template, spot(*at, seed), name) for seed, (at, name) in enumerate(zip(places, names, strict=True))]
    text = reading(maps, "bad")
    assert text.startswith("Input x gradient and Saliency agree (")
    assert text.endswith("Occlusion does not agree with all of them.")


def test_one_map_and_a_constant_map_cannot_show_agreement(template: Attribution) -> None:
    flat = made(template, np.zeros((1, SIZE, SIZE), np.float32), "saliency")
    assert "one map alone cannot show whether methods agree" in reading([made(template, spot(8, 8, 0))], "bad")
    assert "whether methods agree" in reading([made(template, spot(8, 8, 0)), flat], "bad")
    assert reading([flat], "bad") == "No place stands out: what is shown is the same everywhere."
    even = np.ones((1, SIZE, SIZE), np.float32) + spot(0, 0, 0) * 0.01
    assert "spread over the image" in reading([made(template, even)], "bad")


def test_unrelated_smooth_maps_agree_no_more_often_than_promised() -> None:
    """Smooth maps are alike in rank by chance far more often than independent values: chance must allow for it."""
    chance = np.random.default_rng(0)
    hits, raw = 0, 0
    for _ in range(300):
        first, second = (_smooth(chance) for _ in range(2))
        correlation, reach = alike(first, second)
        assert correlation == pytest.approx(spearman(first, second))
        hits += correlation > reach
        raw += correlation > 0.21  # what 64 independent values exceed once in twenty
    assert raw > 300 * 0.1
    assert hits < 300 * 0.09  # three standard errors above 5 %


def _smooth(chance: np.random.Generator) -> np.ndarray:
    """Noise averaged over 3 x 3 neighbours, around the edges: (8, 8)."""
    noise = chance.normal(size=(8, 8))
    return sum(np.roll(noise, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1))
