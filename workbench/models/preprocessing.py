"""From an image to a model's input, to the last bit as those who publish models do it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from workbench.errors import InputError
from workbench.images import Raster
from workbench.models.deep_pixels import levels, planes
from workbench.models.folder import Backend, Channels, Interpolation, Resize
from workbench.models.normalisation import check_channels, check_statistics, doubt
from workbench.models.placement import Placement
from workbench.models.tiles import Box, Tiles

BATCH = 16
"""Images in one forward pass, of an audit too, so that the numbers are the same to the last bit."""
BASELINES = {
    "black": "every pixel black",
    "white": "every pixel white",
    "mean": "every pixel the model's mean colour: zero after normalisation",
    "blur": "the image itself, heavily blurred",
}
RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
TWO_STEPS = ("shorter", "longer", "both")
"""Ways to fit an image that resize it whole and then cut out its middle."""
REFINEMENTS = ("resize_to", "backend", "antialias", "channels", "range", "tiles")
"""Settings that say nothing where they have their default, so that older digests hold."""
MOST_RESIZED = 2**25
"""Pixels of a resized image at most, before its middle is cut out; of a larger one only the middle is computed."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """Two steps from an image to an input: the whole image is resized, then a window is cut out of its middle.

    Attributes:
        resized: (width, height) of the whole image after resizing.
        left: Where the window begins, in pixels of the resized image; below zero it is padded.
        top: Likewise.
    """

    resized: tuple[int, int]
    left: int
    top: int


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the model's input.

    Attributes:
        size: (height, width) of the input in pixels.
        resize: "stretch" fills the input whatever the shape. Two steps, as torchvision, timm and transformers take
            them: "shorter", "longer" and "both" resize the shorter side, the longer side or both sides to `resize_to`,
            then the middle is cut out, and padded where it is too small: with black, for "longer" with the mean colour.
            In one step: "crop" keeps the shape and cuts the longer side; "pad" keeps the shape and fills up with the
            mean colour.
        crop: The share of the resized image that is kept; above 1 it is padded.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos", "box" or "hamming".
        mean: Subtracted, one number a channel, in 0 .. 1; one channel means that the model takes grey images.
        std: Divided by, one number a channel.
        resize_to: What the side or sides are resized to, one number or (height, width); `size` / `crop` where missing.
        backend: Whose arithmetic resizes: "pillow" (timm, torchvision), "tensor" (8 bit tensors, as in transformers)
            or "float" (tensors without rounding).
        antialias: Whether shrinking averages; only tensors can do without.
        channels: The order in which the model takes colours, and `mean` and `std` give theirs: "rgb" or "bgr"; or the
            names of its 1 to 32 channels.
        range: The counts that become 0 and 1; where missing, what the image's file or its type states.
        tiles: How images larger than a tile are cut; they are read whole where missing.
    """

    size: tuple[int, int] = (224, 224)
    resize: Resize = "stretch"
    crop: float = 1.0
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    resize_to: int | tuple[int, int] | None = None
    backend: Backend = "pillow"
    antialias: bool = True
    channels: Channels = "rgb"
    range: tuple[float, float] | None = None
    tiles: Tiles | None = None

    def __post_init__(self) -> None:
        if isinstance(self.tiles, Mapping):
            object.__setattr__(self, "tiles", Tiles(**self.tiles))
        check_channels(self.mean, self.std, self.names, self.range)
        check_statistics(self.mean, self.std)
        _check_geometry(self)

    def __repr__(self) -> str:
        """As digests of models have always named it: refinements that are not set are not in it."""
        fields = ((field, getattr(self, field.name)) for field in dataclasses.fields(self))
        texts = (f"{f.name}={value!r}" for f, value in fields if f.name not in REFINEMENTS or value != f.default)
        return f"Preprocessing({', '.join(texts)})"

    def words(self, names: Collection[str] | None = None) -> str:
        """What is done to an image, as a phrase; only what the settings `names` say, where they are given."""
        names = {field.name for field in dataclasses.fields(self)} if names is None else names
        parts = [_fitting(self, names)]
        if "interpolation" in names:
            how = {"pillow": "", "tensor": " on 8 bit tensors", "float": " on tensors without rounding"}[self.backend]
            parts.append(f"{self.interpolation}{how}" + ("" if self.antialias else " without antialiasing"))
        if "channels" in names and self.names:
            parts.append(f"channels {', '.join(self.names)}")
        elif "channels" in names and (self.channels == "bgr" or len(names) == 1):
            parts.append(f"colours in the order {str(self.channels).upper()}")
        if "range" in names and self.range:
            parts.append(f"counts from {self.range[0]:g}, black, to {self.range[1]:g}, white")
        if "tiles" in names and self.tiles:
            parts.append(self.tiles.words(self.size))
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if name in names:
                parts.append(f"{name} {', '.join(f'{number:.4g}' for number in numbers)}")
        return ", ".join(filter(None, parts))

    @property
    def doubt(self) -> str:
        """What looks like a slip in its numbers, in one sentence; empty where nothing does."""
        return doubt(self.mean, self.std, self.channels)

    @property
    def names(self) -> tuple[str, ...]:
        """What the channels are called, where they have names."""
        return () if isinstance(self.channels, str) else self.channels

    @property
    def bands(self) -> bool:
        """Whether the model takes other channels than grey or colour, which no RGB image can give."""
        return bool(self.names) or len(self.mean) not in (1, 3)

    def boxes(self, width: int, height: int) -> list[Box]:
        """The tiles in which an image is read; none where it is read whole."""
        return [] if self.tiles is None else self.tiles.boxes(width, height, self.size)

    def frame(self, width: int, height: int) -> Frame:
        """How an image of this size is resized and cut, in the modes of two steps."""
        wide, tall = _resized(self, width, height)
        rows, columns = self.size
        return Frame((wide, tall), self._offset(wide, columns), self._offset(tall, rows))

    def _offset(self, length: int, wanted: int) -> int:
        """Where the middle of `length` begins: Pillow's users round a half to even, tensors' down."""
        if wanted > length:
            return -((wanted - length) // 2)
        return round((length - wanted) / 2) if self.backend == "pillow" else (length - wanted) // 2

    def placement(self, image: Image.Image | Raster) -> Placement:
        """Where the input lies on `image`."""
        width, height = image.size
        rows, columns = self.size
        if self.resize == "stretch":
            return Placement((width, height), (0.0, 0.0, float(width), float(height)), self.size)
        if self.resize in TWO_STEPS:
            frame = self.frame(width, height)
            across, down = width / frame.resized[0], height / frame.resized[1]
            right, bottom = (frame.left + columns) * across, (frame.top + rows) * down
            return Placement((width, height), (frame.left * across, frame.top * down, right, bottom), self.size)
        fit = min if self.resize == "crop" else max
        step = fit(width / columns, height / rows) * (self.crop if self.resize == "crop" else 1)
        left, top = (width - columns * step) / 2, (height - rows * step) / 2
        if self.resize == "crop":  # rounding may put the edge a hair outside of the image, which Pillow refuses
            left, top = max(left, 0.0), max(top, 0.0)
            return Placement((width, height), (left, top, width - left, height - top), self.size)
        return Placement((width, height), (left, top, left + columns * step, top + rows * step), self.size)

    def pixels(self, image: Image.Image | Raster) -> NDArray[np.float32]:
        """The image as the model sees it, before normalisation: float32 of shape (C, H, W), 0 .. 1 where nothing
        overshoots. Of a raster nothing is rounded: its channels are resized one by one, as floats."""
        if isinstance(image, Raster):
            return self._deep(image)
        mode = "L" if len(self.mean) == 1 else "RGB"
        values = self._fitted(image if image.mode == mode else image.convert(mode))
        return values[::-1].copy() if self.channels == "bgr" else values

    def _fitted(self, image: Image.Image) -> NDArray[np.float32]:
        """An RGB or grey image of 8 bits, or one of floats 0 .. 255, in the input's size: (C, H, W) in 0 .. 1."""
        rows, columns = self.size
        if self.resize == "stretch":
            return self._part(image, (columns, rows), (0, 0, columns, rows))
        return self._framed(image) if self.resize in TWO_STEPS else _levels(self._in_one_step(image))

    def _deep(self, raster: Raster) -> NDArray[np.float32]:
        count = len(self.mean)
        order = range(count)[:: -1 if self.channels == "bgr" else 1]
        result = np.empty((count, *self.size), np.float32)
        for i, plane in enumerate(planes(raster, count, self.names, self.range, order)):
            grey = dataclasses.replace(self, mean=self.mean[i : i + 1], std=self.std[i : i + 1], channels="rgb")
            result[i] = grey._fitted(Image.fromarray(plane))[0]
        return result

    def levels(self, image: Image.Image | Raster) -> NDArray[np.uint8] | NDArray[np.float32]:
        """What edits are made on: bytes (H, W, 3), or of a raster floats (H, W, C), both from 0, black, to 255."""
        if isinstance(image, Raster):
            return levels(image, len(self.mean), self.names, self.range)
        return np.asarray(image.convert("RGB"))

    def _framed(self, image: Image.Image) -> NDArray[np.float32]:
        frame = self.frame(*image.size)
        wide, tall = frame.resized
        rows, columns = self.size
        left, top = max(frame.left, 0), max(frame.top, 0)
        right, bottom = min(frame.left + columns, wide), min(frame.top + rows, tall)
        if wide * tall <= MOST_RESIZED:
            seen = self._part(image, frame.resized, (left, top, right, bottom))
        else:
            across, down = image.width / wide, image.height / tall
            box = (left * across, top * down, min(right * across, image.width), min(bottom * down, image.height))
            seen = _levels(image.resize((right - left, bottom - top), RESAMPLING[self.interpolation], box=box))
        if seen.shape[1:] == self.size:
            return seen
        mean = self._fill(exact=image.mode == "F") if self.resize == "longer" else [0] * len(seen)
        fill = np.asarray(mean, np.float32) / np.float32(255)
        canvas = np.broadcast_to(fill[:, None, None], (len(seen), rows, columns)).copy()
        canvas[:, top - frame.top : bottom - frame.top, left - frame.left : right - frame.left] = seen
        return canvas

    def _part(
        self, image: Image.Image, size: tuple[int, int], window: tuple[int, int, int, int]
    ) -> NDArray[np.float32]:
        """A window, as (left, top, right, bottom), of the image resized to (width, height); of shape (C, h, w)."""
        if self.backend == "pillow":
            return _levels(image.resize(size, RESAMPLING[self.interpolation]).crop(window))
        import torch
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.v2 import functional

        mode = InterpolationMode("nearest-exact" if self.interpolation == "nearest" else self.interpolation)
        resized = partial(functional.resize, size=[size[1], size[0]], interpolation=mode, antialias=self.antialias)
        left, top, right, bottom = window
        count = len(image.getbands())
        planes = (np.array(image.getchannel(band) if count > 1 else image) for band in range(count))
        if self.backend == "tensor":
            levels = np.empty((count, image.height, image.width), np.float32 if image.mode == "F" else np.uint8)
            for band, plane in enumerate(planes):
                levels[band] = plane
            part = resized(torch.from_numpy(levels))[:, top:bottom, left:right]
            return np.asarray(part.numpy(), np.float32) / np.float32(255)
        # one after the other, as floats take four times the memory
        floats = (resized(torch.from_numpy(plane[None]) * (1 / 255)) for plane in planes)
        return np.concatenate([plane[:, top:bottom, left:right].numpy() for plane in floats])

    def _in_one_step(self, image: Image.Image) -> Image.Image:
        rows, columns = self.size
        box = self.placement(image).box
        if self.resize == "crop":
            return image.resize((columns, rows), RESAMPLING[self.interpolation], box=box)
        left, top = round(-box[0] * columns / (box[2] - box[0])), round(-box[1] * rows / (box[3] - box[1]))
        inner = image.resize((max(columns - 2 * left, 1), max(rows - 2 * top, 1)), RESAMPLING[self.interpolation])
        fill = self._fill(exact=image.mode == "F")
        canvas = Image.new(image.mode, (columns, rows), fill[0] if len(fill) == 1 else fill)
        canvas.paste(inner, (left, top))
        return canvas

    def _fill(self, *, exact: bool) -> tuple[float, ...]:
        """The mean colour as an image has it, its channels in the image's order; in whole levels if not `exact`."""
        fill = tuple(255 * m if exact else min(max(round(255 * m), 0), 255) for m in self.mean)
        return fill[::-1] if self.channels == "bgr" else fill

    def normalise(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pixels in 0 .. 1 of shape (C, H, W) as the model's input."""
        return np.asarray((pixels - self._column(self.mean)) / self._column(self.std), dtype=np.float32)

    def image(self, values: NDArray[np.floating]) -> Image.Image:
        """A model's input of shape (C, H, W) as an image in true colours, clipped to what an image can show; of more
        than three channels the first three, of two the first."""
        pixels = (np.asarray(values) * self._column(self.std) + self._column(self.mean)).clip(0, 1)
        levels = (pixels * 255).round().astype(np.uint8)
        if self.channels == "bgr":
            levels = levels[::-1]
        levels = levels[: 1 if len(levels) < 3 else 3]
        return Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0)).convert("RGB")

    def baseline(self, name: str, image: Image.Image | Raster) -> NDArray[np.float32]:
        """A reference input without evidence, of shape (C, H, W), normalised.

        Args:
            name: One of `BASELINES`.
            image: What is explained; only "blur" looks at it.

        Raises:
            InputError: There is no such baseline.
        """
        if name not in BASELINES:
            raise InputError(f"There is no baseline {name!r}: choose {', '.join(BASELINES)}.")
        if name == "blur" and isinstance(image, Raster):
            from scipy.ndimage import gaussian_filter

            width = max(self.size) / 12
            return self.normalise(gaussian_filter(self.pixels(image), (0, width, width), mode="nearest"))
        if name == "blur":
            assert isinstance(image, Image.Image)
            blurred = self.image(self.normalise(self.pixels(image))).filter(
                ImageFilter.GaussianBlur(max(self.size) / 12)
            )
            return self.normalise(dataclasses.replace(self, resize="stretch").pixels(blurred))
        levels = {"black": np.zeros(1, np.float32), "white": np.ones(1, np.float32), "mean": self._column(self.mean)}
        return self.normalise(np.broadcast_to(levels[name], (len(self.mean), *self.size)))

    def _column(self, numbers: tuple[float, ...]) -> NDArray[np.float32]:
        return np.asarray(numbers, dtype=np.float32)[:, None, None]


def _levels(image: Image.Image) -> NDArray[np.float32]:
    """An 8 bit image as float32 in 0 .. 1 of shape (C, H, W)."""
    values = np.asarray(image, dtype=np.float32) / np.float32(255)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1).copy()


def _resized(prep: Preprocessing, width: int, height: int) -> tuple[int, int]:
    """(width, height) after resizing, rounded as the publishers round: a side given by one number as torchvision's
    `Resize` does, by two as timm's `ResizeKeepRatio`."""
    target = prep.resize_to or _share(prep.size, prep.crop)
    if prep.resize == "both":
        return (target, target) if isinstance(target, int) else (target[1], target[0])
    if prep.resize == "shorter" and isinstance(target, int):
        short, long = min(width, height), max(width, height)
        other = target * long // short
        return (target, other) if width <= height else (other, target)
    rows, columns = (target, target) if isinstance(target, int) else target
    fit = max if prep.resize == "longer" else min
    ratio = fit(height / rows, width / columns)
    return max(round(width / ratio), 1), max(round(height / ratio), 1)


def _share(size: tuple[int, int], crop: float) -> int | tuple[int, int]:
    rows, columns = (math.floor(side / crop) for side in size)
    return rows if size[0] == size[1] else (rows, columns)


def _fitting(prep: Preprocessing, names: Collection[str]) -> str:
    """How an image is fitted to the input, as a phrase."""
    rows, columns = prep.size
    size = f"{rows} x {columns}"
    if "resize" not in names:
        refined = {"crop": f"crop {prep.crop:.4g}", "resize_to": f"resized to {_target(prep)}", "size": f"input {size}"}
        return ", ".join(text for name, text in refined.items() if name in names)
    if prep.resize == "stretch" or (prep.resize == "both" and _target(prep) == size):
        return f"stretched to {size}"
    if prep.resize == "crop":
        return f"middle {prep.crop:.4g} of the shorter side, as {size}"
    if prep.resize == "pad":
        return f"padded with the mean colour to {size}"
    sides = {"shorter": "shorter side", "longer": "longer side", "both": "both sides"}[prep.resize]
    return f"{sides} to {_target(prep)}, middle {size}"


def _target(prep: Preprocessing) -> str:
    target = prep.resize_to or _share(prep.size, prep.crop)
    if prep.resize == "shorter" and isinstance(target, int):
        return str(target)
    rows, columns = (target, target) if isinstance(target, int) else target
    return str(rows) if prep.resize == "longer" and rows == columns else f"{rows} x {columns}"


def _check_geometry(prep: Preprocessing) -> None:
    if prep.resize in ("crop", "pad") and (prep.backend != "pillow" or prep.resize_to is not None):
        raise InputError(
            f'Preprocessing in one step (resize = "{prep.resize}") takes neither resize_to nor another backend than'
            ' pillow: choose "shorter", "longer" or "both".'
        )
    if not 0 < prep.crop <= (1 if prep.resize == "crop" else 2):
        raise InputError(
            f"crop is {prep.crop:g}: it is the share of the image that is kept, above 0 and at most 1; where padding"
            ' is meant, at most 2 with resize = "shorter", "longer" or "both".'
        )
    if prep.backend == "pillow" and not prep.antialias:
        raise InputError('Pillow always averages when it shrinks: set backend = "tensor" to do without antialiasing.')
    if prep.backend != "pillow" and prep.interpolation in ("box", "hamming"):
        raise InputError(
            f'Tensors cannot be resized by {prep.interpolation!r}: set backend = "pillow" or another interpolation.'
        )
    if prep.channels == "bgr" and len(prep.mean) != 3:
        raise InputError(
            'Only a model of three channels has colours to exchange: remove channels = "bgr", or give mean and std for'
            " 3."
        )
