"""An image as its file holds it: counts of any depth, in one to thirty-two channels, before anything is rounded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images.decoding import COPY, MAX_PIXELS, PART, eight_bit, too_large

MOST_CHANNELS = 32
MOST_VALUES = 2**30
"""Bytes of an image's values."""
HINT = "set range ="
TWELVE_BITS = 2**12
"""Counts of a camera that gives 12 bits: what stays below them in a 16-bit file may well come from one."""


@dataclasses.dataclass(frozen=True, eq=False)
class Raster:
    """The values of an image.

    Attributes:
        values: (H, W, C), upright, in the type of the file; may lie in a file that is mapped into memory.
        low: The count that is black, where the file or its type says so: 0 for unsigned counts of 8 or 16 bits and for
            floats between 0 and 1. None where nothing says it.
        high: The count that is white, likewise.
        names: Of the channels, where the file names them.
        alpha: Whether the last channel says how opaque a pixel is.
        notes: What was decided in reading it, one sentence each.
        fixed: Whether `low` and `high` hold whatever a model states: these are levels, no counts.

    Example:
        >>> Raster(np.zeros((2, 3, 5), np.uint16), 0, 65535).channels
        5
    """

    values: NDArray
    low: float | None = None
    high: float | None = None
    names: tuple[str, ...] = ()
    alpha: bool = False
    notes: tuple[str, ...] = ()
    fixed: bool = False

    @property
    def channels(self) -> int:
        """C."""
        return int(self.values.shape[2])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return int(self.values.shape[1]), int(self.values.shape[0])

    @property
    def extremes(self) -> tuple[float, float]:
        """The smallest and the largest of its finite values."""
        low, high = np.inf, -np.inf
        for part in _parts(self.values):
            finite = part if part.dtype.kind in "ui" else part[np.isfinite(part)]
            if finite.size:
                low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        return (low, high) if low <= high else (0.0, 0.0)

    def rgb(self, chosen: Sequence[int] = (), window: tuple[float, float] | None = None) -> Image.Image:
        """An 8-bit copy to look at.

        Args:
            chosen: The channels that are shown as red, green and blue, or one as grey; the first three where missing,
                or the first of fewer.
            window: The values that are black and white; the whole range where missing.
        """
        colour = self.channels - self.alpha
        shown = tuple(chosen) or ((0, 1, 2) if colour >= 3 else (0,))
        planes = [_levels(self.values[..., channel], window or self._stated) for channel in shown]
        if self.alpha and not chosen:
            clear = 255 - _levels(self.values[..., -1], self._stated).astype(np.uint16)
            planes = [(plane + clear * (255 - plane.astype(np.uint16)) // 255).astype(np.uint8) for plane in planes]
        grey = [Image.fromarray(plane) for plane in planes]
        image = grey[0].convert("RGB") if len(grey) == 1 else Image.merge("RGB", grey)
        image.info[COPY] = True
        return image

    @property
    def _stated(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)


def _parts(values: NDArray) -> list[NDArray]:
    rows = max(PART // max(values[0].size, 1), 1)
    return [values[start : start + rows] for start in range(0, len(values), rows)]


def _levels(plane: NDArray, window: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Values (H, W) as levels 0 .. 255; by what their type and extremes suggest where there is no window."""
    if window is None and plane.dtype.kind in "ui" and plane.dtype not in (np.uint8, np.uint16):
        window = (
            min(0.0, float(plane.min())),
            float(plane.max()),
        )  # nothing says what is white
    if window is None:
        return eight_bit(np.ascontiguousarray(plane))
    low, high = window
    result, row = np.empty(plane.shape, np.uint8), 0
    for part in _parts(plane):
        finite = np.nan_to_num(part.astype(np.float64), nan=low, posinf=high, neginf=low)
        result[row : row + len(part)] = ((finite - low) / ((high - low) or 1) * 255).round().clip(0, 255)
        row += len(part)
    return result


def is_copy(image: Image.Image) -> bool:
    """Whether an image is an 8-bit copy of one that holds more."""
    return bool(image.info.get(COPY))


def without_hint(notes: Sequence[str]) -> tuple[str, ...]:
    """What was decided in reading an image, but for the hint at a range, where one is set."""
    return tuple(note for note in notes if HINT not in note)


def check_shape(shape: Sequence[int], itemsize: int, name: str) -> None:
    """Refuse (H, W, C) values of so many bytes each, before any is read, where they are too many."""
    height, width, channels = shape
    if channels > MOST_CHANNELS:
        raise InputError(
            f"{name} has {channels:,} channels or pages, over the limit of {MOST_CHANNELS}: save those that the model"
            " takes."
        )
    if height * width > MAX_PIXELS:
        raise too_large(name, f"{width:,} x {height:,} pixels")
    if (total := height * width * channels * itemsize) > MOST_VALUES:
        raise InputError(
            f"{name} holds {total / 2**20:,.0f} MB of values, over the limit of {MOST_VALUES // 2**20:,} MB: scale or"
            " crop it first, or save fewer channels."
        )
    if not height or not width or not channels:
        raise InputError(f"{name} holds no pixels: export it again.")


def raster_of(values: NDArray, name: str, **facts: object) -> Raster:
    """Values (H, W, C) with the range that their type states, and what is to be said of them.

    Raises:
        InputError: They are no real numbers.
    """
    kind = values.dtype
    if kind == np.bool_:
        values, kind = values.view(np.uint8), np.dtype(np.uint8)
        facts.setdefault("high", 1)
    if kind.kind not in "uif":
        raise InputError(f"{name} holds values of the type {kind}, not real numbers: save counts or floats.")
    raster = Raster(values, notes=tuple(facts.pop("notes", ())), **facts)  # type: ignore[arg-type]
    if raster.high is not None:
        return dataclasses.replace(raster, low=raster.low or 0.0)
    low, high = raster.extremes if kind.kind == "f" or kind == np.uint16 else (0.0, 0.0)
    notes = raster.notes
    if kind == np.uint16 and 0 < high < TWELVE_BITS:
        notes = (
            *notes,
            f"{name} holds 16 bits, and its brightest count is {high:,.0f} of 65,535: where the camera gives 10 or 12"
            f" bits and the model was trained on that scale, {HINT} [0, 1023] or [0, 4095] under [preprocessing].",
        )
    if kind.kind == "f" and low >= 0 and high <= 1:
        return dataclasses.replace(raster, low=0.0, high=1.0, notes=notes)
    if kind.kind == "u" and kind.itemsize <= 2:
        return dataclasses.replace(raster, low=0.0, high=float(np.iinfo(kind).max), notes=notes)
    return dataclasses.replace(raster, notes=notes)


def turned(values: NDArray, orientation: int) -> NDArray:
    """Values (H, W, C) turned as the EXIF or TIFF tag of orientation says."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    down, across = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return values[:: -1 if down else 1, :: -1 if across else 1]
