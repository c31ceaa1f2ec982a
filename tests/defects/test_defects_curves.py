"""Areas under the pixel curves: equal to a slow second implementation and to a case by hand, with intervals that cover
the truth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom
from skimage.measure import label
from sklearn.metrics import roc_auc_score

from workbench.defects import curves
from workbench.defects.curves import LIMIT, Pixels, areas, aupro, merge, pixel_auroc, regions_of, split_pixels

RUNS = 150

Maps = list[NDArray[np.float32]]
Masks = list[NDArray[np.bool_]]


def case(seed: int, levels: int | None = None, count: int = 8) -> tuple[Maps, Masks]:
    """Random maps of several sizes, the first half with random marked boxes that score a little higher; `levels` makes
    ties."""
    rng = np.random.default_rng(seed)
    maps, masks = [], []
    for number in range(count):
        values = rng.random(rng.integers(9, 14, 2))
        mask = np.zeros(values.shape, bool)
        for _ in range(3 if number < count / 2 else 0):
            y, x = rng.integers(0, 8, 2)
            mask[y : y + rng.integers(1, 4), x : x + rng.integers(1, 4)] = True
        values[mask] += 0.4 * rng.random()
        maps.append(np.float32(values if levels is None else np.floor(values * levels)))
        masks.append(mask)
    return maps, masks


def slow_curve(maps: Maps, masks: Masks) -> tuple[list[float], list[float]]:
    """FPR and PRO at one threshold after another, from (0, 0) on."""
    labels = [label(mask, connectivity=2) for mask in masks]
    outside = np.concatenate([values[~mask] for values, mask in zip(maps, masks, strict=True)])
    rates, overlaps = [0.0], [0.0]
    for threshold in sorted(set(np.concatenate([values.ravel() for values in maps]).tolist()), reverse=True):
        shares = [
            (values[regions == number] >= threshold).mean()
            for values, regions in zip(maps, labels, strict=True)
            for number in range(1, regions.max() + 1)
        ]
        rates.append(float((outside >= threshold).mean()))
        overlaps.append(float(np.mean(shares)))
    return rates, overlaps


def slow_area(rates: list[float], overlaps: list[float], limit: float) -> float:
    area = 0.0
    for left, right, before, after in zip(rates, rates[1:], overlaps, overlaps[1:], strict=False):
        if left >= limit:
            break
        if right > limit:
            after = before + (after - before) * (limit - left) / (right - left)
            right = limit
        area += (right - left) * (before + after) / 2
    return area / limit


def pixels(maps: Maps, masks: Masks) -> list[Pixels]:
    return [split_pixels(values, regions_of(mask)) for values, mask in zip(maps, masks, strict=True)]


@pytest.mark.parametrize("levels", [None, 12, 2])
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_is_that_of_a_slow_implementation(levels, limit) -> None:
    for seed in range(4):
        maps, masks = case(seed, levels)
        assert aupro(maps, masks, limit) == pytest.approx(slow_area(*slow_curve(maps, masks), limit), abs=1e-12)


@pytest.mark.parametrize("levels", [None, 12, 2])
def test_pixel_auroc_is_that_of_sklearn(levels) -> None:
    maps, masks = case(5, levels)
    truth, scores = (np.concatenate([one.ravel() for one in parts]) for parts in (masks, maps))
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)


def test_a_case_by_hand() -> None:
    """Region A has two pixels (0.9 and 0.45), B one (0.3), and ten pixels lie outside, two of them at 0.3 too.

    From the highest threshold down: 0.9 reaches half of A, so PRO is (1/2 + 0) / 2 = 0.25 at FPR 0; 0.6 adds the first
    pixel outside, FPR 0.1; 0.45 completes A, PRO 0.5; 0.4 makes FPR 0.2; 0.3 reaches B and two outside at once: PRO 1
    at FPR 0.4. Up to 0.3 the area is 0.1 x 0.25 + 0.1 x 0.5, and half of the ramp from (0.2, 0.5) to (0.4, 1), which
    ends at (0.3, 0.75).
    """
    maps = [
        np.array([[0.9, 0.45, 0.3, 0.6, 0.3, 0.1, 0.1, 0.25, 0.2]], np.float32),
        np.array([[0.1, 0.2, 0.3, 0.4]], np.float32),
    ]
    masks = [np.array([[1, 1, 0, 0, 1, 0, 0, 0, 0]], bool), np.zeros((1, 4), bool)]
    assert aupro(maps, masks) == pytest.approx((0.1 * 0.25 + 0.1 * 0.5 + 0.1 * (0.5 + 0.75) / 2) / 0.3)
    # 0.9 beats all ten, 0.45 all but one, and 0.3 beats six and ties with two.
    assert pixel_auroc(maps, masks) == pytest.approx((10 + 9 + 6 + 2 / 2) / 30)


def test_the_ends_of_the_scale() -> None:
    _, masks = case(1)
    perfect = [np.float32(mask) for mask in masks]
    rng = np.random.default_rng(0)
    large = [np.kron(mask, np.ones((12, 12))) > 0 for mask in masks]
    noise = [rng.random(mask.shape).astype(np.float32) for mask in large]
    assert (aupro(perfect, masks), pixel_auroc(perfect, masks)) == (pytest.approx(1, abs=1e-12), 1)
    assert aupro([-one for one in perfect], masks) == pixel_auroc([-one for one in perfect], masks) == 0
    assert aupro(noise, large) == pytest.approx(LIMIT / 2, abs=0.01)


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    mask = np.array([[1, 0, 0, 0], [0, 1, 0, 1]], bool)
    assert regions_of(mask).tolist() == [[1, 0, 0, 0], [0, 1, 0, 2]]
    one = split_pixels(np.arange(8.0).reshape(2, 4), regions_of(mask) * 7)  # whatever the regions are called
    assert one.marked.tolist() == [0, 5, 7]
    assert one.region.tolist() == [0, 0, 1]
    assert one.weights.tolist() == [0.5, 0.5, 1]
    assert one.sound.tolist() == [1, 2, 3, 4, 6]


def test_what_cannot_be_measured_is_refused(refusal) -> None:
    values, nothing, everything = [np.zeros((2, 2), np.float32)], [np.zeros((2, 2), bool)], [np.ones((2, 2), bool)]
    assert "No pixel is marked" in refusal(lambda: aupro(values, nothing))
    assert "Every pixel" in refusal(lambda: pixel_auroc(values, everything))
    some = [np.eye(2, dtype=bool)]
    for maps, masks, limit in [
        ([np.zeros((2, 3))], some, 0.3),
        ([np.full((2, 2), np.nan)], some, 0.3),
        (values, some, 0),
        (values, some, 2),
    ]:
        with pytest.raises(ValueError, match="expected"):
            aupro(maps, masks, limit)
    with pytest.raises(ValueError, match="zip"):
        aupro(values * 2, some)


def test_the_figures_are_exact_whatever_the_pools() -> None:
    maps, masks = case(3)
    every = pixels(maps, masks)
    defective, good = every[:4], every[4:]
    roc, pro = areas(defective, good)
    assert (roc.value, pro.value) == (pytest.approx(pixel_auroc(maps, masks)), pytest.approx(aupro(maps, masks)))
    assert (pro.count, pro.support) == (4, 8)
    assert areas(defective, good, [merge(good), merge(defective[:1]), merge(defective[1:])])[1].value == pytest.approx(
        pro.value
    )
    assert areas(defective, good, limit=0.05)[1].value == pytest.approx(aupro(maps, masks, 0.05))


def test_without_enough_images_there_is_no_interval_or_no_value() -> None:
    every = pixels(*case(3))
    roc, pro = areas(every[:1], every[4:])
    assert None not in (roc.value, pro.value)
    assert (roc.low, roc.high, pro.low, pro.high) == (None,) * 4
    assert areas([], every[4:])[1].value is None
    assert areas([split_pixels(np.ones((2, 2)), np.ones((2, 2), int))], [])[0].value is None
    assert areas(every[:4], [])[1].low is not None


def test_binned_resamples_agree_with_exact_ones() -> None:
    maps, masks = case(7, count=40)
    for number in range(20, 40, 3):
        maps[number] += np.float32(0.3)  # which good images are drawn matters too
    every = pixels(maps, masks)
    found = areas(every[:20], every[20:], level=0.9)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(600):
        rows = [*rng.integers(0, 20, 20).tolist(), *rng.integers(20, 40, 20).tolist()]
        some, marks = [maps[i] for i in rows], [masks[i] for i in rows]
        drawn.append((pixel_auroc(some, marks), aupro(some, marks)))
    for rate, column in zip(found, np.array(drawn).T, strict=True):
        low, high = np.quantile(column, [0.05, 0.95])
        assert (rate.low, rate.high) == pytest.approx((low, high), abs=0.25 * (high - low))
        assert rate.high - rate.low > 0.95 * (high - low)  # wider by Student's t
        assert rate.low < rate.value < rate.high


def test_coarse_bins_do_not_move_the_interval(monkeypatch) -> None:
    every = pixels(*case(7, count=40))
    fine = areas(every[:20], every[20:])[1]
    monkeypatch.setattr(curves, "QUANTILES", 2)
    coarse = areas(every[:20], every[20:])[1]
    assert coarse.value == fine.value
    assert (coarse.low + coarse.high) / 2 == pytest.approx(
        (fine.low + fine.high) / 2, abs=0.05 * (fine.high - fine.low)
    )


def test_intervals_cover_the_truth() -> None:
    """Images differ from one another in how well their defects are found, and it is images that are drawn."""
    rng = np.random.default_rng(0)

    def drawn(count: int, defective: bool) -> list[Pixels]:
        found = []
        for _ in range(count):
            values, labels = rng.normal(rng.normal(0, 0.3), 1, (12, 12)), np.zeros((12, 12), int)
            for region in range(1, int(rng.integers(2, 4)) if defective else 1):
                y, x = rng.integers(0, 9, 2)
                labels[y : y + 3, x : x + 3] = region
            values[labels > 0] += rng.gamma(2, 0.8)
            found.append(split_pixels(values, labels))
        return found

    truth = [rate.value for rate in areas(drawn(4000, True), drawn(4000, False), draws=2)]
    covered = np.zeros(2, int)
    for seed in range(RUNS):
        rates = areas(drawn(12, True), drawn(12, False), draws=400, seed=seed)
        covered += [rate.low <= value <= rate.high for rate, value in zip(rates, truth, strict=True)]
    assert (covered >= binom.ppf(0.005, RUNS, 0.92)).all()
    assert (covered < RUNS).all()
