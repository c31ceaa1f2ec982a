"""How an image looks, apart from what it shows, and whether it looks unlike every image that a model was trained on.

It answers for gross differences only: noise, a photograph of something else, a colour image among grey ones. What a
model makes of an image (its embedding) was tried for this and told less: an everyday photograph lies among solar cells.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

EDGE = 64
FLOOR = 1 / 255
"""Least spread of a measure: a camera's smallest step."""
LEAST = 100
"""Training images from which on it can be said: of N + 1 images of one kind, each is equally likely the farthest."""


def appearance(image: Image.Image) -> NDArray[np.float32]:
    """Brightness, contrast, colour and texture of an image, (14,), each between 0 and about 1."""
    from PIL import Image as Pillow

    small, tiny = (
        np.asarray(image.convert("RGB").resize((edge, edge), Pillow.Resampling.BOX), np.float32) / 255
        for edge in (EDGE, 8)
    )
    grey, colour = small.mean(2), small.max(2) - small.min(2)
    down, across = (np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1))
    middle = 4 * grey[1:-1, 1:-1]
    spots = np.abs(middle - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]).mean()
    tints = small.mean((0, 1)) - grey.mean()
    spread = (grey.std(), colour.mean(), colour.std(), spots, tiny.mean(2).std(), down, across)
    return np.array([grey.mean(), *spread, *np.quantile(grey, (0.05, 0.5, 0.95)), *tints], np.float32)


@dataclasses.dataclass(frozen=True)
class Likeness:
    """How far an image lies from the training image that looks most like it.

    Attributes:
        distance: In standard deviations of the training images.
        farthest: The same of the training image that lies farthest from all others.
        count: How many training images there are.
    """

    distance: float
    farthest: float
    count: int

    @property
    def unlike(self) -> bool:
        """Whether it looks less like the training images than any of them does."""
        return self.count >= LEAST and self.distance > self.farthest

    @property
    def sentence(self) -> str:
        """What that says, and what it does not say."""
        if self.count < LEAST:
            return (
                f"There are {self.count:,} training images to compare: too few to say whether this one is unlike them."
            )
        if self.unlike:
            return (
                f"Unlike every one of {self.count:,} training images in brightness, contrast, colour or texture:"
                " do not rely on the decision about it."
            )
        return (
            f"In brightness, contrast, colour and texture no farther from {self.count:,} training images than some"
            " of them are from all others. What it shows was not compared."
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """How N training images look.

    Attributes:
        centre: Their mean `appearance`, (D,).
        spread: The standard deviation of each measure, (D,).
        scaled: Their appearances in these units, (N, D).
        farthest: The largest distance of one of them from the nearest other one.
    """

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    scaled: NDArray[np.float32]
    farthest: float

    def likeness(self, own: NDArray[np.floating]) -> Likeness:
        """Hold an image of `appearance` (D,) against them."""
        distance = _distances(self.scaled, (own - self.centre) / self.spread).min() if len(self.scaled) else np.inf
        return Likeness(float(distance), self.farthest, len(self.scaled))


def training_looks(rows: NDArray[np.float32]) -> Training:
    """Sum up the appearances of N training images, (N, D)."""
    if len(rows) < LEAST:
        return Training(np.zeros(1, np.float32), np.ones(1, np.float32), np.zeros((len(rows), 1), np.float32), np.inf)
    centre, spread = rows.mean(0), np.maximum(rows.std(0), FLOOR)
    scaled = (rows - centre) / spread
    farthest = max(float(np.partition(_distances(scaled, row), 1)[1]) for row in scaled)
    return Training(centre, spread, scaled, farthest)


def _distances(rows: NDArray[np.floating], point: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.sqrt(((rows - point) ** 2).sum(1, dtype=np.float64))
