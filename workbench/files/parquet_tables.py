"""Tables in Parquet files: bounded by the file's own account of itself before a value is read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.files.disk import open_file
from workbench.files.parquet_images import features_of, image_leaf, lengths_of, open_parquet_images
from workbench.files.table_limits import (
    MOST_BYTES,
    MOST_CELLS,
    MOST_COLUMNS,
    MOST_FOOTER,
    MOST_NESTED,
    MOST_ROWS,
    Room,
    Row,
    Table,
    check_once,
    over,
)
from workbench.texts import scalar


def read_parquet(data: bytes | Path, name: str) -> Table:
    """The table in a Parquet file. Of columns that hold images only the lengths of these are told.

    Args:
        data: The contents of the file, or where it lies.
        name: Of the file, for sentences.

    Raises:
        InputError: It is no Parquet file, or larger than the limits.
    """
    try:
        end = _end(data)
    except OSError as error:  # a pipe, a socket or a device, or not permitted
        raise InputError(f"{name} cannot be read ({error.strerror}): check the file and its permissions.") from None
    if end[4:] == b"PAR1" and MOST_FOOTER < int.from_bytes(end[:4], "little") < _size_of(data):
        raise over(name, "a longer description of itself", f"{MOST_FOOTER // 2**20} MB")
    try:
        return _read(data, name)
    except (InputError, MemoryError):
        raise
    except Exception:  # pyarrow raises its own kinds, and those of Python for values that Python cannot hold
        raise InputError(f"{name} is not a Parquet file this can read: write it again.") from None


def _end(data: bytes | Path) -> bytes:
    if isinstance(data, bytes):
        return data[-8:]
    with open_file(data) as file:
        file.seek(max(0, _size_of(data) - 8))
        return file.read()


def _size_of(data: bytes | Path) -> int:
    return len(data) if isinstance(data, bytes) else data.stat().st_size


def _read(data: bytes | Path, name: str) -> Table:
    import pyarrow.parquet as pq

    about = open_parquet_images(data)
    _check_kinds(about.schema_arrow.names, about.metadata, name)
    leaves = {field.name: leaf for field in about.schema_arrow if (leaf := image_leaf(field)) is not None}
    lengths = {column: found for column, leaf in leaves.items() if (found := lengths_of(about, leaf)) is not None}
    strange = [column for column, leaf in leaves.items() if leaf != column and column not in lengths]
    plan = _Plan.of(about, name, [*lengths, *strange])
    place = str(data) if isinstance(data, Path) else io.BytesIO(data)
    file = pq.ParquetFile(place, metadata=about.metadata, read_dictionary=plan.texts, pre_buffer=False)
    paths = [f"{n}.path" for n in lengths if _size(about.metadata, f"{n}.path")[1] and leaves[n] != n]
    rows: list[tuple[str, Row]] = []
    room, columns = Room(name), [*plan.columns, *paths]
    for batch in file.iter_batches(columns=columns, use_threads=False) if columns else ():
        cells = [
            _paths(c, room) if n in lengths else _values(c, room)
            for n, c in zip(batch.schema.names, batch.columns, strict=True)
        ]
        records = (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*cells, strict=True))
        rows += ((f"row {number}", row) for number, row in enumerate(records, len(rows) + 1))
    rows = rows or [(f"row {number}", {}) for number in range(1, about.metadata.num_rows + 1) if lengths]
    if empty := [column for column in lengths if f"{column}.path" not in paths]:
        rows = [(where, row | dict.fromkeys(empty)) for where, row in rows]
    names = features_of(about.schema_arrow.metadata)
    return Table(rows, (*plan.left_out, *strange), form="parquet", names=names, lengths=lengths, leaves=leaves)


def _paths(column: Any, room: Room) -> list[object]:
    """What the images of a column were called."""
    import pyarrow.compute as pc

    values: list[object] = pc.struct_field(column, "path").to_pylist()
    room.read(values)
    return values


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
    def of(cls, file: Any, name: str, aside: Sequence[str]) -> _Plan:
        """By the file's own account, refused where that would be too large; columns `aside` are read otherwise."""
        import pyarrow.types as are

        kinds = {column.name: _storage(column.type) for column in file.schema_arrow if column.name}
        kinds = {column: kind for column, kind in kinds.items() if column not in aside}
        if "image" in kinds and are.is_nested(kinds["image"]):
            raise InputError(
                f"{name} holds lists or tables in its column 'image', where paths or the bytes of images are looked"
                " for: write those there."
            )
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
            raise over(name, f"{cells:,} cells", f"{MOST_CELLS:,}")
        unpacked = max(sum(sizes[n][1] for n in columns), rows * width)
        if unpacked > MOST_BYTES:
            raise over(name, f"{unpacked / 2**20:,.0f} MB of values", f"{MOST_BYTES // 2**20} MB")
        return cls(columns, texts, tuple(n for n in kinds if n not in columns))


def _check_kinds(names: Sequence[str], metadata: Any, name: str) -> None:
    if metadata.num_rows > MOST_ROWS:
        raise InputError(f"{name} lists {metadata.num_rows:,} images, over the limit of {MOST_ROWS:,}: split it.")
    if metadata.num_columns > MOST_COLUMNS:
        raise over(name, f"{metadata.num_columns:,} columns", f"{MOST_COLUMNS:,}")
    check_once(names, name)


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


def _values(column: Any, room: Room) -> list[object]:
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
