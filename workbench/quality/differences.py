"""What differs between two images that are alike: nothing but noise, or something that only one of them shows."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.quality.candidates import Triples
from workbench.quality.canvases import CANVAS_EDGE, grey
from workbench.quality.residuals import Array, band, turned
from workbench.quality.warps import Motions, warped

CLOSE_KEPT = 512
"""Images that are held at once."""
CLOSE_EDGE = 192
"""Edge, in pixels, of what is compared."""
CLOSE_MARGIN = 16
BLURS = (0.0, 0.8, 1.6, 3.2)
"""Blurs of the first image that are fitted to the second, beside its shifts by parts of a pixel."""
CLOSE_COARSE = 8.0
FINEST = (0.6, 1.4)
"""Scales, in pixels, of the detail that two shots of one thing do not share: noise."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """How two registered images differ.

    Attributes:
        detail: Correlation of their finest detail.
        remainder: Share of the texture of one that the other, blurred and shifted as fits best, does not explain.
        excess: How far the strongest hundredth of that remainder lies above its median: 3.8 where it is noise alone.
    """

    detail: float
    remainder: float
    excess: float


@dataclasses.dataclass(frozen=True, eq=False)
class Differences:
    """Of M pairs, as `Difference`: NaN where it was not looked at."""

    detail: NDArray[np.float64]
    remainder: NDArray[np.float64]
    excess: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Close:
    """An image at the size at which differences are looked for: (S, S) grey levels."""

    grey: Array

    @cached_property
    def finest(self) -> Array:
        """Detail of the size of noise."""
        return band(self.grey, *FINEST)

    @cached_property
    def blurred(self) -> Array:
        """Its texture under each blur, and its slopes: (K, S, S)."""
        from scipy.ndimage import gaussian_filter

        texture = band(self.grey, 0.7, CLOSE_COARSE)
        parts = [gaussian_filter(texture, blur) if blur else texture for blur in BLURS]
        return np.stack([*parts, *np.gradient(parts[1])]).astype(np.float32)

    @cached_property
    def spectrum(self) -> NDArray[np.complex64]:
        """Of its texture."""
        from scipy.fft import rfft2

        return np.asarray(rfft2(self.blurred[0]))


def differences_of(
    items: Sequence[ImageItem],
    triples: Triples,
    motions: Motions,
    on_progress: Callable[[int, int], None] | None = None,
) -> Differences:
    """What differs between the images of each pair (M, 3), whose second is moved so (M, 2) in pixels of the canvas; NaN
    where one can no longer be read."""

    held: dict[int, Close] = {}

    def close(row: int) -> Close:
        if row not in held:
            if len(held) >= CLOSE_KEPT:
                held.pop(next(iter(held)))
            held[row] = Close(grey(items[row].open(), CLOSE_EDGE))
        return held[row]

    result = np.full((len(triples), 3), np.nan)
    scale = CLOSE_EDGE // CANVAS_EDGE
    for place, ((first, second, turn), motion) in enumerate(zip(triples, motions, strict=True)):
        with contextlib.suppress(InputError):
            one, other, shift = close(first), close(second), (0, 0)
            if motion[0]:
                other = _brought(one, other, motion * (1, scale))
            else:
                shift = (-scale * round(motion[1].imag), -scale * round(motion[1].real))
            result[place] = dataclasses.astuple(difference(one, other, int(turn), shift))
        if on_progress is not None:
            on_progress(place + 1, len(triples))
    return Differences(*result.T)


def _brought(first: Close, second: Close, motion: NDArray[np.complex128]) -> Close:
    """The second moved onto the first, and filled up from it where nothing is known."""
    moved = warped(second.grey[None] + 1, motion[None])[0] - 1
    return Close(np.where(moved < 0, first.grey, moved))


def difference(first: Close, second: Close, turn: int, shift: tuple[int, int]) -> Difference:
    """What differs between an image and another that is turned and shifted, in pixels, to lie on it."""
    shift = _refined(first, second, turn, shift)
    one, other = _inner(first.finest), _inner(_moved(second.finest, turn, shift))
    spreads = float(np.linalg.norm(one) * np.linalg.norm(other))
    detail = float(one @ other) / spreads if spreads > 0 else 0.0
    if first.finest.std() >= second.finest.std():
        source, target = first.blurred, _moved(second.blurred[0], turn, shift)
    else:
        source, target = _moved(second.blurred, turn, shift), first.blurred[0]
    columns, wanted = _inner(source), _inner(target)
    gram = (columns @ columns.T).astype(np.float64)
    weights = np.linalg.solve(gram + 1e-6 * np.trace(gram) * np.eye(len(gram)), (columns @ wanted).astype(np.float64))
    rest = np.abs(wanted - weights.astype(np.float32) @ columns)
    median, strong = np.quantile(rest, (0.5, 0.99))
    remainder = float(np.linalg.norm(rest)) / max(float(np.linalg.norm(wanted)), 1e-6)
    return Difference(detail, remainder, float(strong / max(median, 1e-6)))


def _refined(first: Close, second: Close, turn: int, shift: tuple[int, int]) -> tuple[int, int]:
    """The shift, of those within two pixels, at which the textures agree best."""
    from scipy.fft import irfft2, rfft2

    other = second.spectrum if not turn else rfft2(np.ascontiguousarray(turned(second.blurred[0], turn)))
    surface = irfft2(first.spectrum * np.conj(other), s=first.grey.shape)
    near = np.roll(surface, (2 - shift[0], 2 - shift[1]), (0, 1))[:5, :5]
    down, right = np.unravel_index(near.argmax(), near.shape)
    return shift[0] + int(down) - 2, shift[1] + int(right) - 2


def _moved(image: Array, turn: int, shift: tuple[int, int]) -> Array:
    return np.asarray(np.roll(turned(image, turn), shift, (-2, -1)))


def _inner(images: Array) -> Array:
    """Images (..., S, S) without their margin, flat."""
    inner = images[..., CLOSE_MARGIN:-CLOSE_MARGIN, CLOSE_MARGIN:-CLOSE_MARGIN]
    return np.ascontiguousarray(inner).reshape(*images.shape[:-2], -1)
