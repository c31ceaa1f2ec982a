"""Estimates without labels against labels that are kept from them, and when they are not to be trusted."""

from __future__ import annotations

import numpy as np
import pytest
from drifting import side

from workbench.reliability import drift, drift_results
from workbench.reliability.estimate import atc, calibrated, cbpe, doc, estimates_of

DEFECT = ("defective",)


def mixture(count, hard, rng):
    """Confidences and whether they are right: `hard` of them near the boundary, always calibrated."""
    confidence = np.where(rng.random(count) < hard, rng.uniform(0.5, 0.8, count), rng.uniform(0.85, 1.0, count))
    return confidence, rng.random(count) < confidence


def test_the_estimates_by_hand() -> None:
    known, right = np.array([0.6, 0.7, 0.8, 0.9]), np.array([False, True, True, True])
    asked = np.array([0.5, 0.6, 0.75, 0.95])
    assert doc(known, right, asked) == pytest.approx(0.75 + np.mean(asked) - np.mean(known))
    assert atc(known, right, asked) == pytest.approx(0.5)  # above the level of 0.7, below which one of four lies
    assert atc(known, right, known) == pytest.approx(0.75)
    assert atc(np.ones(4), right, np.ones(9)) == pytest.approx(0.75)  # all tied: as many as in the reference


def test_the_curve_takes_over_confidence_back() -> None:
    rng = np.random.default_rng(0)
    honest = rng.uniform(0.5, 1, 4000)
    right = rng.random(4000) < honest
    logit = np.log(honest / (1 - honest + 1e-12))
    boasting = 1 / (1 + np.exp(-3 * logit))
    fitted = calibrated(boasting, right, boasting)
    assert np.abs(fitted - honest).mean() < 0.02
    assert cbpe(boasting, right, boasting) == pytest.approx(right.mean(), abs=0.005)


def test_mild_shifts_are_estimated_within_four_points_in_most_of_fifty() -> None:
    near = dict.fromkeys(("CBPE", "DoC", "median"), 0)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        known, right = mixture(700, 0.3, rng)
        asked, truth = mixture(700, rng.uniform(0.2, 0.4), rng)
        values = {"CBPE": cbpe(known, right, asked), "DoC": doc(known, right, asked), "ATC": atc(known, right, asked)}
        values["median"] = float(np.median(list(values.values())))  # what the verdict rests on
        for method in near:
            near[method] += abs(values[method] - truth.mean()) <= 0.04
    assert min(near.values()) >= 40


def test_the_error_on_halves_holds_what_is_kept_from_the_estimate() -> None:
    held = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        (known, right), (asked, truth) = mixture(400, 0.3, rng), mixture(200, 0.3, rng)
        for row in estimates_of((known, asked), right, truth=truth, seed=seed).frame.to_dict("records"):
            held += row["low"] <= row["truth"] <= row["high"]
    assert held >= 0.85 * 36


def test_an_unseen_kind_of_defect_greys_them_out() -> None:
    """One new image in eight shows a kind that the model is sure is good: no score shows it, the embedding does."""
    rng = np.random.default_rng(5)
    first, second = side(None, 200, rng), side(None, 160, rng, prefix="b")
    unseen = np.arange(160) < 20
    second.vectors[unseen] += 6
    second.table.loc[unseen, ["label", "predicted", "verdict", "confidence"]] = ["defective", "good", "wrong", 0.99]
    second.probabilities[unseen] = [0.99, 0.01]
    result = drift(first, second, DEFECT)
    estimates = [found for found in drift_results(result) if found.check.startswith("estimated")]
    assert len(estimates) == 2
    for found in estimates:
        assert found.verdict == "unknown"
        assert "beyond the reach of the reference" in found.sentence
    assert any(found.verdict == "fail" and found.check.startswith("measured") for found in drift_results(result))


def test_few_units_or_no_mistakes_give_no_estimate() -> None:
    rng = np.random.default_rng(1)
    known, right = mixture(90, 0.3, rng)
    assert "20 independent units" in estimates_of((known, known), right, np.arange(90) % 20).reason
    assert "right on all" in estimates_of((known, known), np.ones(90, bool)).reason
    assert "5 new images" in estimates_of((known, known[:5]), right).reason
