"""Tables from users, as rows: bounded before and while they are read, so that a small file cannot become huge."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from workbench.errors import InputError
from workbench.files.apart import read_apart
from workbench.files.sheets import unguarded
from workbench.texts import scalar

MOST_BYTES = 64 * 2**20
"""Of a file, and of what its columns unpack to."""
MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 200_000, 500, 4_000_000
MOST_NESTED = 1_000_000
"""Values of a column of lists or tables."""
MOST_LINES = 5 * MOST_ROWS
LONGEST_CELL, LONGEST_LINE = 20_000, 2**20
"""In characters."""
MOST_FOOTER = 8 * 2**20
"""Bytes in which a Parquet file describes itself."""
SMALL = 2**20
"""Bytes up to which a CSV is read where it is."""
MEMORY, SECONDS = 1024, 30
"""Megabytes and seconds that reading a table may take."""
Row = dict[str, object]


@dataclass(frozen=True)
class Table:
    """What a table holds.

    Attributes:
        rows: Where each stands ("line 3" of a CSV, as an editor counts them, "row 2" of a Parquet file), and its values
            by column.
        left_out: Columns that hold so many values in lists or tables that they are not read.
    """

    rows: list[tuple[str, Row]]
    left_out: tuple[str, ...] = ()


def read_table(data: bytes, name: str) -> Table:
    """The table in a CSV or Parquet file. What is large, or can become so, is read in a process of its own.

    Args:
        data: The contents of the file.
        name: Of the file: its ending tells the format, and sentences name it.

    Raises:
        InputError: It is something else, or larger than the limits.
    """
    if len(data) <= SMALL and not name.lower().endswith(".parquet"):
        return _csv(data, name)
    limits = {"megabytes": MEMORY, "seconds": SECONDS}
    document = json.loads(read_apart("workbench.files.tables:table_json", data, name, name=name, **limits))
    rows = (dict(zip(document["columns"], cells, strict=True)) for cells in document["cells"])
    return Table(list(zip(document["places"], rows, strict=True)), tuple(document["left_out"]))


def table_json(data: bytes, name: str) -> bytes:
    """As `read_table`, read here and written as JSON."""
    table = _parquet(data, name) if name.lower().endswith(".parquet") else _csv(data, name)
    columns = list(table.rows[0][1]) if table.rows else []
    return json.dumps(
        {
            "columns": columns,
            "places": [where for where, _ in table.rows],
            "cells": [list(row.values()) for _, row in table.rows],
            "left_out": table.left_out,
        },
        default=scalar,
        ensure_ascii=False,
    ).encode()


def csv_rows(data: bytes, name: str) -> list[Row]:
    """Rows of a CSV with commas, semicolons or tabs; # starts a comment above the header. Arguments and errors as
    `read_table`."""
    return [row for _, row in _csv(data, name).rows]


def _csv(data: bytes, name: str) -> Table:
    room, lines, above = _Room(name), _lines(data, name), 0
    rows: list[tuple[str, Row]] = []
    try:
        while (first := next(lines, "")).startswith(("#", "\n", "\r")):
            above += 1
        reader = csv.reader(chain([first], lines), delimiter=max(",;\t", key=first.count))
        header = [unguarded(cell.strip()) for cell in next(reader, [])]
        _check_once(header, name)
        begin = reader.line_num
        for cells in reader:
            where, begin = f"line {above + begin + 1}", reader.line_num
            if any(cells):
                room.take(cells)
                rows.append((where, _row(header, cells, name, where)))
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8: save it as CSV (UTF-8).") from None
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV this can read ({error}): save it again as CSV.") from None
    return Table(rows)


def _row(header: Sequence[str], cells: Sequence[str], name: str, where: str) -> Row:
    if any(cells[len(header) :]):
        raise InputError(
            f"{name} has {len(cells):,} cells in {where}, but its header names {len(header)}: put quotes around a cell"
            " that holds what divides the cells."
        )
    return {column: _cell(cell or "") for column, cell in zip_longest(header, cells[: len(header)]) if column}


def _cell(text: str) -> str | None:
    """What a cell of a CSV says, without the apostrophe that keeps a spreadsheet from computing it.

    None where it says nothing, or NaN, which is how programs write nothing.
    """
    text = text.strip()
    return None if text.lower() in ("", "nan") else unguarded(text)


def _check_once(columns: Sequence[str], name: str) -> None:
    """Refuse a column that is named twice: one of the two would be lost."""
    twice = [column for column, count in Counter(columns).items() if count > 1 and column]
    if twice:
        raise InputError(f"{name} names the column {twice[0]!r} more than once: rename or remove one of them.")


def _lines(data: bytes, name: str) -> Iterator[str]:
    if len(data) > MOST_BYTES:
        raise _over(name, f"{len(data) / 2**20:,.0f} MB", f"{MOST_BYTES // 2**20} MB")
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    for _ in range(MOST_LINES):
        line = text.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise _over(name, "a longer line", f"{LONGEST_LINE:,} characters")
        if not line:
            return
        yield line
    if text.read(1):
        raise _over(name, "more lines", f"{MOST_LINES:,}")


@dataclass
class _Room:
    """How much of a table was read."""

    name: str
    rows: int = 0
    cells: int = 0
    letters: int = 0

    def take(self, cells: Sequence[object]) -> None:
        """Count a row."""
        self.rows += 1
        self.cells += len(cells)
        if self.rows > MOST_ROWS:
            raise InputError(f"{self.name} lists more than {MOST_ROWS:,} images, which is the limit: split it.")
        if len(cells) > MOST_COLUMNS:
            raise _over(self.name, f"{len(cells):,} columns", f"{MOST_COLUMNS:,}")
        if self.cells > MOST_CELLS:
            raise _over(self.name, "more cells", f"{MOST_CELLS:,}")
        self.read(cells)

    def read(self, values: Sequence[object]) -> None:
        """Count the letters of values that take memory of their own."""
        lengths = [len(value) for value in values if isinstance(value, str | bytes)]
        self.letters += sum(lengths)
        if max(lengths, default=0) > LONGEST_CELL:
            raise _over(self.name, f"a cell of {max(lengths):,} characters", f"{LONGEST_CELL:,}")
        if self.letters > MOST_BYTES:
            raise _over(self.name, "more text", f"{MOST_BYTES // 2**20} MB")


def _parquet(data: bytes, name: str) -> Table:
    import pyarrow.parquet as pq

    if data[-4:] == b"PAR1" and MOST_FOOTER < int.from_bytes(data[-8:-4], "little") < len(data):
        raise _over(name, "a longer description of itself", f"{MOST_FOOTER // 2**20} MB")
    rows: list[tuple[str, Row]] = []
    try:
        about = pq.ParquetFile(io.BytesIO(data), pre_buffer=False)
        plan = _Plan.of(about, name)
        file = pq.ParquetFile(io.BytesIO(data), metadata=about.metadata, read_dictionary=plan.texts, pre_buffer=False)
        room = _Room(name)
        for batch in file.iter_batches(columns=plan.columns, use_threads=False) if plan.columns else ():
            columns = [_values(column, room) for column in batch.columns]
            records = (dict(zip(batch.schema.names, cells, strict=True)) for cells in zip(*columns, strict=True))
            rows += ((f"row {number}", row) for number, row in enumerate(records, len(rows) + 1))
    except (InputError, MemoryError):
        raise
    except Exception:  # pyarrow raises its own kinds, and those of Python for values that Python cannot hold
        raise InputError(f"{name} is not a Parquet file this can read: write it again.") from None
    return Table(rows, plan.left_out)


@dataclass(frozen=True)
class _Plan:
    """Which columns of a Parquet file are read.

    Attributes:
        columns: By name.
        texts: Those of them that hold text or bytes. They are read as a dictionary and numbers into it, so that what
            stands in every row is held once.
        left_out: The others: lists and tables of more than `MOST_NESTED` values.
    """

    columns: list[str]
    texts: list[str]
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, file: Any, name: str) -> _Plan:
        """By the file's own account, refused where that would be too large."""
        import pyarrow.types as are

        kinds = {column.name: _storage(column.type) for column in file.schema_arrow if column.name}
        _check_kinds(file.schema_arrow.names, kinds.get("image"), file.metadata, name)
        nested = {column for column, kind in kinds.items() if are.is_nested(kind)}
        sizes = {column: _size(file.metadata, column) for column in kinds}
        large = [column for column in nested if sizes[column][0] > MOST_NESTED or sizes[column][1] > MOST_BYTES // 4]
        # A name with a dot may also mean a part of a nested column
        columns = [n for n in kinds if not any(f"{n}.".startswith(f"{o}.") or o.startswith(f"{n}.") for o in large)]
        texts = [
            n
            for n in columns
            if any(of(kinds[n]) for of in (are.is_string, are.is_large_string, are.is_binary, are.is_large_binary))
        ]
        width = sum(-(-getattr(kinds[n], "bit_width", 128) // 8) for n in columns if n not in nested and n not in texts)
        cells, rows = sum(max(sizes[n][0], file.metadata.num_rows) for n in columns), file.metadata.num_rows
        if cells > MOST_CELLS:
            raise _over(name, f"{cells:,} cells", f"{MOST_CELLS:,}")
        unpacked = max(sum(sizes[n][1] for n in columns), rows * width)
        if unpacked > MOST_BYTES:
            raise _over(name, f"{unpacked / 2**20:,.0f} MB of values", f"{MOST_BYTES // 2**20} MB")
        return cls(columns, texts, tuple(n for n in kinds if n not in columns))


def _check_kinds(names: Sequence[str], images: Any, metadata: Any, name: str) -> None:
    import pyarrow.types as are

    if metadata.num_rows > MOST_ROWS:
        raise InputError(f"{name} lists {metadata.num_rows:,} images, over the limit of {MOST_ROWS:,}: split it.")
    if metadata.num_columns > MOST_COLUMNS:
        raise _over(name, f"{metadata.num_columns:,} columns", f"{MOST_COLUMNS:,}")
    _check_once(names, name)
    if images is not None and (are.is_nested(images) or are.is_binary(images) or are.is_large_binary(images)):
        raise InputError(
            f"{name} holds the images themselves in its column 'image', as data sets of Hugging Face do, which is not"
            " read: save each image as a file beside it, and give the files' paths in that column."
        )


def _size(metadata: Any, column: str) -> tuple[int, int]:
    """Values and bytes that a column, with all its parts, holds by the file's own account."""
    parts = [i for i in range(metadata.num_columns) if f"{metadata.schema.column(i).path}.".startswith(f"{column}.")]
    chunks = [metadata.row_group(number).column(i) for number in range(metadata.num_row_groups) for i in parts]
    return sum(chunk.num_values for chunk in chunks), sum(chunk.total_uncompressed_size for chunk in chunks)


def _storage(kind: Any) -> Any:
    """What a column's cells are made of, below names for them."""
    while inner := getattr(kind, "storage_type", None) or (
        getattr(kind, "value_type", None) if hasattr(kind, "index_type") else None
    ):
        kind = inner
    return kind


def _values(column: Any, room: _Room) -> list[object]:
    """A column's values, where it has a dictionary each word once in memory, and lists and tables as text."""
    import pyarrow.types as are

    if are.is_nested(_storage(column.type)):
        values: list[object] = [scalar(value) for value in column.to_pylist()]
    elif hasattr(column, "dictionary"):
        words = column.dictionary.to_pylist()
        values = [None if number is None else words[number] for number in column.indices.to_pylist()]
    else:
        values = column.to_pylist()
    room.read(values)
    return values


def _over(name: str, what: str, limit: str) -> InputError:
    return InputError(
        f"{name} has {what}, over the limit of {limit} for a table: split it, or leave out what need not be known."
    )
