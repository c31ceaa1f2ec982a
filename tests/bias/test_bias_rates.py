"""Breakdowns against scikit-learn, on real predictions and on small tables whose answers are plain."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, roc_auc_score
from tables import solar, table, with_attributes

import workbench as wb
from workbench.bias.performance import ENOUGH, breakdown, confusion
from workbench.predictions.cases import MOST_GROUPS
from workbench.stats.calibration import calibration_cells, debiased_error
from workbench.stats.rates import wilson

TEST = (solar().frame["split"] == "test").to_numpy()
EXACT = {"rel": 0, "abs": 1e-12}


def by_group(found) -> pd.DataFrame:
    return found.frame.set_index("group")


@pytest.mark.parametrize("rows", [None, TEST], ids=["all", "test"])
def test_classes_agree_with_sklearn(rows) -> None:
    frame = solar().frame if rows is None else solar().frame[rows]
    found = by_group(breakdown(solar(), rows=rows))
    names = list(solar().class_names)
    precision, recall, f1, support = precision_recall_fscore_support(frame["label"], frame["predicted"], labels=names)
    for i, name in enumerate(names):
        line = found.loc[name]
        assert line["support"] == line["recall support"] == support[i]
        assert (line["precision"], line["recall"], line["F1"]) == pytest.approx(
            (precision[i], recall[i], f1[i]), **EXACT
        )
        (tn, fp), _ = confusion_matrix(frame["label"] == name, frame["predicted"] == name)
        assert (line["specificity"], line["false-positive rate"]) == pytest.approx(
            (tn / (tn + fp), fp / (tn + fp)), **EXACT
        )
        assert line["mean confidence"] == pytest.approx(
            frame["confidence"][frame["label"] == name].astype(float).mean(), **EXACT
        )


def test_classes_agree_with_sklearn_for_many_classes() -> None:
    rng = np.random.default_rng(0)
    classes = tuple("abcdefg")
    labels, predicted = rng.choice(classes[:6], 900), rng.choice(classes, 900)
    labels[:500] = predicted[:500].astype(str)
    found = by_group(breakdown(table(labels, predicted, classes=classes, positive=None)))
    expected = precision_recall_fscore_support(labels, predicted, labels=list(classes), zero_division=np.nan)
    for name, values in zip(("precision", "recall", "F1", "support"), expected, strict=True):
        assert found.loc[list(classes), name].to_numpy(float) == pytest.approx(values, nan_ok=True, **EXACT)
    counts = confusion(table(labels, predicted, classes=classes, positive=None)).counts
    assert (counts == confusion_matrix(labels, predicted, labels=list(classes))).all()


def test_groups_agree_with_sklearn_and_with_their_definitions() -> None:
    found = by_group(breakdown(solar(), "module type", rows=TEST))
    frame, score = solar().frame[TEST], solar().probabilities[TEST, 1]
    for name in ("mono", "poly"):
        here = (frame["module type"] == name).to_numpy()
        label, predicted = frame["label"][here], frame["predicted"][here]
        line = found.loc[name]
        precision, recall, f1, _ = precision_recall_fscore_support(label, predicted, labels=["defective"])
        (tn, fp), (fn, tp) = confusion_matrix(label, predicted, labels=["functional", "defective"])
        expected = {
            "support": here.sum(),
            "accuracy": accuracy_score(label, predicted),
            "precision": precision[0],
            "recall": recall[0],
            "F1": f1[0],
            "escape rate": fn / (fn + tp),
            "overkill rate": fp / (fp + tn),
            "selection rate": (tp + fp) / here.sum(),
            "AUC": roc_auc_score(label == "defective", score[here]),
            "mean confidence": frame["confidence"][here].astype(float).mean(),
        }
        assert {key: line[key] for key in expected} == pytest.approx(expected, **EXACT)


def test_calibration_is_that_of_the_class_or_of_the_confidence() -> None:
    frame, scores = solar().frame, solar().probabilities.astype(float)
    places = np.zeros(len(frame), int)
    cells = [
        calibration_cells(1, places, scores[:, k], (frame["label"] == name).to_numpy())
        for k, name in enumerate(solar().class_names)
    ]
    expected = debiased_error(np.concatenate(cells, axis=1))
    found = by_group(breakdown(solar()))["calibration error"]
    assert found[list(solar().class_names)].tolist() == pytest.approx(expected, **EXACT)
    here = (frame["module type"] == "poly").to_numpy()
    cells = calibration_cells(
        1, places[here], frame["confidence"].to_numpy(float)[here], (frame["verdict"] == "right").to_numpy()[here]
    )
    assert by_group(breakdown(solar(), "module type"))["calibration error"]["poly"] == pytest.approx(
        debiased_error(cells)[0], **EXACT
    )


def test_every_figure_lies_in_its_interval_and_shares_have_wilsons() -> None:
    for by in ("label", "module type"):
        found = breakdown(solar(), by)
        for figure in found.figures:
            for rate in found.rates(figure).values():
                assert rate.low <= rate.value <= rate.high
                assert rate.high - rate.low < 0.12
    line = by_group(breakdown(solar())).loc["defective"]
    rate = wilson(round(line["recall"] * line["support"]), int(line["support"]))
    assert (line["recall low"], line["recall high"]) == (rate.low, rate.high)
    assert breakdown(solar()).rates("recall")["defective"] == rate


def test_the_worst_is_first_and_the_small_are_last() -> None:
    labels = ["a"] * 1000 + ["b"] * 31 + ["c"] * 29 + ["d"] * 40
    predicted = ["a"] * 600 + ["b"] * 400 + ["a"] * 15 + ["b"] * 16 + ["a"] * 29 + ["d"] * 40
    found = breakdown(table(labels, predicted, classes=tuple("abcde"), positive=None))
    # b's recall is lower than a's but less sure; c's is 0 of too few; nothing is known of e, which never occurs.
    assert found.frame["group"].tolist() == ["a", "b", "d", "c"]
    assert found.frame["enough"].tolist() == [True, True, True, False]
    assert found.frame["recall"].tolist() == pytest.approx([0.6, 16 / 31, 1, 0])
    assert ENOUGH == 30


def test_only_what_can_be_judged_counts() -> None:
    whole = solar()
    frame = whole.frame.copy()
    frame.loc[:99, "verdict"] = None
    frame.loc[:49, "label"] = "burnt"
    frame.loc[50:99, "label"] = None
    frame["module type"] = frame["module type"].where(np.arange(len(frame)) >= 300, None)
    part = dataclasses.replace(whole, frame=frame)
    later = np.arange(len(whole)) >= 100
    pd.testing.assert_frame_equal(breakdown(part).frame, breakdown(whole, rows=later).frame)
    found, expected = breakdown(part, "module type"), breakdown(whole, "module type", rows=np.arange(len(whole)) >= 300)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    assert (found.codes == expected.codes).all()
    assert (found.codes[:300] == -1).all()


def test_crossed_groups_name_their_images() -> None:
    found = breakdown(solar(), ("module type", "split"), rows=TEST | (solar().frame["split"] == "train").to_numpy())
    assert found.by == "module type x split"
    assert found.split == "test and train"
    assert sorted(found.frame["group"]) == ["mono x test", "mono x train", "poly x test", "poly x train"]
    frame = solar().frame
    for row, (kind, split) in enumerate(found.values):
        here = ((frame["module type"] == kind) & (frame["split"] == split)).to_numpy()
        assert (here == (found.codes == row)).all()
        assert found.frame["group"][row] == f"{kind} x {split}"
        assert found.frame["support"][row] == here.sum()
        assert found.frame["accuracy"][row] == pytest.approx((frame["verdict"][here] == "right").mean(), **EXACT)


def test_groups_of_numbers_stand_in_their_order() -> None:
    rng = np.random.default_rng(1)
    plain = table(["good"] * 400, ["good"] * 400, {"line": rng.choice([2, 10, None], 400)})
    found = breakdown(plain, "line")
    assert sorted(found.values) == [(2,), (10,)]
    mixed = with_attributes(plain, line=pd.Series([7, "seven"] * 200, dtype=object))
    assert sorted(breakdown(mixed, "line").frame["group"]) == ["7", "seven"]


def test_another_positive_class_turns_the_defect_figures_round() -> None:
    one, other = (
        by_group(breakdown(solar(), "module type", positive=name)).loc["poly"] for name in ("defective", "functional")
    )
    assert other["recall"] == pytest.approx(1 - one["overkill rate"], **EXACT)
    assert other["escape rate"] == pytest.approx(one["overkill rate"], **EXACT)
    assert other["AUC"] == pytest.approx(one["AUC"], abs=1e-6)  # the probabilities are rounded to float32
    without = dataclasses.replace(solar(), rule=dataclasses.replace(solar().rule, positive=None, threshold=None))
    assert breakdown(without, "module type").figures == ("accuracy", "mean confidence", "calibration error")


def test_confusion_names_the_images_behind_a_cell() -> None:
    found = confusion(solar(), TEST)
    frame = solar().frame
    for label in solar().class_names:
        for predicted in solar().class_names:
            here = TEST & ((frame["label"] == label) & (frame["predicted"] == predicted)).to_numpy()
            assert found.members(label, predicted).tolist() == np.flatnonzero(here).tolist()
    assert found.counts.tolist() == [[443, 8], [55, 150]]


def test_the_same_seed_gives_the_same_table() -> None:
    pd.testing.assert_frame_equal(breakdown(solar(), "module type").frame, wb.breakdown(solar(), "module type").frame)
    one, other = (breakdown(solar(), "module type", seed=seed).frame for seed in (0, 1))
    assert not one["calibration error high"].equals(other["calibration error high"])


def test_what_cannot_be_broken_down_is_refused(refusal) -> None:
    assert "'colour'" in refusal(lambda: breakdown(solar(), "colour"))
    assert "module type" in refusal(lambda: breakdown(solar(), "confidence"))
    assert "'broken'" in refusal(lambda: breakdown(solar(), positive="broken"))
    assert "label" in refusal(lambda: breakdown(solar(), rows=np.zeros(len(solar()), bool)))
    empty, many = (with_attributes(solar(), camera=values) for values in (None, np.arange(len(solar()))))
    assert "camera" in refusal(lambda: breakdown(empty, "camera"))
    assert str(MOST_GROUPS) in refusal(lambda: breakdown(many, "camera"))
    with pytest.raises(ValueError, match="booleans"):
        breakdown(solar(), rows=np.arange(3))


def test_importing_it_is_light() -> None:
    code = "import sys, workbench.bias; print({'torch', 'scipy', 'sklearn', 'pyarrow'} & sys.modules.keys())"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout.strip()
        == "set()"
    )
