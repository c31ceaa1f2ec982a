"""Likeness of what a model makes of images: cosine similarity, and the nearest by it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cosine(vectors: NDArray[np.floating], own: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine similarity (N,) of vectors (N, D) to `own` (D,), 1 at most; 0 where either is zero everywhere.

    The products are taken in double precision, without a copy of all vectors.
    """
    products = np.einsum("nd,d->n", vectors, own, dtype=np.float64)
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64) * (own.astype(np.float64) ** 2).sum()
    return np.minimum(products / np.maximum(np.sqrt(squares), 1e-12), 1.0)


def nearest(vectors: NDArray[np.floating], row: int, rows: NDArray[np.bool_]) -> tuple[int, float] | None:
    """The vector most alike to another of them.

    Args:
        vectors: (N, D) such as what goes into a model's last layer; NaN where an image cannot be read.
        row: Which one.
        rows: (N,) among which others; the one itself never counts.

    Returns:
        Its row and the cosine similarity, 1 at most; None where there is none.
    """
    candidates = rows & np.isfinite(vectors).all(1)
    candidates[row] = False
    if not candidates.any() or not np.isfinite(vectors[row]).all():
        return None
    places = np.flatnonzero(candidates)
    similarities = cosine(vectors[places], vectors[row])
    best = int(similarities.argmax())
    return int(places[best]), float(similarities[best])
