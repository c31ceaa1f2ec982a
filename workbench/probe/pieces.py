"""A picture cut into pieces, and what it looks like with some of them filled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.fills import FILLS as COVERS
from workbench.fills import SEEN, covered, tile

Pixels = NDArray[np.uint8]
FILLS = {name: said for name, said in COVERS.items() if name != "exchange"} | {"grey": "mid-grey with a hard edge"}
"""What can be filled with. A patch comes from the same picture, so that it may bring along what was to go."""

COARSE = 48
"""Pixels of the longer side of the copy on which "inpaint" is worked out here: hundreds of pictures are filled for one answer."""


class Pieces:
    """A picture cut into n pieces.

    Attributes:
        pixels: (H, W, 3).
        labels: (H, W) the number of each pixel's piece, 0 to n - 1.
        fill: One of `FILLS`.
        parts: n.
        areas: (n,) share of the picture.
    """

    def __init__(self, pixels: Pixels, labels: NDArray[np.intp], fill: str, seed: int = 0) -> None:
        self.pixels, self.labels, self.fill, self._seed = pixels, labels, fill, seed
        self.parts = int(labels.max()) + 1
        self.areas = np.bincount(labels.ravel(), minlength=self.parts) / labels.size
        self._texture = tile(pixels) if fill == "patch" else None

    def shown(self, filled: NDArray[np.bool_]) -> Pixels:
        """The picture with some pieces (n,) filled: the same pieces, the same picture, for patches come from one place."""
        inside = filled[self.labels]
        if not inside.any():
            return self.pixels
        if self.fill == "grey":
            return np.where(inside[..., None], np.uint8(128), self.pixels)
        if self.fill == "inpaint":
            return _continued(self.pixels, inside)
        return covered(self.pixels, inside, self.fill, (), np.random.default_rng(self._seed), self._texture)


def square_cells(shape: tuple[int, ...], cells: int) -> NDArray[np.intp]:
    """The number of each pixel's cell, (H, W): squares as nearly as the picture allows, `cells` of them along its longer side."""
    height, width = shape[:2]
    side = max(height, width) / cells
    down, across = (min(max(round(n / side), 1), n) for n in (height, width))
    return (np.arange(height) * down // height)[:, None] * across + (np.arange(width) * across // width)[None, :]


def _continued(pixels: Pixels, inside: NDArray[np.bool_]) -> Pixels:
    """A picture (H, W, 3) whose region (H, W) is inpainted as by `workbench.fills.covered`, but on a copy of `COARSE` pixels.

    From half of the picture on it becomes the region's mean colour: what little is left is what is asked about, and continuing it would
    paint it all over the picture.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.restoration import inpaint_biharmonic

    alpha = gaussian_filter(inside.astype(np.float32), max(inside.shape) / 64)
    small, hole = Image.fromarray(pixels), Image.fromarray(np.where(alpha > SEEN, np.uint8(255), np.uint8(0)))
    scale = min(1.0, COARSE / max(inside.shape))
    size = max(round(small.width * scale), 1), max(round(small.height * scale), 1)
    gone = np.asarray(hole.resize(size, Image.Resampling.BOX)) > 0
    if gone.all() or inside.mean() >= 0.5:
        cover = np.broadcast_to(pixels[inside].mean(0, dtype=np.float32), pixels.shape)
    else:
        found = inpaint_biharmonic(np.asarray(small.resize(size, Image.Resampling.BOX)), gone, channel_axis=-1)
        smooth = Image.fromarray((255 * found).round().clip(0, 255).astype(np.uint8))
        cover = np.asarray(smooth.resize(small.size, Image.Resampling.BICUBIC), np.float32)
    return np.asarray((alpha[..., None] * cover + (1 - alpha[..., None]) * pixels).round().clip(0, 255).astype(np.uint8))
