"""Bins of equal mass, and what a calibrated model shows in them, against slow loops and models that are calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.stats import binned_calibration, decomposition, equal_mass, isotonic
from workbench.stats.equal_mass import likeness_in_units


def drawn(size: int, group: int, seed: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (size,) whose log-odds are `scale` times the true ones, whether each came true, and their units: of
    a unit all images are copies."""
    rng = np.random.default_rng(seed)
    odds = np.repeat(rng.normal(-0.5, 2, size // group), group)
    hits = np.repeat(rng.random(size // group), group) < 1 / (1 + np.exp(-odds))
    return 1 / (1 + np.exp(-scale * odds)), hits, np.arange(size) // group


def test_bins_hold_as_many_cases_and_share_no_score() -> None:
    scores = np.random.default_rng(0).random(150)
    assert np.bincount(equal_mass(scores)).tolist() == [10] * 15
    order = equal_mass(scores)[np.argsort(scores)]
    assert (np.diff(order) >= 0).all()
    tied = np.repeat([0.1, 0.4, 0.9], [80, 1, 19])
    assert len({(code, score) for code, score in zip(equal_mass(tied), tied, strict=True)}) == 3
    assert equal_mass(np.array([0.3])).tolist() == [0]
    assert equal_mass(np.zeros(500)).tolist() == [0] * 500


def test_the_error_as_it_is_is_the_sum_over_bins_by_hand() -> None:
    scores, hits, _ = drawn(300, 1, 1, 2.0)
    found = binned_calibration(scores, hits)
    ranks = np.array_split(np.argsort(scores), 15)
    by_hand = sum(len(part) / 300 * abs(hits[part].mean() - scores[part].mean()) for part in ranks)
    assert found.plain == pytest.approx(by_hand, abs=1e-12)
    assert found.expected == pytest.approx([scores[part].mean() for part in ranks])
    assert [rate.value for rate in found.shares] == pytest.approx([hits[part].mean() for part in ranks])


def test_band_and_floor_are_those_of_coins_thrown_one_by_one() -> None:
    scores, hits, _ = drawn(200, 1, 2)
    found, rng = binned_calibration(scores, hits), np.random.default_rng(5)
    shares = []
    for _ in range(1500):
        came = rng.random(200) < scores
        shares.append([came[found.codes == b].mean() for b in range(len(found.shares))])
    low, high = np.quantile(shares, [0.025, 0.975], axis=0)
    assert np.abs(found.band - [low, high]).max() < 0.11  # a case is a tenth to a thirteenth of a bin
    assert np.abs(found.band - [low, high]).mean() < 0.02
    sizes = np.bincount(found.codes) / 200
    errors = np.abs(np.array(shares) - found.expected) @ sizes
    assert found.floor == pytest.approx((errors.mean(), np.quantile(errors, 0.95)), rel=0.05)


@pytest.mark.parametrize("group", [1, 6])
def test_calibrated_models_are_not_accused(group: int) -> None:
    by_unit = plainly = 0
    for seed in range(200):
        scores, hits, units = drawn(360, group, seed)
        by_unit += binned_calibration(scores, hits, units).p_value < 0.025
        plainly += group > 1 and seed < 40 and binned_calibration(scores, hits).p_value < 0.025
    assert by_unit <= 16
    assert group == 1 or plainly > 30  # copies taken for independent images


def test_an_overconfident_model_is() -> None:
    found = [binned_calibration(*drawn(600, 3, seed, 3.0)).p_value < 0.025 for seed in range(20)]
    assert sum(found) >= 18


def test_one_probability_for_all_is_one_bin_and_is_accused_where_it_is_wrong() -> None:
    hits = np.arange(200) % 2 == 0
    wrong, right = (binned_calibration(np.full(200, p), hits) for p in (0.8, 0.5))
    assert (len(wrong.shares), wrong.plain) == (1, pytest.approx(0.3))
    assert wrong.p_value < 0.01 < 0.9 < right.p_value


def test_no_spread_is_no_certainty() -> None:
    found = binned_calibration(np.full(60, 0.999), np.ones(60, bool))
    assert found.error.high == pytest.approx(1 - 0.025 ** (1 / 60))
    units = np.arange(60) // 5
    assert binned_calibration(np.full(60, 0.999), np.ones(60, bool), units).error.high == pytest.approx(
        1 - 0.025 ** (1 / 12)
    )


def test_likeness_is_that_of_pairs_counted_one_by_one() -> None:
    scores, hits, _ = drawn(60, 1, 5)
    units, residuals = np.arange(60) // 4, hits - scores
    pairs = [(i, j) for i in range(60) for j in range(i) if units[i] == units[j]]
    seen, most = np.zeros(15), np.zeros(15)
    for i, j in pairs:
        seen[units[i]] += residuals[i] * residuals[j]
        most[units[i]] += min(scores[i], scores[j]) - scores[i] * scores[j]
    share = seen.sum() / most.sum()
    error = np.sqrt(((seen - share * most) ** 2).sum()) / most.sum()
    assert likeness_in_units(scores, residuals, units) == pytest.approx(np.clip(share + error, 0, 1))
    copies, came, groups = drawn(600, 6, 0)
    assert likeness_in_units(copies, came - copies, groups) > 0.9


def test_one_unit_and_one_case_are_certain_of_nothing() -> None:
    scores, hits, _ = drawn(100, 1, 3, 5.0)
    alone = np.zeros(100, np.intp)
    assert likeness_in_units(scores, hits - scores, alone) == 1
    assert binned_calibration(scores, hits, alone).error.high == 1
    assert binned_calibration(np.array([0.2]), np.array([True])).error.low == 0


def test_the_parts_of_the_brier_score_are_those_of_pooled_neighbours() -> None:
    scores, hits, _ = drawn(400, 1, 4, 2.0)
    scores = scores.round(2)
    parts = decomposition(scores, hits)
    blocks = [[float(hits[scores == p].mean()), int((scores == p).sum())] for p in np.unique(scores)]
    i = 0
    while i < len(blocks) - 1:  # pool adjacent violators
        if blocks[i][0] > blocks[i + 1][0]:
            (a, n), (b, m) = blocks[i], blocks.pop(i + 1)
            blocks[i] = [(a * n + b * m) / (n + m), n + m]
            i = max(i - 1, 0)
        else:
            i += 1
    pooled = np.repeat([b for b, _ in blocks], [n for _, n in blocks])
    assert np.sort(isotonic(scores, hits)) == pytest.approx(pooled, abs=1e-12)
    order = np.argsort(scores, kind="stable")
    best, base = ((pooled - hits[order]) ** 2).mean(), ((hits.mean() - hits) ** 2).mean()
    assert parts.score == pytest.approx(((scores - hits) ** 2).mean())
    assert (parts.miscalibration, parts.discrimination) == pytest.approx((parts.score - best, base - best))
    assert parts.score == pytest.approx(parts.miscalibration - parts.discrimination + parts.uncertainty)
