"""The values of a mask, upright, tile by tile: a mask is never held as a whole in a second form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images.decoding import open_with, tiles, upright

GREY, COLOUR, INDEX = "grey", "colour", "index"
MANY = 4096
"""Distinct values from which on they are no longer listed."""
MIDDLE = 1 / 4, 3 / 4
"""Parts of the largest value between which a value is neither outside nor inside for sure."""
Box = tuple[int, int, int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Values:
    """What a mask holds: grey values, colours as R * 65536 + G * 256 + B, or the indices of a palette of colours.

    Attributes:
        kind: "grey", "colour" or "index".
        size: Width and height.
        read: The values (H, W) in a box.
        palette: The colours of the indices, packed likewise.
        lossy: Whether the format changes values on saving.
    """

    kind: str
    size: tuple[int, int]
    read: Callable[[Box], NDArray]
    palette: NDArray[np.int32] | None = None
    lossy: bool = False

    def parts(self) -> Iterator[tuple[Box, NDArray]]:
        """Each box with its values."""
        return ((box, self.read(box)) for box in tiles(self.size))

    def where(self, test: Callable[[NDArray], NDArray]) -> NDArray[np.bool_]:
        """What `test` says of each value, (H, W)."""
        result = np.empty(self.size[::-1], np.bool_)
        for (left, top, right, bottom), part in self.parts():
            result[top:bottom, left:right] = test(part)
        return result


@dataclass(frozen=True)
class Census:
    """Which values there are, and how they lie.

    Attributes:
        levels: The distinct values in order; empty where there are over `MANY`.
        low: The smallest.
        high: The largest.
        middle: Share of all pixels that are neither near 0 nor near the largest value.
        border: The same of the outermost pixels.
        ramp: Share of the pixels that are neither 0 nor the largest value, and lie on a slope between others.
        flat: Share of them that equal the pixel to the right.
        solid: Of colours those that fill areas, as those of kinds do and those of soft edges do not.
    """

    levels: NDArray
    low: float
    high: float
    middle: float = 0.0
    border: float = 0.0
    ramp: float = 0.0
    flat: float = 1.0
    solid: NDArray = field(default_factory=lambda: np.empty(0, np.int32))

    @property
    def many(self) -> str:
        """How many distinct values, in words."""
        return f"{len(self.levels):,}" if len(self.levels) else f"over {MANY:,}"


def use_values(data: bytes, name: str, use: Callable[[Values], T]) -> T:
    """What `use` makes of the values of an image that Pillow opens. Errors as `decode`."""
    return open_with(data, name, lambda image: use(values_of(upright(image), _is_lossy(image.format, data))))


def _is_lossy(kind: str | None, data: bytes) -> bool:
    return kind in ("JPEG", "MPO", "AVIF") or (kind == "WEBP" and b"VP8L" not in data[:64])


def values_of(image: Image.Image, lossy: bool = False) -> Values:
    """The values of an opened image."""
    if image.has_transparency_data:
        return _transparent(image)
    if image.mode in ("1", "L") or image.mode.startswith(("I", "F")):
        return Values(GREY, image.size, lambda box: _plain(np.asarray(image.crop(box))), lossy=lossy)
    if image.mode == "P":
        return _indexed(image)
    return _coloured(image.size, lambda box: np.asarray(image.crop(box).convert("RGB")), lossy)


def _plain(part: NDArray) -> NDArray:
    return part.view(np.uint8) if part.dtype == np.bool_ else part


def _coloured(size: tuple[int, int], rgb: Callable[[Box], NDArray], lossy: bool) -> Values:
    """Colours, or grey where the three channels say the same; of a lossy file the brightest of the three."""
    if lossy or all(_is_grey(rgb(box)) for box in tiles(size)):
        return Values(GREY, size, lambda box: rgb(box).max(axis=2), lossy=lossy)
    return Values(COLOUR, size, lambda box: packed(rgb(box)))


def _is_grey(rgb: NDArray) -> bool:
    return bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 0] == rgb[..., 2]).all())


def packed(rgb: NDArray) -> NDArray[np.int32]:
    """Colours (..., 3) as one number each."""
    wide = rgb.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def brightest(colours: NDArray) -> NDArray:
    """The largest channel of packed colours."""
    return np.maximum(np.maximum(colours >> 16, colours >> 8 & 255), colours & 255)


def _indexed(image: Image.Image) -> Values:
    colours = np.zeros((256, 3), np.uint8)
    stored = np.asarray(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    colours[: len(stored)] = stored
    used = np.flatnonzero(image.histogram())
    if _is_grey(colours[used]) and len(np.unique(colours[used, 0])) == len(used):
        return Values(GREY, image.size, lambda box: colours[:, 0][np.asarray(image.crop(box))])
    return Values(INDEX, image.size, lambda box: np.asarray(image.crop(box)), packed(colours))


def _transparent(image: Image.Image) -> Values:
    """Grey of its opacity where all that can be seen is black or of one colour; else what can be seen, on black."""

    def rgba(box: Box) -> NDArray:
        return np.asarray(image.crop(box).convert("RGBA"))

    def colour(box: Box) -> NDArray:
        return rgba(box)[..., :3]

    if all((rgba(box)[..., 3] == 255).all() for box in tiles(image.size)):
        return _coloured(image.size, colour, False)
    seen: set[int] = set()
    for part in map(rgba, tiles(image.size)):
        seen |= set(np.unique(packed(part[part[..., 3] > 0][:, :3])).tolist())
    if len(seen) < 2:
        return Values(GREY, image.size, lambda box: rgba(box)[..., 3])
    return _coloured(image.size, lambda box: colour(box) * (rgba(box)[..., 3:] >= 128), False)


def array_values(values: NDArray) -> Values:
    """The values (H, W, C) of an array: grey of one channel, otherwise 1 where any channel is not zero.

    Where one channel is not zero in each pixel, they are kinds of which the first is the background.
    """
    height, width, channels = values.shape

    def read(box: Box) -> NDArray:
        left, top, right, bottom = box
        return np.asarray(values[top:bottom, left:right])

    if channels == 1:
        return Values(GREY, (width, height), lambda box: _plain(read(box)[..., 0]))
    kinds = all(((read(box) != 0).sum(axis=2) == 1).all() for box in tiles((width, height)))
    return Values(GREY, (width, height), lambda box: (read(box)[..., kinds:] != 0).any(axis=2).view(np.uint8))


def census(values: Values, name: str) -> Census:
    """Which values a mask has.

    Raises:
        InputError: Some are no numbers.
    """
    levels: NDArray = np.empty(0)
    low, high, many = np.inf, -np.inf, False
    for _, part in values.parts():
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            raise InputError(f"{name} holds values that are no numbers (NaN or infinite): save 0 where nothing is.")
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        if not many:
            levels = np.union1d(levels, np.unique(part)) if len(levels) else np.unique(part)
            many = len(levels) > MANY
    levels = np.empty(0) if many else levels
    if 0 < len(levels) <= 2 or high <= 0:
        return Census(levels, low, high)
    return _lie(values, Census(levels, low, high))


def _lie(values: Values, found: Census) -> Census:
    """How the values lie that are neither 0 nor the largest."""
    coloured = values.kind == COLOUR
    bright = (lambda part: brightest(part)) if coloured else (lambda part: part)
    most = max(float(bright(part).max()) for _, part in values.parts()) if coloured else found.high
    between = slope = flat = middle = 0
    edges: list[NDArray] = []
    blocks: list[NDArray] = []
    width, height = values.size
    for (left, top, right, bottom), part in values.parts():
        grey = bright(part)
        neither = (grey > MIDDLE[0] * most) & (grey < MIDDLE[1] * most)
        middle += int(neither.sum())
        edges += [neither[:1].ravel()] * (top == 0) + [neither[-1:].ravel()] * (bottom == height)
        edges += [neither[:, :1].ravel()] * (left == 0) + [neither[:, -1:].ravel()] * (right == width)
        blocks += [_solid(part)] * coloured
        if min(part.shape) > 2:
            inner, core = grey[1:-1, 1:-1], part[1:-1, 1:-1]
            among = (inner > 0) & (inner < most)
            between += int(among.sum())
            slope += int((among & _climbs(grey)).sum())
            flat += int((among & (core == part[1:-1, 2:])).sum())
    return Census(
        found.levels,
        found.low,
        most,
        middle / (width * height),
        float(np.mean(np.concatenate(edges))),
        slope / max(between, 1),
        flat / between if between else 1.0,
        np.unique(np.concatenate(blocks)) if blocks else found.solid,
    )


def _solid(part: NDArray) -> NDArray:
    """The values of squares of 2 x 2 alike pixels, each of at least a five-hundredth of the pixels that are not 0."""
    here = part[:-1, :-1]
    alike = (here == part[1:, :-1]) & (here == part[:-1, 1:]) & (here == part[1:, 1:])
    colours, counts = np.unique(here[alike], return_counts=True)
    return np.asarray(colours[counts > max((part != 0).sum() / 500, 1)])


def _climbs(bright: NDArray) -> NDArray[np.bool_]:
    """Where a value lies between its neighbours in its row or in its column; (H - 2, W - 2)."""
    here = bright[1:-1, 1:-1]
    result = np.zeros(here.shape, np.bool_)
    for before, after in ((bright[1:-1, :-2], bright[1:-1, 2:]), (bright[:-2, 1:-1], bright[2:, 1:-1])):
        result |= (before < here) & (here < after)
        result |= (before > here) & (here > after)
    return result
