"""Ranks and their correlation against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from workbench.stats.ranks import midranks, spearman


def test_rank_correlation_on_known_cases() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(9, 7))
    assert spearman(a, np.exp(a)) == pytest.approx(1)
    assert spearman(a, -a) == pytest.approx(-1)
    assert spearman(a, np.zeros_like(a)) == 0
    assert midranks(np.array([3.0, 1, 3, 2])).tolist() == [3.5, 1, 3.5, 2]


@pytest.mark.parametrize("digits", [1, 8])  # one digit makes many ties
def test_ranks_and_their_correlation_are_scipys(digits) -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 12, 30)).round(digits).astype(np.float32)
    assert (midranks(a) == rankdata(a)).all()
    assert spearman(a, a + b) == pytest.approx(spearmanr(a.ravel(), (a + b).ravel()).statistic, abs=1e-13)
