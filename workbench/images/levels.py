"""Pixels that edits are made on: bytes of red, green and blue, or levels of any depth and number of channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.images.deep import raster_from
from workbench.images.raster import Raster

Pixels = NDArray[np.uint8] | NDArray[np.float32]
"""(H, W, 3) bytes, or (H, W, C) floats from 0, black, to 255, white, as `Classifier.levels` gives them."""

Editable = Image.Image | NDArray[np.uint8] | NDArray[np.float32]
"""What edits begin with: an RGB image, or such pixels."""


def as_pixels(image: Image.Image | Pixels) -> Pixels:
    """The pixels of an image; an array is taken as it is.

    Raises:
        InputError: It is an 8-bit copy of an image that holds more.
    """
    if isinstance(image, np.ndarray):
        return image
    raster_from(image)
    return np.asarray(image.convert("RGB"))


def as_image(image: Image.Image | Pixels) -> Image.Image:
    """Pixels as an RGB image to look at: levels are rounded, and of more than three channels the first three shown."""
    if isinstance(image, Image.Image):
        return image
    if image.dtype == np.uint8:
        return Image.fromarray(image)
    return Raster(image, 0, 255).rgb()


def alike(values: NDArray[np.floating], pixels: Pixels) -> Pixels:
    """What an edit made of `pixels`, cut to 0 .. 255, and rounded where they are bytes."""
    if pixels.dtype == np.uint8:
        return np.asarray(values.round().clip(0, 255).astype(np.uint8))
    return np.asarray(values.clip(0, 255), np.float32)


def resized(
    pixels: Pixels, size: tuple[int, int], how: Image.Resampling = Image.Resampling.BILINEAR
) -> NDArray[np.float32]:
    """Pixels in another (width, height), channel by channel, as floats."""
    planes = (Image.fromarray(pixels[..., c].astype(np.float32)) for c in range(pixels.shape[2]))
    return np.stack([np.asarray(plane.resize(size, how)) for plane in planes], -1)


def shrunk(pixels: Pixels, edge: int, how: Image.Resampling = Image.Resampling.BOX) -> Pixels:
    """Pixels with no side over `edge`, as `PIL.Image.thumbnail` has it."""
    height, width = pixels.shape[:2]
    if max(height, width) <= edge:
        return pixels
    small = Image.fromarray(pixels) if pixels.dtype == np.uint8 else Image.new("1", (width, height))
    small.thumbnail((edge, edge), how)
    return np.asarray(small) if pixels.dtype == np.uint8 else resized(pixels, small.size, how)
