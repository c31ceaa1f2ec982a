"""Images of more than 8 bits that Pillow decodes, and what it would round."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images.decoding import open_with, upright
from workbench.images.raster import Raster, check_shape, raster_of

_PNM = re.compile(rb"P([2356])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s")
_SIZ = b"\xff\x4f\xff\x51"


def read_pillow(data: bytes, name: str, *, bands: bool = False) -> Raster | None:
    """The values of an image that Pillow opens; None where 8 bits in RGB are all that it holds. Errors as `decode`.

    Args:
        data: Its bytes.
        name: What errors call it.
        bands: Whether all its channels are wanted, also of 8 bits: transparency, or the inks of CMYK.
    """
    values = open_with(data, name, lambda image: _values(image, data, name, bands))
    return None if values is None else _stated(*values, data, name)


def _values(image: Image.Image, data: bytes, name: str, bands: bool) -> tuple[NDArray, bool] | None:
    """Upright values (H, W, C), and whether the last channel is transparency."""
    rawmode = _rawmode(image)
    if ";16" in rawmode and image.mode in ("RGB", "RGBA"):
        return _joined(image, rawmode, data, name)
    if image.format == "JPEG2000" and image.mode != "I;16" and max(_precisions(data), default=8) > 8:
        raise InputError(
            f"{name} is a JPEG 2000 of {max(_precisions(data))} bits in {len(_precisions(data))} channels, of which"
            " only 8 bits can be read: export it as TIFF or PNG."
        )
    if image.mode.startswith(("I", "F")):
        return np.asarray(upright(image))[..., None], False
    if not bands:
        return None
    image = upright(image)
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if image.has_transparency_data else "L" if image.mode == "1" else "RGB")
    values = np.asarray(image)
    return (values if values.ndim == 3 else values[..., None]), image.mode in ("LA", "RGBA")


def _rawmode(image: Image.Image) -> str:
    """How the pixels lie in the file, as Pillow calls it."""
    args = image.tile[0].args if getattr(image, "tile", None) else ""  # type: ignore[attr-defined]
    return args if isinstance(args, str) else str(args[0]) if args else ""


def _joined(image: Image.Image, rawmode: str, data: bytes, name: str) -> tuple[NDArray[np.uint16], bool]:
    """The 16 bits of a colour image, of which Pillow keeps the upper byte: it is decoded again for the lower one.

    A raw mode says which of two bytes is the upper one; told the other order, Pillow hands over the lower bytes.
    """
    if len(image.tile) != 1 and any(tile.args != image.tile[0].args for tile in image.tile):  # type: ignore[attr-defined]
        raise InputError(f"{name} holds 16 bits a channel, plane by plane, compressed: save it without compression.")
    if rawmode == "LA;16B":
        both = _bytes_of(data, name, "RGBA").astype(np.uint16)
        return both[..., ::2] * 256 + both[..., 1::2], True
    swapped = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}[rawmode[-1]]
    upper = np.asarray(upright(image)).astype(np.uint16)
    return upper * 256 + _bytes_of(data, name, rawmode[:-1] + swapped), image.mode == "RGBA"


def _bytes_of(data: bytes, name: str, rawmode: str) -> NDArray[np.uint8]:
    def read(image: Image.Image) -> NDArray[np.uint8]:
        image.tile = [  # type: ignore[attr-defined]
            tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *tile.args[1:]))
            for tile in image.tile  # type: ignore[attr-defined]
        ]
        return np.asarray(upright(image))

    return open_with(data, name, read)


def _precisions(data: bytes) -> Sequence[int]:
    """Bits of each component of a JPEG 2000, from its header."""
    at = data.find(_SIZ)
    if at < 0:
        return ()
    count = int.from_bytes(data[at + 40 : at + 42], "big")
    return [(byte & 0x7F) + 1 for byte in data[at + 42 : at + 42 + 3 * min(count, 64) : 3]]


def _stated(values: NDArray, alpha: bool, data: bytes, name: str) -> Raster:
    precisions = _precisions(data) if values.dtype == np.uint16 else ()
    if len(precisions) == 1 and 8 < precisions[0] < 16:  # Pillow shifts them up to 16 bits
        return raster_of(values >> (16 - precisions[0]), name, low=0, high=2 ** precisions[0] - 1)
    return raster_of(values, name, alpha=alpha)


def read_pnm(data: bytes, name: str) -> Raster | None:
    """The counts of a PGM or PPM with more than 8 bits, whose file states its white; None where it has 8 bits.

    Raises:
        InputError: It is written in text, or cut off.
    """
    header = _PNM.match(data[:4096])
    if header is None or int(header[4]) <= 255:
        return None
    kind, width, height, white = (int(number) for number in header.groups())
    channels = 3 if kind in (3, 6) else 1
    check_shape((height, width, channels), 2, name)
    if kind in (2, 3) or white > 65535:
        raise InputError(f"{name} is written as text: save it in its binary form (P5 or P6), or as PNG.")
    count = height * width * channels
    if len(data) - header.end() < 2 * count:
        raise InputError(f"{name} is damaged or cut off and cannot be decoded: export or copy it again.")
    values = np.frombuffer(data, ">u2", count, header.end()).astype(np.uint16)
    return raster_of(values.reshape(height, width, channels), name, low=0, high=white)
