"""The nearest by cosine similarity, by hand and by a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.stats.neighbours import cosine, nearest


def test_the_nearest_by_hand() -> None:
    vectors = np.array([[1, 0], [3, 0.3], [0, 1], [-1, 0], [np.nan, 0], [0, 0], [2, 2], [1, 0]], np.float32)
    every = np.ones(8, bool)
    assert nearest(vectors, 0, every) == (7, 1.0)  # a copy, but never itself
    assert nearest(vectors, 0, np.arange(8) < 7) == (1, pytest.approx(3 / np.hypot(3, 0.3)))
    assert nearest(vectors, 0, np.isin(np.arange(8), [2, 3, 6])) == (6, pytest.approx(np.sqrt(0.5)))
    assert nearest(vectors, 0, np.isin(np.arange(8), [2, 3])) == (2, 0)
    assert nearest(vectors, 0, np.arange(8) == 3) == (3, -1)
    assert nearest(vectors, 0, np.arange(8) == 5) == (5, 0)  # nothing is like nothing
    assert nearest(vectors, 0, np.arange(8) == 0) is None
    assert nearest(vectors, 0, np.arange(8) == 4) is None
    assert nearest(vectors, 4, every) is None


def test_a_similarity_is_never_above_one() -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 500)).astype(np.float32)
    every = np.arange(60)
    both = np.concatenate([vectors, 3 * vectors])
    found = [nearest(both, row, np.arange(120) >= 60) for row in every]
    assert [other for other, _ in found] == (every + 60).tolist()
    assert all(0.99999 < alike <= 1 for _, alike in found)


def test_the_similarity_of_single_precision_is_that_of_double() -> None:
    vectors = np.random.default_rng(1).normal(3, 1, (40, 1280)).astype(np.float32)
    double = vectors.astype(np.float64)
    expected = [v @ double[0] / (np.linalg.norm(v) * np.linalg.norm(double[0])) for v in double]
    assert cosine(vectors, vectors[0]) == pytest.approx(expected, abs=1e-14)
