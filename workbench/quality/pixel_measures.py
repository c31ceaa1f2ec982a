"""What is measured of the pixels of an image, each a number that only images of one kind can be compared by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

    from workbench.images import Raster

PIXELS_MEASURED, MEASURED_TILE, TILES_A_SIDE = 4_000_000, 512, 3
"""Pixels above which fine detail is measured in tiles, at full resolution; their edge; and how many of them a side."""
FLAT_LEVELS = 4
"""Levels of 255 within which a line of pixels is of one colour: compression leaves no less."""
CORNERS = ("top left", "top right", "bottom left", "bottom right")
CORNER_SHARE, CORNER_CELLS = 0.25, 4
"""How much of the width and height a corner is, and into how many cells a side it is averaged."""
BORDER_SHARE = 0.02
WIDEST_LINE = 3
"""Rows or columns that a dead line takes at most."""


def pixel_measures(image: Image.Image, raster: Raster | None = None) -> dict[str, object]:
    """Measures of an upright RGB image.

    brightness and contrast are the mean and standard deviation of the grey values, in shares of white; black and white
    the shares of pixels at the ends (of 255, or at the extremes of an image of more bits); sharpness is the logarithm
    of the energy of steps of one pixel over that of steps of four, which does not change with light or contrast; line
    says how many times farther than usual a row or column of one colour lies from its neighbours; border is the share
    of a side that a border of one colour takes; colour the mean distance of the channels; corners and edge are small
    averages of the four corners and of the border.

    Args:
        image: The image as a person sees it.
        raster: Its values where it holds more than that.
    """
    grey = np.asarray(image.convert("L"))
    counts = np.bincount(grey.ravel(), minlength=256) / grey.size
    levels = np.arange(256) / 255
    mean = float(counts @ levels)
    black, white, blank = _ends(counts, grey, raster)
    return {
        "brightness": mean,
        "contrast": float(counts @ (levels - mean) ** 2) ** 0.5,
        "black": black,
        "white": white,
        "blank": blank,
        "sharpness": _sharpness(grey),
        "line": max(_dead_line(grey), _dead_line(grey.T)),
        "border": _border(grey),
        **_colours(image),
    }


def _ends(counts: NDArray[np.float64], grey: NDArray[np.uint8], raster: Raster | None) -> tuple[float, float, bool]:
    """The shares of black and of white pixels, and whether there is no structure at all."""
    if raster is None:
        return float(counts[:2].sum()), float(counts[254:].sum()), int(np.ptp(grey)) <= 1
    low, high = raster.extremes
    plane = raster.values[..., 0]
    return float((plane <= low).mean()), float((plane >= high).mean()), low == high


def _sharpness(grey: NDArray[np.uint8]) -> float:
    steps = np.zeros(2)
    for tile in _tiles(grey):
        for values in (tile.astype(np.float32), tile.T.astype(np.float32)):
            for place, width in enumerate((1, 4)):
                if len(values) > width:
                    steps[place] += float(np.mean((values[width:] - values[:-width]) ** 2))
    return float(np.log((steps[0] + 0.05) / (steps[1] + 0.05)))


def _tiles(grey: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The image, or of a large one evenly spaced parts of it."""
    if grey.size <= PIXELS_MEASURED:
        return [grey]
    starts = [np.linspace(0, max(side - MEASURED_TILE, 0), TILES_A_SIDE).astype(int) for side in grey.shape]
    return [grey[top : top + MEASURED_TILE, left : left + MEASURED_TILE] for top in starts[0] for left in starts[1]]


def _dead_line(grey: NDArray[np.uint8]) -> float:
    """How many times the usual distance of neighbouring rows a row of one colour lies from its own; 0 without such.

    It is at most `WIDEST_LINE` rows wide, with texture on both sides: the plain rim of a part is none.
    """
    if min(grey.shape) < 4 * WIDEST_LINE:
        return 0.0
    rows = grey[:, :: max(1, grey.size // PIXELS_MEASURED)].astype(np.float32)
    spread = rows.std(1)
    away = np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean(1) / 2
    usual, inner = float(np.median(spread)), slice(WIDEST_LINE, -WIDEST_LINE)
    around = np.minimum(spread[: -2 * WIDEST_LINE], spread[2 * WIDEST_LINE :])
    dead = (spread[inner] < 0.15 * usual) & (around > 0.5 * usual)
    edge = WIDEST_LINE - 1
    return float((away[edge:-edge][dead] / (np.median(away) + 0.5)).max()) if dead.any() else 0.0


def _border(grey: NDArray[np.uint8]) -> float:
    widest = 0.0
    for lines in (grey, grey[::-1], grey.T, grey.T[::-1]):
        flat = np.ptp(lines, axis=1) <= FLAT_LEVELS
        widest = max(widest, (len(flat) if flat.all() else int(np.argmin(flat))) / len(flat))
    return widest


def _colours(image: Image.Image) -> dict[str, object]:
    from PIL import Image as Pillow

    width, height = image.size
    small = np.asarray(image.resize((min(width, 64), min(height, 64)), Pillow.Resampling.BOX), np.float32)
    across, down = max(1, round(CORNER_SHARE * width)), max(1, round(CORNER_SHARE * height))
    corners = []
    for left, top in ((0, 0), (width - across, 0), (0, height - down), (width - across, height - down)):
        part = image.crop((left, top, left + across, top + down)).convert("L")
        cells = part.resize((CORNER_CELLS, CORNER_CELLS), Pillow.Resampling.BOX)
        corners.append([round(float(np.asarray(part).std()), 1), *np.asarray(cells).ravel().tolist()])
    rim = max(1, round(BORDER_SHARE * min(width, height)))
    frame = [(0, 0, width, rim), (0, height - rim, width, height), (0, 0, rim, height), (width - rim, 0, width, height)]
    edges = [np.asarray(image.crop(box), np.float32).reshape(-1, 3).mean(0) for box in frame]
    return {
        "colour": float((small.max(2) - small.min(2)).mean() / 255),
        "corners": corners,
        "edge": [round(float(value), 1) for value in np.mean(edges, 0)],
    }
