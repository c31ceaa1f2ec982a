"""Kappa: held against scikit-learn, a plain loop and published examples, and its interval against simulation."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from workbench.agreement.kappas import cohen, fleiss

# Fleiss 1971, Table 1: 30 patients, six diagnoses each, of five kinds
DIAGNOSES = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
# The table of Wikipedia's article on Fleiss' kappa: 14 raters, 10 subjects, 5 categories
FOURTEEN = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
# SAS, "The FREQ procedure", getting started: two dermatologists, four evaluations
SKIN = [[10, 4, 1, 0], [5, 10, 12, 2], [2, 4, 12, 5], [0, 2, 6, 13]]


def spread(table):
    """Two raters' codes from their table."""
    cells = [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return np.array(cells).T


def counted(words, kinds="12345"):
    return np.array([[word.count(kind) for kind in kinds] for word in words])


def test_fleiss_of_published_examples():
    assert round(fleiss(counted(DIAGNOSES.split())).value, 3) == 0.430
    assert fleiss(counted(DIAGNOSES.split())).value == pytest.approx(0.4302445, abs=5e-8)  # as R's irr prints it
    assert round(fleiss(np.array(FOURTEEN)).value, 3) == 0.210


def test_cohen_of_published_examples():
    found = cohen(*spread(SKIN))
    assert round(found.value, 4) == 0.3449  # as the SAS manual prints it
    assert round(cohen(*spread([[0, 4, 1], [0, 8, 0], [0, 1, 5]])).value, 4) == 0.4842  # as SAS prints it
    assert found.pairs == found.units == 88


def test_cohen_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    for kinds in (2, 3, 5):
        first = rng.integers(0, kinds, 60)
        second = np.where(rng.random(60) < 0.6, first, rng.integers(0, kinds, 60))
        found = cohen(first, second)
        assert found.value == pytest.approx(cohen_kappa_score(first, second))
        assert found.low < found.value < found.high
        assert found.agreement == pytest.approx((first == second).mean())


def test_fleiss_is_that_of_a_loop_over_pairs():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, (20, 4))
    agree = np.mean([row[i] == row[j] for row in codes for i in range(4) for j in range(4) if i != j])
    chance = sum((codes == kind).mean() ** 2 for kind in range(3))
    found = fleiss(np.array([[(row == kind).sum() for kind in range(3)] for row in codes]))
    assert found.value == pytest.approx((agree - chance) / (1 - chance))
    assert found.pairs == 20 * 6


def test_an_asymptotic_interval_is_met_where_there_are_many_parts():
    """SAS prints .4842 (.2137 to .7547) for 19 cases: ours is of that kind, and wider toward less agreement."""
    first, second = spread(SKIN)
    found = cohen(np.tile(first, 20), np.tile(second, 20))
    table = np.array(SKIN) / np.sum(SKIN)
    rows, columns, observed = table.sum(1), table.sum(0), np.trace(table)
    chance = rows @ columns
    own = sum(table[i, i] * ((1 - chance) - (rows[i] + columns[i]) * (1 - observed)) ** 2 for i in range(4))
    others = (1 - observed) ** 2 * sum(
        table[i, j] * (columns[i] + rows[j]) ** 2 for i in range(4) for j in range(4) if i != j
    )
    rest = (observed * chance - 2 * chance + observed) ** 2
    error = np.sqrt((own + others - rest) / 1760) / (1 - chance) ** 2  # Fleiss, Cohen and Everitt 1969
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_trials_of_one_part_are_no_new_parts():
    rng = np.random.default_rng(2)
    first = rng.integers(0, 2, 40)
    second = np.where(rng.random(40) < 0.8, first, 1 - first)
    once, thrice = cohen(first, second), cohen(np.tile(first, 3), np.tile(second, 3), np.tile(np.arange(40), 3))
    assert thrice.value == pytest.approx(once.value)
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.02)
    assert (thrice.units, thrice.pairs) == (40, 120)


def test_what_cannot_be_known_is_not_said():
    alike = cohen(np.zeros(9, int), np.zeros(9, int))
    assert (alike.value, alike.low, alike.agreement) == (None, None, 1.0), "nobody could have differed"
    assert fleiss(np.array([[3, 0], [3, 0]])).value is None
    assert fleiss(np.array([[1, 0], [0, 1]])).pairs == 0, "one decision a part compares nothing"
    assert cohen(np.zeros(0, int), np.zeros(0, int)).value is None
    perfect = cohen(np.arange(10) % 2, np.arange(10) % 2)
    assert perfect.value == perfect.high == 1
    assert perfect.low < 0.5, "ten parts without a difference prove little"
    assert fleiss(np.array([[3, 0], [0, 3]] * 5)).low < 0.7
    one = cohen(np.array([0, 1]), np.array([0, 0]), np.zeros(2, int))
    assert (one.low, one.high) == (-1, 1), "one part"


@pytest.mark.parametrize(("right", "parts"), [(0.95, 30), (0.8, 50)])
def test_the_interval_covers(right, parts):
    """As tests/benchmarks/bench_agreement.py, smaller."""
    truth, trials, runs = 2 * right - 1, 2, 400
    expected = truth**2  # two raters whose mistakes are independent, half of the parts defective
    rng, hits = np.random.default_rng(3), 0
    for _ in range(runs):
        defect = rng.random(parts) < 0.5
        first, second = (
            np.where(rng.random((trials, parts)) < right, defect, ~defect).astype(int).ravel() for _ in range(2)
        )
        found = cohen(first, second, np.tile(np.arange(parts), trials))
        hits += found.low <= expected <= found.high
    assert hits / runs >= 0.94
