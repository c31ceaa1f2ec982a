"""Proportions and means against SciPy and simulation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binomtest

from workbench.stats.auc import auc
from workbench.stats.rates import f1_of, mean_of, means, moments, upper_bound, wilson

DRAWS = 2000


@pytest.mark.parametrize(("count", "support"), [(0, 7), (7, 7), (1, 2), (580, 656), (3, 1000), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_agrees_with_scipy(count, support, level) -> None:
    expected = binomtest(count, support).proportion_ci(level, method="wilson")
    rate = wilson(count, support, level)
    assert rate.value == count / support
    assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (rate.count, rate.support) == (count, support)


def test_wilson_of_nothing_has_no_value() -> None:
    rate = wilson(0, 0)
    assert (rate.value, rate.low, rate.high, rate.support) == (None, None, None, 0)
    with pytest.raises(ValueError, match="count"):
        wilson(2, 1)


def test_the_mean_of_values_has_students_interval() -> None:
    rng = np.random.default_rng(0)
    for level in (0.8, 0.95):
        drawn = [mean_of(rng.normal(0.2, 1, 8), level) for _ in range(2000)]
        assert np.mean([rate.low <= 0.2 <= rate.high for rate in drawn]) == pytest.approx(level, abs=0.02)
    one = mean_of(np.array([-0.5]))
    assert (one.value, one.count, one.support) == (-0.5, 1, 1)
    assert np.isnan([one.low, one.high]).all()
    none = mean_of(np.zeros(0))
    assert (none.value, none.low, none.support) == (None, None, 0)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_the_bound_is_the_exact_one(level) -> None:
    for support in (1, 7, 59, 400):
        for count in {0, 1, support // 3, support - 1, support}:
            exact = binomtest(count, support, alternative="less").proportion_ci(level, method="exact").high
            assert upper_bound(count, support, level) == pytest.approx(exact)


def test_the_intervals_of_other_figures_cover() -> None:
    rng = np.random.default_rng(2)
    # The shape of confidences: many near 1.
    values = rng.beta(8, 2, size=(DRAWS, 100))
    found = means(moments(np.repeat(np.arange(DRAWS), 100), values.ravel(), DRAWS))
    assert 0.935 <= np.mean([r.low <= 0.8 <= r.high for r in found]) <= 0.965
    # Wilson's own coverage swings with p and n: representative ones, neither a peak nor a trough.
    for share, size in ((0.8, 100), (0.5, 60), (0.95, 400)):
        found = [wilson(int(k), size) for k in rng.binomial(size, share, DRAWS)]
        assert 0.935 <= np.mean([r.low <= share <= r.high for r in found]) <= 0.965
    hits = rng.multinomial(300, (0.3, 0.05, 0.08, 0.57), DRAWS)
    found = [f1_of(wilson(int(k[0]), int(k[:3].sum()))) for k in hits]
    true = 2 * 0.3 / (2 * 0.3 + 0.05 + 0.08)
    assert 0.935 <= np.mean([r.low <= true <= r.high for r in found]) <= 0.965
    truth = np.arange(150) < 60
    scores = rng.normal(size=(DRAWS, 150)) + 1.5 * truth
    found = [auc(s, truth) for s in scores]
    assert 0.935 <= np.mean([r.low <= 0.8556 <= r.high for r in found]) <= 0.965  # Phi(1.5 / sqrt(2))


def test_importing_the_figures_needs_no_heavy_package() -> None:
    heavy = ("torch", "scipy", "streamlit", "pandas")
    code = (
        f"import sys, workbench.stats, workbench.predictions.headline; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
