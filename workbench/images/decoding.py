"""From the bytes of a file to an upright RGB image, safely."""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from workbench.errors import InputError

MAX_PIXELS = 100_000_000
HUNGRY = dict.fromkeys(("WEBP", "AVIF", "JPEG2000"), MAX_PIXELS // 2)
"""Pixels of formats whose decoders hold an image four times over."""
PART, TILE = 2**20, 1024
"""Values that are scaled at once, and the edge in pixels of what is converted at once."""
FORMATS = {
    "PNG": ".png .apng",
    "JPEG": ".jpg .jpeg .jpe .jfif",
    "TIFF": ".tif .tiff",
    "BMP": ".bmp",
    "WEBP": ".webp",
    "GIF": ".gif",
    "PPM": ".pgm .ppm .pbm .pnm",
    "AVIF": ".avif",
    "JPEG2000": ".jp2 .j2k .jpx .jpf .jpc .j2c",
}
EXTRA_SAMPLES, COLOUR_MAP = 338, 320
COPY, NOTES = "a copy in 8 bits", "notes on reading"
"""What `Image.info` carries under: that the file holds more than the image, and what was decided in reading it."""
T = TypeVar("T")


def decode(data: bytes, name: str) -> Image.Image:
    """Decode bytes to an upright RGB image.

    16-bit grey is scaled to 8 bit, CMYK and palettes are converted, transparency is laid over white, and EXIF
    orientation is applied. The size is checked on the header, before any pixel is decoded.

    Raises:
        InputError: One sentence that says what is wrong with `name` and what to do.
    """

    def read(image: Image.Image) -> Image.Image:
        deep, notes = image.mode.startswith(("I", "F")), _notes(image, name, data)
        result = _to_rgb(upright(image))
        result.info = {COPY: deep, NOTES: notes}
        return result

    return open_with(data, name, read)


def _notes(image: Image.Image, name: str, data: bytes) -> tuple[str, ...]:
    """What of a file is left aside."""
    notes = []
    with contextlib.suppress(Exception):  # a damaged second frame is none
        if getattr(image, "is_animated", False):
            notes.append(f"{name} has more than one frame: the first is read.")
            image.seek(0)
    if image.format == "TIFF" and image.mode in ("RGB", "RGBX") and _extra(image) == (0,):
        notes.append(f"{name} holds a fourth channel without saying what it is: it is left aside.")
    at = data.find(b"av1C", 0, 2**16) if image.format == "AVIF" else -1
    if at > 0 and len(data) > at + 6 and data[at + 6] & 0x40:
        notes.append(f"{name} holds 10 or 12 bits, of which AVIF hands over 8: save it as TIFF or PNG to keep them.")
    return tuple(notes)


def _extra(image: Image.Image) -> object:
    """What the channels of a TIFF beyond its colours are, as its tag says; None where it has none."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(EXTRA_SAMPLES)


def upright_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height that `decode` would give, from the header alone. Errors as `decode`, of what that shows."""

    def turned(image: Image.Image) -> bool:
        if image.format == "TIFF":  # Pillow gives its size as it stands upright
            return False
        if image.format == "PNG" and not any(mark in data for mark in _ORIENTED):  # else Pillow would decode all
            return False
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)

    width, height, lying = open_with(data, name, lambda image: (*image.size, turned(image)))
    return (height, width) if lying else (width, height)


_ORIENTED = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""Where a PNG may say how it stands, before its pixels or after them."""


def upright(image: Image.Image) -> Image.Image:
    """Decode the pixels, and turn them as EXIF says.

    A colour map of a TIFF has 16 bits, of which Pillow takes the upper 8; some programs write 8 into it, as libtiff
    knows too: the image would be black.
    """
    image.load()
    colours = getattr(image, "tag_v2", {}).get(COLOUR_MAP) if image.mode == "P" else None
    if colours and 0 < max(colours) < 256:
        third = len(colours) // 3
        image.putpalette([colours[part * third + i] for i in range(third) for part in range(3)])
    ImageOps.exif_transpose(image, in_place=True)
    return image


def open_with(data: bytes, name: str, read: Callable[[Image.Image], T]) -> T:
    """What `read` makes of an opened file, of which only the header was read and its size checked."""
    if not data:
        raise InputError(f"{name} is empty (0 bytes): export or copy it again.")
    with _quiet:  # Pillow warns of large images and of damaged EXIF
        try:
            with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
                most = HUNGRY.get(image.format or "", MAX_PIXELS)
                if image.width * image.height > most:
                    raise too_large(name, f"{image.width:,} x {image.height:,} pixels", most)
                return read(image)
        except UnidentifiedImageError:
            raise InputError(f"{name} is not an image this can read: use {', '.join(FORMATS)}.") from None
        except Image.DecompressionBombError:
            raise too_large(name, "far more pixels than its file suggests") from None
        except InputError:
            raise
        except MemoryError:
            raise InputError(f"{name} takes more memory to decode than there is: scale or crop it first.") from None
        except Exception as error:  # each of Pillow's decoders raises its own kinds on damaged data
            if "MAX_TEXT" in str(error):
                raise InputError(f"{name} holds more text than an image should: export it again without.") from None
            raise InputError(f"{name} is damaged or cut off and cannot be decoded: export or copy it again.") from None


_ears = threading.local()


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """What Pillow warns of in the files that this thread decodes inside, but for their size."""
    texts: list[str] = []
    _ears.texts = texts
    try:
        yield texts
    finally:
        _ears.texts = None


def _hear(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    texts = getattr(_ears, "texts", None)
    if texts is not None and issubclass(category, UserWarning):
        texts.append(str(message))


class _Quiet:
    """No warnings on the screen while anybody is inside; whoever asked `heard` is told of its own.

    Python's own `catch_warnings` puts back what it found, which with several threads is what another one had set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("always")
                warnings.showwarning = _hear

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


_quiet = _Quiet()


def too_large(name: str, what: str, most: int = MAX_PIXELS) -> InputError:
    """What to say of an image that has more pixels than the limit."""
    return InputError(f"{name} has {what}, over the limit of {most // 10**6} million: scale or crop it first.")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        kind = np.asarray(image.crop((0, 0, 1, 1))).dtype
        return Image.fromarray(eight_bit(_tilewise(image, kind, np.asarray))).convert("RGB")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    result = Image.new("RGB", image.size)
    for box in tiles(image.size):
        tile = image.crop(box).convert("RGBA")
        result.paste(Image.alpha_composite(Image.new("RGBA", tile.size, "white"), tile).convert("RGB"), box)
    return result


def _tilewise(image: Image.Image, kind: DTypeLike, read: Callable[[Image.Image], ArrayLike]) -> NDArray:
    """What `read` makes of each tile, put together to (H, W): an image is never held as a whole in a second form."""
    result = np.empty((image.height, image.width), kind)
    for left, top, right, bottom in tiles(image.size):
        result[top:bottom, left:right] = read(image.crop((left, top, right, bottom)))
    return result


def tiles(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) that cover an image of a width and height."""
    width, height = size
    for top in range(0, height, TILE):
        yield from ((left, top, min(left + TILE, width), min(top + TILE, height)) for left in range(0, width, TILE))


def eight_bit(values: NDArray) -> NDArray[np.uint8]:
    """Scale 16-bit counts, or floats in 0 .. 1 (wider ranges by their extremes), to 8 bit, in parts to save memory."""
    flat, scaled = values.reshape(-1), np.empty(values.size, np.uint8)
    parts = [slice(start, start + PART) for start in range(0, flat.size, PART)]
    if np.issubdtype(values.dtype, np.integer):
        counts = values.dtype.itemsize == 2 or flat.max() > 255
        for part in parts:
            levels = flat[part].clip(0, 65535 if counts else 255).astype(np.int32)
            scaled[part] = (levels + 128) // 257 if counts else levels
        return scaled.reshape(values.shape)
    low = min(0.0, *(_finite(flat[part]).min() for part in parts))
    high = max(1.0, *(_finite(flat[part]).max() for part in parts))
    for part in parts:
        scaled[part] = ((_finite(flat[part]) - low) / (high - low) * 255).round().clip(0, 255)
    return scaled.reshape(values.shape)


def _finite(values: NDArray) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), copy=False, nan=0, posinf=0, neginf=0)
