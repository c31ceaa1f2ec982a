"""Which pairs of images are worth a closer look: few enough to register, and the right ones among them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.quality.canvases import CANVAS_EDGE
from workbench.quality.residuals import TURNS, Array, Residuals

Triples = NDArray[np.int64]
"""(M, 3): a row, a later row, and the number of the turn that brings the second onto the first."""
COARSE_STEP = 4
"""Pixels of the canvas that are averaged along each edge."""
NEAREST_UPRIGHT, NEAREST_TURNED = 20, 4
"""Candidates of an image as it stands, and in each other turn."""
MOST_UNLIKE, NO_STRANGERS = 3000, 0.7
"""Images that are asked what strangers share, and the coarse likeness from which two of them are no strangers."""
CANDIDATES_AT_ONCE = 512
MOVES = np.array(
    [(0, 0), (0.09, 0), (-0.08, 0), (0.05j, 0), (-0.05j, 0)]
    + [(0, 5.0 * (right + 1j * down)) for right in (-1, 0, 1) for down in (-1, 0, 1) if right or down]
)
"""How images may lie to each other for a start, as `warps.Motions`: scaled, turned a little, shifted."""
LOOSE_BLUR, LOOSE_EDGE = 3.0, 12
"""Blur, in pixels of the canvas, and places along each edge, of what still resembles itself in between two of them."""
MOVED_EACH = 2
"""Pairs of an image that are brought onto each other, the most alike first."""
BY_CHANCE = 0.1
"""Strangers that each image, moved in each of those ways, is expected to take for likely."""
UNDONE_BY = np.array([0, 3, 2, 1, 4, 5, 6, 7])
"""The turn that undoes each: a flip undoes itself, however it is turned afterwards."""


def ordered(first: NDArray[np.integer], second: NDArray[np.integer], turn: NDArray[np.integer]) -> Triples:
    """Pairs without repetition, the earlier image first."""
    swap = first > second
    low, high = np.where(swap, second, first), np.where(swap, first, second)
    triples = np.stack([low, high, np.where(swap, UNDONE_BY[turn], turn)], 1).astype(np.int64)
    return np.unique(triples[low != high], axis=0)


def candidates(
    residuals: Residuals, rows: NDArray[np.integer], on_progress: Callable[[int, int], None] | None = None
) -> Triples:
    """The nearest of each image by a coarse residual, as it stands and in the seven other turns.

    Args:
        residuals: Of N images.
        rows: (M,) which of them to compare.
        on_progress: Called with how much is done, and of how much.
    """
    coarse = _coarse(residuals, rows, 0)
    limit = _background(residuals, rows, coarse)
    parts = []
    for turn in range(len(TURNS)):
        others = coarse if turn == 0 else _coarse(residuals, rows, turn)
        many = min(NEAREST_UPRIGHT if turn == 0 else NEAREST_TURNED, len(rows) - 1)
        for start in range(0, len(rows), CANDIDATES_AT_ONCE):
            block = coarse[start : start + CANDIDATES_AT_ONCE] @ others.T
            here = np.arange(start, start + len(block))
            block[here - start, here] = -np.inf
            near = np.argpartition(-block, many - 1, axis=1)[:, :many]
            likely = np.take_along_axis(block, near, 1) > (-np.inf if turn == 0 else limit)
            first = np.broadcast_to(here[:, None], near.shape)[likely]
            parts.append(ordered(rows[first], rows[near[likely]], np.full(len(first), turn)))
            if on_progress is not None:
                on_progress(turn * len(rows) + start + len(block), len(TURNS) * len(rows))
    return np.unique(np.concatenate(parts), axis=0)


def unlike(residuals: Residuals, rows: NDArray[np.integer]) -> NDArray[np.integer]:
    """Some of the images, of which no two are nearly alike: what they have in common, strangers have in common."""
    if len(rows) > MOST_UNLIKE:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_UNLIKE, replace=False))
    mean = np.asarray(residuals.textures[rows], np.float32).mean(0)
    coarse = _coarse(dataclasses.replace(residuals, mean=mean), rows, 0)
    alike = coarse @ coarse.T > NO_STRANGERS
    chosen: list[int] = []
    for place in range(len(rows)):
        if not alike[place, chosen].any():
            chosen.append(place)
    return rows[chosen]


def nearest_by_embedding(embeddings: NDArray[np.floating], rows: NDArray[np.integer]) -> Triples:
    """The nearest of each of some images by the cosine of their embeddings (N, D), as they stand."""
    vectors = np.nan_to_num(np.asarray(embeddings[rows], np.float32))
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    many = min(NEAREST_UPRIGHT, len(rows) - 1)
    parts = []
    for start in range(0, len(rows), CANDIDATES_AT_ONCE):
        block = vectors[start : start + CANDIDATES_AT_ONCE] @ vectors.T
        here = np.arange(start, start + len(block))
        block[here - start, here] = -np.inf
        near = np.argpartition(-block, many - 1, axis=1)[:, :many].ravel()
        parts.append(ordered(rows[np.repeat(here, many)], rows[near], np.zeros(len(near), np.int64)))
    return np.unique(np.concatenate(parts), axis=0)


def moved(
    residuals: Residuals, rows: NDArray[np.integer], known: Triples
) -> tuple[NDArray[np.integer], NDArray[np.complex128]]:
    """Pairs of which one may be shifted, scaled or turned by a few degrees.

    Args:
        residuals: Of N images.
        rows: (M,) which of them to compare.
        known: Pairs that need no further look.

    Returns:
        Pairs (P, 2), the earlier image first, and how the second may lie to the first, (P, 2).
    """
    loose = _loose(residuals, rows)
    limit = _likely(loose)
    likeness, pairs, starts = [], [], []
    for move, others in zip(MOVES, loose, strict=True):
        for start in range(0, len(rows), CANDIDATES_AT_ONCE):
            block = loose[0, start : start + CANDIDATES_AT_ONCE] @ others.T
            here = np.arange(len(block))
            block[here, here + start] = -np.inf
            near = block.argmax(1)
            likely = np.flatnonzero(block[here, near] > limit)
            likeness.append(block[likely, near[likely]])
            pairs.append(np.stack([rows[start + likely], rows[near[likely]]], 1))
            starts.append(np.broadcast_to(move, (len(likely), 2)))
    return _likeliest(np.concatenate(likeness), np.concatenate(pairs), np.concatenate(starts), known)


def _likeliest(
    likeness: Array, pairs: NDArray[np.integer], starts: NDArray[np.complex128], known: Triples
) -> tuple[NDArray[np.integer], NDArray[np.complex128]]:
    """Each pair once, as it is most alike, and few of each image."""
    swap = pairs[:, 0] > pairs[:, 1]
    back = np.stack([1 / (1 + starts[:, 0]) - 1, -starts[:, 1] / (1 + starts[:, 0])], 1)
    pairs, starts = np.sort(pairs, 1).astype(np.int64), np.where(swap[:, None], back, starts)
    order = np.argsort(-likeness, kind="stable")
    _, first = np.unique(pairs[order], axis=0, return_index=True)
    order = order[np.sort(first)]
    done = {(first, second) for first, second, _ in known.tolist()}
    seen: dict[int, int] = {}
    chosen = []
    for place in map(int, order):
        one, other = pairs[place].tolist()
        if (one, other) in done or min(seen.get(one, 0), seen.get(other, 0)) >= MOVED_EACH:
            continue
        seen[one], seen[other] = seen.get(one, 0) + 1, seen.get(other, 0) + 1
        chosen.append(place)
    return pairs[chosen], starts[chosen]


def _loose(residuals: Residuals, rows: NDArray[np.integer]) -> Array:
    """(W, M, D) blurred residuals at few places, of images moved in each of the `MOVES`, each of norm 1."""
    from scipy.ndimage import gaussian_filter

    middle, pace = (CANVAS_EDGE - 1) / 2, CANVAS_EDGE / LOOSE_EDGE
    line = (np.arange(LOOSE_EDGE) + 0.5) * pace - 0.5 - middle
    grid = (line + 1j * line[:, None]).ravel()
    places = (1 + MOVES[:, :1]) * grid + MOVES[:, 1:] + middle * (1 + 1j)
    down, right = (np.clip(np.rint(part), 0, CANVAS_EDGE - 1).astype(int) for part in (places.imag, places.real))
    result = np.empty((len(MOVES), len(rows), LOOSE_EDGE**2), np.float32)
    for start in range(0, len(rows), CANDIDATES_AT_ONCE):
        own = residuals.rows(rows[start : start + CANDIDATES_AT_ONCE])
        own = gaussian_filter(own, (0, LOOSE_BLUR, LOOSE_BLUR), mode="nearest")
        result[:, start : start + len(own)] = own[:, down, right].swapaxes(0, 1)
    return result / np.maximum(np.linalg.norm(result, axis=2, keepdims=True), 1e-9)


def _likely(loose: Array) -> float:
    """The likeness that few strangers reach, by the middle and the upper decile of pairs drawn at random."""
    from scipy.special import ndtri

    count = loose.shape[1]
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, count, (2, min(5000, 20 * count)))
    apart = first != second
    middle, upper = np.quantile((loose[0, first[apart]] * loose[0, second[apart]]).sum(1), (0.5, 0.9))
    return float(middle + (upper - middle) / ndtri(0.9) * -ndtri(BY_CHANCE / count))


def _coarse(residuals: Residuals, rows: NDArray[np.integer], turn: int) -> Array:
    """(M, D) residuals averaged over small squares, each of norm 1."""
    edge = CANVAS_EDGE // COARSE_STEP
    result = np.empty((len(rows), edge * edge), np.float32)
    for start in range(0, len(rows), CANDIDATES_AT_ONCE):
        own = residuals.rows(rows[start : start + CANDIDATES_AT_ONCE], turn)
        result[start : start + len(own)] = (
            own.reshape(-1, edge, COARSE_STEP, edge, COARSE_STEP).mean((2, 4)).reshape(len(own), -1)
        )
    return result / np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-9)


def _background(residuals: Residuals, rows: NDArray[np.integer], coarse: Array) -> float:
    """The likeness that one pair of strangers in a hundred exceeds, turned at random."""
    rng = np.random.default_rng(0)
    some = rng.integers(0, len(rows), min(2000, 10 * len(rows)))
    others = rng.integers(0, len(rows), len(some))
    turns = rng.integers(1, len(TURNS), len(some))
    likeness = []
    for turn in range(1, len(TURNS)):
        here = (turns == turn) & (some != others)
        if here.any():
            likeness.append((coarse[some[here]] * _coarse(residuals, rows[others[here]], turn)).sum(1))
    return float(np.quantile(np.concatenate(likeness), 0.99)) if likeness else np.inf
