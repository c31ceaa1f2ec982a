"""Regions of hand-made maps to the pixel, and what filling them does to models that look at one known place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation
from torch import nn

import workbench as wb
from workbench.attribution.engine import attribute
from workbench.defects.halves import cases_of
from workbench.defects.spots import (
    DEFECT_FILLS,
    ELSEWHERE,
    LEVEL,
    SMOOTH,
    Filled,
    Spot,
    fill_spots,
    spots,
)
from workbench.images.fills import elsewhere
from workbench.predictions.cases import all_scores

torch.set_num_threads(1)
Box = tuple[slice, slice]


def heat(*boxes: tuple[Box, float], shape=(8, 8), rest: float = 0.0) -> NDArray[np.float32]:
    """A map with one value in each box. Up to 8 pixels wide it is not smoothed, for the Gaussian is a quarter of a
    pixel."""
    values = np.full(shape, rest, np.float32)
    for box, value in boxes:
        values[box] = value
    return values


def test_regions_to_the_pixel() -> None:
    found = spots(heat((np.s_[1:3, 0:4], 2.0), (np.s_[5:8, 6:8], 4.0)))
    first, second = found
    assert (first.box, second.box) == ((6, 5, 8, 8), (0, 1, 4, 3))
    assert (first.area, second.area) == (6 / 64, 8 / 64)
    assert (first.mass, second.mass) == (pytest.approx(24 / 40), pytest.approx(16 / 40))
    assert (first.peak, second.peak) == (4.0, 2.0)
    assert first.inside.sum() == first.inside[5:8, 6:8].sum() == 6
    assert not (first.inside & second.inside).any()


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    values = heat((np.s_[2, 2], 1.0), (np.s_[3, 3], 1.0), (np.s_[4, 2], 1.0), (np.s_[7, 7], 1.0))
    first, second = spots(values)
    assert (first.box, first.mass) == ((2, 2, 4, 5), 0.75)
    assert (second.box, second.area) == ((7, 7, 8, 8), 1 / 64)


def test_what_is_weak_is_mass_but_no_region() -> None:
    (only,) = spots(heat((np.s_[0:2, 0:2], 1.0), (np.s_[6, 6], LEVEL - 0.02)))
    assert only.box == (0, 0, 2, 2)
    assert only.mass == pytest.approx(4 / (4 + LEVEL - 0.02))
    assert len(spots(heat((np.s_[0:2, 0:2], 1.0), (np.s_[6, 6], LEVEL + 0.02)))) == 2


def test_what_speaks_against_counts_for_nothing() -> None:
    (only,) = spots(heat((np.s_[3:5, 3:6], 0.5), rest=-7.0))
    assert (only.box, only.mass, only.peak) == ((3, 3, 6, 5), 1.0, 0.5)


@pytest.mark.parametrize("value", [0.0, -0.0, -3.0])
def test_a_map_without_anything_positive_has_no_region(value) -> None:
    assert spots(np.full((8, 12), value, np.float32)) == []


def test_an_even_map_is_one_region() -> None:
    (only,) = spots(np.full((8, 12), 1e-9, np.float32))
    assert (only.box, only.area, only.mass) == ((0, 0, 12, 8), 1.0, 1.0)


@pytest.mark.parametrize("shape", [(64, 64), (48, 160), (200, 30)])
def test_a_single_pixel_becomes_a_disc_around_it(shape) -> None:
    row, column = shape[0] // 2, shape[1] // 2
    (only,) = spots(heat((np.s_[row, column], 5.0), shape=shape))
    radius = SMOOTH * max(shape) * np.sqrt(2 * np.log(1 / LEVEL))  # where a Gaussian has fallen to the level
    down, across = np.ogrid[: shape[0], : shape[1]]
    assert (only.inside == ((down - row) ** 2 + (across - column) ** 2 <= radius**2)).mean() > 0.99
    assert (only.mass, only.peak) == (1.0, 5.0)
    left, top, right, bottom = only.box
    assert (left + right - 1, top + bottom - 1) == (2 * column, 2 * row)
    assert (right - left, bottom - top) == (2 * int(radius) + 1,) * 2


def test_specks_are_joined_and_a_block_grows_by_its_edge_alone() -> None:
    speckled = np.zeros((96, 128), np.float32)
    speckled[30:60:2, 40:90:2] = 1
    (only,) = spots(speckled)
    assert only.mass == 1
    assert only.inside[32:56, 42:86].all()
    (block,) = spots(heat((np.s_[30:60, 40:90], 1.0), shape=(96, 128)))
    left, top, right, bottom = block.box
    assert {40 - left, 30 - top, right - 90, bottom - 60} == {
        2
    }  # by 0.385 of the Gaussian's 4 pixels, and so by those whose middle lies 0.5 and 1.5 outside


def test_the_heaviest_come_first_and_no_more_than_asked() -> None:
    blocks = [(np.s_[r : r + 2, c : c + 2], 1 + (3 * r + c) / 20) for r in (0, 3, 6) for c in (0, 3, 6)]
    found = spots(heat(*blocks), most=20)
    assert len(found) == 9
    assert [spot.mass for spot in found] == sorted((spot.mass for spot in found), reverse=True)
    assert found[0].box == (6, 6, 8, 8)
    assert sum(spot.mass for spot in found) == pytest.approx(1)
    assert [spot.box for spot in spots(heat(*blocks), most=4)] == [spot.box for spot in found[:4]]
    assert len(spots(heat(*blocks))) == 5


@pytest.mark.parametrize("unit", [1e-12, 1e6])
def test_the_unit_of_a_map_changes_nothing(unit) -> None:
    values = np.random.default_rng(0).normal(size=(40, 60))
    for one, other in zip(spots(values), spots(values * unit), strict=True):
        assert (one.inside == other.inside).all()
        assert (one.mass, one.peak * unit) == (pytest.approx(other.mass), pytest.approx(other.peak))


class Patch(nn.Module):
    """Calls bad what is bright in its fourth row and fourth column of eighths, and looks nowhere else."""

    def forward(self, x):
        height, width = x.shape[2] // 8, x.shape[3] // 8
        z = 20 * (x[..., 3 * height : 4 * height, 3 * width : 4 * width].mean((1, 2, 3)) - 0.7)
        return torch.stack([torch.zeros_like(z), z, z - 1], 1)


WIDE = (64, 96)


@pytest.fixture(scope="module")
def patch():
    size = {"size": WIDE, "mean": (0, 0, 0), "std": (1, 1, 1), "resize": "stretch"}
    return wb.load_classifier(Patch(), classes=("good", "bad", "worse"), device="cpu", **size)


@pytest.fixture(scope="module")
def part() -> Image.Image:
    pixels = np.random.default_rng(0).integers(60, 121, (*WIDE, 3), np.uint8)
    pixels[24:32, 36:48] = 255
    return Image.fromarray(pixels)


def region(top: int, bottom: int, left: int, right: int) -> Spot:
    inside = np.zeros(WIDE, bool)
    inside[top:bottom, left:right] = True
    return Spot(inside, (left, top, right, bottom), float(inside.mean()), 1.0, 1.0)


OVER, BESIDE = region(21, 35, 33, 51), region(2, 16, 70, 88)
DEFECTS = ("bad", "worse")


@pytest.mark.parametrize("fill", [*DEFECT_FILLS, "patch"])
def test_filling_what_the_model_looks_at_lowers_the_score_and_nothing_else_does(patch, part, fill) -> None:
    before, (over, beside) = fill_spots(patch, part, [OVER, BESIDE], DEFECTS, fill)
    assert before > 0.99
    assert over.after < 0.5
    assert over.effect == "rests"
    assert over.before == before
    assert min(over.elsewhere) > 0.95  # at most a corner of the patch is covered
    assert beside.after == before
    assert beside.effect == "none"
    assert {over.fill, beside.fill} == {fill}
    assert {len(over.elsewhere), len(beside.elsewhere)} == {ELSEWHERE}


def test_the_score_is_that_of_any_defect_and_that_of_the_prediction(patch, part) -> None:
    before, _ = fill_spots(patch, part, [], DEFECTS)
    one, _ = fill_spots(patch, part, [], ["bad"])
    worse, _ = fill_spots(patch, part, [], ["worse"])
    assert before == pytest.approx(one + worse)
    assert one > 2 * worse
    good, _ = fill_spots(patch, part, [], ["good"])
    assert before == pytest.approx(1 - good)


def test_filling_is_the_same_again_and_places_go_with_the_seed(patch, part) -> None:
    found = [fill_spots(patch, part, [OVER, BESIDE], DEFECTS, "blur", seed) for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0][1][0].after == found[2][1][0].after
    assert found[0][1] != found[2][1]
    noisy = [fill_spots(patch, part, [OVER], DEFECTS, "patch", seed)[1][0].after for seed in (0, 0, 1)]
    assert noisy[0] == noisy[1] != noisy[2]


def test_a_region_that_is_everything_or_of_another_image_is_refused(patch, part, refusal) -> None:
    whole = region(0, 64, 0, 96)
    assert "nothing to compare it with" in refusal(lambda: fill_spots(patch, part, [whole], DEFECTS))
    with pytest.raises(ValueError, match=r"shape \(32, 48\)"):
        fill_spots(patch, part.resize((48, 32)), [OVER], DEFECTS)


def shapes() -> dict[str, NDArray[np.bool_]]:
    """Regions of many forms in images of two forms."""
    made = {
        "box": region(5, 15, 40, 50).inside,
        "corner": region(54, 64, 0, 12).inside,
        "speck": region(3, 4, 9, 10).inside,
    }
    made["bar across"] = region(20, 24, 0, 90).inside  # turned it would not fit
    made["bar down"] = region(0, 64, 30, 36).inside
    down, across = np.ogrid[:64, :96]
    made["ring"] = (abs(np.hypot(down - 32, across - 20) - 12) < 3)[:, :]
    made["two corners"] = made["box"] | binary_dilation(made["speck"], iterations=2)
    return made


def moved(inside: NDArray[np.bool_], count: int, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    return [elsewhere(inside, inside, rng, mirrored=False) for _ in range(count)]


@pytest.mark.parametrize("name", shapes())
def test_random_places_are_as_large_and_leave_the_region_free(name) -> None:
    inside = shapes()[name]
    found = moved(inside, 60, np.random.default_rng(0))
    assert {int(place.sum()) for place in found} == {int(inside.sum())}
    assert {place.shape for place in found} == {WIDE}
    meeting = np.mean([(place & inside).any() for place in found])
    assert meeting == 0
    assert len({place.tobytes() for place in found}) > (20 if name != "bar across" else 5)
    again = moved(inside, 60, np.random.default_rng(0))
    assert all((one == other).all() for one, other in zip(found, again, strict=True))


def test_random_places_are_spread_over_the_image() -> None:
    found = moved(shapes()["corner"], 400, np.random.default_rng(0))
    middles = np.array([np.argwhere(place).mean(0) for place in found])
    assert middles[:, 0].min() < 10
    assert middles[:, 1].max() > 86
    assert abs(middles.mean(0) - np.array([30, 50])).max() < 6


def test_shapes_are_turned_where_that_fits() -> None:
    tall = {place.any(1).sum() for place in moved(region(5, 9, 40, 60).inside, 60, np.random.default_rng(0))}
    assert tall == {4, 20}
    low = {place.any(1).sum() for place in moved(region(20, 24, 0, 90).inside, 60, np.random.default_rng(0))}
    assert low == {4}


def test_a_region_that_cannot_be_left_free_is_met_as_little_as_can_be() -> None:
    large = region(0, 50, 0, 90).inside
    found = moved(large, 20, np.random.default_rng(0))
    least = 50 * 90 - (64 - 50) * 90 - (96 - 90) * 50 + (64 - 50) * (96 - 90)
    assert {int(place.sum()) for place in found} == {4500}
    hits = [int((place & large).sum()) for place in found]
    assert min(hits) >= least
    assert np.mean(hits) < (4500 + least) / 2


def test_beyond_is_below_every_random_place() -> None:
    assert Filled("mean", 0.3, 0.1, (0.2, 0.11)).effect == "rests"
    assert Filled("mean", 0.3, 0.11, (0.2, 0.11)).effect == "none"


def test_on_stamped_metal_the_top_region_meets_the_mask_of_detected_defects() -> None:
    classifier, images = wb.load_classifier("metal-sound", device="cpu"), wb.load_images("stamped-metal")
    items = [item for item in images.items if item.split == "test" and item.label != "good"]
    predictions = wb.predict(classifier, items)
    positive = cases_of(predictions).positive
    assert positive == ("scratch", "pit", "stain", "dent")
    met, chance = [], []
    for item, score, row in zip(items, all_scores(predictions, positive), predictions.probabilities, strict=True):
        if score < 0.5:
            continue
        target = max(positive, key=lambda name, row=row: row[classifier.index(name)])
        found = attribute(classifier, item, "integrated_gradients", target)
        image, mask = item.open(), item.open_mask()
        top = spots(found.placement.scaled(image).to_original(found.ranking))[0]
        met.append((top.inside & mask).any())
        size = top.box[3] - top.box[1], top.box[2] - top.box[0]
        chance.append(np.lib.stride_tricks.sliding_window_view(mask, size).any((2, 3)).mean())
    print(f"top region meets the mask in {sum(met)} of {len(met)}, a random box of its size in {np.mean(chance):.1%}")
    assert len(met) >= 100
    assert np.mean(met) >= 0.8
    assert np.mean(chance) < 0.4
    assert np.mean(met) > np.mean(chance) + 0.4
