"""The control chart of overruled decisions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from workbench.reliability import overrule_chart, overrule_results


def times(count):
    return [f"2026-01-01T00:00:{n:06}" for n in range(count)]


def test_a_jump_lies_outside_and_a_steady_rate_does_not() -> None:
    steady = np.arange(400) % 10 == 0
    result = overrule_chart(times(400), steady)
    assert not result.frame["outside"].any()
    assert overrule_results(result)[0].verdict == "ok"
    row = result.frame.iloc[0]
    assert (row["decisions"], row["overruled"], row["share"]) == (20, 2, pytest.approx(0.1))
    assert row["upper limit"] == pytest.approx(binom.ppf(1 - 0.00135, 20, 0.1) / 20)
    jump = steady.copy()
    jump[360:] |= np.arange(40) % 2 == 0
    found = overrule_results(overrule_chart(times(400), jump))[0]
    assert found.verdict == "warn"
    assert found.support == 200


def test_few_decisions_have_no_limits() -> None:
    for count in (0, 1, 100):
        found = overrule_results(overrule_chart(times(count), np.zeros(count, bool)))[0]
        assert found.verdict == "unknown"
        assert f"{count:,} decisions" in found.sentence


def test_a_steady_rate_seldom_leaves_its_limits() -> None:
    rng = np.random.default_rng(0)
    outside = sum(overrule_chart(times(400), rng.random(400) < 0.2).frame["outside"].sum() for _ in range(200))
    assert outside / (200 * 20) < 0.02
