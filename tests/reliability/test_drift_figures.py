"""The figures of drift against slower computations, and how often a test alarms where nothing changed."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from drifting import side
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from workbench.predictions import units_of
from workbench.reliability.drift_figures import areas, chi_squares, discrepancies, domain_scores, ks_distances
from workbench.reliability.drift_null import adjusted, critical, deals_of, p_values
from workbench.reliability.drift_sides import asked_of, map_lines
from workbench.reliability.drift_tests import results_of_tests
from workbench.stats import holm


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def dealt(rng, count, many=7):
    return rng.random((many, count)) < np.linspace(0.2, 0.7, many)[:, None]


def test_the_distance_of_distributions_is_that_of_scipy(rng) -> None:
    values, new = rng.integers(0, 9, 40).astype(float), dealt(rng, 40)
    expected = [ks_2samp(values[row], values[~row]).statistic for row in new]
    assert ks_distances(values, new) == pytest.approx(expected)


def test_a_measurement_that_goes_missing_is_a_difference() -> None:
    values, new = np.array([1.0, 2, 3, 1, np.nan, np.nan, np.nan, 2]), np.arange(8) >= 4
    assert ks_distances(values, new[None])[0] == pytest.approx(0.75)


def test_the_distance_of_shares_is_pearsons(rng) -> None:
    codes, new = rng.integers(0, 3, 60).astype(float), dealt(rng, 60)
    for row, value in zip(new, chi_squares(codes, new), strict=True):
        table = np.array([[np.sum((codes == code) & (row == one)) for code in range(3)] for one in (False, True)])
        expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        size = table.sum(1).prod() / table.sum()
        assert value * size == pytest.approx(((table - expected) ** 2 / expected).sum(), rel=1e-5)


def test_the_mean_discrepancy_is_that_of_a_plain_double_sum(rng) -> None:
    vectors, new = rng.standard_normal((24, 3)), dealt(rng, 24, 3)
    apart = np.array([[np.sum((one - other) ** 2) for one in vectors] for other in vectors])
    width = np.median([np.sqrt(apart[i, j]) for i, j in itertools.combinations(range(24), 2)])

    def kernel(rows, columns, diagonal):
        pairs = [(i, j) for i in rows for j in columns if diagonal or i != j]
        return np.mean([np.exp(-apart[i, j] / (2 * width**2)) for i, j in pairs])

    for row, value in zip(new, discrepancies(vectors, new), strict=True):
        ours, theirs = np.flatnonzero(row), np.flatnonzero(~row)
        expected = kernel(ours, ours, False) + kernel(theirs, theirs, False) - 2 * kernel(ours, theirs, True)
        assert value == pytest.approx(expected, abs=1e-5)


def test_the_domain_classifier_is_never_tried_on_a_lot_that_it_was_taught(rng) -> None:
    units = np.repeat(np.arange(20), 10)
    new = units >= 10
    lots = rng.standard_normal((20, 30))[units] + 0.1 * rng.standard_normal((200, 30))
    scores = domain_scores(lots, new[None], units)
    alone = domain_scores(lots, new[None], np.arange(200))
    assert areas(alone, new[None])[0] > 0.95  # it knows each lot again
    assert areas(scores, new[None])[0] == pytest.approx(roc_auc_score(new, scores[0]))
    assert abs(areas(scores, new[None])[0] - 0.5) < 0.25
    assert domain_scores(lots, (units >= 17)[None], units) is None


def test_all_deals_are_made_where_there_are_few(rng) -> None:
    units = np.repeat(np.arange(6), 8)
    deals = deals_of(units >= 4, units)
    assert deals.exact
    assert deals.new.shape == (15, 48)
    assert (deals.new[0] == (units >= 4)).all()
    assert len({tuple(row) for row in deals.new.tolist()}) == 15
    assert all(len(set(row[units == unit])) == 1 for row in deals.new for unit in range(6))
    wide = np.repeat(np.arange(6), 20)
    assert "one more lot" in deals_of(wide >= 4, wide).reason


def test_a_single_new_lot_takes_nineteen_others() -> None:
    for lots, known in ((18, False), (19, True)):
        units = np.repeat(np.arange(lots + 1), 40)
        deals = deals_of(units == lots, units)
        assert (deals.reason == "") == known
        assert len(deals.new) == lots + 1
    few = deals_of(np.arange(103) >= 100, None)
    assert "3 images" in few.reason


def test_of_larger_lots_only_as_many_images_take_part() -> None:
    units = np.array([0] * 90 + [1] * 70 + [2] * 30 + [3] * 10)
    deals = deals_of(units >= 2, units)
    assert np.bincount(deals.units).tolist() == [20, 20, 20, 10]


def test_corrections(rng) -> None:
    figures = rng.standard_normal((1000, 5))
    figures[0] = [4, 1, 2, 0, -1]
    p = p_values(figures)
    assert p[0] == pytest.approx(np.mean(figures[:, 0] >= 4))
    assert adjusted(figures) == pytest.approx(holm(p))
    few = rng.standard_normal((20, 5))
    few[0] = [9, 0, 0, 0, 0]
    corrected = adjusted(few)
    assert corrected[0] == pytest.approx(0.05)  # Holm's would be 0.25
    assert corrected[1:].min() > 0.05
    scaled = (few - few.mean(0)) / few.std(0)
    assert corrected[0] == pytest.approx(np.mean(scaled.max(1) >= scaled[0, 0]))
    for own in (figures, few):
        assert ((own[0] > critical(own)) == (adjusted(own) <= 0.05)).all()


def alarm(reference, new, units, seed, draws=239) -> bool:
    lines, _ = asked_of(reference, new, ("defective",))
    is_new = np.arange(len(reference) + len(new)) >= len(reference)
    deals = deals_of(is_new, units, draws, seed)
    assert not deals.reason
    vectors = None if new.vectors is None else np.concatenate([reference.vectors, new.vectors])
    return bool(results_of_tests(lines, vectors, is_new, units, deals, seed, None)[0]["drift"].any())


def units_in(reference, new):
    first, second = (units_of(part.table, "group") for part in (reference, new))
    return np.concatenate([first, len(reference) + second])


def test_random_halves_by_lot_do_not_alarm_and_an_iid_test_does() -> None:
    """Lots that differ by 0.6 standard deviations: 5 % of 200 is 10, and at most 16 are accepted of an exact test."""
    by_lot = iid = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        whole = side(np.repeat(np.arange(24), 5), 120, rng, lot_effect=0.6)
        half = whole.table["group"].isin([f"a{lot}" for lot in rng.permutation(24)[:12]]).to_numpy()
        parts = whole.among(~half), whole.among(half)
        by_lot += alarm(*parts, units_in(*parts), seed)
        iid += seed < 40 and alarm(*parts, None, seed)
    assert by_lot <= 16
    assert iid > 8  # 20 % of 40


@pytest.mark.slow
def test_random_halves_of_independent_images_do_not_alarm() -> None:
    count = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        count += alarm(side(None, 40, rng), side(None, 40, rng, prefix="b"), None, seed)
    assert count <= 16


@pytest.mark.slow
def test_one_new_lot_of_twenty_alarms_as_seldom() -> None:
    count = 0
    for seed in range(200):
        rng = np.random.default_rng(1000 + seed)
        whole = dataclasses.replace(side(np.repeat(np.arange(20), 30), 600, rng, lot_effect=0.6), vectors=None)
        half = (whole.table["group"] == "a7").to_numpy()
        parts = whole.among(~half), whole.among(half)
        count += alarm(*parts, units_in(*parts), seed)
    assert count <= 16


def test_a_stamp_that_appears_shows_in_the_maps(rng) -> None:
    maps = rng.gamma(1.0, 1.0, (120, 32, 32))
    maps[60:, :6, 26:] += 3 * (rng.random(60) < 0.5)[:, None, None]
    maps /= maps.sum((1, 2), keepdims=True)
    new = np.arange(120) >= 60
    lines = map_lines(maps, np.arange(120))
    middle = (np.arange(32) + 0.5) / 32
    assert lines[2].values[5] == pytest.approx([maps[5].sum(1) @ middle, maps[5].sum(0) @ middle])
    assert lines[0].values.sum(1) == pytest.approx(1)
    assert lines[0].values[70, 3] == pytest.approx(maps[70, :8, 24:].sum())
    frame = results_of_tests(lines, None, new, None, deals_of(new, None), 0, None)[0]
    assert frame["drift"].tolist() == [True, True, True]
    assert "row 1, column 4" in frame["effect"][0]
