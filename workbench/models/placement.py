"""Where a model's input lies on the image it came from, and a map of the input on the image's own pixels."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a model's input lies on the image it came from.

    Attributes:
        original: (width, height) of the image in pixels.
        box: (left, top, right, bottom) on the image, in pixels, that fills the input; it may reach beyond the image.
        size: (height, width) of the input in pixels.
    """

    original: tuple[int, int]
    box: tuple[float, float, float, float]
    size: tuple[int, int]

    def to_original(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Lay values of shape (h, w), spread over the whole input, on the image.

        Returns:
            float32 of shape (height, width) of the image, interpolated; zero where the model did not look.
        """
        if values.ndim != 2:
            raise ValueError(f"expected values of shape (h, w), got {values.shape}")
        rows, columns = values.shape
        left, top, right, bottom = self.box
        across, down = columns / (right - left), rows / (bottom - top)
        x = (np.arange(self.original[0]) + 0.5 - left) * across
        y = (np.arange(self.original[1]) + 0.5 - top) * down
        wide = _interpolate(values.astype(np.float32), y - 0.5, axis=0)
        full = _interpolate(wide, x - 0.5, axis=1)
        seen = ((y >= 0) & (y < rows))[:, None] & ((x >= 0) & (x < columns))[None, :]
        return np.where(seen, full, np.float32(0))

    def scaled(self, image: Image.Image) -> Placement:
        """The same placement on a smaller or larger copy of the image."""
        across, down = image.width / self.original[0], image.height / self.original[1]
        left, top, right, bottom = self.box
        return Placement(image.size, (left * across, top * down, right * across, bottom * down), self.size)

    def to_input(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask of the image, shape (height, width), as a mask of the input, shape `size`."""
        left, top, right, bottom = self.box
        rows = np.floor(top + (np.arange(self.size[0]) + 0.5) * (bottom - top) / self.size[0]).astype(int)
        columns = np.floor(left + (np.arange(self.size[1]) + 0.5) * (right - left) / self.size[1]).astype(int)
        inside = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & ((columns >= 0) & (columns < mask.shape[1]))[None, :]
        return inside & mask[rows.clip(0, mask.shape[0] - 1)[:, None], columns.clip(0, mask.shape[1] - 1)[None, :]]


def _interpolate(values: NDArray[np.float32], at: NDArray[np.floating], axis: int) -> NDArray[np.float32]:
    """Linear interpolation of `values` along `axis` at fractional indices, constant beyond the ends."""
    last = values.shape[axis] - 1
    at = at.clip(0, last)
    below = np.floor(at).astype(int)
    share = (at - below).astype(np.float32)
    share = share[:, None] if axis == 0 else share[None, :]
    return np.take(values, below, axis) * (1 - share) + np.take(values, (below + 1).clip(0, last), axis) * share
