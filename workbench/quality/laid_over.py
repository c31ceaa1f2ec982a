"""A second image of a part laid over the first, as they were registered, for the eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.quality.registration import correlate
from workbench.quality.residuals import TURNS, band

if TYPE_CHECKING:
    from PIL import Image

LEAST_LIKE = 0.3
"""The correlation below which no shift is believed."""
FURTHEST = 12
"""An image is shifted by at most this part of its edge."""
BETWEEN = (1.5, 6.0)
"""The blurs between which texture is compared, in pixels."""
SURROUND = 128
"""Grey where the shifted image has nothing."""


def laid_over(first: Image.Image, second: Image.Image, turn: str = "") -> tuple[Image.Image, tuple[int, int]]:
    """The second image turned back, scaled to the size of the first, and shifted onto it.

    Args:
        first: The image that stays.
        second: The one that is laid over it.
        turn: How the second must be turned to match, as in `Families.pairs`.

    Returns:
        The second image in RGB and in the size of the first, and by how many pixels it was shifted down and right.
    """
    from PIL import Image, ImageOps

    place = TURNS.index(turn) if turn in TURNS else 0
    image = ImageOps.mirror(second) if place >= 4 else second
    image = image.rotate(90 * (place % 4), expand=True).convert("RGB").resize(first.size, Image.Resampling.BICUBIC)
    down, right = _shift(_texture(first), _texture(image))
    result = Image.new("RGB", first.size, (SURROUND, SURROUND, SURROUND))
    result.paste(image, (right, down))
    return result, (down, right)


def _texture(image: Image.Image) -> NDArray[np.float32]:
    """The texture of an image, of norm 1; of one without any, zeros."""
    values = band(np.asarray(image.convert("L"), np.float32), *BETWEEN)
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-6), np.float32)


def _shift(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[int, int]:
    most = min(first.shape) // FURTHEST
    if not most:
        return 0, 0
    score, shift = correlate(first[None], second[None], most)
    return (int(shift[0, 0]), int(shift[0, 1])) if score[0] >= LEAST_LIKE else (0, 0)
