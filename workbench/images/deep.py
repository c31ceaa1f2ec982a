"""An image of whatever format, as its file holds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import decoding
from workbench.images.arrays import MAGIC, read_array
from workbench.images.dicoms import is_dicom, read_dicom
from workbench.images.mask_rules import AUTO, inside
from workbench.images.mask_values import Values, array_values, use_values
from workbench.images.raster import Raster, raster_of
from workbench.images.sixteen import read_pillow, read_pnm
from workbench.images.tiffs import MAGICS, OtherDecoderError, read_tiff

T = TypeVar("T")
HEAD = 132
"""Bytes from which a format is known."""


def read_raster(data: bytes | Path, name: str, *, bands: bool = False) -> Raster | None:
    """The values of an image; None where upright RGB of 8 bits is all that is wanted of it: `decode` gives that.

    Args:
        data: Its bytes; or where it lies, of a format that is mapped into memory (`is_mapped`).
        name: What errors call it.
        bands: Whether all its channels are wanted, also of 8 bits, and the pages of a TIFF as channels.

    Raises:
        InputError: One sentence that says what is wrong with `name` and what to do.
    """
    head = data[:HEAD] if isinstance(data, bytes) else _head(data)
    if not head:
        raise InputError(f"{name} is empty (0 bytes): export or copy it again.")
    if head.startswith(MAGIC):
        return read_array(data, name)
    if isinstance(data, Path):
        return _tiff(data, name, bands)
    if is_dicom(head, name):
        return read_dicom(data, name)
    if head.startswith(MAGICS):
        return _tiff(data, name, bands)
    if (counts := read_pnm(data, name)) is not None:
        return counts
    return read_pillow(data, name, bands=bands)


def decode(data: bytes | Path, name: str) -> Image.Image:
    """Decode bytes of any format to an upright RGB image of 8 bits.

    More bits are scaled, CMYK and palettes are converted, transparency is laid over white, and EXIF orientation is
    applied. Of more than three channels the first three are taken. The size is checked on the header, before any pixel
    is decoded.

    Raises:
        InputError: One sentence that says what is wrong with `name` and what to do.
    """
    raster = read_raster(data, name)
    return decoding.decode(_whole(data), name) if raster is None else shown(raster)


def shown(raster: Raster, window: tuple[float, float] | None = None) -> Image.Image:
    """An 8-bit copy of a raster, which says of itself that it is one where the raster holds more.

    Args:
        raster: The values.
        window: Those that are black and white, where they are of more than 8 bits.
    """
    image = raster.rgb(window=None if raster.values.dtype == np.uint8 else window)
    image.info = {decoding.COPY: not is_plain(raster), decoding.NOTES: raster.notes}
    return image


def raster_from(image: Image.Image, name: str = "The image") -> Raster | None:
    """The values of an opened image that holds more than 8 bits; None where it does not.

    Raises:
        InputError: It is an 8-bit copy of one that does.
    """
    if image.info.get(decoding.COPY):
        raise InputError(
            f"{name} is an 8-bit copy of an image that holds more, which would be lost: hand over the image itself."
        )
    if not image.mode.startswith(("I", "F")):
        return None
    return raster_of(np.asarray(image)[..., None], name)


def decode_mask(data: bytes | Path, name: str, rule: str = AUTO) -> NDArray[np.bool_]:
    """Decode bytes of any format to an upright mask (H, W): True where its values, by a rule, are inside.

    Args:
        data: Its bytes, or where it lies.
        name: What errors call it.
        rule: As `ReadOptions.mask_rule`; no level is scaled or rounded.

    Raises:
        InputError: As `decode`; or its values are no mask's.
    """
    return with_values(data, name, lambda values: inside(values, rule, name))


def with_values(data: bytes | Path, name: str, use: Callable[[Values], T]) -> T:
    """What `use` makes of the values of a mask of any format. Errors as `decode`."""
    if isinstance(data, bytes) and not data[:HEAD].startswith(MAGIC) and not is_dicom(data[:HEAD], name):
        return use_values(data, name, use)
    raster = read_raster(data, name, bands=True)
    assert raster is not None
    return use(array_values(raster.values))


def upright_size(data: bytes | Path, name: str) -> tuple[int, int]:
    """Width and height that `decode` would give, from the header alone where Pillow knows the format."""
    head = data[:HEAD] if isinstance(data, bytes) else _head(data)
    if head.startswith((MAGIC, *MAGICS)) or is_dicom(head, name):
        raster = read_raster(data, name)
        if raster is not None:
            return raster.size
    return decoding.upright_size(_whole(data), name)


def is_mapped(path: Path) -> bool:
    """Whether a file is of a format that need not be read as a whole."""
    return _head(path).startswith((MAGIC, *MAGICS))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _tiff(data: bytes | Path, name: str, bands: bool) -> Raster | None:
    try:
        return read_tiff(data, name, bands=bands)
    except OtherDecoderError as other:
        try:
            return read_pillow(_whole(data), name, bands=bands)
        except InputError:
            if not other.packing:
                raise
            raise InputError(
                f"{name} is a TIFF whose values are packed as {other.packing}, which is not read for this number of"
                " channels: save it in 8 or 16 bits a value, without compression or with deflate."
            ) from None


def _whole(data: bytes | Path) -> bytes:
    return data if isinstance(data, bytes) else data.read_bytes()


def is_plain(raster: Raster) -> bool:
    """Whether an upright RGB image of 8 bits holds all of it."""
    whole = (raster.low, raster.high) == (0, 255)
    return raster.values.dtype == np.uint8 and raster.channels in (1, 3) and whole and not raster.alpha
