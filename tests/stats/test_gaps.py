"""Intervals of gaps against published values, formulas written out pair by pair, and simulation."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.special import ndtr

from workbench.stats.gaps import difference, gap, paired_difference, ratio, simultaneous
from workbench.stats.rates import Rate, wilson

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
    at = np.linspace(-8, 8, 2001)
    density = np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi)
    q = math.sqrt(2) * NormalDist().inv_cdf(
        (1 + simultaneous(groups)) / 2
    )  # the range of as many normal variables stays below it
    assert groups * np.trapezoid(density * (ndtr(at) - ndtr(at - q)) ** (groups - 1), at) == pytest.approx(
        0.95, abs=1e-9
    )
    assert (simultaneous(groups) == pytest.approx(0.95, abs=1e-9)) == (groups == 2)


@pytest.mark.parametrize(
    ("shares", "sizes"), [((0.9, 0.8), (200, 150)), ((0.7, 0.7), (100, 300)), ((0.6, 0.8), (90, 120))]
)
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


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),  # these three from Newcombe 1998, table II, method 10
        ((18, 12, 2, 18), 0.0562, 0.3290),
        ((53, 0, 0, 1), -0.0729, 0.0729),
        ((1, 1, 7, 12), -0.5069, -0.0256),  # Bentur et al. 2009 in Fagerland et al. 2013: -0.507 to -0.026
    ],
)
def test_the_interval_of_the_difference_is_the_published_one(table, low, high) -> None:
    found = paired_difference(*table)
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))
    assert found.value == pytest.approx((table[1] - table[2]) / sum(table))
    a, b, c, d = table
    turned = paired_difference(a, c, b, d)
    assert (turned.low, turned.high) == (pytest.approx(-found.high), pytest.approx(-found.low))


def test_the_interval_covers_what_it_should() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.7, 0.12, 0.05, 0.13])
    tables = rng.multinomial(80, shares, 2000)
    ends = [paired_difference(*table) for table in tables.tolist()]
    assert 0.935 < np.mean([end.low <= 0.07 <= end.high for end in ends]) < 0.98


def figures(size: int, seed: int) -> list[tuple[float, float, float]]:
    """Rates with their intervals, a rate of none and one of all among them."""
    rng = np.random.default_rng(seed)
    cases = rng.integers(3, 60, size)
    hits = rng.integers(0, cases + 1)
    hits[:2] = 0, cases[1]
    return [(rate.value, rate.low, rate.high) for rate in rates(hits, cases)]


def columns(estimates) -> tuple[np.ndarray, ...]:
    return tuple(np.array(estimates).T)


def test_the_difference_is_that_of_zou_and_donner_pair_by_pair() -> None:
    first, second = figures(200, 0), figures(200, 1)
    for found, (a, low, high), (b, down, up) in zip(
        zip(*difference(columns(first), columns(second)), strict=True), first, second, strict=True
    ):
        expected = (
            a - b,
            a - b - math.sqrt((a - low) ** 2 + (up - b) ** 2),
            a - b + math.sqrt((high - a) ** 2 + (b - down) ** 2),
        )
        assert found == pytest.approx(expected, abs=1e-15)


def test_the_ratio_is_that_of_donner_and_zou_pair_by_pair() -> None:
    first, second = figures(400, 2), figures(400, 3)[::-1]
    limits = zip(*ratio(columns(first), columns(second)), strict=True)
    for found, (a, low, high), (b, down, up) in zip(limits, first, second, strict=True):
        if b == 0:
            assert math.isnan(found[0]) if a == 0 else found[0] == found[2] == math.inf
            continue
        least = a * b - math.sqrt(max((a * b) ** 2 - low * (2 * a - low) * up * (2 * b - up), 0))
        most = a * b + math.sqrt(max((a * b) ** 2 - high * (2 * a - high) * down * (2 * b - down), 0))
        expected = a / b, max(least / (up * (2 * b - up)), 0), most / (down * (2 * b - down))
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_the_gap_of_many_groups_is_the_widest_of_the_pairs() -> None:
    rng = np.random.default_rng(4)
    for size in (2, 3, 6):
        three = [wilson(int(k), 40) for k in rng.integers(0, 41, size)]
        pairs = [gap([a, b]) for i, a in enumerate(three) for b in three[i + 1 :]]
        found = gap(three)
        assert found.difference[1:] == pytest.approx(
            [max(pair.difference[end] for pair in pairs) for end in (1, 2)], abs=1e-15
        )
        assert found.ratio[1:] == pytest.approx([min(pair.ratio[end] for pair in pairs) for end in (1, 2)], abs=1e-12)
