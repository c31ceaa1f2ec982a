"""Masks of images that EXIF turns: drawn on the image as it stands upright, or on its pixels as they are stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from workbench.errors import InputError
from workbench.images.decoding import open_with
from workbench.images.raster import turned

LYING = (5, 6, 7, 8)
"""Orientations that swap width and height."""
BACK = {6: 8, 8: 6}
"""Orientations that another undoes; every other one undoes itself."""


def orientation_of(data: bytes | Path) -> int:
    """How EXIF says that an image stands, 1 to 8; 1 where it says nothing."""
    if isinstance(data, Path):
        return 1
    try:
        found = open_with(data, "it", lambda image: _orientation(image, data))
    except InputError:
        return 1
    return found if found in range(1, 9) else 1


def _orientation(image: Image.Image, data: bytes) -> int:
    if image.format == "PNG" and not any(mark in data for mark in (b"eXIf", b"exif", b"XMP", b"xmp")):
        return 1  # else Pillow would decode all of it
    return int(image.getexif().get(ExifTags.Base.Orientation) or 1)


def fitting(mask: NDArray[np.bool_], size: tuple[int, int], own: int, image: int, name: str) -> NDArray[np.bool_]:
    """A mask as the image stands upright.

    Args:
        mask: (H, W), turned as its own EXIF says.
        size: Width and height of the image as it stands upright.
        own: The orientation that the mask's file states.
        image: The orientation that the image's file states.
        name: What errors call the mask.

    Raises:
        InputError: It has another size than the image, upright and as it is stored.
    """
    width, height = size
    if mask.shape == (height, width):
        return mask
    if mask.shape == (width, height) and own in LYING:  # its pixels stood upright, and the tag was left over
        return turned(mask[..., None], BACK.get(own, own))[..., 0]
    if mask.shape == (width, height) and own == 1 and image in LYING:
        return turned(mask[..., None], image)[..., 0]
    raise InputError(
        f"{name[:1].upper()}{name[1:]} is {mask.shape[1]} x {mask.shape[0]} pixels but its image is {width} x"
        f" {height}: export the mask at the image's size."
    )


def is_unclear(size: tuple[int, int], own: int, image: int) -> bool:
    """Whether sizes cannot tell on which pixels a mask was drawn: its image is turned, it is not, and either fits."""
    return own == 1 and image != 1 and (image not in LYING or size[0] == size[1])
