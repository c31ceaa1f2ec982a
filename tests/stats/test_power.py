"""Power of the test of two proportions: R's published examples, a textbook's table, and tests that were really made."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.stats.power import MOST_CASES, POWER, more_of_each, more_of_smaller, power


def test_it_is_that_of_the_examples_in_rs_manual() -> None:
    """`power.prop.test(n = 50, p1 = .50, p2 = .75)` and `power.prop.test(p1 = .50, p2 = .75, power = .90)`."""
    assert power(0.50, 0.75, (50, 50), 1.959964) == pytest.approx(0.7401659, abs=1e-6)
    assert power(0.50, 0.75, (77, 77), 1.959964) >= 0.9 > power(0.50, 0.75, (76, 76), 1.959964)


def test_the_textbook_size_is_found() -> None:
    """356 cases a group tell 60 % from 70 % at 5 % with a power of 80 %, without the correction for continuity."""
    assert more_of_each(0.6, 0.7, (100, 100), 1.959964) == 256
    assert more_of_each(0.6, 0.7, (400, 400), 1.959964) == 0


@pytest.mark.parametrize("cases", [(120, 400), (400, 120)])
def test_tests_that_are_made_find_the_gap_as_often_as_promised(cases) -> None:
    more = more_of_smaller(0.8, 0.9, cases, 1.959964)
    grown = np.array(cases) + more * (np.array(cases) == min(cases))
    rng = np.random.default_rng(0)
    hits = rng.binomial(grown, [0.8, 0.9], (20_000, 2))
    pooled = hits.sum(1) / grown.sum()
    error = np.sqrt(pooled * (1 - pooled) * (1 / grown).sum())
    found = np.abs(np.diff(hits / grown, axis=1)[:, 0]) > 1.959964 * error
    assert found.mean() == pytest.approx(POWER, abs=0.02)


def test_where_no_number_is_enough_none_is_told() -> None:
    assert more_of_smaller(0.5, 0.5, (100, 100), 1.96) is None
    assert more_of_smaller(0.5, 0.52, (100, 120), 1.96) is None, "the other group stays too small"
    assert more_of_each(0.5, 0.52, (100, 120), 1.96) < MOST_CASES
    assert more_of_each(1.0, 0.9, (100, 20), 1.96) > 0
