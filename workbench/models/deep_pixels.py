"""Images of more than 8 bits, or of other channels than grey and colour, on the way to a model: never rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import COPY, ImageItem, Raster, raster_from, raster_of

LUMA = (0.299, 0.587, 0.114)
"""Red, green and blue in the grey of ITU-R 601, as Pillow has it."""
PART = 2**20
Plane = NDArray[np.float32]
Range = tuple[float, float]


def source_of(
    image: ImageItem | Image.Image | NDArray,
    pixels: Image.Image | None,
    *,
    bands: bool,
    ranged: bool,
) -> Image.Image | Raster:
    """What a model's input is made of: an image of 8 bits in RGB, or values as they are.

    Args:
        image: An image of a set; an opened one; an array (H, W, 3) of bytes, of floats (H, W, C) that are levels
            0 .. 255 as `levels` gives them, or of counts, (H, W) or (H, W, C).
        pixels: The opened image, where it is at hand.
        bands: Whether the model takes other channels than grey or colour.
        ranged: Whether the model states which counts are black and white.

    Raises:
        InputError: As `ImageItem.load`, or it is an 8-bit copy of an image that holds more.
    """
    if isinstance(image, ImageItem):
        if pixels is not None and not bands and not pixels.info.get(COPY):
            opened: Image.Image | Raster = pixels
        else:
            opened = image.load(bands=bands)
    elif isinstance(image, np.ndarray):
        opened = _of_array(image)
    else:
        opened = raster_from(image) or image
    if isinstance(opened, Image.Image) and (bands or ranged):
        return Raster(np.asarray(opened.convert("RGB")), 0, 255)
    return opened


def _of_array(values: NDArray) -> Image.Image | Raster:
    shaped = values if values.ndim == 3 else values[..., None]
    if shaped.ndim != 3:
        raise InputError(f"An array of shape {values.shape} is no image: give (height, width, channels).")
    if values.dtype == np.uint8 and shaped.shape[2] in (1, 3):
        return Image.fromarray(shaped[..., 0] if shaped.shape[2] == 1 else shaped)
    if values.dtype.kind == "f":
        return Raster(shaped, 0, 255, fixed=True)
    return raster_of(shaped, "The array")


def planes(
    raster: Raster, channels: int, names: Sequence[str], limits: Range | None, order: Sequence[int]
) -> Iterator[Plane]:
    """The channels that a model takes, each float32 (H, W) of levels from 0, black, to 255, white, neither rounded nor
    cut.

    Args:
        raster: The image.
        channels: How many the model takes.
        names: What it calls them, where it does.
        limits: The counts that are black and white, where the model states them.
        order: In which order.

    Raises:
        InputError: The channels do not fit, nothing says which counts are black and white, or it holds what is no
            number.
    """
    low, high = _limits(raster, limits)
    pick = _picker(raster, channels, names)

    def scaled(channel: int) -> Plane:
        return _scaled(raster.values[..., channel], low, high)

    for channel in order:
        yield pick(channel, scaled)


def levels(raster: Raster, channels: int, names: Sequence[str], limits: Range | None) -> NDArray[np.float32]:
    """All of them, (H, W, C): what edits of such an image are made on. Errors as `planes`."""
    return np.stack(list(planes(raster, channels, names, limits, range(channels))), -1)


def _limits(raster: Raster, limits: Range | None) -> Range:
    if limits is not None and not raster.fixed:
        if raster.values.dtype == np.uint8 and limits[1] > 255:
            raise InputError(
                f"The image holds 8 bits, and range = [{limits[0]:g}, {limits[1]:g}] is of counts that 8 bits do not"
                " reach: bring it as the camera left it, or correct range under [preprocessing]."
            )
        return limits
    if raster.low is None or raster.high is None:
        low, high = raster.extremes
        bands = f" in {raster.channels} channels" if raster.channels > 1 else ""
        raise InputError(
            f"The image holds {_kind(raster.values.dtype)}{bands} from {low:g} to {high:g}, and nothing says which of"
            " them are black and white: set range = [low, high] under [preprocessing], as in training."
        )
    return raster.low, raster.high


def _kind(kind: np.dtype) -> str:
    if kind.kind == "f":
        return f"{8 * kind.itemsize}-bit floats"
    return f"{'signed ' if kind.kind == 'i' else ''}counts of {8 * kind.itemsize} bits"


def _picker(raster: Raster, channels: int, names: Sequence[str]) -> Callable[[int, Callable[[int], Plane]], Plane]:
    """How a channel of the model is made of those of the image."""
    own = raster.channels
    if names or channels not in (1, 3):
        if own != channels:
            raise _misfit(raster, channels, names)
        return lambda channel, scaled: scaled(channel)
    colours = own - raster.alpha
    if colours not in (1, 3):
        raise _misfit(raster, channels, names)

    def over_white(channel: int, scaled: Callable[[int], Plane]) -> Plane:
        if not raster.alpha:
            return scaled(channel)
        opaque = scaled(own - 1) / np.float32(255)
        return scaled(channel) * opaque + 255 * (1 - opaque)

    def pick(channel: int, scaled: Callable[[int], Plane]) -> Plane:
        if colours == 3 and channels == 1:
            total: Plane = np.zeros(raster.values.shape[:2], np.float32)
            for weight, colour in zip(LUMA, range(3), strict=True):
                total += np.float32(weight) * over_white(colour, scaled)
            return total
        return over_white(channel if colours == 3 else 0, scaled)

    return pick


def _misfit(raster: Raster, channels: int, names: Sequence[str]) -> InputError:
    takes = f"{channels} channel{'s' if channels > 1 else ''}" + (f" ({', '.join(names)})" if names else "")
    named = f" ({', '.join(raster.names)})" if raster.names else ""
    own = f"{raster.channels}{named}" + (", the last of them transparency" if raster.alpha else "")
    return InputError(
        f"The model takes {takes}, and this image has {own}: choose images with the channels that it was trained on, or"
        " correct channels, mean and std under [preprocessing]."
    )


def _scaled(plane: NDArray, low: float, high: float) -> Plane:
    """Values (H, W) as levels: low is 0 and high 255."""
    result = np.empty(plane.shape, np.float32)
    exact = np.float32 if plane.dtype.kind in "ui" and plane.dtype.itemsize <= 2 else np.float64
    rows = max(PART // max(plane.shape[1], 1), 1)
    for start in range(0, len(plane), rows):
        part: NDArray[np.floating] = plane[start : start + rows].astype(exact)
        if plane.dtype.kind == "f" and not np.isfinite(part).all():
            raise InputError(
                f"The image holds {int((~np.isfinite(plane)).sum()):,} values that are no numbers (NaN or infinite):"
                " replace them by what the model was trained with."
            )
        result[start : start + rows] = (part - low) * (255 / (high - low))
    return result
