"""How alike two images are once one is shifted onto the other, and what likeness strangers of the set reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.quality.candidates import Triples
from workbench.quality.canvases import CANVAS_EDGE
from workbench.quality.residuals import TURNS, Array, Residuals

MOST_SHIFT = 8
"""How far an image is shifted at most, in pixels of the canvas (a twelfth of its edge)."""
TILES_ALONG, LEFT_OUT = 4, 4
"""Along each edge, how many tiles an image is cut into, and how many of all are left out: those that agree most."""
STRANGERS = 20_000
"""Pairs drawn at random for the null."""
EXPECTED_FALSE = 0.1
"""Pairs of strangers that are expected above the threshold, in the whole set."""
LEAST_STRANGERS = 20
"""Images from which on a set has a null."""
REGISTERED_AT_ONCE = 256


def likeness(
    residuals: Residuals, triples: Triples, on_progress: Callable[[int, int], None] | None = None
) -> tuple[Array, Array, NDArray[np.int64]]:
    """The normalised cross-correlation of each pair at the best of small shifts.

    Args:
        residuals: Of N images.
        triples: (M, 3) pairs and turns.
        on_progress: Called with how much is done, and of how much.

    Returns:
        Likeness (M,), at most 1; the likeness of what is left without the tiles that agree most (M,); and by how much
        the second must be shifted down and right, (M, 2), in pixels of the canvas.
    """
    score, rest = np.zeros((2, len(triples)), np.float32)
    shifts = np.zeros((len(triples), 2), np.int64)
    done = 0
    for turn in range(len(TURNS)):
        here = np.flatnonzero(triples[:, 2] == turn)
        for start in range(0, len(here), REGISTERED_AT_ONCE):
            some = here[start : start + REGISTERED_AT_ONCE]
            first, second = residuals.rows(triples[some, 0]), residuals.rows(triples[some, 1], turn)
            score[some], shifts[some] = correlate(first, second)
            rest[some] = agreement(first, second, shifts[some])
            done += len(some)
            if on_progress is not None:
                on_progress(done, len(triples))
    return score, rest, shifts


def correlate(first: Array, second: Array, most: int = MOST_SHIFT) -> tuple[Array, NDArray[np.int64]]:
    """The best circular cross-correlation of images (M, S, S) of norm 1 over shifts, and the shift of the second."""
    from scipy.fft import irfft2, rfft2

    size = first.shape[-2:]
    surface = irfft2(rfft2(first) * np.conj(rfft2(second)), s=size)
    surface = np.roll(surface, (most, most), (1, 2))[:, : 2 * most + 1, : 2 * most + 1]
    flat = surface.reshape(len(surface), -1)
    best = flat.argmax(1)
    down, right = np.unravel_index(best, surface.shape[1:])
    return flat[np.arange(len(flat)), best], np.stack([down - most, right - most], 1)


def agreement(first: Array, second: Array, shifts: NDArray[np.int64]) -> Array:
    """The correlation of pairs (M, S, S) over what is left of their tiles without the few that speak most for it: a
    stamp, a scale bar or a corner that strangers share must not join them."""
    moved = np.stack([np.roll(image, shift, (0, 1)) for image, shift in zip(second, shifts, strict=True)])
    products, own, other = (_tiles(values) for values in (first * moved, first**2, moved**2))
    order = np.argsort(products, axis=1)[:, : TILES_ALONG * TILES_ALONG - LEFT_OUT]
    kept = (np.take_along_axis(values, order, 1).sum(1) for values in (products, own, other))
    product, one, two = kept
    return np.asarray(product / np.maximum(np.sqrt(one * two), 1e-9))


def _tiles(values: Array) -> Array:
    side = CANVAS_EDGE // TILES_ALONG
    return values.reshape(-1, TILES_ALONG, side, TILES_ALONG, side).sum((2, 4)).reshape(len(values), -1)


def strangers(residuals: Residuals, rows: NDArray[np.integer]) -> tuple[Array, Array]:
    """The likeness of pairs of images drawn at random, in turns drawn at random, in whole and in rest: (M,) each."""
    rng = np.random.default_rng(1)
    many = min(STRANGERS, len(rows) * (len(rows) - 1) * 4)
    first, second = rng.integers(0, len(rows), (2, many))
    turns = np.where(rng.random(many) < 0.5, 0, rng.integers(0, len(TURNS), many))
    apart = first != second
    return likeness(residuals, np.stack([rows[first], rows[second], turns], 1)[apart])[:2]


def threshold_of(null: Array, count: int) -> float:
    """The likeness that `EXPECTED_FALSE` pairs of strangers among `count` images reach in all of their turns.

    The best of many shifts follows a Gumbel distribution; it is fitted to the middle and the upper decile of the null,
    which a few true pairs do not move.
    """
    middle, upper = np.quantile(null, (0.5, 0.9))
    scale = (upper - middle) / (np.log(np.log(2)) - np.log(-np.log(0.9)))
    place = middle + scale * np.log(np.log(2))
    pairs = len(TURNS) * count * (count - 1) / 2
    return float(place + scale * np.log(pairs / EXPECTED_FALSE))
