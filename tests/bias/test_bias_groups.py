"""Comparisons of groups: equal to Fairlearn, silent under the null, loud where a gap is planted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from scipy.stats import binom
from sklearn.metrics import accuracy_score
from tables import solar, table, with_attributes

from workbench.bias.groups import COMPARED, compare, fairness
from workbench.stats.significance import holm

EXACT = {"rel": 0, "abs": 1e-12}
TEST = (solar().frame["split"] == "test").to_numpy()


def dealt(seed: int, values="ABC") -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(list(values), dtype=object), len(solar()))


@pytest.mark.parametrize("rows", [None, TEST], ids=["all", "test"])
@pytest.mark.parametrize("by", ["module type", "camera", ("module type", "camera")], ids=str)
def test_fairness_agrees_with_fairlearn(by, rows) -> None:
    part = with_attributes(solar(), camera=dealt(0))
    frame = part.frame if rows is None else part.frame[rows]
    truth, called = frame["label"] == "defective", frame["predicted"] == "defective"
    sensitive = frame[by] if isinstance(by, str) else frame[list(by)]
    found = fairness(part, by, rows=rows, least=1)
    expected = {
        "demographic parity difference": demographic_parity_difference(truth, called, sensitive_features=sensitive),
        "demographic parity ratio": demographic_parity_ratio(truth, called, sensitive_features=sensitive),
        "equalized odds difference": equalized_odds_difference(truth, called, sensitive_features=sensitive),
        "worst-group accuracy": MetricFrame(
            metrics=accuracy_score, y_true=truth, y_pred=called, sensitive_features=sensitive
        ).group_min(),
    }
    assert {name: rate.value for name, rate in found.items()} == pytest.approx(expected, **EXACT)
    assert all(rate.low <= rate.value <= rate.high for rate in found.values())


@pytest.mark.parametrize(
    ("figure", "metric"),
    [("recall", true_positive_rate), ("overkill rate", false_positive_rate), ("selection rate", selection_rate)],
)
def test_gaps_agree_with_fairlearn(figure, metric) -> None:
    part = with_attributes(solar(), camera=dealt(0))
    frame = part.frame
    truth, called = frame["label"] == "defective", frame["predicted"] == "defective"
    expected = MetricFrame(metrics=metric, y_true=truth, y_pred=called, sensitive_features=frame["camera"])
    found = compare(part, "camera", figures=[figure], draws=10).row("camera", figure)
    assert (found["gap"], found["ratio"]) == pytest.approx((expected.difference(), expected.ratio()), **EXACT)
    assert (found["lowest"], found["highest"]) == (expected.by_group.idxmin(), expected.by_group.idxmax())


@pytest.mark.parametrize("runs", [60, pytest.param(200, marks=pytest.mark.slow)])
def test_shuffled_groups_are_called_different_in_five_of_a_hundred(runs) -> None:
    any_gap, single = 0, dict.fromkeys(COMPARED, 0)
    rng = np.random.default_rng(0)
    for seed in range(runs):
        part = with_attributes(
            solar(), **{"module type": rng.permutation(solar().frame["module type"]), "camera": dealt(seed)}
        )
        found = compare(part, "module type", "camera", draws=500, seed=seed)
        assert found.tests == 2 * len(COMPARED)
        any_gap += found.frame["significant"].any()
        for name, p in zip(found.frame["figure"], found.frame["p"], strict=True):
            single[name] += p <= 0.05
    # The ends of the binomial 99 % interval of 5 %; Holm errs below it, for the figures go together.
    assert runs // 200 <= any_gap <= binom.ppf(0.995, runs, 0.05)
    low, high = binom.ppf([0.005, 0.995], 2 * runs, 0.05)
    assert all(low <= count <= high for count in single.values()), single


def test_a_planted_gap_is_found_and_named() -> None:
    rng = np.random.default_rng(1)
    camera = dealt(1)
    spoilt = (camera == "B") & (solar().frame["label"] == "defective") & (rng.random(len(camera)) < 0.3)
    frame = solar().frame.assign(camera=camera, line=dealt(2, "12345"))
    frame.loc[spoilt, "predicted"] = "functional"
    frame["verdict"] = np.where(frame["label"] == frame["predicted"], "right", "wrong")
    found = compare(dataclasses.replace(solar(), frame=frame), "camera", "line")
    for figure in ("accuracy", "escape rate", "F1"):
        row = found.row("camera", figure)
        assert row["significant"]
        assert row["worst"] == "B"
        assert 0 < row["gap low"] < row["gap"] < row["gap high"]
        assert row["ratio high"] < 1
    assert not found.row("camera", "overkill rate")["significant"]
    assert not found.frame.loc[found.frame["by"] == "line", "significant"].any()


@pytest.mark.parametrize(
    ("figure", "change"), [("AUC", "scores"), ("mean confidence", "confidence"), ("calibration error", "confidence")]
)
def test_a_planted_gap_in_scores_is_found(figure, change) -> None:
    camera = dealt(3)
    here, rng = camera == "C", np.random.default_rng(3)
    probabilities = solar().probabilities.copy()
    if change == "scores":
        probabilities[here, 1] = np.clip(probabilities[here, 1] + rng.normal(0, 0.3, here.sum()), 0.01, 0.99)
    frame = solar().frame.assign(camera=camera)
    if change == "confidence":
        frame.loc[here, "confidence"] *= 0.85
    found = compare(dataclasses.replace(solar(), frame=frame, probabilities=probabilities), "camera", figures=[figure])
    row = found.row("camera", figure)
    assert row["significant"]
    assert "C" in (row["lowest"], row["highest"])


def test_a_mix_of_classes_is_a_gap_in_selection_and_none_in_accuracy() -> None:
    rng = np.random.default_rng(4)
    labels = np.where(rng.random(4000) < 0.5, "bad", "good")
    camera = np.where(rng.random(4000) < np.where(labels == "bad", 0.8, 0.2), "A", "B")
    right = rng.random(4000) < np.where(labels == "bad", 0.7, 0.97)
    predicted = np.where(right, labels, np.where(labels == "bad", "good", "bad"))
    found = compare(table(labels, predicted, {"camera": camera}), "camera", figures=["accuracy", "selection rate"])
    assert found.row("camera", "accuracy")["gap low"] > 0.1
    assert found.row("camera", "accuracy")["p"] > 0.05
    assert found.row("camera", "selection rate")["p"] < 0.01


def test_small_groups_take_no_part() -> None:
    camera = np.array(["A"] * 1400 + ["B"] * 1195 + ["C"] * 29, dtype=object)
    part = with_attributes(solar(), camera=np.random.default_rng(5).permutation(camera))
    frame = part.frame.copy()
    frame.loc[frame["camera"] == "C", "predicted"] = "defective"
    part = dataclasses.replace(part, frame=frame)
    row = compare(part, "camera", figures=["accuracy"]).row("camera", "accuracy")
    assert (row["groups"], row["left out"]) == (2, 1)
    assert {row["lowest"], row["highest"]} == {"A", "B"}
    assert fairness(part, "camera")["worst-group accuracy"].support == 2595
    alone = compare(
        part,
        "camera",
        figures=["accuracy", "AUC"],
        rows=(frame["camera"] != "A").to_numpy() & (frame["camera"] != "B").to_numpy(),
    )
    assert alone.tests == 0
    assert alone.frame["p"].isna().all()
    assert alone.frame["worst"].isna().all()
    assert not alone.frame["significant"].any()
    few = fairness(part, "camera", rows=(frame["camera"] == "C").to_numpy())
    assert {rate.value for rate in few.values()} == {None}


def test_holm_counts_every_test_on_the_page() -> None:
    part = with_attributes(solar(), camera=dealt(6))
    found = compare(part, "camera", "module type", ("camera", "module type"))
    assert found.tests == len(found.frame) == 3 * len(COMPARED)
    assert found.frame["p adjusted"].tolist() == pytest.approx(holm(found.frame["p"]))
    assert (found.frame["significant"] == (found.frame["p adjusted"] <= 0.05)).all()
    assert found.split == "test and train and validation"
    again = compare(part, "camera", "module type", ("camera", "module type"))
    assert found.frame.equals(again.frame)


def test_without_a_positive_class_the_figures_need_none(refusal) -> None:
    plain = dataclasses.replace(solar(), rule=dataclasses.replace(solar().rule, positive=None, threshold=None))
    found = compare(plain, "module type", draws=200)
    assert found.frame["figure"].tolist() == ["accuracy", "mean confidence", "calibration error"]
    assert list(fairness(plain, "module type")) == ["worst-group accuracy"]
    assert "positive class" in refusal(lambda: compare(plain, "module type", figures=["AUC"]))
    assert "'speed'" in refusal(lambda: compare(solar(), "module type", figures=["speed"]))
    assert "attribute" in refusal(lambda: compare(solar()))
    assert "breakdown" in refusal(lambda: compare(solar(), "label"))
