"""The limits of a model's description under corruption, against exact binomial tails."""

from __future__ import annotations

import dataclasses

import numpy as np
from reliability_nets import study
from scipy.stats import binom

from workbench.predictions import NO_LIMITS, Limits
from workbench.reliability import limit_results

FIVE = Limits(escapes=0.05)


def of_defects(turns, **settings):
    """A study of defects, with forty good parts that hold."""
    return study([*turns, *[[0] * len(turns[0])] * 40], good=40, **settings)


def test_no_limit_no_line() -> None:
    assert limit_results(of_defects([[1]] * 30), NO_LIMITS) == []
    assert limit_results(study([[0]] * 40, good=40), FIVE) == []  # no defect that a limit could be held against


def test_a_limit_that_breaks_under_a_mild_disturbance_does_not_hold() -> None:
    (found,) = limit_results(of_defects([[2, 4]] * 30 + [[0, 0]] * 70, kinds=("vibration", "dust")), FIVE)
    assert found.verdict == "fail"
    assert (found.figure, found.threshold, found.support) == (0.3, 0.05, 100)
    assert "0 of 100 (0%, 95 % interval 0% to 4%) without a corruption;" in found.sentence
    assert "from severity 2 of 5 on under Vibration: 30 of 100 (30%" in found.sentence
    assert "Bonferroni over 10 kinds and severities" in found.sentence


def test_one_that_breaks_late_or_is_broken_already_asks_for_a_look() -> None:
    late = of_defects([[5]] * 30 + [[0]] * 70)
    assert limit_results(late, FIVE)[0].verdict == "warn"
    early = of_defects([[1]] * 30 + [[0]] * 70)
    clean = np.where(np.arange(140) < 20, 0, early.truth)
    (found,) = limit_results(dataclasses.replace(early, clean=clean), FIVE)
    assert (found.verdict, "which is over it already" in found.sentence) == ("warn", True)


def test_kept_needs_what_the_exact_bound_needs() -> None:
    """None of 59 escapes had a chance of 5 % at a rate of 5 %; of 58 it had more."""
    assert binom.cdf(0, 59, 0.05) <= 0.05 < binom.cdf(0, 58, 0.05)
    assert [limit_results(of_defects([[0]] * size), FIVE)[0].verdict for size in (58, 59)] == ["unknown", "ok"]


def test_a_handful_and_few_units_break_no_limit() -> None:
    assert limit_results(of_defects([[1]] * 5), FIVE)[0].verdict == "unknown"
    few = of_defects([[1]] * 60 + [[0]] * 20, units=np.arange(120) % 4)
    assert limit_results(few, FIVE)[0].verdict == "unknown"


def test_a_limit_just_kept_is_rarely_called_broken() -> None:
    """At a rate of just the limit in all of ten cases; more than 16 of 200 such sets would be no 5 % test."""
    rng = np.random.default_rng(0)
    calls = 0
    for _ in range(200):
        whole = of_defects([[0, 0]] * 120, kinds=("vibration", "dust"))
        escapes = rng.random(whole.decisions.shape) < 0.05
        decisions = np.where(whole.defective[:, None, None] & escapes, 0, whole.decisions)
        verdict = limit_results(dataclasses.replace(whole, decisions=decisions), FIVE)[0].verdict
        calls += verdict in ("fail", "warn")
    assert calls <= 16
