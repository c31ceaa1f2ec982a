"""The band of doubt: it catches what it promises to, on the line and on the solar cells, and leaves the rest to the
machine."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import betainc
from tables import scored, solar

from workbench.defects.halves import CHOSEN_ON, REPORTED_ON, cases_of, of_split
from workbench.defects.review_band import VERDICTS, Band, band, expected_range, images_needed, review
from workbench.predictions.cases import Cases
from workbench.stats.rates import wilson

TARGETS = (0.9, 0.95, 0.98)


def redrawn(good: int, bad: int, draws: int, steps: int | None = None):
    """Validation sets of one line: good parts score like Beta(2, 3), defects like Beta(3, 2)."""
    rng = np.random.default_rng(1)
    frame = scored([0] * good, [1] * bad)
    scores = np.concatenate([rng.beta(2, 3, (draws, good)), rng.beta(3, 2, (draws, bad))], 1)
    for drawn in (scores if steps is None else (scores * steps).round() / steps).astype(np.float32):
        yield cases_of(dataclasses.replace(frame, probabilities=np.stack([1 - drawn, drawn], 1)))


@pytest.mark.parametrize(("good", "bad", "target"), [(60, 40, 0.9), (19, 30, 0.95)])
def test_each_class_is_covered_as_often_as_was_asked(good, bad, target) -> None:
    caught, spared = [], []
    for cases in redrawn(good, bad, 1000):
        found = band(cases, 0.5, target)
        assert found.low < 0.5 < found.high  # it is the band that holds the promise, not the threshold
        caught.append(1 - betainc(3, 2, found.low))
        spared.append(betainc(2, 3, min(found.high, 1)))
    for covered, count in ((caught, bad), (spared, good)):
        exact = np.ceil(target * (count + 1) - 1e-9) / (count + 1)  # of one new part, over all validation sets
        noise = 4 * np.std(covered) / np.sqrt(len(covered))
        print(f"target {target}, {count} parts: covered {np.mean(covered):.4f}, in theory {exact:.4f}")
        assert np.mean(covered) >= target - noise
        assert np.mean(covered) == pytest.approx(exact, abs=noise)


@pytest.mark.parametrize(("steps", "threshold"), [(2, 0.5), (4, 0.25), (4, 0.5), (4, 0.75), (10, 0.5)])
def test_it_is_kept_where_scores_tie_also_at_the_threshold(steps, threshold) -> None:
    fresh = next(redrawn(20_000, 20_000, 1, steps))
    rates = [review(fresh, band(cases, threshold, 0.8)) for cases in redrawn(30, 30, 100, steps)]
    assert np.mean([rate.defects.value for rate in rates]) >= 0.8
    assert np.mean([rate.good.value for rate in rates]) >= 0.8


def test_a_good_part_that_is_an_end_of_the_band_is_not_rejected() -> None:
    cases = cases_of(scored([0.1, 0.2, 0.5, 0.5], [0.5, 0.6, 0.75, 0.875]))
    found = band(cases, 0.5, 0.75)
    assert review(cases, found).overkill == review(cases, found).escapes == 0
    assert found.verdicts(np.array([0.49, 0.5, 0.51])).tolist() == ["pass", "review", "reject"]


def splits() -> tuple[Cases, Cases]:
    cases = cases_of(solar())
    return of_split(cases, CHOSEN_ON), of_split(cases, REPORTED_ON)


@pytest.mark.parametrize("target", TARGETS)
def test_the_solar_cells_of_the_test_split_are_covered(target) -> None:
    """At the model's own threshold, and at 0 and 1, where the band alone keeps the promise on one side and on the
    other."""
    chosen, tested = splits()
    whole = solar().rule.threshold
    found = {
        threshold: (band(chosen, threshold, target), review(tested, band(chosen, threshold, target)))
        for threshold in (0, whole, 1)
    }
    cautious = 1 - 0.05 / (2 * len(TARGETS))  # six figures are held against their intervals at once
    for side, calibrated, alone in (("defects", chosen.defects, 1), ("good", chosen.good, 0)):
        low, high = expected_range(target, calibrated, getattr(tested, side))
        widest = expected_range(target, calibrated, getattr(tested, side), cautious)[1]
        bare = getattr(found[alone][1], side)
        print(f"target {target}: {side} {bare.value:.3f} ({low:.3f} to {high:.3f}; to {widest:.3f} for six at once)")
        assert low <= bare.value <= widest
        own = getattr(found[whole][1], side)
        assert own.value >= low
        own_band = found[whole][0]
        ends = own_band.low < own_band.threshold if side == "defects" else own_band.high > own_band.threshold
        assert own.value == bare.value if ends else own.value >= bare.value


@pytest.mark.parametrize(
    ("calibrated", "tested", "target"), [(50, 80, 0.9), (123, 205, 0.95), (60, 20, 0.95), (10, 30, 0.5)]
)
def test_what_is_expected_is_what_happens(calibrated, tested, target) -> None:
    rng, draws = np.random.default_rng(2), 4000
    ends = np.sort(rng.random((draws, calibrated)), 1)[:, int(np.ceil(target * (calibrated + 1) - 1e-9)) - 1]
    shares = (rng.random((draws, tested)) <= ends[:, None]).mean(1)
    low, high = expected_range(target, calibrated, tested)
    assert 0 <= low < target < high <= 1
    assert ((shares >= low) & (shares <= high)).mean() >= 0.94
    for tail in ((shares < low).mean(), (shares > high).mean()):
        assert tail <= 0.03
    assert (shares <= low).mean() >= 0.02  # no narrower interval would do
    narrow = expected_range(target, calibrated, tested, 0.5)
    assert low < narrow[0] < narrow[1] <= high


def test_nothing_is_expected_of_nothing() -> None:
    assert expected_range(0.9, 50, 0) == (0, 1)
    assert expected_range(0.9, 8, 30) == (1, 1)  # all of that side is for review
    assert expected_range(0.9, 9, 30)[0] < 1


def test_verdicts_part_the_scores() -> None:
    scores = np.linspace(0, 1, 101)
    verdicts = Band(0.2, 0.5, 0.8).verdicts(scores)
    assert set(verdicts) == set(VERDICTS)
    assert (verdicts[scores < 0.2] == "pass").all()
    assert (verdicts[(scores >= 0.2) & (scores < 0.8)] == "review").all()
    assert (verdicts[scores >= 0.8] == "reject").all()


@pytest.mark.parametrize("threshold", [0.0, 0.25, 1.0])
def test_without_a_target_the_threshold_alone_decides(threshold) -> None:
    scores = np.array([0, 0.2, 0.25, 0.3, 1])
    found = band(cases_of(scored([0.9], [0.1])), threshold, None)
    assert found.empty
    assert found.verdicts(scores).tolist() == np.where(scores >= threshold, "reject", "pass").tolist()


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.5), (0.5, 0.8), (0.2, 0.8)])
def test_a_band_with_one_side_is_not_empty(low, high) -> None:
    found = Band(low, 0.5, high)
    assert not found.empty
    assert "review" in found.verdicts(np.linspace(0, 1, 21))


def test_the_band_begins_and_ends_with_parts_of_its_own_set() -> None:
    good, bad = np.linspace(0, 0.7, 19), np.linspace(0.3, 1, 39)
    found = band(cases_of(scored(good, bad)), 0.5, 0.9)
    assert found.low == np.float32(bad[3])  # the 36th of 39 from above
    assert found.high == np.nextafter(np.float32(good[17]), np.float32(1))  # the 18th of 19 from below
    high = band(cases_of(scored(good, bad)), 0.65, 0.9)
    assert (high.low, high.high) == (found.low, max(found.high, float(np.float32(0.65))))
    low = band(cases_of(scored(good, bad)), 0.1, 0.9)
    assert (low.low, low.high) == (np.float32(0.1), found.high)


def test_classes_that_lie_apart_leave_nothing_to_review() -> None:
    cases = cases_of(scored(np.linspace(0, 0.4, 50), np.linspace(0.6, 1, 50)))
    assert band(cases, 0.5, 0.9) == Band(0.5, 0.5, 0.5)


@pytest.mark.parametrize("target", [*TARGETS, 0.5, 0.75, 0.99, 0.999, 0.9999])
def test_with_too_few_parts_all_of_that_side_is_for_review(target) -> None:
    least = images_needed(target)
    enough = np.linspace(0.3, 0.7, least)
    scores = np.array([0, 0.1, 0.9, 1])
    few_bad = band(cases_of(scored(enough, enough[1:])), 0.5, target)
    few_good = band(cases_of(scored(enough[1:], enough)), 0.5, target)
    assert few_bad.verdicts(scores).tolist() == ["review", "review", "reject", "reject"]
    assert few_good.verdicts(scores).tolist() == ["pass", "pass", "review", "review"]
    assert f"{few_bad.low:.2f}" == "0.00"
    both = band(cases_of(scored([], [])), 0.5, target)
    assert set(both.verdicts(scores)) == {"review"}


@pytest.mark.parametrize("target", [0, 1, -0.5, 1.5, np.nan])
def test_a_target_out_of_range_is_refused(refusal, target) -> None:
    assert "must lie between 0 and 1" in refusal(lambda: band(cases_of(scored([0.1], [0.9])), 0.5, target))


def test_a_review_counts_by_hand() -> None:
    cases = cases_of(scored([0.1, 0.3, 0.5, 0.9], [0.1, 0.15, 0.4, 0.7, 0.9, 0.95]))
    found = review(cases, Band(0.2, 0.5, 0.8))
    assert (found.escapes, found.overkill) == (2, 1)
    assert found.defects == wilson(4, 6)
    assert found.good == wilson(3, 4)
    assert found.review == wilson(4, 10)
