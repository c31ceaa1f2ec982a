"""The calibration error against its definition and against models whose error is known."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.stats.calibration import BINS, calibration_cells, calibration_error, debiased_error, resampled


def answers(groups: int, size: int, overconfidence: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences (groups, size) whose log-odds are `overconfidence` times those of being right, and whether each is
    right."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(3, 1, size=(groups, size))
    chance = np.maximum(chance, 1 - chance)
    return 1 / (1 + (1 / chance - 1) ** overconfidence), rng.random(chance.shape) < chance


def cells_of(scores: np.ndarray, hits: np.ndarray) -> np.ndarray:
    groups, size = scores.shape
    return calibration_cells(groups, np.repeat(np.arange(groups), size), scores.ravel(), hits.ravel())


def guo(scores: np.ndarray, hits: np.ndarray) -> float:
    """Guo et al. 2017, equation 3, bin by bin."""
    error = 0.0
    for low in np.arange(BINS) / BINS:
        here = (scores >= low) & (scores < low + 1 / BINS)
        if here.any():
            error += here.mean() * abs(hits[here].mean() - scores[here].mean())
    return error


def test_on_many_cases_it_is_guos_error() -> None:
    scores, hits = answers(3, 200_000, 2)
    found = calibration_error(cells_of(scores, hits))
    expected = [guo(*case) for case in zip(scores, hits, strict=True)]
    assert found[0] == pytest.approx(expected, abs=2e-4)
    assert (found[1] < expected).all()
    assert (found[2] > expected).all()
    assert found[0].min() > 0.09


def test_its_excess_is_taken_off() -> None:
    scores, hits = answers(1, 1_000_000, 2, seed=1)
    true = guo(scores[0], hits[0])
    scores, hits = answers(2000, 100, 2)
    plain = np.mean([guo(*case) for case in zip(scores, hits, strict=True)])
    found = debiased_error(cells_of(scores, hits)).mean()
    assert plain - true > 0.03
    assert abs(found - true) < (plain - true) / 2


@pytest.mark.parametrize(
    ("overconfidence", "size"), [(1.5, 300), pytest.param(2, 300, marks=pytest.mark.slow), (1.5, 100)]
)
def test_the_interval_covers_the_error_of_an_overconfident_model(overconfidence, size) -> None:
    scores, hits = answers(1, 2_000_000, overconfidence, seed=1)
    true = guo(scores[0], hits[0])
    _, low, high = calibration_error(cells_of(*answers(2000, size, overconfidence)))
    assert 0.935 <= ((low <= true) & (true <= high)).mean() <= 0.965


def test_a_calibrated_model_is_not_accused() -> None:
    _, low, _ = calibration_error(cells_of(*answers(2000, 200, 1)))
    assert 0.95 <= (low == 0).mean() < 1
    _, low, _ = calibration_error(cells_of(*answers(200, 1000, 2.5)))
    assert (low > 0).mean() > 0.95


def test_cells_hold_what_they_say() -> None:
    scores = np.array([0.0, 0.06, 0.07, 1.0, 0.5])
    cells = calibration_cells(2, np.array([0, 0, 0, 0, 1]), scores, np.array([False, True, True, True, False]))
    assert cells.shape == (3, 2, BINS, 2)
    assert cells[0, 0, 0].tolist() == [1, 1]
    assert cells[0, 0, 1].tolist() == [0, 1]
    assert cells[0, 0, -1].tolist() == [0, 1]
    assert cells[1, 1, 7, 0] == 0.5
    assert cells[2, 1, 7, 0] == 0.25
    assert cells[0].sum() == 5


def test_resampling_keeps_sizes_and_expectations() -> None:
    scores, hits = answers(2, 500, 2)
    cells = cells_of(scores, hits)
    drawn = resampled(cells, np.array([500, 40]), 4000, np.random.default_rng(0))
    assert (drawn[0].sum((2, 3)) == [500, 40]).all()
    assert drawn[1].sum((2, 3)).mean(0) / [500, 40] == pytest.approx(scores.mean(1), abs=2e-3)
    assert drawn[1, :, 0].sum((1, 2)).std() == pytest.approx(scores[0].std() * 500**0.5, rel=0.05)


def test_nothing_is_said_of_a_group_without_cases() -> None:
    cells = np.concatenate([np.zeros((3, 1, BINS, 2)), cells_of(*answers(1, 50, 2))], axis=1)
    found = calibration_error(cells)
    assert np.isnan(found[:, 0]).all()
    assert np.isfinite(found[:, 1]).all()
