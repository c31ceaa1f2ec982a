"""Ranks and rank correlation.

SciPy's `rankdata` gives the same, but loading `scipy.stats` takes about a second, which the first page's AUC must not
wait for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def midranks(values: NDArray) -> NDArray[np.float64]:
    """Ranks of values of any shape from 1, ties sharing the middle of theirs, as a flat array."""
    _, place, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def spearman(first: NDArray, second: NDArray) -> float:
    """Spearman's rank correlation of two arrays of one size and any shape; 0 where one is constant and so
    has no order."""
    a, b = (ranks - ranks.mean() for ranks in (midranks(first), midranks(second)))
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0
