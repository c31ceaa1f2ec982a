"""One map in a few numbers, on maps whose numbers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.audit.summary import GRID, REGIONS, summarise

SHAPES = [(64, 64), (37, 91), (200, 30), (7, 5), (1, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_even_map_has_the_areas_of_the_regions_at_every_size(shape) -> None:
    found = summarise(np.full(shape, -3.0, np.float32))
    areas = {"centre": 0.25, "border": 1 - 0.75**2} | dict.fromkeys(REGIONS[2:6], 0.25)
    assert {name: found.shares[name] for name in areas} == pytest.approx(areas, abs=1e-6)
    assert math.isnan(found.shares["mask"])
    assert found.entropy == pytest.approx(math.log(GRID**2), abs=1e-5)
    assert found.heatmap == pytest.approx(np.full((GRID, GRID), GRID**-2), abs=1e-7)


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
def test_shares_are_of_the_absolute_mass_and_quadrants_make_up_all(shape) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    mask = np.random.default_rng(1).random(shape) < 0.3
    found, mass = summarise(values, mask), np.abs(values).astype(float)
    assert sum(found.shares[name] for name in REGIONS[2:6]) == pytest.approx(1, abs=1e-6)
    assert found.shares["mask"] == pytest.approx(mass[mask].sum() / mass.sum(), rel=1e-6)
    assert found.heatmap.sum() == pytest.approx(1, abs=1e-5)
    assert found.entropy == pytest.approx(-sum(p * math.log(p) for p in found.heatmap.ravel().tolist() if p), rel=1e-5)
    assert (found.heatmap.dtype, found.heatmap.shape) == (np.float32, (GRID, GRID))


SPOTS = {  # (row, column) of one pixel of a map of 80 x 160: the regions that it lies in
    (3, 5): {"border", "top left"},
    (15, 100): {"top right"},
    (30, 150): {"border", "top right"},
    (35, 60): {"centre", "top left"},
    (59, 119): {"centre", "bottom right"},
    (60, 120): {"bottom right"},
    (79, 0): {"border", "bottom left"},
}


@pytest.mark.parametrize(("spot", "regions"), SPOTS.items(), ids=[str(spot) for spot in SPOTS])
def test_one_pixel_lies_where_it_lies(spot, regions) -> None:
    values = np.zeros((80, 160), np.float32)
    values[spot] = -0.01
    found = summarise(values, values == 0)
    assert {name for name, share in found.shares.items() if share == pytest.approx(1)} == regions
    assert all(share == pytest.approx(0, abs=1e-12) for name, share in found.shares.items() if name not in regions)
    assert found.peak == ((spot[0] + 0.5) / 80, (spot[1] + 0.5) / 160)
    assert np.unravel_index(found.heatmap.argmax(), (GRID, GRID)) == (spot[0] * GRID // 80, spot[1] * GRID // 160)


def test_a_map_in_one_cell_has_no_entropy() -> None:
    values = np.zeros((64, 64))
    values[10, 20] = 1
    assert summarise(values).entropy == 0


def test_a_pixel_on_the_edge_of_a_cell_is_shared_by_area() -> None:
    values = np.zeros((1, 5))
    values[0, 2] = 1
    found = summarise(values)
    assert found.shares["top left"] == pytest.approx(0.25)
    column = found.heatmap.sum(axis=0)  # the pixel reaches from 12.8 to 19.2 of the cells
    assert column[11:21] == pytest.approx([0, 0.2 / 6.4, *[1 / 6.4] * 6, 0.2 / 6.4, 0], abs=1e-7)


@pytest.mark.parametrize(
    "values", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.array([[np.inf, 1.0]])], ids=["zero", "nan", "inf"]
)
def test_a_map_without_mass_has_no_summary(values) -> None:
    with pytest.raises(ValueError, match="finite map that is not zero"):
        summarise(values)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="mask of its shape"):
        summarise(np.ones((4, 6)), np.ones((6, 4), bool))
