"""Calibration of tables whose answer is known, and of the models that ship with their logits scaled on purpose."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted import item

from workbench.catalog import shared
from workbench.files import CheckResult
from workbench.predictions import DecisionRule, Predictions, at_temperature, defect_classes, tabulate, units_of
from workbench.reliability import Calibration, calibration_of, calibration_results, calibration_tables
from workbench.reliability.temperature import softmax

RULE = DecisionRule(("good", "defective"), "defective", 0.3)
HALVES_OF_SET = ("validation", "test")


def table(size: int = 600, scale: float = 1.0, unit: int = 1, seed: int = 0, rule: DecisionRule = RULE) -> Predictions:
    """A model of two classes whose logits are `scale` times those of a calibrated one; images of a unit are copies."""
    rng = np.random.default_rng(seed)
    odds = np.repeat(rng.normal(-1, 2, size // unit), unit)
    defect = np.repeat(rng.random(size // unit), unit) < 1 / (1 + np.exp(-odds))
    items = [
        item(f"{i}.png", HALVES_OF_SET[i // unit % 2], RULE.class_names[int(d)], group=f"lot {i // unit}")
        for i, d in enumerate(defect)
    ]
    logits = np.stack([np.zeros(size), scale * odds], 1).astype(np.float32)
    shown = softmax(logits.astype(float), rule.temperature).astype(np.float32)
    return tabulate(items, logits, shown, {}, rule, "model")


def measured(predictions: Predictions, positive: tuple[str, ...] = ("defective",)) -> Calibration:
    result = calibration_of(predictions, positive)
    assert isinstance(result, Calibration)
    return result


def by_check(result: Calibration | str) -> dict[str, CheckResult]:
    return {found.check: found for found in calibration_results(result)}


def shipped(name: str, scale: float, seed: int) -> Predictions:
    """What a model that ships says of the images it never saw, its logits scaled, dealt anew by whole units."""
    known = Predictions.load(shared(f"models/{name}") / "predictions.parquet")
    keep = (known.frame["split"] != "train").to_numpy(bool)
    frame, logits = known.frame[keep].reset_index(drop=True), known.logits[keep] * np.float32(scale)
    units = units_of(frame)
    place = np.arange(len(frame)) if units is None else units
    first = np.random.default_rng(seed).permutation(place.max() + 1) % 2 == 0
    frame["split"] = np.where(first[place], *HALVES_OF_SET)
    shown = softmax(logits.astype(float)).astype(np.float32)
    return dataclasses.replace(known, frame=frame, logits=logits, probabilities=shown)


def test_a_calibrated_model_is_called_so_and_needs_no_temperature() -> None:
    result = measured(table(4000))
    found = by_check(result)
    assert [check.verdict for check in found.values()] == ["ok", "ok", "ok"]
    assert "unnecessary" in found["calibration temperature"].sentence
    assert found["calibration"].support == 2000
    assert "2,000 images" in found["calibration"].sentence


@pytest.mark.parametrize(("scale", "way"), [(3.0, "extreme"), (1 / 3, "timid")])
def test_a_scaled_one_is_found_and_mended(scale: float, way: str) -> None:
    result = measured(table(2000, scale))
    found = by_check(result)
    assert found["calibration"].verdict == "warn"
    assert found["calibration temperature"].verdict == "warn"
    assert f"too {way}" in found["calibration temperature"].sentence
    assert result.temperature.value == pytest.approx(scale, rel=0.1)
    loss = result.changes[0]
    assert loss.name == "NLL"
    assert loss.change.high < 0
    assert result.after is not None
    assert result.after.p_value > 0.025 > result.binned.p_value


@pytest.mark.parametrize("scale", [3.0, 1 / 3])
@pytest.mark.parametrize("name", ["solar-cells", "metal-sound"])
def test_logits_of_shipped_models_are_recovered_with_less_loss_in_five_of_five_deals(name: str, scale: float) -> None:
    for seed in range(5):
        plain, scaled = shipped(name, 1.0, seed), shipped(name, scale, seed)
        defects = defect_classes(plain)
        own, result = measured(plain, defects).temperature.value, measured(scaled, defects)
        assert own is not None
        assert result.temperature.value == pytest.approx(scale * own, rel=1e-4)
        assert result.changes[0].after < result.changes[0].before, (name, scale, seed)


def test_figures_are_those_by_hand() -> None:
    predictions = table(400)
    result = measured(predictions)
    test = (predictions.frame["split"] == "test").to_numpy()
    scores, defect = predictions.probabilities[test, 1].astype(float), predictions.frame["label"][test] == "defective"
    own = np.where(defect, scores, 1 - scores)
    assert result.loss.value == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert result.brier.value == pytest.approx(((scores - defect) ** 2).mean())
    near = np.abs(scores - 0.3) < 0.1
    assert result.threshold is not None
    assert result.threshold.share.value == pytest.approx(defect[near].mean())
    assert result.threshold.predicted == pytest.approx(scores[near].mean())
    assert result.threshold.share.support == near.sum()
    diagram = calibration_tables(result)["calibration-diagram"]
    assert diagram["images"].sum() == 200
    assert (diagram["lowest probability"].to_numpy()[1:] > diagram["highest probability"].to_numpy()[:-1]).all()


def test_an_applied_temperature_is_not_asked_for_again() -> None:
    result = measured(table(4000, 3.0, rule=at_temperature(RULE, 3.0)))
    found = by_check(result)
    assert result.applied == 3
    assert result.temperature.value == pytest.approx(3.0, rel=0.1)
    assert found["calibration temperature"].verdict == "ok"
    assert "where 3 is applied" in found["calibration temperature"].sentence
    assert found["calibration"].verdict == "ok"
    assert calibration_tables(result)["calibration-temperature"].columns[1] == "at 3"


def test_few_units_and_few_images_are_never_green() -> None:
    few = by_check(measured(table(960, unit=60)))
    assert [check.verdict for check in few.values()] == ["unknown"] * 3
    assert "8 groups cannot be trusted" in few["calibration"].sentence
    small = by_check(measured(table(40)))
    assert {check.verdict for check in small.values()} == {"unknown"}
    assert "At least 30 labelled images" in small["calibration"].sentence


def test_no_error_among_few_units_rules_nothing_out() -> None:
    predictions = table(1200, unit=20)
    right = np.where((predictions.frame["label"] == "defective").to_numpy(), 9.0, -9.0)
    logits = np.stack([np.zeros(1200), right], 1).astype(np.float32)
    sure = dataclasses.replace(predictions, logits=logits, probabilities=softmax(logits).astype(np.float32))
    found = by_check(measured(sure))
    assert found["calibration"].verdict == "unknown"
    assert "about 73 such groups" in found["calibration"].sentence or "about 72 such" in found["calibration"].sentence
    assert "no image among them is decided wrongly" in found["calibration temperature"].sentence


def test_calibrated_tables_are_rarely_accused() -> None:
    verdicts = [by_check(measured(table(360, unit=6, seed=seed)))["calibration"].verdict for seed in range(60)]
    assert verdicts.count("warn") <= 5


def test_without_a_split_or_a_label_it_says_so() -> None:
    predictions = table(200)
    unsplit = dataclasses.replace(predictions, frame=predictions.frame.assign(split=None))
    result = measured(unsplit)
    assert result.split == "no split"
    assert "too good if the model was trained on them" in by_check(result)["calibration"].sentence
    assert by_check(result)["calibration temperature"].verdict == "unknown"
    trained = calibration_of(dataclasses.replace(predictions, frame=predictions.frame.assign(split="train")))
    assert isinstance(trained, str)
    assert {found.verdict for found in calibration_results(trained)} == {"unknown"}
    assert calibration_tables(trained) == {}
    unread = dataclasses.replace(predictions, logits=np.full_like(predictions.logits, np.nan))
    assert isinstance(calibration_of(unread), str)


def test_of_many_classes_each_is_asked_and_the_predicted_one_stands_for_all() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (1500, 3)).astype(np.float32)
    truth = (rng.random((1500, 1)) > softmax(logits.astype(float)).cumsum(1)).sum(1).clip(max=2)
    items = [item(f"{i}.png", HALVES_OF_SET[i % 2], "abc"[t]) for i, t in enumerate(truth.tolist())]
    said = tabulate(items, logits, softmax(logits * 3.0).astype(np.float32), {}, DecisionRule(("a", "b", "c")), "model")
    result = measured(said, ())
    assert result.subject == "the class that is predicted"
    assert result.threshold is None
    assert [one.name for one in result.classes] == ["a", "b", "c"]
    found = by_check(result)
    assert found["calibration"].verdict == found["calibration by class"].verdict == "warn"
    assert len(calibration_tables(result)["calibration-classes"]) == 3


def test_an_anomaly_score_claims_no_probability_and_is_not_held_against_one() -> None:
    found = by_check(calibration_of(table(), ("defective",), scored=True))
    assert {result.verdict for result in found.values()} == {"unknown"}
    assert all("an anomaly score, which orders images and claims no probability" in f.sentence for f in found.values())
