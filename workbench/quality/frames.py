"""The frame around an image: bars of one colour that end at a straight edge, as letterboxes and borders do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PLAIN_LEVELS, FRAME_LEVELS = 2.0, 16.0
"""Grey levels by which a bar may vary, and by how much what follows it must differ from it."""
EDGE_SHARE = 0.6
"""Share of the length along which it must differ: an object on a plain ground touches no line in so much of it."""
RINGING, EDGE_LINES = 0.05, 9
"""Share of a line of a bar that may vary more, and over how many lines the edge of a bar may be blurred."""
MOST_FRAMED = 0.4
"""The widest bar, as a share of the edge."""
FRAME_SOUGHT_AT = 512
"""Edge, in pixels, down to which a large image is reduced to look for bars."""


def without_frame(image: Image.Image) -> Image.Image:
    """An image without its frame; as it is where it has none."""
    factor = max(min(image.size) // FRAME_SOUGHT_AT, 1)
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
    most = int(MOST_FRAMED * len(levels))
    level = float(np.median(levels[0]))
    off = np.abs(levels[: most + EDGE_LINES] - level)
    ends = np.flatnonzero((off > PLAIN_LEVELS).mean(1) > RINGING)
    if not len(ends) or not 0 < ends[0] <= most:
        return 0
    edge = np.flatnonzero((off[ends[0] : ends[0] + EDGE_LINES] > FRAME_LEVELS).mean(1) >= EDGE_SHARE)
    return int(ends[0] + edge[0]) if len(edge) else 0
