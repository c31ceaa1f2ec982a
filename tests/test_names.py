"""Names that people give to classes, attributes and values are never taken for words of the program's own, nor for one
another."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tables import table

from workbench.bias import grouping
from workbench.bias.groups import compare
from workbench.bias.performance import breakdown
from workbench.bias.simpson import simpson
from workbench.bias.slices import slices
from workbench.bias.where import Maps, focus, mean_maps
from workbench.defects.localise import ALL_DEFECTS, LeftOut, summarise
from workbench.defects.localise import Row as Measured
from workbench.images.item import BytesSource, ImageItem
from workbench.predictions.table import attributes_of, column_of
from workbench.probe.robustness import ALL_CLASSES, Row, curve
from workbench.probe.sweep import sweep_set
from workbench.sets.layouts import load_images
from workbench.texts.values import apart

NASTY = (
    "all",
    "group",
    "label",
    "predicted",
    "None",
    "nan",
    "all classes",
    "all defects",
    "unlabelled",
    "a: b",
    "a x b",
    "name",
    "x | y",
)


def dealt(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Labels out of `NASTY` and what is predicted for them, about a fifth of it wrong."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(NASTY, count).astype(object)
    called = np.where(rng.random(count) < 0.2, rng.choice(NASTY, count), labels)
    return labels.tolist(), called.tolist()


def test_labels_that_differ_stay_apart() -> None:
    assert apart(["a", "b", "a", "a (2)", "a"]) == ["a", "b", "a (2)", "a (2) (2)", "a (3)"]
    assert apart(["all", "b"], ["all"]) == ["all (2)", "b"]


def test_a_breakdown_by_class_counts_whatever_the_classes_are_called() -> None:
    labels, called = dealt(1300)
    found = breakdown(table(labels, called, classes=NASTY, positive=None))
    support = dict(zip(found.frame["group"], found.frame["support"], strict=True))
    assert support == Counter(labels)
    for name, rate in found.rates("recall").items():
        assert rate.count == sum(a == b == name for a, b in zip(labels, called, strict=True))


@pytest.mark.parametrize("attribute", [*NASTY, "self", "id", "verdict", "confidence", "label (attribute)", "split"])
def test_a_breakdown_by_an_attribute_counts_whatever_it_is_called(attribute: str) -> None:
    labels, called = dealt(1300)
    values = [*NASTY, None]
    items = [
        ImageItem(str(i), BytesSource(b""), attributes={attribute: values[i % len(values)]}) for i in range(len(labels))
    ]
    column = column_of(attribute)
    known = table(labels, called, {column: attributes_of(items)[column].tolist()}, classes=NASTY, positive=None)
    found = breakdown(known, column)
    for place, value in enumerate(NASTY):
        own = [a == b for a, b in list(zip(labels, called, strict=True))[place :: len(values)]]
        rate = found.rates("accuracy")[value]
        assert (rate.count, rate.support) == (sum(own), len(own)), value
    assert compare(known, column, figures=["accuracy"]).row(column, "accuracy")["groups"] == len(NASTY)
    assert found.by == column


def test_measurements_of_any_name_are_cut_into_quarters() -> None:
    labels, called = dealt(200)
    known = table(labels, called, {"self": np.arange(200.0)}, classes=NASTY, positive=None)
    known.frame["self"] = known.frame["self"].astype(float)
    assert grouping(known).cut == ("self",)
    assert sorted(Counter(grouping(known).predictions.frame["self"]).values()) == [50] * 4


def test_crossed_groups_and_attributes_that_read_alike_are_told_apart() -> None:
    labels, called = dealt(400)
    first, second = (["a", "a x b"] * 200), (["b x c", "b x c", "c", "c"] * 100)
    known = table(
        labels, called, {"one": first, "two": second, "one x two": ["l", "r"] * 200}, classes=NASTY, positive=None
    )
    found = breakdown(known, ("one", "two"))
    right = [a == b for a, b in zip(labels, called, strict=True)]
    counts = {
        (x, y): sum(r for r, f, s in zip(right, first, second, strict=True) if (f, s) == (x, y))
        for x in {*first}
        for y in {*second}
    }
    assert len(found.rates("accuracy")) == 4
    assert {
        value: rate.count for value, rate in zip(found.values, found.rates("accuracy").values(), strict=True)
    } == counts
    assert found.by != "one x two"
    comparison = compare(known, "one x two", ("one", "two"), figures=["accuracy"])
    assert comparison.frame["by"].tolist() == ["one x two", found.by]


def test_columns_of_several_kinds_are_grouped_as_they_read() -> None:
    given = [1, "1", 2.0, True, None, "None", 2, [1], {"a": 1}, float("nan")]
    items = [ImageItem(f"{i} {value}", BytesSource(b""), attributes={"x": value}) for i in range(30) for value in given]
    labels, called = dealt(len(items))
    found = breakdown(
        table(labels, called, {"x": attributes_of(items)["x"].tolist()}, classes=NASTY, positive=None), "x"
    )
    assert dict(zip(found.frame["group"], found.frame["support"], strict=True)) == {
        "1": 60, "2": 60, "True": 30, "None": 30, "[1]": 30, '{"a": 1}': 30,
    }  # fmt: skip


def test_whole_numbers_with_gaps_are_grouped_under_the_names_that_they_are_filtered_by() -> None:
    items = [
        ImageItem(str(i), BytesSource(b""), attributes={} if i % 3 == 2 else {"camera": i % 3}) for i in range(120)
    ]
    labels, called = dealt(120)
    found = breakdown(
        table(labels, called, {"camera": attributes_of(items)["camera"].tolist()}, classes=NASTY, positive=None),
        "camera",
    )
    assert sorted(found.frame["group"]) == ["0", "1"]


def test_maps_are_averaged_within_groups_of_any_name() -> None:
    rng = np.random.default_rng(0)
    names = [NASTY[i % len(NASTY)] for i in range(130)]
    heatmaps = rng.random((130, 32, 32))
    heatmaps /= heatmaps.sum((1, 2), keepdims=True)
    maps = Maps(pd.DataFrame({"predicted": names}), heatmaps, np.full(130, np.nan), "saliency")
    found = mean_maps(maps)
    assert {name: count for name, (_, count) in found.items()} == dict.fromkeys(NASTY, 10)
    assert np.allclose(found["all"][0], heatmaps[[name == "all" for name in names]].mean(0))
    assert set(focus(maps)["group"]) == set(NASTY)


def test_simpson_and_slices_take_classes_of_any_name() -> None:
    labels, called = dealt(1300)
    known = table(
        labels,
        called,
        {"all": ["first", "second"] * 650, "first": ["stratum", "gap"] * 650},
        classes=NASTY,
        positive=None,
    )
    gap = simpson(known, "all", within="label")
    assert gap is not None
    assert set(gap.frame["stratum"]) == set(NASTY)
    assert {gap.first, gap.second} == {"first", "second"}
    features = np.array([[NASTY.index(name) == i for i in range(len(NASTY))] for name in labels], float)
    found = slices(features + np.random.default_rng(0).normal(0, 0.01, features.shape), known)
    told = {(trait.attribute, trait.value) for part in found.slices for trait in part.traits}
    assert ("label", "all") in told


def test_a_class_called_like_all_of_them_does_not_stand_for_them() -> None:
    rows = [Row("a", ALL_CLASSES, True, None, None, 1), *(Row(str(i), "other", False, None, None, 1) for i in range(3))]
    frame = curve(rows, [1.0])
    at = frame[frame["epsilon"] == 0].set_index("group")
    assert at["support"].to_dict() == {ALL_CLASSES: 4, f"{ALL_CLASSES} (2)": 1, "other": 3}
    assert at["robust"].to_dict() == {ALL_CLASSES: 1, f"{ALL_CLASSES} (2)": 1, "other": 0}


def test_a_kind_of_defect_called_like_all_of_them_does_not_stand_for_them() -> None:
    from workbench.defects.curves import split_pixels

    def row(name: str, kind: str | None) -> Measured:
        mask = np.zeros((8, 8), np.int32)
        mask[:2, :2] = kind is not None
        return Measured(
            name, kind, split_pixels(np.random.default_rng(len(name)).random((8, 8)), mask), 0.5, True, 0.1, 0.5
        )

    rows = [row("g", None), row("aa", ALL_DEFECTS), row("bbb", "unlabelled"), row("cccc", ""), row("ddddd", "")]
    frame = summarise(rows, [LeftOut("x", "unlabelled", "no mask", "It has none.")]).set_index("kind")
    assert frame["support"].to_dict() == {"unlabelled": 2, f"{ALL_DEFECTS} (2)": 1, "unlabelled (2)": 1, ALL_DEFECTS: 4}
    assert frame["left out"].to_dict() == {
        "unlabelled": 0,
        f"{ALL_DEFECTS} (2)": 0,
        "unlabelled (2)": 1,
        ALL_DEFECTS: 1,
    }


def test_a_sweep_over_attributes_of_any_name_keeps_all_images_apart(tmp_path: Path, write_image, tiny_net) -> None:
    import workbench as wb

    classifier = wb.load_classifier(tiny_net(), classes=("all", "label"), size=(8, 8))
    lines = ["image,label,all,predicted"]
    for i in range(6):
        write_image(f"{i}.png", (40 * i, 0, 0))
        lines.append(f"{i}.png,{('all', 'label')[i % 2]},{('all', 'yes')[i // 3]},{'' if i else 'all'}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    images = load_images(tmp_path)
    frame = sweep_set(classifier, list(images), "brightness", [0.5], attributes=["all", "predicted"]).frame
    support = {(row["by"], row["group"]): row["support"] for row in frame.to_dict("records")}
    assert support == {
        ("all", "all images"): 6, ("label", "all"): 3, ("label", "label"): 3,
        ("all (2)", "all"): 3, ("all (2)", "yes"): 3, ("predicted (attribute)", "all"): 1,
    }  # fmt: skip


def test_an_audit_keeps_columns_of_every_kind_and_name(tmp_path: Path, write_image, tiny_net) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    import workbench as wb
    from workbench.audit.reader import open_audit
    from workbench.audit.runner import run

    names = [write_image(f"{i}.png", (20 * i, 0, 0)).name for i in range(6)]
    columns = {
        "tags": [["a", "b"], ["a"], None, [], ["a"], ["a"]],
        "verdict": [b"\xff", b"ok", None, b"ok", b"ok", b"\xff"],
        "embedding": [{"x": 1}, {"x": 1}, {"x": None}, None, {"x": 1}, {"x": 1}],
    }
    table = {
        "image": names,
        "label": ["all", "None"] * 3,
        **{name: pa.array(values) for name, values in columns.items()},
    }
    pq.write_table(pa.table(table), tmp_path / "manifest.parquet")
    images = load_images(tmp_path)
    classifier = wb.load_classifier(tiny_net(), classes=("all", "None"), size=(8, 8))
    list(run(classifier, images, tmp_path / "audit"))
    found = open_audit(tmp_path / "audit").predictions
    counted = {
        by: dict(breakdown(found, by).frame[["group", "support"]].to_numpy().tolist()) for by in map(column_of, columns)
    }
    assert counted["tags"] == {'["a", "b"]': 1, '["a"]': 3, "[]": 1}
    assert sorted(counted["verdict (attribute)"].values()) == [2, 3]
    assert counted["verdict (attribute)"]["ok"] == 3
    assert counted["embedding (attribute)"] == {'{"x": 1}': 4, '{"x": null}': 1}
