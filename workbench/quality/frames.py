"""The frame around an image: bars of one colour that end at a straight edge, as letterboxes and borders do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FRAME_LEVELS = 10.0
"""Grey levels by which a bar may vary, and by how much what follows it must differ from it."""
EDGE_SHARE = 0.6
"""Share of the length along which it must differ: an object on a plain ground touches no line in so much of it."""
MOST_FRAMED = 0.4
"""The widest bar, as a share of the edge."""
LOOKED_AT = 512
"""Edge, in pixels, down to which a large image is reduced to look for bars."""


def without_frame(image: Image.Image) -> Image.Image:
    """An image without its frame; as it is where it has none."""
    factor = max(min(image.size) // LOOKED_AT, 1)
    small = image.reduce(factor) if factor > 1 else image
    levels = np.asarray(small.convert("L"), np.float32)
    top, bottom = _bars(levels)
    left, right = _bars(levels[top : len(levels) - bottom].T)
    if not any((top, bottom, left, right)):
        return image
    box = (left, top, levels.shape[1] - right, levels.shape[0] - bottom)
    wide, high = image.size
    return image.crop((factor * box[0], factor * box[1], min(factor * box[2], wide), min(factor * box[3], high)))


def _bars(levels: NDArray[np.float32]) -> tuple[int, int]:
    """How many lines at the beginning and at the end are a bar."""
    return _bar(levels), _bar(levels[::-1])


def _bar(levels: NDArray[np.float32]) -> int:
    """Lines of one level, from the first on, up to a line most of which differs; 0 where there is no such line."""
    level = float(np.median(levels[0]))
    if float(np.abs(levels[0] - level).max()) > FRAME_LEVELS:
        return 0
    most = int(MOST_FRAMED * len(levels))
    for count in range(1, most + 1):
        if float(np.abs(levels[count] - level).max()) > FRAME_LEVELS:
            return count + _blend(levels[count:], level) if _ends(levels[count:], level) else 0
    return 0


def _ends(levels: NDArray[np.float32], level: float) -> bool:
    """Whether a bar ends here at a straight edge, at most one line wide."""
    return bool((np.abs(levels[:2] - level) > FRAME_LEVELS).mean(1).max() >= EDGE_SHARE)


def _blend(levels: NDArray[np.float32], level: float) -> int:
    """1 where the first line is the blur between a bar and the image."""
    here, there = np.abs(levels[:2] - level).mean(1) if len(levels) > 1 else (1.0, 1.0)
    return int(here < 0.7 * there)
