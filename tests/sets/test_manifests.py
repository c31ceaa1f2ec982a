"""Manifests that say that their images are synthetic, and columns of every kind; more about manifests stands in
test_layouts.py."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.images.item import BytesSource, ImageItem
from workbench.sets.layouts import load_images
from workbench.texts.values import EXACT, scalar, shown


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("column", "synthetic"),
    [(["yes", "Yes"], True), ([True, True], True), ([1, 1], True), (["yes", "no"], False), (["yes", None], False)],
)
def test_a_set_is_synthetic_where_every_row_says_so(
    tmp_path: Path, write_image: Callable[..., Path], ending: str, column: list[object], synthetic: bool
) -> None:
    for name in ("a.png", "b.png"):
        write_image(name)
    table = pd.DataFrame({"image": ["a.png", "b.png"], "synthetic": column})
    path = tmp_path / f"manifest.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    images = load_images(tmp_path)
    assert images.synthetic == synthetic
    assert ("synthetic" in images.attribute_names) == (
        not synthetic
    )  # where it differs it is an attribute to compare by


def test_a_set_without_the_column_is_not_synthetic(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image("a.png")
    (tmp_path / "manifest.csv").write_text("image,label\na.png,ok\n")
    assert not load_images(tmp_path).synthetic


def test_a_catalog_keeps_what_the_manifest_says(
    tmp_path: Path, write_image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image("lot/a.png")
    (tmp_path / "lot" / "manifest.csv").write_text("image,synthetic\na.png,yes\n")
    (tmp_path / "workbench.toml").write_text('[images.lot]\ntitle = "Lot"\nref = "lot"\n')
    monkeypatch.chdir(tmp_path)
    assert load_images("lot").synthetic


# Columns of every kind

KINDS = {
    "tags": ([["a", "b"], ["a", "b"], [], None], ['["a", "b"]', '["a", "b"]', "[]", None]),
    "box": (
        [{"x": 1, "y": None}, {"x": 1, "y": 2}, None, {"x": 1, "y": None}],
        ['{"x": 1, "y": null}', '{"x": 1, "y": 2}', None, '{"x": 1, "y": null}'],
    ),
    "digest": ([b"ab", b"\xff\x00", b"\xff\x01", b"cd"], ["ab", "2 bytes", "2 bytes", "cd"]),
    "at": (
        [datetime.datetime(2026, 11, 26, 6, 30), None, datetime.datetime(2026, 11, 26), pd.NaT],
        ["2026-11-26T06:30:00", None, "2026-11-26T00:00:00", None],
    ),
    "day": (
        [datetime.date(2026, 11, 26), None, None, datetime.date(2026, 1, 2)],
        ["2026-11-26", None, None, "2026-01-02"],
    ),
    "price": ([decimal.Decimal("1.50"), decimal.Decimal("2"), None, decimal.Decimal("-0.25")], [1.5, 2.0, None, -0.25]),
    "gain": ([0.5, float("nan"), float("inf"), None], [0.5, None, float("inf"), None]),
    "serial": ([2**60 + 1, 2**60 + 2, 3, None], [str(2**60 + 1), str(2**60 + 2), 3, None]),
    "sure": ([True, False, None, True], [True, False, None, True]),
}
"""What a Parquet column holds in four rows, and what each is as an attribute."""


def test_a_parquet_column_of_any_kind_becomes_text_numbers_or_booleans(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    names = [write_image(f"{i}.png").name for i in range(4)]
    columns = {name: pa.array(values, from_pandas=name == "at") for name, (values, _) in KINDS.items()}
    pq.write_table(pa.table({"image": names, **columns}), tmp_path / "manifest.parquet")
    images = load_images(tmp_path)
    assert images.attribute_names == tuple(KINDS)
    for name in KINDS.keys() - {"digest"}:
        assert [item.attributes.get(name) for item in images] == KINDS[name][1], name
    digests = [str(item.attributes["digest"]) for item in images]
    assert [digest.partition(" (")[0] for digest in digests] == KINDS["digest"][1]
    assert digests[1] != digests[2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([1, 2]), "[1, 2]"),
        (np.datetime64("2026-11-26"), "2026-11-26"),
        (pd.Timestamp("2026-11-26"), "2026-11-26T00:00:00"),
        (pd.NA, None),
        (np.float32("nan"), None),
        (decimal.Decimal("NaN"), None),
        (EXACT + 1, str(EXACT + 1)),
        ({1: "a", "b": 2}, "{1: 'a', 'b': 2}"),
        ([b"\xff", pd.NaT], '["1 bytes (SHA-256 a8100ae6aa19)", null]'),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_what_a_program_hands_in_becomes_one_kind_of_value(value: object, expected: object) -> None:
    assert scalar(value) == expected
    item = ImageItem("a", BytesSource(b""), attributes={"x": value})
    assert dict(item.attributes) == ({} if expected is None else {"x": expected})


def test_long_lists_are_cut_and_still_told_apart() -> None:
    one, other = scalar(list(range(1000))), scalar([*range(999), 0])
    assert isinstance(one, str)
    assert isinstance(other, str)
    assert one != other
    assert len(one) < 150
    assert one[:100] == other[:100]


def test_whole_numbers_with_gaps_read_as_whole_numbers() -> None:
    assert [shown(value) for value in (3.0, 3, "3", 0.5, True, float("inf"))] == ["3", "3", "3", "0.5", "True", "inf"]


def test_lists_in_place_of_paths_are_told_of(tmp_path: Path, refusal: Callable[..., str]) -> None:
    pq.write_table(pa.table({"image": [[1, 2]], "label": [0]}), tmp_path / "train.parquet")
    message = refusal(lambda: load_images(tmp_path / "train.parquet"))
    assert message.startswith("train.parquet holds lists or tables in its column 'image'")


@pytest.mark.parametrize("name", ["lot.PARQUET", "Lot.Parquet", "manifest.PARQUET", "lot.CSV"])
def test_a_manifest_is_read_by_its_ending_in_whatever_case(
    tmp_path: Path, write_image: Callable[..., Path], name: str
) -> None:
    write_image("a.png")
    table = pd.DataFrame({"image": ["a.png"], "label": ["ok"]})
    table.to_csv(tmp_path / name, index=False) if name.endswith("CSV") else table.to_parquet(tmp_path / name)
    (item,) = load_images(tmp_path / name)
    assert item.label == "ok"
    if name.lower() == "manifest.parquet":
        assert [item.label for item in load_images(tmp_path)] == ["ok"]


def test_text_that_reads_nan_is_text_where_the_column_is_text(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image("a.png")
    pq.write_table(pa.table({"image": ["a.png"], "label": ["nan"], "camera": ["NaN"]}), tmp_path / "m.parquet")
    (item,) = load_images(tmp_path / "m.parquet")
    assert (item.label, dict(item.attributes)) == ("nan", {"camera": "NaN"})


def test_a_row_of_a_parquet_manifest_is_told_by_its_number(
    tmp_path: Path, write_image: Callable[..., Path], refusal: Callable[..., str]
) -> None:
    write_image("a.png")
    pq.write_table(pa.table({"image": ["a.png", "b.png"]}), tmp_path / "m.parquet")
    report = load_images(tmp_path / "m.parquet").report
    assert report is not None
    (finding,) = report.findings
    assert "row 2 (b.png)" in finding.sentence
    pq.write_table(pa.table({"image": ["a.png", None]}), tmp_path / "m.parquet")
    assert "no image in row 2" in refusal(lambda: load_images(tmp_path / "m.parquet"))
