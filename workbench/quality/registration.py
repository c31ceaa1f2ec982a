"""How alike two images are once one is shifted onto the other, and what likeness strangers of the set reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.quality.agreement import TILES_ALONG, Background, agreement_of, correlations
from workbench.quality.candidates import Triples
from workbench.quality.residuals import TURNS, Array, Residuals

MOST_SHIFT = 8
"""How far an image is shifted at most, in pixels of the canvas (a twelfth of its edge)."""
STRANGERS, STRANGERS_CLOSER = 4_000, 2_000
"""Pairs drawn at random for the null, and how many of them are asked how far they agree over most of their area."""
EXPECTED_FALSE = 0.1
"""Pairs of strangers that are expected above the threshold, in the whole set."""
LEAST_STRANGERS = 20
"""Images from which on a set has a null."""
REGISTERED_AT_ONCE = 256


def likeness(
    residuals: Residuals,
    triples: Triples,
    background: Background,
    least: float = -np.inf,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Array, Array, NDArray[np.int64]]:
    """The normalised cross-correlation of each pair at the best of small shifts.

    Args:
        residuals: Of N images.
        triples: (M, 3) pairs and turns.
        background: What strangers share.
        least: The likeness from which on it is asked how far a pair agrees over most of its area.
        on_progress: Called with how much is done, and of how much.

    Returns:
        Likeness (M,), at most 1; the correlation of each tile (M, T), NaN where that was not asked; and by how much the
        second must be shifted down and right, (M, 2), in pixels of the canvas.
    """
    score, tiles = np.zeros(len(triples), np.float32), np.full((len(triples), TILES_ALONG**2), np.nan, np.float32)
    shifts = np.zeros((len(triples), 2), np.int64)
    done = 0
    for turn in range(len(TURNS)):
        here = np.flatnonzero(triples[:, 2] == turn)
        for start in range(0, len(here), REGISTERED_AT_ONCE):
            some = here[start : start + REGISTERED_AT_ONCE]
            first, second = residuals.rows(triples[some, 0]), residuals.rows(triples[some, 1], turn)
            score[some], shifts[some] = correlate(first, second)
            some = some[score[some] >= least]
            moved = _moved(residuals.raw(triples[some, 1], turn), shifts[some])
            tiles[some] = correlations(residuals.raw(triples[some, 0]), moved, background)
            done += len(first)
            if on_progress is not None:
                on_progress(done, len(triples))
    return score, tiles, shifts


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


def _moved(images: Array, shifts: NDArray[np.int64]) -> Array:
    for image, shift in zip(images, shifts, strict=True):
        image[:] = np.roll(image, shift, (0, 1))
    return images


def strangers(residuals: Residuals, rows: NDArray[np.integer], background: Background) -> tuple[Array, Array]:
    """The likeness of pairs of images drawn at random, in turns drawn at random, (M,), and how far some agree."""
    rng = np.random.default_rng(1)
    many = min(STRANGERS, len(rows) * (len(rows) - 1) * 4)
    first, second = rng.integers(0, len(rows), (2, many))
    turns = np.where(rng.random(many) < 0.5, 0, rng.integers(0, len(TURNS), many))
    apart = first != second
    triples = np.stack([rows[first], rows[second], turns], 1)[apart]
    score = likeness(residuals, triples, background, np.inf)[0]
    return score, agreement_of(likeness(residuals, triples[:STRANGERS_CLOSER], background)[1])


def threshold_of(null: Array, count: int) -> float:
    """The likeness that `EXPECTED_FALSE` pairs of strangers among `count` images reach in all of their turns.

    The best of many shifts follows a Gumbel distribution; it is fitted to the middle and the upper decile of the null,
    which a few true pairs do not move.
    """
    middle, upper = np.quantile(null, (0.5, 0.9))
    scale = (upper - middle) / (np.log(np.log(2)) - np.log(-np.log(0.9)))
    place = middle + scale * np.log(np.log(2))
    return float(place + scale * np.log(pairs_of(count) / EXPECTED_FALSE))


def pairs_of(count: int) -> float:
    """How many pairs N images make, in all turns."""
    return len(TURNS) * count * (count - 1) / 2
