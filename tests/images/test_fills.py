"""Covers: what was there is gone, no seam shows, and nothing changes elsewhere."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt

from workbench.bias.places import BORDER, CENTRE, REGIONS, Region
from workbench.images.fills import FILLS, cover_region
from workbench.images.item import BytesSource, ImageItem

CORNER = REGIONS["bottom right corner"]


def noise(low, high, shape=(64, 64, 3)):
    return np.random.default_rng(0).integers(low, high, shape, np.uint8)


def others(count):
    items = []
    for i in range(count):
        buffer = io.BytesIO()
        Image.fromarray(noise(60, 121, (30, 20, 3))).save(buffer, "PNG")
        items.append(ImageItem(f"{i}.png", BytesSource(buffer.getvalue())))
    return items


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("region", [CORNER, BORDER, CENTRE], ids=lambda region: region.name)
def test_nothing_changes_beyond_the_feather(fill, region) -> None:
    rng = np.random.default_rng(0)
    pixels, inside, reach = rng.integers(0, 256, (96, 160, 3), np.uint8), region.on(96, 160), 4 * 160 / 64 + 1
    found = cover_region(pixels, inside, fill, others(2), rng)
    assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
    far, deep = distance_transform_edt(~inside) > reach, distance_transform_edt(inside) > reach
    assert far.any()
    assert (found[far] == pixels[far]).all()
    assert (found[deep] != pixels[deep]).mean() > 0.9


@pytest.mark.parametrize("fill", ["patch", "exchange", "mean"])
def test_a_cover_is_as_bright_as_what_surrounds_it(fill) -> None:
    across = np.linspace(40, 200, 96)[None, :, None] + np.zeros((96, 96, 3))
    pixels = (across + np.random.default_rng(0).normal(0, 4, across.shape)).clip(0, 255).astype(np.uint8)
    right = Region("right", (0.3, 0.75, 0.6, 0.95))
    found = cover_region(pixels, right.on(96, 96), fill, others(1), np.random.default_rng(1))
    assert abs(found[32:54, 76:88].mean() - pixels[32:54, 76:88].mean()) < 12


def test_a_blur_takes_the_detail_and_leaves_the_brightness() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    inside = distance_transform_edt(CENTRE.on(96, 96)) > 7
    found = cover_region(pixels, CENTRE.on(96, 96), "blur", (), np.random.default_rng(0))[inside]
    assert found.std() < pixels[inside].std() / 8
    assert found.mean() == pytest.approx(pixels[inside].mean(), abs=3)


def test_a_patch_has_no_seam_within_the_region() -> None:
    ramp = (
        (np.add.outer(np.arange(64), np.arange(64)) * 2).astype(np.uint8)[..., None].repeat(3, 2)
    )  # its ends differ by half the scale
    for region in (CORNER, CENTRE, BORDER):
        deep = distance_transform_edt(region.on(64, 64)) > 4
        for seed in range(10):
            found = cover_region(ramp, region.on(64, 64), "patch", (), np.random.default_rng(seed)).astype(int)[..., 0]
            for axis in (0, 1):
                assert (
                    np.abs(np.diff(found, axis=axis))[(deep & np.roll(deep, -1, axis)).take(range(63), axis)].max() < 12
                )


def test_a_patch_comes_from_another_place() -> None:
    striped = noise(60, 121)
    striped[:, 50:] = 255
    for seed in range(30):
        assert (
            cover_region(
                striped, Region("right", (0, 0.78, 1, 1)).on(64, 64), "patch", (), np.random.default_rng(seed)
            )[:, 54:].mean()
            < 140
        )


@pytest.mark.parametrize("fill", ["patch", "mean"])
def test_the_background_is_not_taken_for_its_defect(fill) -> None:
    dark = noise(180, 221)
    defect = np.zeros((64, 64), bool)
    defect[20:36, 20:36] = True
    dark[defect] = 20
    for seed in range(5):
        found = cover_region(dark, ~defect, fill, (), np.random.default_rng(seed), np.full(dark.shape, 100, np.float32))
        assert found[45:, 45:].mean() == pytest.approx(200, abs=8)
        assert found[24:32, 24:32].mean() == 20


def test_inpainting_continues_what_lies_around() -> None:
    ramp = np.broadcast_to(np.linspace(20, 230, 96)[None, :, None], (96, 96, 3)).round().astype(np.uint8).copy()
    inside = CENTRE.on(96, 96)
    spoilt = ramp.copy()
    spoilt[distance_transform_edt(inside) > 7] = 255
    found = cover_region(spoilt, inside, "inpaint", (), np.random.default_rng(0)).astype(int)
    assert np.abs(found - ramp)[distance_transform_edt(inside) > 7].max() <= 6
    assert cover_region(ramp, np.ones((96, 96), bool), "inpaint", (), np.random.default_rng(0)).std() < 1


def test_a_large_region_is_inpainted_on_a_small_copy(monkeypatch) -> None:
    from skimage import restoration

    asked = []
    whole = restoration.inpaint_biharmonic
    monkeypatch.setattr(
        restoration,
        "inpaint_biharmonic",
        lambda coarse, hidden, **more: asked.append(hidden.size) or whole(coarse, hidden, **more),
    )
    ramp = np.add.outer(np.arange(600) * 0.1, np.arange(800) * 0.2).round()[..., None].repeat(3, 2).astype(
        np.uint8
    ) + np.uint8(5)
    inside = Region("most", (0.23, 0.23, 0.77, 0.77)).on(600, 800)
    spoilt = np.where(distance_transform_edt(inside)[..., None] > 20, np.uint8(255), ramp)
    found = cover_region(spoilt, inside, "inpaint", (), np.random.default_rng(0)).astype(int)
    assert asked == [128 * 96]  # in full it takes minutes
    assert np.abs(found - ramp)[distance_transform_edt(inside) > 40].max() <= 8
