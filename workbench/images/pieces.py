"""An image cut into pieces, and what it looks like with some of them filled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.images.fills import FILLS, cover_region, tile
from workbench.images.levels import Pixels

REGION_FILLS = {name: text for name, text in FILLS.items() if name != "exchange"}
REGION_FILLS["grey"] = "mid-grey with a hard edge"
"""What can be filled with. A patch comes from the same image, so that it may bring along what was to go."""

COARSER = 48
"""Pixels of the longer side of the copy on which "inpaint" is computed: one answer fills hundreds of images."""


class Pieces:
    """An image cut into n pieces.

    Attributes:
        pixels: (H, W, C), bytes or levels.
        labels: (H, W) the number of each pixel's piece, 0 to n - 1.
        fill: One of `REGION_FILLS`.
        parts: n.
        areas: (n,) share of the image.
    """

    def __init__(self, pixels: Pixels, labels: NDArray[np.intp], fill: str, seed: int = 0) -> None:
        self.pixels, self.labels, self.fill, self._seed = pixels, labels, fill, seed
        self.parts = int(labels.max()) + 1
        self.areas = np.bincount(labels.ravel(), minlength=self.parts) / labels.size
        self._texture = tile(pixels) if fill == "patch" else None

    def with_filled(self, filled: NDArray[np.bool_]) -> Pixels:
        """The image with some pieces (n,) filled: the same pieces, the same image, for patches come from one place.

        From half of the image on, "inpaint" becomes the mean colour of what is filled: what little is left is what is
        asked about, and continuing it would paint it all over the image.
        """
        inside = filled[self.labels]
        if not inside.any():
            return self.pixels
        if self.fill == "grey":
            return np.where(inside[..., None], self.pixels.dtype.type(128), self.pixels)
        fill = "mean" if self.fill == "inpaint" and inside.mean() >= 0.5 else self.fill
        return cover_region(self.pixels, inside, fill, (), np.random.default_rng(self._seed), self._texture, COARSER)


def square_cells(shape: tuple[int, ...], cells: int) -> NDArray[np.intp]:
    """The number of each pixel's cell, (H, W), in an image of `shape` (H, W, ...): nearly square, `cells` of them along
    the longer side."""
    height, width = shape[:2]
    side = max(height, width) / cells
    down, across = (min(max(round(n / side), 1), n) for n in (height, width))
    return (np.arange(height) * down // height)[:, None] * across + (np.arange(width) * across // width)[None, :]
