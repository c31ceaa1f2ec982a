"""Images larger than a model's input, read in overlapping tiles: one decision, one map."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import Raster

if TYPE_CHECKING:
    from torch import Tensor

Box = tuple[int, int, int, int]
MOST_TILES = 20_000
TOGETHER = 2**21
"""Pixels of the tiles of one forward pass at most."""
GUARD = 0.25
"""The outer share of an overlap in which the neighbour alone counts: there a tile lacks what lies beside it."""


@dataclasses.dataclass(frozen=True)
class Tiles:
    """How large images are cut.

    Attributes:
        size: (height, width) of a tile in pixels of the image; the model's input size where missing.
        overlap: The share of a tile that it has in common with its neighbour, at least.
        decision: "maximum": the image is as bad as its worst tile, by the probability of the positive class (of
            several labels, each by its own). "mean": the mean of all tiles' probabilities.
    """

    size: tuple[int, int] | None = None
    overlap: float = 0.25
    decision: Literal["maximum", "mean"] = "maximum"

    def boxes(self, width: int, height: int, size: tuple[int, int]) -> list[Box]:
        """The tiles of an image, row by row, as (left, top, right, bottom), for a model's input of `size`; none where
        one tile holds all of it.

        Raises:
            InputError: There are too many.
        """
        tall, wide = self.size or size
        if height <= tall and width <= wide:
            return []
        rows, columns = _starts(height, tall, self.overlap), _starts(width, wide, self.overlap)
        if len(rows) * len(columns) > MOST_TILES:
            raise InputError(
                f"The image of {width:,} x {height:,} pixels has {len(rows) * len(columns):,} tiles, over the limit of"
                f" {MOST_TILES:,}: make tiles larger."
            )
        return [(left, top, min(left + wide, width), min(top + tall, height)) for top in rows for left in columns]

    def words(self, size: tuple[int, int]) -> str:
        """How it is cut, as a phrase."""
        tall, wide = self.size or size
        share = f"overlapping by {100 * self.overlap:g} %"
        return f"images larger than {tall} x {wide} pixels in tiles of that size, {share}, the {self.decision} decides"


def _starts(length: int, tile: int, overlap: float) -> list[int]:
    """Where tiles begin: evenly, the last one ending where the image does."""
    if length <= tile:
        return [0]
    count = math.ceil((length - tile * overlap) / (tile * (1 - overlap)))
    return sorted({round(start) for start in np.linspace(0, length - tile, max(count, 2))})


def cut_tile(source: Image.Image | Raster, box: Box) -> Image.Image | Raster:
    """One tile of an image."""
    left, top, right, bottom = box
    if isinstance(source, Raster):
        return dataclasses.replace(source, values=source.values[top:bottom, left:right])
    return source.crop(box)


def join_tiles(decision: str, logits: Tensor, probabilities: Tensor, positive: int | None, *, several: bool) -> Tensor:
    """The logits (K,) of an image from those of its tiles and their probabilities, (T, K).

    Args:
        decision: As `Tiles.decision`.
        logits: Of the tiles.
        probabilities: Of the tiles.
        positive: The column of the positive class.
        several: Whether several labels can be true at once.

    Raises:
        InputError: The worst tile is asked for, and no class is the positive one.
    """
    if decision == "mean":
        mean = probabilities.double().mean(0).clamp(1e-12, 1 - 1e-12)
        return (mean.logit() if several else mean.log()).float()
    if several:
        return logits.amax(0)
    if positive is None:
        raise InputError(
            "The worst tile decides, and nothing says which class is bad: name the positive class, or set decision ="
            ' "mean" under [preprocessing.tiles].'
        )
    return logits[probabilities[:, positive].argmax()]


def tile_weights(boxes: list[Box], box: Box) -> NDArray[np.float32]:
    """How much a tile counts at each of its pixels (h, w): all of it within, falling evenly over an overlap to nothing,
    and nothing in the outer quarter of one. At each pixel the weights of all tiles add up to 1."""
    sides: list[NDArray[np.floating]] = []
    for low, high in ((1, 3), (0, 2)):
        first, last = box[low], box[high]
        before = max((b[high] for b in boxes if b[low] < first), default=first)
        after = min((b[low] for b in boxes if b[high] > last), default=last)
        at = np.arange(first, last) + 0.5
        sides.append(np.minimum(_ramp(at - first, before - first), _ramp(last - at, last - after)))
    return np.asarray(sides[0][:, None] * sides[1][None, :], np.float32)


def _ramp(distance: NDArray[np.floating], overlap: int) -> NDArray[np.floating]:
    if overlap <= 0:
        return np.ones_like(distance)
    return ((distance / overlap - GUARD) / (1 - 2 * GUARD)).clip(0, 1)
