"""Tests of significance against SciPy, their definitions, and dealing out the rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import fisher_exact

from workbench.stats.rates import moments
from workbench.stats.significance import at_least, holm, mcnemar, means_differ, normal_ranges, shares_differ


def test_holm_is_its_definition() -> None:
    rng = np.random.default_rng(5)
    for p in ([0.01, 0.04, 0.03, 0.005], [0.5], [0.02, 0.02, 0.9], rng.random(40)):
        adjusted = holm(p)
        p = np.asarray(p)
        for i, one in enumerate(p):  # the largest of (T - rank) p over all that are as small, and never over 1
            smaller = np.sort(p)[: (np.sort(p) <= one).sum()]
            expected = min(1, max((len(p) - r) * x for r, x in enumerate(smaller)))
            assert adjusted[i] == pytest.approx(expected, abs=1e-15)
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).tolist() == []


def test_mcnemar_is_exact() -> None:
    """By hand: 2 * (1 + 14 + 91) / 2 ** 14 for 12 against 2."""
    assert mcnemar(12, 2) == mcnemar(2, 12) == pytest.approx(212 / 16384, rel=1e-9)
    assert mcnemar(5, 0) == pytest.approx(2 / 32)
    assert mcnemar(3, 3) == mcnemar(0, 0) == 1


@pytest.mark.parametrize(
    ("hits", "drawn", "marked", "total"),
    [(0, 5, 3, 20), (3, 5, 3, 20), (12, 40, 90, 300), (2, 10, 12, 15), (8, 10, 12, 15)],
)
def test_the_hypergeometric_tail_is_the_sum_of_its_chances(hits, drawn, marked, total) -> None:
    ways = [math.comb(marked, k) * math.comb(total - marked, drawn - k) for k in range(hits, min(drawn, marked) + 1)]
    assert at_least(hits, drawn, marked, total) == pytest.approx(sum(ways) / math.comb(total, drawn), rel=1e-9)
    assert at_least([hits, hits], [drawn] * 2, [marked] * 2, total) == pytest.approx(
        [sum(ways) / math.comb(total, drawn)] * 2, rel=1e-9
    )


def test_without_anything_to_draw_there_is_no_tail() -> None:
    assert at_least([], 5, [], 20).tolist() == []


def test_shares_are_tested_as_by_fisher() -> None:
    # With two groups of equal size every table's probability falls with its gap, so that the two tests are one.
    for hits in ((3, 9), (10, 12), (20, 11)):
        cases = np.array([[40], [40]])
        expected = fisher_exact([[hits[0], 40 - hits[0]], [hits[1], 40 - hits[1]]]).pvalue
        found = shares_differ(np.array(hits)[:, None], cases, 40_000, np.random.default_rng(0))
        assert found == pytest.approx(expected, abs=0.008)


def test_a_mere_mix_of_classes_is_no_gap() -> None:
    # One class is easy and one is hard, alike in both groups, but the groups hold different shares of them.
    cases = np.array([[900, 100], [100, 900]])
    hits = np.array([[880, 60], [98, 540]])
    assert shares_differ(hits, cases, 4000, np.random.default_rng(0)) > 0.5
    together = shares_differ(hits.sum(1, keepdims=True), cases.sum(1, keepdims=True), 4000, np.random.default_rng(0))
    assert together < 0.001
    # And where the mix hides a gap, it is found.
    hits = np.array([[800, 40], [98, 540]])
    assert shares_differ(hits, cases, 4000, np.random.default_rng(0)) < 0.001


def test_means_are_tested_as_by_dealing_out_the_rows() -> None:
    rng = np.random.default_rng(3)
    stratum = rng.integers(0, 2, 300)
    values = rng.beta(8, 2, 300) - 0.3 * stratum
    group = np.where(rng.random(300) < 0.3 + 0.4 * stratum, 1, 2 * (rng.random(300) < 0.5))
    values[group == 1] += 0.02

    def excess(group):
        mean = np.array([values[stratum == s].mean() for s in (0, 1)])[stratum]
        return np.ptp(np.bincount(group, values - mean) / np.bincount(group))

    null = []
    for _ in range(3000):
        dealt = group.copy()
        for s in (0, 1):
            dealt[stratum == s] = rng.permutation(dealt[stratum == s])
        null.append(excess(dealt))
    expected = np.mean(np.array(null) >= excess(group))
    found = means_differ(moments(group * 2 + stratum, values, 6).reshape(3, 3, 2), 20_000, rng)
    assert found == pytest.approx(expected, abs=0.025)
    assert 0.02 < found < 0.8


def test_normal_ranges_are_those_of_a_permutation() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=90)
    group = np.repeat(np.arange(3), (20, 30, 40))
    count = np.bincount(group).astype(float)[:, None]
    null = [np.ptp(np.bincount(rng.permutation(group), values) / count[:, 0]) for _ in range(5000)]
    found = normal_ranges(np.ones((3, 1)), count, np.array([values.var(ddof=1)]), 20_000, rng)
    assert np.quantile(found, (0.1, 0.5, 0.95)) == pytest.approx(np.quantile(null, (0.1, 0.5, 0.95)), rel=0.04)
