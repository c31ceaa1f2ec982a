"""Tables that somebody handed in: what a small file may become in memory, how long it may take, and what is said where
it is too much."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from measured import cost
from PIL import Image

from workbench.errors import InputError
from workbench.files import parquet_tables, table_limits, tables
from workbench.files.tables import read_table
from workbench.sets.layouts import images_from_zip

Refusal = Callable[[Callable[[], object]], str]


def parquet(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **{"compression": "zstd"} | options)
    return buffer.getvalue()


def zipped(name: str, manifest: bytes) -> bytes:
    image, buffer = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 6)).save(image, "PNG")
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, manifest)
        archive.writestr("a.png", image.getvalue())
    return buffer.getvalue()


def one_list() -> bytes:
    return parquet(pa.table({"image": ["a.png"], "v": pa.array([np.zeros(10**7, np.int8)], pa.list_(pa.int8()))}))


def one_word_in_every_row() -> bytes:
    numbers = pa.array(np.zeros(200_000, np.int32))
    return parquet(
        pa.table(
            {
                "image": pa.DictionaryArray.from_arrays(numbers, ["a.png"]),
                "v": pa.DictionaryArray.from_arrays(numbers, ["x" * 10_000]),
            }
        )
    )


def one_huge_word() -> bytes:
    return parquet(pa.table({"image": ["a.png"], "v": ["x" * 10**8]}))


def wide_cells() -> bytes:
    cells = pa.FixedSizeBinaryArray.from_buffers(pa.binary(10_000), 20_000, [None, pa.py_buffer(bytes(2 * 10**8))])
    return parquet(pa.table({"image": ["a.png"] * 20_000, "v": cells}))


BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a list of 1e7 values": ("manifest.parquet", one_list, ""),
    "one long word in every row": ("manifest.parquet", one_word_in_every_row, "over the limit of 64 MB"),
    "one huge word": ("manifest.parquet", one_huge_word, "95 MB of values, over the limit of 64 MB"),
    "fixed cells that repeat": ("manifest.parquet", wide_cells, "191 MB of values, over the limit of 64 MB"),
    "nothing but line ends": ("manifest.csv", lambda: b"\n" * 2_000_000, "more lines, over the limit of 1,000,000"),
    "comments without an end": ("manifest.csv", lambda: b"#\n" * 2_000_000, "more lines, over the limit of 1,000,000"),
    "one line without an end": (
        "manifest.csv",
        lambda: b"x" * 2**25,
        "a longer line, over the limit of 1,048,576 characters",
    ),
    "a cell that is never closed": (
        "manifest.csv",
        lambda: b'image\n"' + b"x\n" * 2**20,
        "field larger than field limit",
    ),
    "columns without an end": ("manifest.csv", lambda: b"image" + b",c" * 400_000, "more than once"),
    "cells without an end": (
        "manifest.csv",
        lambda: b"image\n" + b"a.png" + b"," * 900_000 + b"\n",
        "900,001 columns, over the limit of 500",
    ),
    "rows without an end": ("manifest.csv", lambda: b"image\n" + b"a.png\n" * 300_000, "more than 200,000 images"),
    "many cells": (
        "manifest.csv",
        lambda: b"image\n" + (b"a.png" + b"," * 99 + b"\n") * 100_000,
        "more cells, over the limit of 4,000,000",
    ),
    "letters of four bytes": (
        "manifest.csv",
        lambda: b"image,v\n" + ("\U0001f600" * 19_000 + ",1\n").encode() * 700,
        "",
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_table_takes_little_memory_and_time_whatever_it_unpacks_to(tmp_path: Path, bomb: str) -> None:
    name, make, says = BOMBS[bomb]
    path = tmp_path / name
    path.write_bytes(make())
    assert len(zlib.compress(path.read_bytes())) < 2**20
    found = cost(
        "from workbench.files.tables import read_table",
        "read_table(open(sys.argv[1], 'rb').read(), sys.argv[1][-16:])",
        path,
    )
    assert (found.kind, says in found.said) == ("InputError" if says else "", True), found
    assert found.megabytes < 300
    assert found.apart < 900
    assert found.seconds < 20


@pytest.mark.parametrize("lines", [b"\n", b"#\n", b",\n"])
def test_reading_a_table_takes_time_in_proportion_to_its_length(lines: bytes) -> None:
    took = []
    for count in (50_000, 400_000):
        found = cost("from workbench.files.tables import read_table", f"read_table({lines!r} * {count}, 'm.csv')")
        took.append(found.seconds)
    assert took[1] < 24 * took[0] + 0.5, "eight times as long: a quadratic reader takes 64 times"


def test_columns_of_long_lists_and_tables_are_left_out_unread_and_said() -> None:
    long = np.zeros(1_100_000, np.int8)
    kinds = {
        "image": pa.array(["a.png"]),
        "box": pa.array([[1, 2]]),
        "about": pa.array([{"a": 1}]),
        "vector": pa.array([long], pa.list_(pa.int8(), len(long))),
        "inner": pa.array([{"b": long}], pa.struct({"b": pa.list_(pa.int8())})),
        "inner.b": pa.array([1]),
        "score": pa.array([0.25]),
    }
    found = read_table(parquet(pa.table(kinds)), "m.parquet")
    assert found.rows == [("row 1", {"image": "a.png", "box": "[1, 2]", "about": '{"a": 1}', "score": 0.25})]
    assert found.left_out == ("vector", "inner", "inner.b"), "a name with a dot may mean a part of a column"
    images = images_from_zip(zipped("manifest.parquet", parquet(pa.table(kinds))), "x.zip")
    assert images.notes[0] == "The column vector holds too many values in lists or tables and is left out."
    assert images.attribute_names == ("box", "about", "score")


def zigzag(number: int) -> bytes:
    """A whole number as Parquet's footer writes it."""
    found, number = b"", 2 * number
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def test_a_table_that_lies_about_its_size_ends_a_process_apart(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    data = parquet(pa.table({"image": ["a.png"], "v": ["x" * 10**8]}))
    size = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(1).total_uncompressed_size
    honest = zigzag(size)
    assert data.count(honest) == 1
    data = data.replace(honest, bytes([130, *[128] * (len(honest) - 2), 0]))
    assert pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(1).total_uncompressed_size == 1
    assert "a cell of 100,000,000 characters" in refusal(lambda: read_table(data, "m.parquet"))
    monkeypatch.setattr(tables, "MEMORY", 150)
    assert "m.parquet takes over 150 MB of memory to read" in refusal(lambda: read_table(data, "m.parquet"))


def test_a_parquet_table_holds_what_pyarrow_says_it_holds_with_times_as_text() -> None:
    rng = np.random.default_rng(0)
    count = 3000
    words = pa.array([None if i % 7 == 0 else f"w{i % 50}" for i in range(count)])
    table = pa.table(
        {
            "image": [f"{i}.png" for i in range(count)],
            "word": words,
            "dictionary": words.dictionary_encode(),
            "bytes": pa.array([b"x%d" % (i % 9) for i in range(count)]),
            "number": pa.array(rng.normal(size=count)),
            "whole": pa.array(rng.integers(0, 9, count), mask=rng.random(count) < 0.2),
            "flag": pa.array(rng.random(count) < 0.5),
            "day": pa.array(rng.integers(0, 9000, count).astype("datetime64[D]")),
            "long": words.cast(pa.large_string()),
        }
    )
    for options in ({}, {"use_dictionary": False}, {"row_group_size": 700}, {"data_page_version": "2.0"}):
        found = read_table(parquet(table, **options), "M.PARQUET")
        assert [row for _, row in found.rows] == [
            row | {"bytes": row["bytes"].decode(), "day": row["day"].isoformat()} for row in table.to_pylist()
        ]
        assert [where for where, _ in found.rows[:2]] == ["row 1", "row 2"]


def test_the_limits_of_a_table_by_the_number(monkeypatch: pytest.MonkeyPatch, refusal: Refusal) -> None:
    for module in (parquet_tables, table_limits):
        monkeypatch.setattr(module, "MOST_CELLS", 12)
    monkeypatch.setattr(tables, "read_apart", lambda reader, data, file, **limits: tables.table_json(data, file))
    assert len(read_table(b"image,v\n" + b"a,1\n" * 6, "m.csv").rows) == 6
    assert "more cells, over the limit of 12" in refusal(lambda: read_table(b"image,v\n" + b"a,1\n" * 7, "m.csv"))
    assert len(read_table(parquet(pa.table({"image": ["a"] * 6, "v": [1] * 6})), "m.parquet").rows) == 6
    assert "14 cells, over the limit of 12" in refusal(
        lambda: read_table(parquet(pa.table({"image": ["a"] * 7, "v": [1] * 7})), "m.parquet")
    )
    monkeypatch.setattr(table_limits, "LONGEST_CELL", 5)
    for data, name in ((b"image\nabcdef\n", "m.csv"), (parquet(pa.table({"image": ["abcdef"]})), "m.parquet")):
        assert "a cell of 6 characters, over the limit of 5" in refusal(
            lambda data=data, name=name: read_table(data, name)
        )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_damaged_table_is_one_sentence(kind: str) -> None:
    """Mutated valid files: a table or one sentence, and nothing else."""
    rng = np.random.default_rng(5)
    good = (
        b"image,label,x\na.png,ok,1\nb.png,bad,2\n"
        if kind == "csv"
        else parquet(
            pa.table({"image": ["a.png", "b.png"], "label": ["ok", "bad"], "x": [1.0, 2.0], "v": [[1], [2, 3]]}),
            compression="snappy",
        )
    )
    refused = 0
    for _ in range(400 if kind == "csv" else 12):
        data = bytearray(good)
        for at in rng.integers(0, len(data), rng.integers(1, 5)):
            data[at] = rng.integers(0, 256)
        try:
            read_table(bytes(data[: rng.integers(1, len(data))] if rng.random() < 0.2 else data), f"m.{kind}")
        except InputError:
            refused += 1
    assert refused > 2
