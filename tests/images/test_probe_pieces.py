"""An image cut into pieces and some of them filled: exact on images made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.attribution.superpixels import segmented
from workbench.images.fills import cover_region
from workbench.images.pieces import REGION_FILLS, Pieces, square_cells

RAMP = np.repeat(np.linspace(40, 200, 192).round().astype(np.uint8)[None, :, None], 3, 2) * np.ones(
    (128, 1, 1), np.uint8
)


def test_cells_are_square_and_cover_the_image():
    labels = square_cells((40, 60, 3), 6)
    assert np.bincount(labels.ravel()).tolist() == [100] * 24
    assert (labels[:10, :10] == 0).all()
    assert (labels[30:, 50:] == 23).all()
    uneven = square_cells((33, 100), 12)
    assert uneven.shape == (33, 100)
    assert len(np.unique(uneven)) == uneven.max() + 1 == 12 * 4
    assert np.bincount(uneven.ravel()).min() >= 8 * 8
    assert len(np.unique(square_cells((2, 3), 16))) == 6


def test_superpixels_follow_edges_and_are_numbered_without_gaps():
    pixels = np.full((60, 90, 3), 90, np.uint8)
    pixels[13:37, 22:53] = 220
    inside = pixels[..., 0] == 220
    labels = segmented(pixels, 40)
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))
    assert 20 < labels.max() < 80
    most = np.bincount(labels.ravel(), inside.ravel()) / np.bincount(labels.ravel()) > 0.5
    found = most[labels]
    assert (found & inside).sum() / (found | inside).sum() > 0.9
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    assert segmented(noise, 40).max() >= 20


def test_grey_is_exact_and_the_rest_stays():
    pieces = Pieces(RAMP, square_cells(RAMP.shape, 6), "grey")
    assert pieces.areas == pytest.approx(np.full(24, 1 / 24))
    filled = np.arange(24) == 8
    shown = pieces.with_filled(filled)
    assert (shown[32:64, 64:96] == 128).all()
    rest = pieces.labels != 8
    assert (shown[rest] == RAMP[rest]).all()
    assert pieces.with_filled(np.zeros(24, bool)) is RAMP


def test_inpainting_continues_what_lies_around_as_the_finer_one_does():
    marked = RAMP.copy()
    marked[44:52, 76:84] = 255
    pieces = Pieces(marked, square_cells(RAMP.shape, 6), "inpaint")
    shown = pieces.with_filled(np.arange(24) == 8)
    assert np.abs(shown.astype(int) - RAMP).max() <= 6
    finer = cover_region(marked, pieces.labels == 8, "inpaint", (), np.random.default_rng(0))
    assert np.abs(shown.astype(int) - finer).max() <= 6


def test_what_little_is_kept_is_not_painted_over_the_image():
    pixels = np.full((96, 96, 3), 60, np.uint8)
    pixels[32:64, 32:64] = 250
    pieces = Pieces(pixels, square_cells(pixels.shape, 3), "inpaint")
    shown = pieces.with_filled(np.arange(9) != 4)
    assert (shown[:26] == 60).all()
    assert (shown[44:52, 44:52] == 250).all()
    assert (pieces.with_filled(np.ones(9, bool)) == pixels.reshape(-1, 3).mean(0).round()).all()


@pytest.mark.parametrize("fill", sorted(set(REGION_FILLS) - {"grey", "inpaint"}))
def test_other_fills_are_those_of_the_defects_page(fill):
    noisy = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    pieces = Pieces(noisy, square_cells(noisy.shape, 6), fill, seed=4)
    filled = np.arange(24) % 5 == 0
    expected = cover_region(noisy, filled[pieces.labels], fill, (), np.random.default_rng(4))
    assert (pieces.with_filled(filled) == expected).all()
    assert (pieces.with_filled(filled) == pieces.with_filled(filled)).all()
    assert (Pieces(noisy, pieces.labels, fill, seed=5).with_filled(filled) == expected).all() == (fill != "patch")
