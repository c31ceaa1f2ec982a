from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torch import nn

import workbench as wb
from workbench.images.item import BytesSource, ImageItem
from workbench.predictions.labels import good_class
from workbench.predictions.table import COLUMNS, DecisionRule, Predictions, column_of, tabulate

Refusal = Callable[[Callable[[], object]], str]
Net = Callable[..., nn.Sequential]

RULE = DecisionRule(("good", "bad", "odd"), "bad", 0.3)


def item(name: str, **facts: object) -> ImageItem:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 5), "red").save(buffer, "PNG")
    return ImageItem(name, BytesSource(buffer.getvalue() + name.encode()), **facts)  # type: ignore[arg-type]


def table(
    items: Sequence[ImageItem], probabilities: Sequence[Sequence[float]], rule: DecisionRule = RULE, **errors: str
) -> Predictions:
    p = np.array(probabilities, np.float32).reshape(len(items), len(rule.class_names))
    return tabulate(items, np.log(p + 1e-9), p, {int(row[1:]): why for row, why in errors.items()}, rule, "digest")


# Decisions


def test_without_a_threshold_the_most_probable_class_wins() -> None:
    chosen, unsure = DecisionRule(("a", "b", "c"), "b").decide(
        np.array([[0.5, 0.4, 0.1], [0.1, 0.2, 0.7], [0.41, 0.2, 0.39]])
    )
    assert chosen.tolist() == [0, 2, 0]
    assert unsure.tolist() == [True, False, True]


def test_unsure_without_a_threshold_is_a_lead_under_twice_the_margin() -> None:
    _, unsure = DecisionRule(("a", "b")).decide(np.array([[0.595, 0.405], [0.605, 0.395], [0.0, 1.0]]))
    assert unsure.tolist() == [True, False, False]


def test_from_the_threshold_on_the_positive_class_wins_whatever_the_others_say() -> None:
    p = np.array([[0.7, 0.3, 0.0], [0.71, 0.29, 0.0], [0.05, 0.25, 0.7], [0.0, 0.9, 0.1]])
    chosen, unsure = RULE.decide(p)
    assert chosen.tolist() == [1, 0, 2, 1]
    assert unsure.tolist() == [True, True, True, False]


def test_below_the_threshold_the_positive_class_loses_although_it_is_most_probable() -> None:
    chosen, unsure = DecisionRule(("good", "bad"), "bad", 0.9).decide(
        np.array([[0.25, 0.75], [0.11, 0.89], [0.1, 0.9]])
    )
    assert chosen.tolist() == [0, 0, 1]
    assert unsure.tolist() == [False, True, True]


def test_deciding_leaves_the_probabilities_as_they_are() -> None:
    p = np.array([[0.7, 0.3, 0.0]])
    RULE.decide(p)
    assert p.tolist() == [[0.7, 0.3, 0.0]]


def test_a_threshold_of_nothing_and_of_all() -> None:
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert DecisionRule(("good", "bad"), "bad", 0.0).decide(p)[0].tolist() == [1, 1]
    assert DecisionRule(("good", "bad"), "bad", 1.0).decide(p)[0].tolist() == [0, 1]


# The table


def test_a_row_says_what_is_known_and_what_was_found() -> None:
    items = [
        item("a.png", label="bad", split="test", attributes={"camera": "left", "line": 1}),
        item("b.png", label="bad"),
        item("c.png", label="unheard of", attributes={"line": 2}),
        item("d.png"),
    ]
    frame = table(items, [[0.55, 0.45, 0.0], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.2, 0.1, 0.7]]).frame
    assert list(frame.columns[:6]) == ["name", "id", "label", "split", "camera", "line"]
    assert frame["id"].tolist() == [i.id for i in items]
    assert frame["label"].tolist() == ["bad", "bad", "unheard of", None]
    assert frame["split"].tolist() == ["test", None, None, None]
    assert frame["camera"].tolist() == ["left", None, None, None]
    assert frame["predicted"].tolist() == ["bad", "good", "good", "odd"]
    assert frame["confidence"].tolist() == pytest.approx([0.45, 0.9, 0.9, 0.7])
    assert frame["verdict"].tolist() == ["right", "wrong", None, None]
    assert frame["unsure"].tolist() == [False, False, False, False]
    assert frame["error"].tolist() == [None] * 4


def test_an_answer_that_is_no_number_is_a_row_with_an_error() -> None:
    frame = table([item("a.png", label="good"), item("b.png", label="good")], [[np.nan] * 3, [0.9, 0.1, 0.0]]).frame
    assert "a.png is not a number" in frame["error"][0]
    assert (frame["predicted"][0], frame["verdict"][0], bool(frame["unsure"][0])) == (None, None, False)
    assert frame["verdict"][1] == "right"


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_an_attribute_with_the_name_of_a_column_has_a_column_of_its_own(name: str, tmp_path: Path) -> None:
    items = [
        item("a.png", attributes={name: 1, f"{name} (attribute)": 2, "camera": 3}),
        item("b.png", attributes={name: "x"}),
    ]
    plain = table([item("a.png"), item("b.png")], [[1, 0, 0], [0, 1, 0]])
    found = table(items, [[1, 0, 0], [0, 1, 0]])
    assert found.frame[list(plain.frame)].equals(plain.frame)
    assert list(found.frame[f"{name} (attribute)"]) == ["1", "x"], "a column of two kinds is text"
    assert found.frame[f"{name} (attribute) (attribute)"].iloc[0] == 2
    assert found.frame["camera"].iloc[0] == 3
    found.save(tmp_path / "p.parquet")
    assert Predictions.load(tmp_path / "p.parquet").frame.equals(found.frame)


def test_no_two_attributes_share_a_column() -> None:
    names = [
        name + " (attribute)" * times for name in (*sorted(COLUMNS), "camera", "", "(attribute)") for times in range(3)
    ]
    columns = [column_of(name) for name in names]
    assert len(set(columns)) == len(names)
    assert not COLUMNS & set(columns)


def test_the_names_that_attributes_may_not_have_are_those_of_the_table(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table([item("a.png")], [[1, 0, 0]]).save(tmp_path / "p.parquet")
    of_an_audit = {"margin", "entropy", "embedding"}
    assert set(pq.read_table(tmp_path / "p.parquet").column_names) == COLUMNS - of_an_audit


def test_arrays_of_another_shape_are_refused() -> None:
    p = table([item("a.png")], [[1, 0, 0]])
    with pytest.raises(ValueError, match="of shape"):
        Predictions(p.frame, p.probabilities[:, :2], p.logits, p.rule, p.model)


# Files


@pytest.mark.parametrize("rule", [RULE, DecisionRule(("good", "bad", "odd"))])
def test_a_file_gives_back_exactly_what_was_saved(tmp_path: Path, rule: DecisionRule) -> None:
    items = [
        item(
            "a\n<b>.png",
            label="bad",
            split="test",
            attributes={"camera": "left", "line": 1, "day": pd.Timestamp("2026-01-02"), "hot": True},
        ),
        item("Ü.png", attributes={"line": 2, "mixed": 7}),
        item("c.png", label="odd", attributes={"line": 3, "mixed": "7b"}),
    ]
    saved = table(items, [[0.6, 0.4, 0.0], [0.9, 0.1, 0.0], [np.nan] * 3], rule, _2="c.png is damaged")
    saved.save(tmp_path / "p.parquet")
    loaded = Predictions.load(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(loaded.frame, saved.frame)
    assert loaded.frame["verdict"][1] is None
    assert loaded.frame["error"].tolist() == [None, None, "c.png is damaged"]
    assert loaded.frame["mixed"].tolist() == [None, "7", "7b"]
    np.testing.assert_array_equal(loaded.probabilities, saved.probabilities)
    np.testing.assert_array_equal(loaded.logits, saved.logits)
    assert loaded.probabilities.dtype == loaded.logits.dtype == np.float32
    assert (loaded.rule, loaded.model) == (rule, "digest")


def test_a_table_without_rows_is_saved_too(tmp_path: Path) -> None:
    table([], []).save(tmp_path / "p.parquet")
    loaded = Predictions.load(tmp_path / "p.parquet")
    assert len(loaded) == 0
    assert loaded.probabilities.shape == (0, 3)


def test_a_file_of_something_else_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    pd.DataFrame({"probabilities": [1]}).to_parquet(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no")
    assert "is not there" in refusal(lambda: Predictions.load(tmp_path / "none.parquet"))
    for name in ("other.parquet", "text.parquet"):
        assert "holds no predictions" in refusal(partial(Predictions.load, tmp_path / name))


# With a model


def test_an_unreadable_image_becomes_a_row_and_the_others_keep_their_places(tiny_net: Net) -> None:
    classifier = wb.load_classifier(tiny_net(), size=(8, 8), classes=["good", "bad"])
    broken = ImageItem("broken.png", BytesSource(b"no"), label="good")
    items = [item("a.png"), broken, item("b.png", label="bad"), item("c.png")]
    predictions = wb.predict(classifier, items, batch=2)
    frame = predictions.frame
    assert frame["name"].tolist() == ["a.png", "broken.png", "b.png", "c.png"]
    assert frame["error"].isna().tolist() == [True, False, True, True]
    assert "broken.png is not an image" in frame["error"][1]
    assert [frame[column][1] for column in ("id", "predicted", "verdict")] == [None, None, None]
    assert np.isnan(frame["confidence"][1])
    assert not frame["unsure"][1]
    assert np.isnan(predictions.probabilities[1]).all()
    alone = wb.predict(classifier, items[2])
    np.testing.assert_allclose(predictions.logits[2], alone.logits[0], atol=1e-6)
    assert predictions.probabilities[[0, 2, 3]].sum(axis=1) == pytest.approx(1)


def test_only_broken_images_and_none_at_all(tiny_net: Net) -> None:
    classifier = wb.load_classifier(tiny_net(), size=(8, 8))
    assert wb.predict(classifier, [ImageItem("x.png", BytesSource(b""))]).frame["error"].notna().all()
    assert len(wb.predict(classifier, [])) == 0


@pytest.mark.parametrize(
    ("names", "good"),
    [
        (("bad", "good"), "good"),
        (("OK", "NOK"), "OK"),
        (("not_ok", "ok"), "ok"),
        (("fail", "pass"), "pass"),
        (("functional", "defective"), "functional"),
        (("nonfunctional", "functional"), "functional"),
        (("normal", "abnormal"), "normal"),
        (("MT_Blowhole", "MT_Crack", "MT_Free"), "MT_Free"),
        (("no_defect", "defect"), "no_defect"),
        (("NonDefective", "Defective"), "NonDefective"),
        (("defect-free", "scratch"), "defect-free"),
        (("01_good", "02_good_but_damaged"), "01_good"),
        (("good", "ok"), None),
        (("cat", "dog"), None),
        ((), None),
    ],
)
def test_the_class_of_good_parts_is_read_from_the_names(names, good) -> None:
    assert good_class(names) == good
    assert good_class(names[::-1]) == good
