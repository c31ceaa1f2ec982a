"""From an image to a model's input, and from a map of the input back to the image's own pixels."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from workbench.errors import InputError

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
}


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a model's input lies on the image it came from.

    Attributes:
        original: (width, height) of the image in pixels.
        box: (left, top, right, bottom) on the image, in pixels, that fills the input; it may reach beyond the image.
        size: (height, width) of the input in pixels.
    """

    original: tuple[int, int]
    box: tuple[float, float, float, float]
    size: tuple[int, int]

    def to_original(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Lay values of shape (h, w), spread over the whole input, on the image.

        Returns:
            float32 of shape (height, width) of the image, interpolated; zero where the model did not look.
        """
        if values.ndim != 2:
            raise ValueError(f"expected values of shape (h, w), got {values.shape}")
        rows, columns = values.shape
        left, top, right, bottom = self.box
        across, down = columns / (right - left), rows / (bottom - top)
        x = (np.arange(self.original[0]) + 0.5 - left) * across
        y = (np.arange(self.original[1]) + 0.5 - top) * down
        wide = _interpolate(values.astype(np.float32), y - 0.5, axis=0)
        full = _interpolate(wide, x - 0.5, axis=1)
        seen = ((y >= 0) & (y < rows))[:, None] & ((x >= 0) & (x < columns))[None, :]
        return np.where(seen, full, np.float32(0))

    def scaled(self, image: Image.Image) -> Placement:
        """The same placement on a smaller or larger copy of the image."""
        across, down = image.width / self.original[0], image.height / self.original[1]
        left, top, right, bottom = self.box
        return Placement(image.size, (left * across, top * down, right * across, bottom * down), self.size)

    def to_input(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask of the image, shape (height, width), as a mask of the input, shape `size`."""
        left, top, right, bottom = self.box
        rows = np.floor(top + (np.arange(self.size[0]) + 0.5) * (bottom - top) / self.size[0]).astype(int)
        columns = np.floor(left + (np.arange(self.size[1]) + 0.5) * (right - left) / self.size[1]).astype(int)
        inside = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & ((columns >= 0) & (columns < mask.shape[1]))[None, :]
        return inside & mask[rows.clip(0, mask.shape[0] - 1)[:, None], columns.clip(0, mask.shape[1] - 1)[None, :]]


def _interpolate(values: NDArray[np.float32], at: NDArray[np.floating], axis: int) -> NDArray[np.float32]:
    """Linear interpolation of `values` along `axis` at fractional indices, constant beyond the ends."""
    last = values.shape[axis] - 1
    at = at.clip(0, last)
    below = np.floor(at).astype(int)
    share = (at - below).astype(np.float32)
    share = share[:, None] if axis == 0 else share[None, :]
    return np.take(values, below, axis) * (1 - share) + np.take(values, (below + 1).clip(0, last), axis) * share


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the model's input.

    Attributes:
        size: (height, width) of the input in pixels.
        resize: "stretch" fills the input whatever the shape; "crop" keeps the shape and cuts the longer side; "pad"
            keeps the shape and fills up with the mean colour.
        crop: With "crop": the share of the shorter side that is kept.
        interpolation: "nearest", "bilinear" or "bicubic", always with antialiasing when shrinking.
        mean: Subtracted, one number a channel, in 0 .. 1; one channel means that the model takes grey images.
        std: Divided by, one number a channel.
    """

    size: tuple[int, int] = (224, 224)
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    crop: float = 1.0
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise InputError(
                f"Preprocessing needs 1 or 3 numbers each for mean and std, not {len(self.mean)} and {len(self.std)}."
            )

    def placement(self, image: Image.Image) -> Placement:
        """Where the input lies on `image`."""
        width, height = image.size
        rows, columns = self.size
        if self.resize == "stretch":
            return Placement((width, height), (0.0, 0.0, float(width), float(height)), self.size)
        fit = min if self.resize == "crop" else max
        step = fit(width / columns, height / rows) * (self.crop if self.resize == "crop" else 1)
        left, top = (width - columns * step) / 2, (height - rows * step) / 2
        if self.resize == "crop":  # rounding may put the edge a hair outside of the image, which Pillow refuses
            left, top = max(left, 0.0), max(top, 0.0)
            return Placement((width, height), (left, top, width - left, height - top), self.size)
        return Placement((width, height), (left, top, left + columns * step, top + rows * step), self.size)

    def pixels(self, image: Image.Image) -> NDArray[np.float32]:
        """The image as the model sees it, before normalisation: float32 of shape (C, H, W) in 0 .. 1."""
        image = image.convert("L" if len(self.mean) == 1 else "RGB")
        rows, columns = self.size
        box = self.placement(image).box
        if self.resize == "pad":
            left, top = round(-box[0] * columns / (box[2] - box[0])), round(-box[1] * rows / (box[3] - box[1]))
            inner = image.resize((max(columns - 2 * left, 1), max(rows - 2 * top, 1)), RESAMPLING[self.interpolation])
            fill = tuple(round(255 * m) for m in self.mean)
            canvas = Image.new(image.mode, (columns, rows), fill[0] if len(fill) == 1 else fill)
            canvas.paste(inner, (left, top))
            image = canvas
        else:
            image = image.resize((columns, rows), RESAMPLING[self.interpolation], box=box)
        values = np.asarray(image, dtype=np.float32) / np.float32(255)
        return values[None] if values.ndim == 2 else values.transpose(2, 0, 1).copy()

    def normalise(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pixels in 0 .. 1 of shape (C, H, W) as the model's input."""
        return np.asarray((pixels - self._column(self.mean)) / self._column(self.std), dtype=np.float32)

    def image(self, values: NDArray[np.floating]) -> Image.Image:
        """A model's input of shape (C, H, W) as an image, clipped to what an image can show."""
        pixels = (np.asarray(values) * self._column(self.std) + self._column(self.mean)).clip(0, 1)
        levels = (pixels * 255).round().astype(np.uint8)
        return Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0)).convert("RGB")

    def baseline(self, name: str, image: Image.Image) -> NDArray[np.float32]:
        """A reference input without evidence, of shape (C, H, W), normalised.

        Args:
            name: One of `BASELINES`.
            image: What is explained; only "blur" looks at it.

        Raises:
            InputError: There is no such baseline.
        """
        if name not in BASELINES:
            raise InputError(f"There is no baseline {name!r}: choose {', '.join(BASELINES)}.")
        if name == "blur":
            blurred = self.image(self.normalise(self.pixels(image))).filter(
                ImageFilter.GaussianBlur(max(self.size) / 12)
            )
            return self.normalise(dataclasses.replace(self, resize="stretch").pixels(blurred))
        levels = {"black": np.zeros(1, np.float32), "white": np.ones(1, np.float32), "mean": self._column(self.mean)}
        return self.normalise(np.broadcast_to(levels[name], (len(self.mean), *self.size)))

    def _column(self, numbers: tuple[float, ...]) -> NDArray[np.float32]:
        return np.asarray(numbers, dtype=np.float32)[:, None, None]
