"""Shares of cases that come in units: against a slow second computation, and by simulation with a known truth."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from scipy.stats import beta, betabinom, binomtest, norm, t

from workbench.stats.clusters import complement, ends_along, share, upper_along
from workbench.stats.rates import upper_bound, wilson, wilson_bounds

SIZES = {"6": [6] * 20, "60": [60] * 15, "mixed": np.random.default_rng(5).integers(1, 61, 24).tolist()}


def posterior(hits, sizes):
    """Both ends and both one-sided bounds, by summing over a dense grid with SciPy's beta-binomial."""
    angle = (np.arange(300) + 0.5) / 300 * np.pi / 2
    correlation = ((np.arange(60) + 0.5) / 60) ** 2
    p, alike = np.sin(angle)[:, None] ** 2, (1 - correlation) / correlation
    pairs = Counter(zip(hits.tolist(), sizes.tolist(), strict=True))
    chance = sum(many * betabinom.logpmf(k, n, p * alike, (1 - p) * alike) for (k, n), many in pairs.items())
    mass = np.exp(chance - chance.max()).sum(1)
    ends = [
        np.interp(level, np.cumsum(weighted) / weighted.sum(), np.sin(angle + angle[0]) ** 2)
        for weighted, level in (
            (mass, 0.025),
            (mass, 0.975),
            (mass * np.tan(angle), 0.95),
            (mass / np.tan(angle), 0.05),
        )
    ]
    return tuple(ends)


def ratio(hits, sizes, quantile):
    """The bounds of a ratio over units, with SciPy's Student's t: Korn and Graubard 1998."""
    support, groups, mean = sizes.sum(), len(sizes), hits.sum() / sizes.sum()
    if mean in (0, 1):
        return mean, mean
    variance = groups * np.var(hits - mean * sizes, ddof=1) / support**2
    worth = min(max(mean * (1 - mean) / variance, support**2 / (sizes**2).sum()), support)
    z, student = norm.ppf(quantile), t.ppf(quantile, groups - 1)
    return wilson_ends(mean, worth * (z / student) ** 2, z)


def wilson_ends(mean, worth, z):
    """Where the distance from the mean is z standard errors: the roots of a quadratic."""
    return sorted(np.roots([1 + z**2 / worth, -2 * mean - z**2 / worth, mean**2]))


def laid_out(hits, sizes):
    units = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(len(units)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return within < np.asarray(hits)[units], units


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("spread", ["none", "even", "lumps", "most"])
def test_the_ends_are_those_of_a_slow_second_computation(kind, spread) -> None:
    sizes = np.array(SIZES[kind])
    rng = np.random.default_rng(1)
    drawn = {"none": 0.0, "even": 0.1, "lumps": rng.beta(0.3, 1, len(sizes)), "most": rng.beta(6, 0.2, len(sizes))}
    hits = rng.binomial(sizes, drawn[spread])
    hit, units = laid_out(hits, sizes)
    rate = share(hit, units)
    low, high, bound, lower = posterior(hits, sizes)
    plain = wilson(int(hits.sum()), int(sizes.sum()))
    least, most = ratio(hits, sizes, 0.975)
    assert rate.low == pytest.approx(0 if spread == "none" else min(low, plain.low, least), abs=0.002)
    assert rate.high == pytest.approx(max(high, plain.high, most), abs=0.002)
    assert (rate.value, rate.count, rate.support, rate.groups) == (hit.mean(), hit.sum(), len(hit), len(sizes))
    least, most = ratio(hits, sizes, 0.95)
    assert rate.most == pytest.approx(max(bound, most), abs=0.002)
    assert rate.least == pytest.approx(0 if spread == "none" else min(lower, least), abs=0.002)
    exact = upper_bound(int(hits.sum()), len(hit))
    found = upper_along(units[np.argsort(~hit, kind="stable")], [hits.sum()], len(hit))
    assert found[0] == pytest.approx(max(bound, exact, most), abs=0.002)


def test_units_of_one_give_the_figures_of_independent_cases_to_the_last_bit() -> None:
    hit = np.arange(80) % 7 == 0
    for level in (0.8, 0.95):
        assert share(hit, None, level) == wilson(12, 80, level)
        assert share(hit, np.arange(80)[::-1], level) == dataclasses.replace(wilson(12, 80, level), groups=80)
    counts = np.array([0, 3, 80])
    assert np.array_equal(ends_along(np.arange(80), counts), wilson_bounds(counts, 80))
    assert np.array_equal(upper_along(np.arange(80), counts, 80), upper_bound(counts, 80))
    assert np.array_equal(upper_along(None, counts, 80), upper_bound(counts, 80))
    assert share([], np.zeros(0, np.intp)) == wilson(0, 0)


@pytest.mark.parametrize(("count", "support"), [(0, 59), (3, 100), (50, 100), (200, 20_000), (99, 100)])
def test_a_single_pair_among_single_images_changes_next_to_nothing(count, support) -> None:
    units = np.arange(support + 1)
    units[-1] = units[-2]
    low, high = ends_along(units, np.array([count]))
    plain, jeffreys = wilson(count, support + 1), beta(count + 0.5, support + 1.5 - count).ppf([0.025, 0.975])
    assert low[0] == pytest.approx(min(plain.low, jeffreys[0]) if count else 0, rel=0.03)
    assert high[0] == pytest.approx(max(plain.high, jeffreys[1]), rel=0.03)
    exact = binomtest(count, support + 1, alternative="less").proportion_ci(0.95, "exact").high
    assert upper_along(units, [count], support + 1)[0] == pytest.approx(exact, rel=0.03)


def test_ten_images_of_each_part_say_less_than_as_many_parts_and_more_than_one_of_each() -> None:
    for hit in (np.repeat(np.arange(60) < 6, 10), np.arange(600) % 10 == 0):
        rate = share(hit, np.repeat(np.arange(60), 10))
        alone, together = wilson(60, 600), wilson(6, 60)
        assert together.low - 0.02 < rate.low <= alone.low < alone.high <= rate.high < together.high + 0.02
    same = share(np.repeat(np.arange(60) < 6, 10), np.repeat(np.arange(60), 10))
    other = share(np.arange(600) % 10 == 0, np.repeat(np.arange(60), 10))
    assert same.high - same.low > 2 * (other.high - other.low)  # it is the hits that say how alike images of a part are


def test_fewer_than_ten_units_count_as_one_case_each_and_are_told() -> None:
    hit, units = laid_out([60] * 7 + [0] * 2, [60] * 9)
    rate = share(hit, units)
    assert rate.few_units
    assert (rate.low, rate.high) == pytest.approx((wilson(7, 9).low, wilson(7, 9).high))
    assert (rate.least, rate.most) == (0, 1)
    assert upper_along(units[::-1], [120], 540)[0] == upper_bound(2, 9)
    single = share(np.arange(50) > 3, np.zeros(50, np.intp))
    assert single.few_units
    assert single.high - single.low > 0.7
    assert not share(hit, np.repeat(np.arange(10), 54)).few_units
    assert not share(hit[:5], np.arange(5)).few_units


@pytest.mark.parametrize("hits", [0, 3, 6])
def test_units_that_do_not_vary_at_all_make_no_interval_narrower_than_single_images_do(hits) -> None:
    rate, alone = share(*laid_out([hits] * 20, [6] * 20)), wilson(20 * hits, 120)
    assert rate.low <= alone.low <= rate.value <= alone.high <= rate.high
    assert rate.high - rate.low > 0.02, "nor one without width"


def test_one_unit_that_holds_most_images_leaves_the_share_open() -> None:
    hits, sizes = np.array([0, *[1] * 60]), np.array([300, *[1] * 60])
    rate, alone = share(*laid_out(hits, sizes)), wilson(60, 360)
    jackknife = np.array([(60 - hits[k]) / (360 - sizes[k]) for k in range(61)])
    error = np.sqrt(60 / 61 * ((jackknife - jackknife.mean()) ** 2).sum())
    assert error > 0.5, "without the large unit the share is 1"
    assert alone.high - alone.low < 0.1
    assert rate.low < 0.05
    assert rate.high > 0.5
    assert rate.least < 0.05, "what the other units say is no bound of the share of the images"
    assert rate.most > 0.4


def test_the_numbers_and_the_order_of_units_mean_nothing() -> None:
    hit, units = laid_out([5, 0, 1, 0, 0, 6, 0, 0, 2, 0, 0, 0], [6] * 12)
    rng = np.random.default_rng(0)
    order, names = rng.permutation(len(hit)), rng.permutation(900)[:12]
    assert share(hit, units) == share(hit[order], names[units[order]])


def test_the_share_of_the_others_is_the_mirror_image() -> None:
    hit, units = laid_out([5, 0, 1, 0, 0, 6, 0, 0, 2, 0, 0, 0], [6] * 12)
    mirrored, other = complement(share(hit, units)), share(~hit, units)
    assert dataclasses.astuple(mirrored) == pytest.approx(dataclasses.astuple(other), abs=2e-4)
    assert complement(wilson(3, 40)) == wilson(37, 40)
    assert complement(wilson(0, 0)) == wilson(0, 0)


def test_many_thresholds_are_interpolated_between_computed_ones() -> None:
    rng = np.random.default_rng(2)
    units = rng.permutation(np.repeat(np.arange(100), 20))
    counts = np.arange(2001)
    low, high = ends_along(units, counts)
    for count in (0, 1, 5, 333, 1500, 1999, 2000):
        exact = np.concatenate(ends_along(units, np.array([count])))
        assert (low[count], high[count]) == pytest.approx(exact, abs=0.004)
    assert (low <= counts / 2000).all()
    assert (high >= counts / 2000).all()


def rates_of(rng, kind, groups, share_, likeness, correlated):
    """Hits of units, their sizes: each unit's own share is beta-distributed, or a threshold in a normal variable."""
    sizes = rng.integers(1, 61, groups) if kind == "mixed" else np.full(groups, int(kind))
    if not correlated:
        return rng.binomial(sizes, share_), sizes
    if likeness == "beta":
        alike = (1 - correlated) / correlated
        return rng.binomial(sizes, rng.beta(share_ * alike, (1 - share_) * alike, groups)), sizes
    moved = norm.ppf(share_) + np.sqrt(correlated) * rng.standard_normal(groups)
    return rng.binomial(sizes, norm.cdf(moved / np.sqrt(1 - correlated))), sizes


def covered(kind, groups, p, likeness, correlated, draws):
    """How often the interval covers, and how often the upper bound of the rate 1 - p lies below it."""
    rng = np.random.default_rng(7)
    inside, below = [], []
    for _ in range(draws):
        hits, sizes = rates_of(rng, kind, groups, p, likeness, correlated)
        rate = share(*laid_out(hits, sizes))
        inside.append(rate.low <= p <= rate.high)
        below.append(rate.least > p)
    return np.mean(inside), np.mean(below)


@pytest.mark.parametrize(
    ("kind", "groups", "p", "correlated"),
    [("60", 15, 0.97, 0.3), ("60", 40, 0.9, 0.05), ("mixed", 15, 0.9, 0.3), ("mixed", 40, 0.97, 0.3)],
)
def test_intervals_cover_where_images_come_in_units(kind, groups, p, correlated) -> None:
    inside, below = covered(kind, groups, p, "beta", correlated, 200)
    assert inside >= 0.95 - 2.6 * np.sqrt(0.95 * 0.05 / 200)
    assert below <= 0.05 + 2.6 * np.sqrt(0.95 * 0.05 / 200)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("likeness", ["beta", "normal"])
@pytest.mark.parametrize("correlated", [0, 0.05, 0.3])
@pytest.mark.parametrize("groups", [15, 40])
@pytest.mark.parametrize("kind", ["6", "60", "mixed"])
def test_intervals_cover_whatever_the_units(kind, groups, correlated, likeness) -> None:
    for p in (0.5, 0.8, 0.9, 0.97):
        inside, below = covered(kind, groups, p, likeness, correlated, 500)
        print(f"{kind} x {groups}, correlation {correlated} ({likeness}), {p}: {inside:.1%}, bound missed {below:.1%}")
        noise = np.sqrt(0.95 * 0.05 / 500)
        assert inside >= 0.935 - 2 * noise
        assert below <= 0.05 + 3 * noise
