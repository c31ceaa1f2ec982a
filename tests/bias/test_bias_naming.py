"""Slices are named by what sets them apart: planted darkness and blur are found with their figures, chance is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tables import table

from workbench.bias.naming import LEAST_SHIFT, Shift, measures, name_of, shifts
from workbench.bias.slices import Slice, Trait
from workbench.drawing.render import to_png
from workbench.images.item import BytesSource, ImageItem
from workbench.stats import Rate
from workbench.stats.significance import ranks_differ

RATE = Rate(0.1, 0.0, 0.3, 4, 40)
FOUND = table(["good", "bad"] * 60, ["good", "bad"] * 60)
EVERY = np.arange(120)
PART = Slice(np.arange(40), RATE, 1.0, 1.0, ())


def item(pixels: np.ndarray, blur: float = 0.0) -> ImageItem:
    image = Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
    return ImageItem("a.png", BytesSource(to_png(image)), None)


def noise(mean: float, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(mean, 20, (64, 64)).clip(0, 255)


def test_measures_are_those_of_the_grey_values() -> None:
    rng = np.random.default_rng(0)
    pixels = noise(100, rng)
    (line, blurred, flat) = measures([item(pixels), item(pixels, 2), item(np.full((64, 64), 51))])
    assert line[:2] == pytest.approx([pixels.mean() / 255, pixels.std() / 255], abs=0.003)
    assert blurred[2] < line[2] / 5
    assert flat == pytest.approx([0.2, 0, 0])
    torn = dataclasses.replace(item(pixels), source=BytesSource(b"no image"))
    steps: list[tuple[int, int]] = []
    assert np.isnan(measures([torn], lambda *step: steps.append(step))).all()
    assert steps == [(0, 1), (1, 1)]


def test_a_planted_dark_and_blurred_kind_is_named_by_its_figures() -> None:
    rng = np.random.default_rng(1)
    dark = [item(noise(60, rng), 1.5) for _ in range(40)]
    values = measures([*dark, *(item(noise(150, rng)) for _ in range(80))])
    told = shifts(PART, EVERY, values, FOUND)
    by_name = {line.measure: line for line in told}
    assert by_name["brightness"].inside == pytest.approx(np.median(values[:40, 0]))
    assert by_name["brightness"].outside == pytest.approx(np.median(values[40:, 0]))
    assert by_name["brightness"].by < -LEAST_SHIFT
    assert by_name["sharpness"].by < 0
    assert str(by_name["brightness"]).startswith("darker (brightness 0.2")
    assert name_of(PART, told) in ("darker", "less sharp", "less contrast")


def test_among_images_that_were_dealt_out_nothing_is_told() -> None:
    rng = np.random.default_rng(2)
    told = sum(bool(shifts(PART, EVERY, rng.normal(size=(120, 3)), FOUND)) for _ in range(200))
    assert told <= 19, "the binomial 99 % bound of 5 in 100"
    assert name_of(PART, []) == ""


def test_a_wide_shift_of_few_images_is_chance_and_a_sure_one_may_be_too_small() -> None:
    few = dataclasses.replace(PART, members=np.arange(3))
    values = np.random.default_rng(3).normal(size=(120, 3))
    values[:3] += 0.8
    assert shifts(few, EVERY, values, FOUND) == []
    many = np.random.default_rng(4).normal(size=(120, 3))
    many[:40, 0] += LEAST_SHIFT / 3
    assert shifts(PART, EVERY, many, FOUND) == []


def test_a_kind_is_named_by_an_attribute_or_else_a_measurement_and_by_its_label() -> None:
    label, camera = Trait("label", "bad", 0.9, 0.5, 1.8, 36), Trait("camera", "B", 0.9, 0.3, 3.0, 36)
    dark = Shift("brightness", 0.2, 0.5, -2.0)
    assert name_of(dataclasses.replace(PART, traits=(label, camera)), [dark]) == "camera B, label bad"
    assert name_of(dataclasses.replace(PART, traits=(label,)), [dark]) == "darker, label bad"
    assert name_of(dataclasses.replace(PART, traits=(label,)), []) == "label bad"


def test_numbers_of_many_values_are_measurements_too() -> None:
    rng = np.random.default_rng(5)
    heat = rng.normal(20, 1, 120)
    heat[:40] += 5
    found = dataclasses.replace(FOUND, frame=FOUND.frame.assign(temperature=heat))
    (line,) = shifts(PART, EVERY, np.full((120, 3), np.nan), found)
    assert str(line).startswith("higher temperature (temperature 24.6 here, 19.8 elsewhere)")


def test_ranks_differ_as_their_permutations_do() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.normal(0.6, 1, 20), rng.normal(0, 1, 30)
    both = np.concatenate([first, second])
    ranks = both.argsort().argsort()
    observed = abs(ranks[:20].sum() - 20 * 24.5)
    drawn = np.array([abs(rng.permutation(ranks)[:20].sum() - 20 * 24.5) for _ in range(20_000)])
    assert ranks_differ(first, second) == pytest.approx((drawn >= observed).mean(), abs=0.01)
