"""The second image of a pair comes to lie on the first, however it was turned and shifted."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from workbench.quality import laid_over
from workbench.quality.residuals import TURNS


def texture(seed=3, size=96):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 2)
    return Image.fromarray(((field - field.min()) / np.ptp(field) * 255).astype(np.uint8)).convert("RGB")


def moved(image, turn, down, right):
    """A second shot: shifted, then turned so that `turn` turns it back."""
    pixels = np.roll(np.asarray(image), (down, right), (0, 1))
    place = TURNS.index(turn)
    pixels = np.rot90(pixels, -(place % 4))
    return Image.fromarray(np.ascontiguousarray(pixels[:, ::-1] if place >= 4 else pixels))


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_and_shifted_shot_lies_on_the_first(turn):
    first = texture()
    over, shift = laid_over(first, moved(first, turn, 4, -6), turn)
    assert shift == (-4, 6)
    inside = (slice(10, -10), slice(10, -10))
    assert np.array_equal(np.asarray(over)[inside], np.asarray(first)[inside])


def test_strangers_and_blank_images_are_not_shifted():
    first = texture()
    for other in (texture(9), Image.new("RGB", (96, 96), "grey")):
        over, shift = laid_over(first, other)
        assert shift == (0, 0)
        assert np.array_equal(np.asarray(over), np.asarray(other))


def test_another_size_is_scaled_and_tiny_images_do_not_fail():
    first = texture()
    over, shift = laid_over(first, first.resize((48, 48)))
    assert over.size == first.size
    assert max(map(abs, shift)) <= 1
    assert laid_over(first.resize((5, 3)), first.resize((5, 3)).convert("L"))[0].size == (5, 3)
