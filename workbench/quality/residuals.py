"""What an image has of its own: its texture less all that the images of its set share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.quality.canvases import CANVAS_EDGE, Records

Array = NDArray[np.float32]
FINE_BLUR, COARSE_BLUR = 1.0, 6.0
"""Standard deviations, in pixels of the canvas, of the two blurs whose difference is the texture of an image."""
COMPONENTS, IMAGES_A_COMPONENT = 12, 25
"""Principal components that count as shared, at most, and how many images must speak for each."""
FAINT_SHARE, FAINTEST = 0.25, 0.6
"""Texture below this share of the set's median, or of so many grey levels, is noise."""
STANDS_OUT = 3.0
"""How far a texture may rise above its usual deviation."""
TURNS = ("", "90", "180", "270", "flipped", "flipped 90", "flipped 180", "flipped 270")
"""How an image may be turned: flipped left to right first, then turned anticlockwise by so many degrees."""
ROWS_AT_ONCE = 256


def turned(images: NDArray, turn: int) -> NDArray:
    """Images (..., S, S) turned as `TURNS[turn]` says."""
    if turn >= 4:
        images = images[..., ::-1]
    return np.rot90(images, turn % 4, axes=(-2, -1))


def band(image: NDArray, fine: float = FINE_BLUR, coarse: float = COARSE_BLUR) -> Array:
    """Texture between two scales: a blur less a stronger one."""
    from scipy.ndimage import gaussian_filter

    image = image.astype(np.float32)
    return np.asarray(gaussian_filter(image, fine, mode="nearest") - gaussian_filter(image, coarse, mode="nearest"))


@dataclasses.dataclass(frozen=True, eq=False)
class Residuals:
    """The texture of N images, and what they share.

    Attributes:
        textures: (N, S * S), each of mean 0 and deviation 1; zero where an image has none.
        strength: (N,) deviation of the texture, in grey levels.
        mean: (S * S,) the texture of the average image.
        shared: (K, S * S) orthonormal components.
    """

    textures: NDArray[np.float16]
    strength: Array
    mean: Array
    shared: Array

    def raw(self, which: NDArray[np.integer], turn: int = 0) -> Array:
        """The textures of some images, turned: (M, S, S)."""
        texture = np.asarray(self.textures[which], np.float32).reshape(-1, CANVAS_EDGE, CANVAS_EDGE)
        return np.ascontiguousarray(turned(texture, turn))

    def rows(self, which: NDArray[np.integer], turn: int = 0) -> Array:
        """What some images, turned, have of their own: (M, S, S), each of norm 1."""
        own = self._own(which, turn)
        own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-6)
        return own.reshape(-1, CANVAS_EDGE, CANVAS_EDGE)

    def share(self, which: NDArray[np.integer]) -> Array:
        """How much of the texture of some images is their own: (M,), 0 .. 1."""
        whole = np.linalg.norm(self.raw(which), axis=(1, 2))
        return np.asarray((np.linalg.norm(self._own(which, 0), axis=1) / np.maximum(whole, 1e-6)) ** 2)

    def _own(self, which: NDArray[np.integer], turn: int) -> Array:
        own = self.raw(which, turn).reshape(len(which), -1) - self.mean
        own -= (own @ self.shared.T) @ self.shared
        return own

    @property
    def faint(self) -> NDArray[np.bool_]:
        """Which images have no texture to speak of."""
        typical = float(np.median(self.strength)) if len(self.strength) else 0.0
        return self.strength < max(FAINTEST, FAINT_SHARE * typical)


def residuals_of(records: Records, folder: Path, on_progress: Callable[[int, int], None] | None = None) -> Residuals:
    """The textures of N images, as if they shared nothing.

    Args:
        records: Of the images.
        folder: Where the textures are put, mapped into memory.
        on_progress: Called with how much is done, and of how much.
    """
    count, size = len(records), CANVAS_EDGE * CANVAS_EDGE
    textures = np.lib.format.open_memmap(folder / "textures.npy", "w+", np.float16, (count, size))
    strength = np.zeros(count, np.float32)
    for row, record in enumerate(records):
        texture = band(record["canvas"]).ravel()
        texture -= texture.mean()
        strength[row] = texture.std()
        textures[row] = _levelled(texture) if strength[row] > FAINTEST else 0
        if on_progress is not None and row % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
            on_progress(row + 1, count)
    return Residuals(textures, strength, np.zeros(size, np.float32), np.zeros((0, size), np.float32))


def _levelled(texture: Array) -> Array:
    """A texture of mean 0 and deviation 1 in which no edge, stamp or frame rises above `STANDS_OUT` times the usual."""
    usual = max(1.5 * float(np.median(np.abs(texture))), 0.1 * float(texture.std()))
    level = np.clip(texture, -STANDS_OUT * usual, STANDS_OUT * usual)
    level -= level.mean()
    return level / max(float(level.std()), 1e-6)


def less_shared(residuals: Residuals, strangers: NDArray[np.integer]) -> Residuals:
    """The same without what images share that have nothing to do with each other: their mean and first components."""
    many = min(COMPONENTS, len(strangers) // IMAGES_A_COMPONENT)
    sample = np.asarray(residuals.textures[strangers], np.float32)
    mean = sample.mean(0)
    if not many:
        return dataclasses.replace(residuals, mean=mean)
    sample -= mean
    guess = np.random.default_rng(0).standard_normal((sample.shape[1], many + 8)).astype(np.float32)
    for _ in range(2):
        guess = np.linalg.qr(sample.T @ (sample @ guess))[0]
    _, _, axes = np.linalg.svd(sample @ guess, full_matrices=False)
    return dataclasses.replace(residuals, mean=mean, shared=np.asarray(axes[:many] @ guess.T, np.float32))
