"""Operating points: the counts and rates of scikit-learn at every threshold, and intervals that hold what they
promise."""

from __future__ import annotations

import dataclasses
import time
import timeit

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_curve, precision_score, recall_score, roc_curve
from tables import scored, solar, table

import workbench as wb
from workbench.defects.halves import cases_of, of_split
from workbench.defects.operating import FIGURES, Costs, operating_points, point_at, points_of
from workbench.defects.review_band import Band


def made(kind: str):
    """A table of 40 good parts and 25 defects whose scores are awkward."""
    rng = np.random.default_rng(5)
    good, bad = rng.beta(2, 4, 40), rng.beta(4, 2, 25)
    if kind == "ties":
        good, bad = good.round(1), bad.round(1)
    if kind == "zeros and ones":
        good, bad = (good * 3 - 1).clip(0, 1), (bad * 3 - 1).clip(0, 1)
    if kind == "all alike":
        good, bad = good * 0 + 0.5, bad * 0 + 0.5
    if kind == "certain":
        good, bad = good.round(), bad.round()
    return scored(good, bad)


KINDS = ("plain", "ties", "zeros and ones", "all alike", "certain")
EVERY = {
    **{kind: lambda kind=kind: cases_of(made(kind)) for kind in KINDS},
    "solar test": lambda: of_split(cases_of(solar()), "test"),
}


@pytest.mark.parametrize("name", EVERY)
def test_thresholds_decide_as_scikit_learn_counts(name) -> None:
    cases = EVERY[name]()
    points = points_of(cases)
    points = points.iloc[:: len(points) // 70 + 1]  # the curves below hold every one of them
    for row in points.itertuples():
        called = cases.scores >= row.threshold
        right, overkill, escapes, found = confusion_matrix(cases.defect, called, labels=[False, True]).ravel()
        assert (row.escapes, row.overkill) == (escapes, overkill)
        assert (row.defects, row.good) == (escapes + found, overkill + right)
    called = [cases.scores >= threshold for threshold in points["threshold"]]
    recall = [recall_score(cases.defect, each) for each in called]
    assert points["escape rate"].to_numpy() == pytest.approx(1 - np.array(recall))
    assert points["overkill rate"].to_numpy() == pytest.approx(
        1 - np.array([recall_score(~cases.defect, ~each) for each in called])
    )
    rejects = np.array([each.any() for each in called])
    precision = np.array([precision_score(cases.defect, each, zero_division=0) for each in called])
    assert points["precision"][rejects].to_numpy() == pytest.approx(precision[rejects])
    assert points["precision"][~rejects].isna().all()
    assert points["F1"].to_numpy() == pytest.approx([f1_score(cases.defect, each) for each in called])


@pytest.mark.parametrize("name", EVERY)
def test_the_curves_are_those_of_scikit_learn(name) -> None:
    cases = EVERY[name]()
    points = points_of(cases)
    overkill, found, _ = roc_curve(cases.defect, cases.scores, drop_intermediate=False)
    if cases.scores.max() == 1:  # above which no threshold lies
        overkill, found = overkill[1:], found[1:]
    assert points["overkill"].tolist()[::-1] == (overkill * cases.good).round().tolist()
    assert points["escapes"].tolist()[::-1] == ((1 - found) * cases.defects).round().tolist()
    assert points["overkill rate"].to_numpy()[::-1] == pytest.approx(overkill)
    assert 1 - points["escape rate"].to_numpy()[::-1] == pytest.approx(found)
    precision, recall, levels = precision_recall_curve(cases.defect, cases.scores)
    assert points["precision"].to_numpy()[: len(levels)] == pytest.approx(precision[:-1])
    assert 1 - points["escape rate"].to_numpy()[: len(levels)] == pytest.approx(recall[:-1])


@pytest.mark.parametrize("name", EVERY)
def test_a_threshold_can_move_by_its_width_and_no_further(name) -> None:
    cases = EVERY[name]()
    points = points_of(cases)
    assert points["threshold"].is_monotonic_increasing
    assert points["threshold"].is_unique
    assert points["width"].sum() == pytest.approx(1)
    levels = np.array([0, *np.unique(cases.scores), 1])
    for row in points[points["width"] > 0].itertuples():
        low, high = levels[levels < row.threshold].max(initial=0), levels[levels >= row.threshold].min()
        if row.threshold:  # the first stands at 0 itself
            assert high - low == pytest.approx(row.width)
    assert points["threshold"].iloc[0] == 0
    assert points["escapes"].iloc[0] == 0
    assert points["overkill"].iloc[0] == cases.good


def test_scores_that_are_neighbouring_numbers_are_told_apart() -> None:
    predictions = table(["good", "pit", "dent"], ["pit"] * 3, classes=("good", "pit", "dent"), positive=None)
    tiny = 2.0**-24
    sums = np.array([[0.5, 0.5, 0], [0.5, 0.5, tiny], [0.5, 0.5, 2 * tiny]], np.float32)
    cases = cases_of(dataclasses.replace(predictions, probabilities=sums))
    assert len(set(cases.scores.tolist())) == 3
    points = points_of(cases)
    assert points["escapes"].tolist() == [0, 0, 1, 2]
    assert points["overkill"].tolist() == [1, 0, 0, 0]
    for row in points.itertuples():
        called = cases.scores >= row.threshold
        assert (int((~called & cases.defect).sum()), int((called & ~cases.defect).sum())) == (row.escapes, row.overkill)


def test_a_part_at_the_threshold_is_rejected() -> None:
    cases = cases_of(scored([0.25, 0.5], [0.5, 0.75]))
    point = point_at(cases, 0.5)
    assert (point["escapes"], point["overkill"]) == (0, 1)
    assert point_at(cases, np.nextafter(np.float32(0.5), np.float32(1)))[["escapes", "overkill"]].tolist() == [1, 0]


def test_one_point_is_a_row_of_all() -> None:
    for cases in (cases_of(made("ties")), of_split(cases_of(solar()), "validation")):
        costs = Costs(7, 2, 0.03)
        points = points_of(cases, costs, 0.9)
        for _, row in points.iloc[::9].iterrows():
            pd.testing.assert_series_equal(
                point_at(cases, row["threshold"], costs, 0.9), row.drop("width"), check_names=False
            )


def test_a_missing_class_leaves_its_figures_open() -> None:
    lone = points_of(cases_of(scored([0.2, 0.4], [])))
    assert lone["overkill"].tolist() == [2, 1, 0]
    assert lone["overkill rate"].tolist() == [1, 0.5, 0]
    assert (
        lone[["escape rate", "precision", "F1", "cost", "cost low", "F1 high", "escape rate high"]]
        .isna()
        .all(axis=None)
    )
    bad = points_of(cases_of(scored([], [0.2, 0.4])))
    assert bad["escapes"].tolist() == [0, 1, 2]
    assert bad["escape rate"].tolist() == [0, 0.5, 1]
    assert bad[["overkill rate", "precision", "F1", "cost", "overkill rate low"]].isna().all(axis=None)
    nothing = points_of(cases_of(scored([], [])))
    assert nothing[["defects", "good", "escapes", "overkill"]].to_numpy().tolist() == [[0, 0, 0, 0]]
    assert nothing[list(FIGURES)].isna().all(axis=None)


@pytest.mark.parametrize(("repeat_good", "repeat_bad"), [(19, 1), (1, 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_another_prior_is_a_resampled_set(kind, repeat_good, repeat_bad) -> None:
    cases = cases_of(made(kind))
    often = np.where(cases.defect, repeat_bad, repeat_good)
    truth, scores = np.repeat(cases.defect, often), np.repeat(cases.scores, often)
    points = points_of(cases, Costs(30, 4, truth.mean()))
    for row in points.to_dict("records"):
        called = scores >= row["threshold"]
        if called.any():
            assert row["precision"] == pytest.approx(precision_score(truth, called))
        assert row["F1"] == pytest.approx(f1_score(truth, called))
        assert row["cost"] == pytest.approx((30 * (truth & ~called) + 4 * (~truth & called)).mean())
    own = points_of(cases, Costs(30, 4))
    assert (own[["escapes", "overkill", "escape rate"]] == points[["escapes", "overkill", "escape rate"]]).all(
        axis=None
    )


def test_only_the_rows_that_are_asked_for_count() -> None:
    rows = (solar().frame["split"] == "test").to_numpy()
    asked = wb.operating_points(solar(), "defective", rows=rows)
    pd.testing.assert_frame_equal(asked, points_of(of_split(cases_of(solar()), "test")))
    assert set(asked["defects"]) == {205}
    assert set(operating_points(solar(), positive="functional", rows=rows)["defects"]) == {451}


@pytest.mark.parametrize(
    "wrong", [{"escape": -1}, {"overkill": np.nan}, {"escape": np.inf}, {"prior": 0.0}, {"prior": 1}, {"prior": np.nan}]
)
def test_impossible_costs_are_refused(refusal, wrong) -> None:
    assert "correct " in refusal(lambda: Costs(**wrong))


TRUE = [(0.02, 0.02), (0.05, 0.1), (0.1, 0.05), (0.2, 0.2), (0.3, 0.1), (0.5, 0.01)]
"""Escape and overkill rates of a line."""


def every_count(defects: int, good: int, costs: Costs) -> pd.DataFrame:
    """The figures at each number of escapes and of overkill that can come of so many parts."""
    tables = []
    for lost in range(defects + 1):  # these score lowest, then all good parts, then the other defects
        cases = cases_of(
            scored(0.3 + 0.3 * np.arange(good) / good, [*np.full(lost, 0.1), *np.full(defects - lost, 0.9)])
        )
        points = points_of(cases, costs)
        tables.append(points[points["escapes"] == lost].drop_duplicates("overkill"))
    found = pd.concat(tables)
    found = pd.concat(
        [found, _none_lost(defects, good, costs, set(zip(found["escapes"], found["overkill"], strict=True)))]
    )
    assert len(found) == (defects + 1) * (good + 1)
    return found


def _none_lost(defects, good, costs, there):
    missing = [(e, o) for e in range(defects + 1) for o in range(good + 1) if (e, o) not in there]
    rows = [
        point_at(
            cases_of(
                scored([*np.full(o, 0.9), *np.full(good - o, 0.1)], [*np.full(e, 0.1), *np.full(defects - e, 0.9)])
            ),
            0.5,
            costs,
        )
        for e, o in missing
    ]
    return pd.DataFrame(rows)


def coverage(found: pd.DataFrame, escape: float, overkill: float, prior: float, costs: Costs) -> dict[str, float]:
    """How often each interval holds the line's own figure: exactly, over all numbers of escapes and overkill."""
    lost, wrong = prior * escape, (1 - prior) * overkill
    true = {
        "escape rate": escape,
        "overkill rate": overkill,
        "precision": (prior - lost) / (prior - lost + wrong),
        "F1": 2 * (prior - lost) / (2 * prior - lost + wrong),
        "cost": costs.escape * lost + costs.overkill * wrong,
    }
    chance = binom.pmf(found["escapes"], found["defects"], escape) * binom.pmf(
        found["overkill"], found["good"], overkill
    )
    assert chance.sum() == pytest.approx(1)
    held = {}
    for name, value in true.items():
        known = found[name].notna()
        inside = (found[f"{name} low"] <= value + 1e-12) & (found[f"{name} high"] >= value - 1e-12)
        held[name] = float((chance * inside)[known].sum() / chance[known].sum())
    return held


@pytest.mark.parametrize("prior", [None, 0.01, 0.1])
@pytest.mark.parametrize(
    ("defects", "good", "least"), [(10, 40, 0.89), (20, 60, 0.92), (30, 100, 0.92), (60, 200, 0.93)]
)
def test_intervals_hold_what_they_promise(defects, good, least, prior) -> None:
    costs = Costs(10, 1, prior)
    found = every_count(defects, good, costs)
    held = pd.DataFrame([coverage(found, *rates, prior or defects / (defects + good), costs) for rates in TRUE])
    print(
        f"{defects} defects, {good} good, prior {prior}: least {held.min().round(3).to_dict()}, mean"
        f" {held.mean().round(3).to_dict()}"
    )
    assert (held.min() >= least).all()
    assert (held.mean() >= 0.935).all()
    assert (held.mean() <= 0.97).all()


def test_intervals_widen_with_the_level_and_hold_the_figure() -> None:
    cases = cases_of(made("ties"))
    narrow, wide = points_of(cases, level=0.8), points_of(cases, level=0.99)
    for name in FIGURES:
        known = wide[name].notna()
        for table_ in (narrow, wide):
            assert (table_[f"{name} low"] <= table_[name] + 1e-12)[known].all()
            assert (table_[f"{name} high"] >= table_[name] - 1e-12)[known].all()
        assert (wide[f"{name} high"] - wide[f"{name} low"] > narrow[f"{name} high"] - narrow[f"{name} low"])[
            known
        ].mean() > 0.9
        if name != "cost":
            assert wide[[f"{name} low", f"{name} high"]][known].stack().between(0, 1).all()


def test_twenty_thousand_images_are_no_more_work_an_image() -> None:
    def drawn(count):
        scores = np.random.default_rng(0).permutation(count) / count
        return cases_of(scored(scores[: count // 2], scores[count // 2 :]))

    def seconds(cases):
        return min(
            timeit.repeat(lambda: points_of(dataclasses.replace(cases)), number=1, repeat=7, timer=time.process_time)
        )

    few, many = drawn(2_000), drawn(20_000)
    assert len(points_of(many)) == 20_001
    assert seconds(many) < 20 * seconds(few)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("ends", [(0.3, 0.5, 0.7), (0.0, 0.5, 1 + 2**-23), (0.5, 0.5, 0.5), (0.2, 0.2, 0.9)])
def test_with_a_band_only_what_is_decided_unseen_counts(name, ends) -> None:
    cases, (low, threshold, high) = EVERY[name](), map(np.float32, ends)
    costs = Costs(20, 3, 0.01)
    point = point_at(cases, Band(low, threshold, high), costs)
    passed, rejected = cases.scores < low, cases.scores >= high
    escapes, overkill = np.sum(passed & cases.defect), np.sum(rejected & ~cases.defect)
    assert (point["escapes"], point["overkill"], point["review"]) == (escapes, overkill, np.sum(~passed & ~rejected))
    missed, wrong = escapes / cases.defects, overkill / cases.good
    found = np.sum(rejected & cases.defect) / cases.defects
    assert (point["escape rate"], point["overkill rate"]) == (pytest.approx(missed), pytest.approx(wrong))
    assert point["cost"] == pytest.approx(20 * 0.01 * missed + 3 * 0.99 * wrong)
    if rejected.any():
        assert point["precision"] == pytest.approx(0.01 * found / (0.01 * found + 0.99 * wrong))
        assert point["F1"] == pytest.approx(2 * 0.01 * found / (0.01 * found + 0.99 * wrong + 0.01))
    else:
        assert np.isnan(point["precision"])
    assert point["cost low"] <= point["cost"] <= point["cost high"]
    if low == high:
        pd.testing.assert_series_equal(point.drop("review"), point_at(cases, threshold, costs))
