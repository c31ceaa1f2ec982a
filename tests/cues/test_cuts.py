"""Rectangles cut and pasted, held against plain loops over pixels."""

import numpy as np
import pytest

from workbench.cues.cuts import (
    GAIN,
    Seen,
    anywhere,
    as_strong,
    crops_of,
    cut,
    edges,
    energy,
    exchanged,
    meets,
    pasted,
    windows,
)

BOX = (0.25, 0.5, 0.5, 0.75)


def images(count, seed=0, size=(32, 48)):
    rng = np.random.default_rng(seed)
    return [Seen(rng.integers(60, 190, (*size, 3)).astype(np.uint8), place=n) for n in range(count)]


def ring_by_loop(image, top, left, bottom, right, wide):
    values = [
        image[y, x].astype(float)
        for y in range(max(top - wide, 0), min(bottom + wide, image.shape[0]))
        for x in range(max(left - wide, 0), min(right + wide, image.shape[1]))
        if not (top <= y < bottom and left <= x < right)
    ]
    return np.median(values, 0)


def test_what_is_pasted_is_level_with_its_surroundings_and_leaves_the_rest():
    host, source = images(2)
    result = pasted(host.image, cut(source, BOX), BOX)
    level = ring_by_loop(host.image, 8, 24, 16, 36, 4) - ring_by_loop(source.image, 8, 24, 16, 36, 4)
    inner = source.image[10:14, 26:34] + level
    assert np.abs(result[10:14, 26:34] - inner.round()).max() <= 1
    outside = np.ones((32, 48), bool)
    outside[8:16, 24:36] = False
    assert (result[outside] == host.image[outside]).all()
    rim = host.image[8, 30] + (source.image[8, 30] + level - host.image[8, 30]) / 2  # a seam of one pixel, half way
    assert np.abs(result[8, 30] - rim).max() <= 1


def test_a_crop_at_the_edge_of_the_image_has_no_seam_there():
    host, source = images(2)
    corner = (0.75, 0.75, 1, 1)
    result = pasted(host.image, cut(source, corner), corner)
    level = ring_by_loop(host.image, 24, 36, 32, 48, 4) - ring_by_loop(source.image, 24, 36, 32, 48, 4)
    assert np.abs(result[-1, -1] - (source.image[-1, -1] + level)).max() <= 1


@pytest.mark.parametrize("size", [(2, 3), (7, 5), (32, 48)])
def test_boxes_stay_within_small_images(size):
    for box in (*windows(1 / 8, 15), (0.99, 0.99, 1, 1), (0, 0, 0.001, 0.001)):
        top, left, bottom, right = edges(box, np.zeros(size))
        assert 0 <= top < bottom <= size[0]
        assert 0 <= left < right <= size[1]


def test_a_decoy_is_as_strong_as_asked_within_its_bounds():
    host, *others = images(9)
    crops = [cut(other, BOX) for other in others]
    usual = float(np.median([energy(host.image, crop, BOX) for crop in crops]))
    for asked, expected in ((usual * 1.5, usual * 1.5), (usual * 100, usual * GAIN)):
        change = as_strong(host.image, BOX, asked, crops).astype(float) - host.image
        assert np.sqrt(np.square(change[8:16, 24:36]).mean()) == pytest.approx(expected, rel=0.25)


def test_nothing_is_cut_where_the_defect_is():
    spared = np.zeros((32, 48), bool)
    spared[15, 35] = True
    masked, free = (Seen(image.image, mask) for image, mask in zip(images(2), (spared, None), strict=True))
    crops = crops_of([masked, free], BOX, np.random.default_rng(0))
    assert [crop.source for crop in crops] == [free]
    assert exchanged(free.image, BOX, [masked], np.random.default_rng(0), decoy=False) is None


@pytest.mark.parametrize("box", [BOX, (0.25, 0.25, 0.75, 0.75), (0.4, 0.4, 0.6, 0.6)])
def test_a_decoy_elsewhere_leaves_the_place_itself(box):
    carrier, *others = images(8)
    rng = np.random.default_rng(0)
    top, left, bottom, right = edges(box, carrier.image)
    tried = [exchanged(carrier.image, box, others, rng, decoy=True) for _ in range(20)]
    assert all(edit is None or (edit != carrier.image).any() for edit in tried)
    assert all(
        edit is None or (edit[top:bottom, left:right] == carrier.image[top:bottom, left:right]).all() for edit in tried
    )
    assert (box == (0.25, 0.25, 0.75, 0.75)) == all(edit is None for edit in tried)  # no room beside so large a one


def test_random_places_are_free_and_as_large():
    rng = np.random.default_rng(0)
    for _ in range(50):
        place = anywhere(BOX, rng, free=lambda place: not meets(place, BOX))
        assert place is not None
        assert not meets(place, BOX)
        assert (place[2] - place[0], place[3] - place[1]) == pytest.approx((0.25, 0.25))
        assert min(place) >= 0
        assert max(place) <= 1
    assert anywhere(BOX, rng, free=lambda _: False) is None
