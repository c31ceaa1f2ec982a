"""Images in NumPy's own files (.npy), never unpickled, their header bounded, large ones mapped into memory."""

from __future__ import annotations

import io
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images.raster import MOST_CHANNELS, Raster, check_shape, raster_of

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 4096
"""Bytes of a header; that of an array of numbers has about a hundred."""


def read_array(data: bytes | Path, name: str) -> Raster:
    """The values of a .npy file of shape (H, W), (H, W, C) or (C, H, W).

    Of three axes the channels are the last where it is the shorter of first and last, else the first; where both are
    alike, the last.

    Args:
        data: Its bytes, or where it lies, to be mapped.
        name: What errors call it.

    Raises:
        InputError: It is no such file, holds objects or no numbers, or more than the limits.
    """
    try:
        with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, kind = reader(file, max_header_size=LONGEST_HEADER)
            start = file.tell()
    except (ValueError, SyntaxError, TokenError):  # the header is a piece of Python, read as a literal
        raise InputError(f"{name} has no header that NumPy reads: save the array again with numpy.save.") from None
    if kind.hasobject or kind.fields is not None or kind.kind not in "buif" or kind.itemsize > 8:
        raise InputError(f"{name} holds {_kind_words(kind)}: save an array of counts or floats.")
    height, width, channels, first = _layout(shape, name)
    check_shape((height, width, channels), kind.itemsize, name)
    count = height * width * channels
    length = data.stat().st_size if isinstance(data, Path) else len(data)
    if length - start < count * kind.itemsize:
        raise InputError(f"{name} is damaged or cut off and cannot be decoded: export or copy it again.")
    flat: NDArray = (
        np.memmap(data, kind, "r", start, (count,))
        if isinstance(data, Path)
        else np.frombuffer(data, kind, count, start)
    )
    values = flat.reshape(shape, order="F" if fortran else "C")
    notes: tuple[str, ...] = ()
    if len(shape) == 3:
        place = "first" if first else "last"
        notes = (f"{name} has the shape {shape[0]} x {shape[1]} x {shape[2]}: its {place} axis is read as channels.",)
        values = np.moveaxis(values, 0, -1) if first else values
    return raster_of(values.reshape(height, width, channels) if values.ndim == 2 else values, name, notes=notes)


def _layout(shape: tuple[int, ...], name: str) -> tuple[int, int, int, bool]:
    """Height, width and channels of a shape, and whether the channels come first."""
    if len(shape) == 2:
        return shape[0], shape[1], 1, False
    if len(shape) == 3:
        first = shape[0] < shape[2]
        height, width, channels = shape[1:] + shape[:1] if first else shape
        if channels <= MOST_CHANNELS:
            return height, width, channels, first
    raise InputError(
        f"{name} holds an array of shape {' x '.join(map(str, shape)) or 'of one number'}: an image has the shape"
        f" height x width, with up to {MOST_CHANNELS} channels first or last."
    )


def _kind_words(kind: np.dtype) -> str:
    return "Python objects, which could run code" if kind.hasobject else f"values of the type {str(kind)[:40]}"
