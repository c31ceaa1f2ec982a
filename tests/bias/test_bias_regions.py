"""Regions: what they cover in pixels and in cells of a heatmap, and what shares of a map lie in them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.audit.summary import GRID, summarise
from workbench.bias.places import BACKGROUND, BORDER, CENTRE, CORNERS, QUADRANTS, REGIONS, Region, shares

PLACED = (*CORNERS, BORDER, CENTRE, *QUADRANTS)


def overlap(start: float, end: float) -> np.ndarray:
    """How much of each of 32 cells in a row lies between two shares."""
    at = np.arange(GRID)
    return np.clip(np.minimum(end * GRID, at + 1) - np.maximum(start * GRID, at), 0, 1)


def test_areas_are_what_they_are_said_to_be() -> None:
    for region in CORNERS:
        assert region.area == pytest.approx(0.09, abs=0.001)
    assert BORDER.area == pytest.approx(1 - 0.75**2)
    for region in (CENTRE, *QUADRANTS):
        assert region.area == pytest.approx(0.25)
    assert math.isnan(BACKGROUND.area)
    assert len(REGIONS) == len(PLACED) + 1
    assert all(REGIONS[region.name] is region for region in (*PLACED, BACKGROUND))


def test_each_name_says_where_the_region_lies() -> None:
    height, width = 40, 80
    for region in (*CORNERS, *QUADRANTS):
        inside = region.on(height, width)
        down, across, _ = region.name.split()
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        assert (rows[0] == 0, rows[-1] == height - 1) == (down == "top", down == "bottom")
        assert (columns[0] == 0, columns[-1] == width - 1) == (across == "left", across == "right")
    corner = REGIONS["bottom right corner"].on(height, width)
    assert corner.sum() == 12 * 24
    assert corner[28:, 56:].all()
    border = BORDER.on(height, width)
    assert not border[5:35, 10:70].any()
    assert border.sum() == height * width - 30 * 60
    assert CENTRE.on(height, width)[10:30, 20:60].all()
    assert CENTRE.on(height, width).sum() == 20 * 40
    assert sum(region.on(41, 61).astype(int) for region in QUADRANTS).tolist() == np.ones((41, 61)).tolist()


def test_a_pixel_belongs_to_a_region_if_its_middle_does() -> None:
    drawn = Region("drawn", (0.26, 0.5, 0.66, 1))
    assert np.flatnonzero(drawn.on(10, 4).any(1)).tolist() == [
        3,
        4,
        5,
        6,
    ]  # the middle of row 2 is 0.25, that of row 6 is 0.65
    assert np.flatnonzero(drawn.on(10, 4).any(0)).tolist() == [2, 3]
    assert not Region("thin", (0.5, 0, 0.51, 1)).on(10, 10).any()
    assert (Region("around", drawn.box, outside=True).on(10, 4) == ~drawn.on(10, 4)).all()


@pytest.mark.parametrize(
    "box", [(0.1, 0.2, 0.4, 0.9), (0, 0, 0.3, 0.3), (0.05, 0.61, 0.99, 0.7), (0, 0, 1, 1)], ids=str
)
def test_cells_hold_the_part_of_them_that_is_covered(box) -> None:
    top, left, bottom, right = box
    region = Region("drawn", box)
    exact = np.outer(overlap(top, bottom), overlap(left, right))
    assert np.abs(region.cells() - exact).max() < 0.13
    assert region.area == pytest.approx((bottom - top) * (right - left), abs=0.004)
    assert Region("around", box, outside=True).cells() == pytest.approx(1 - region.cells())


def test_what_lies_outside_of_the_mask_follows_the_mask() -> None:
    mask = np.zeros((6, 9), bool)
    mask[2:4, 3:5] = True
    assert (BACKGROUND.on(6, 9, mask) == ~mask).all()
    assert BACKGROUND.on(6, 9).all()
    assert (CENTRE.on(6, 9, mask) == CENTRE.on(6, 9)).all()


def test_shares_are_those_of_an_audits_summary() -> None:
    rng = np.random.default_rng(0)
    found = [summarise(rng.gamma(0.3, size=(64, 96)) * rng.choice([-1, 1], (64, 96))) for _ in range(5)]
    ours = shares(np.stack([one.heatmap for one in found]), (CENTRE, BORDER, *QUADRANTS))
    named = ("centre", "border", "top left", "top right", "bottom left", "bottom right")
    assert ours == pytest.approx(np.array([[one.shares[name] for name in named] for one in found]), abs=1e-6)


def test_a_map_in_one_corner_has_its_share_there_and_none_has_none() -> None:
    heatmaps = np.full((3, GRID, GRID), 1 / GRID**2)
    heatmaps[0] = 0
    heatmaps[0, GRID - 1, 0] = 1
    heatmaps[2] = np.nan
    found = shares(heatmaps, PLACED)
    assert {region.name for region, share in zip(PLACED, found[0], strict=True) if share > 0} == {
        "bottom left corner",
        "bottom left quadrant",
        "border",
    }
    assert found[1] == pytest.approx([region.area for region in PLACED])
    assert np.isnan(found[2]).all()


@pytest.mark.parametrize(
    "box",
    [(0.5, 0, 0.5, 1), (0.6, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.1), (0, 0.3, 1, 0.2), (0, 0, math.nan, 1)],
    ids=str,
)
def test_a_box_that_is_empty_or_lies_outside_is_refused(box, refusal) -> None:
    assert "box" in refusal(lambda: Region("drawn", box))
