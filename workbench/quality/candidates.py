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
