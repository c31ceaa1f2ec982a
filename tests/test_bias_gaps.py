"""Intervals and tests of gaps against published values, brute force and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import fisher_exact, studentized_range

from workbench.bias.figures import f1_of, means, moments
from workbench.bias.gaps import gap, means_differ, normal_ranges, shares_differ, simultaneous
from workbench.metrics import Rate, auc, wilson

DRAWS = 2000


def rates(hits, cases, level=0.95):
    return [wilson(int(k), int(n), level) for k, n in zip(hits, cases, strict=True)]


def test_two_shares_have_newcombes_interval() -> None:
    # Newcombe 1998, table II, method 10: (a) 56/70 - 48/80, (b) 9/10 - 3/10, (c) 10/10 - 0/20.
    for hits, cases, low, high in (
        ((56, 48), (70, 80), 0.0524, 0.3339),
        ((9, 3), (10, 10), 0.1705, 0.8090),
        ((10, 0), (10, 20), 0.6791, 1),
    ):
        found = gap(rates(hits, cases))
        assert found.difference == pytest.approx((hits[0] / cases[0] - hits[1] / cases[1], low, high), abs=5e-5)
        assert (found.highest, found.lowest) == (0, 1)


def test_a_gap_names_its_ends_whichever_way_they_stand() -> None:
    found = gap(rates((50, 90, 70), (100, 100, 100)))
    assert (found.lowest, found.highest) == (0, 1)
    assert found.difference[0] == pytest.approx(0.4)
    assert found.ratio[0] == pytest.approx(5 / 9)
    swapped = gap(rates((90, 70, 50), (100, 100, 100)))
    assert swapped.difference == pytest.approx(found.difference)
    assert swapped.ratio == pytest.approx(found.ratio)
    nothing = gap(rates((0, 0), (40, 50)))
    assert nothing.difference[:2] == (0, 0)
    assert math.isnan(nothing.ratio[0])
    none = gap(rates((0, 30), (40, 50)))
    assert none.ratio[:2] == (0, 0)
    assert 0 < none.ratio[2] < 0.2
    with pytest.raises(ValueError, match="two"):
        gap([Rate(None, None, None, 0, 0), wilson(1, 2)])


@pytest.mark.parametrize("groups", [2, 3, 7])
def test_the_simultaneous_level_is_tukeys(groups) -> None:
    z = studentized_range.ppf(0.95, groups, np.inf) / math.sqrt(2)
    assert simultaneous(groups) == pytest.approx(math.erf(z / math.sqrt(2)), abs=1e-6)
    assert (simultaneous(groups) == pytest.approx(0.95, abs=1e-9)) == (groups == 2)


@pytest.mark.parametrize(("shares", "sizes"), [((0.9, 0.8), (200, 150)), ((0.7, 0.7), (100, 300)), ((0.6, 0.8), (90, 120))])
def test_the_interval_of_two_groups_covers(shares, sizes) -> None:
    rng = np.random.default_rng(0)
    drawn = [gap(rates(rng.binomial(sizes, shares), sizes)) for _ in range(DRAWS)]
    apart, among = max(shares) - min(shares), min(shares) / max(shares)
    assert 0.935 <= np.mean([d.difference[1] <= apart <= d.difference[2] for d in drawn]) <= 0.965
    assert 0.935 <= np.mean([d.ratio[1] <= among <= d.ratio[2] for d in drawn]) <= 0.965


@pytest.mark.parametrize("shares", [(0.9,) * 5, (0.95, 0.9, 0.85, 0.7)], ids=str)
def test_the_interval_of_the_extremes_covers_although_they_were_sought(shares) -> None:
    rng = np.random.default_rng(1)
    sizes, level = np.full(len(shares), 150), simultaneous(len(shares))
    hits = [rng.binomial(sizes, shares) for _ in range(DRAWS)]
    apart, among = max(shares) - min(shares), min(shares) / max(shares)
    drawn = [gap(rates(k, sizes, level)) for k in hits]
    assert np.mean([d.difference[1] <= apart <= d.difference[2] for d in drawn]) >= 0.945
    assert np.mean([d.ratio[1] <= among <= d.ratio[2] for d in drawn]) >= 0.945
    if len(set(shares)) == 1:  # without the correction, the extremes among equals would look different far too often
        naive = [gap(rates(k, sizes)) for k in hits]
        assert np.mean([d.difference[1] <= apart <= d.difference[2] for d in naive]) < 0.85


def test_the_intervals_of_other_figures_cover() -> None:
    rng = np.random.default_rng(2)
    # The shape of confidences: many near 1.
    values = rng.beta(8, 2, size=(DRAWS, 100))
    found = means(moments(np.repeat(np.arange(DRAWS), 100), values.ravel(), DRAWS))
    assert 0.935 <= np.mean([r.low <= 0.8 <= r.high for r in found]) <= 0.965
    # Wilson's own coverage swings with p and n: representative ones, neither a peak nor a trough.
    for share, size in ((0.8, 100), (0.5, 60), (0.95, 400)):
        assert 0.935 <= np.mean([r.low <= share <= r.high for r in rates(rng.binomial(size, share, DRAWS), [size] * DRAWS)]) <= 0.965
    hits = rng.multinomial(300, (0.3, 0.05, 0.08, 0.57), DRAWS)
    found = [f1_of(wilson(int(k[0]), int(k[:3].sum()))) for k in hits]
    true = 2 * 0.3 / (2 * 0.3 + 0.05 + 0.08)
    assert 0.935 <= np.mean([r.low <= true <= r.high for r in found]) <= 0.965
    truth = np.arange(150) < 60
    scores = rng.normal(size=(DRAWS, 150)) + 1.5 * truth
    found = [auc(s, truth) for s in scores]
    assert 0.935 <= np.mean([r.low <= 0.8556 <= r.high for r in found]) <= 0.965  # Phi(1.5 / sqrt(2))


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
