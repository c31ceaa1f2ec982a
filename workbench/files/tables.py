"""Tables from users, as rows: bounded before and while they are read, so that a small file cannot become huge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.files.apart import read_apart
from workbench.files.delimited import read_delimited
from workbench.files.json_tables import read_json
from workbench.files.parquet_tables import read_parquet
from workbench.files.table_limits import Row, Table
from workbench.texts import scalar

SMALL, LARGE = 2**20, 2**31
"""Bytes up to which a text is read where it is, and from which on several files are not tried one by one."""
MEMORY, SECONDS, MOST_TIMES = 1024, 30, 10
"""Megabytes and seconds that reading a table may take, and how many times as long several may."""
JSON, PARQUET = (".json", ".jsonl", ".ndjson"), ".parquet"


def read_table(data: bytes | Path, name: str, headless: bool = False) -> Table:
    """The table in a CSV, JSON or Parquet file. What is large, or can become so, is read in a process of its own.

    Args:
        data: The contents of the file; of a Parquet file also where it lies.
        name: Of the file: its ending tells the format, and sentences name it.
        headless: Whether the first row of a text is known to be no header.

    Raises:
        InputError: It is something else, or larger than the limits.
    """
    if isinstance(data, bytes) and len(data) <= SMALL and not name.lower().endswith(PARQUET):
        return _read(data, name, headless)
    reader = f"workbench.files.tables:{'headless_json' if headless else 'table_json'}"
    handed, path = (data, ()) if isinstance(data, bytes) else (b"", (str(data.absolute()),))
    return _told(json.loads(read_apart(reader, handed, name, *path, name=name, megabytes=MEMORY, seconds=SECONDS)))


def read_shards(paths: Sequence[Path]) -> dict[Path, Table]:
    """The tables in Parquet files, read in one process; those that cannot be read so are lacking, and `read_table`
    says why.

    Raises:
        InputError: They are large, and reading them takes more than the limits.
    """
    handed = json.dumps([str(path.absolute()) for path in paths]).encode()
    reader, seconds = "workbench.files.tables:shards_json", SECONDS * min(len(paths), MOST_TIMES)
    try:
        documents = json.loads(read_apart(reader, handed, name="the set", megabytes=MEMORY, seconds=seconds))
    except InputError:
        if sum(path.stat().st_size for path in paths) > LARGE:
            raise
        return {}
    return {path: _told(document) for path, document in zip(paths, documents, strict=True) if document is not None}


def shards_json(data: bytes) -> bytes:
    """As `read_shards`, read here and written as JSON; null in place of what cannot be read."""
    documents = []
    for path in json.loads(data):
        try:
            documents.append(_written(read_parquet(Path(path), Path(path).name)))
        except (InputError, OSError):
            documents.append(b"null")
    return b"[" + b",".join(documents) + b"]"


def _told(document: dict[str, Any]) -> Table:
    """The table that `_written` wrote."""
    columns, places = document.pop("columns"), document.pop("places")
    rows = (dict(zip(columns, cells, strict=True)) for cells in document.pop("cells"))
    return Table(list(zip(places, rows, strict=True)), tuple(document.pop("left_out")), **document)


def table_json(data: bytes, name: str, path: str = "") -> bytes:
    """As `read_table`, read here and written as JSON."""
    return _written(_read(Path(path) if path else data, name, headless=False))


def headless_json(data: bytes, name: str) -> bytes:
    """As `table_json`, of a text without a header."""
    return _written(_read(data, name, headless=True))


def csv_rows(data: bytes, name: str) -> list[Row]:
    """Rows of a CSV with commas, semicolons or tabs; # starts a comment above the header. Arguments and errors as
    `read_table`."""
    return [row for _, row in read_delimited(data, name).rows]


def _read(data: bytes | Path, name: str, headless: bool) -> Table:
    ending = name.lower()
    if ending.endswith(PARQUET):
        return read_parquet(data, name)
    data = data if isinstance(data, bytes) else data.read_bytes()
    return read_json(data, name) if ending.endswith(JSON) else read_delimited(data, name, headless)


def _written(table: Table) -> bytes:
    document = {
        "columns": table.columns,
        "places": [where for where, _ in table.rows],
        "cells": [list(row.values()) for _, row in table.rows],
        "left_out": table.left_out,
        "form": table.form,
        "notes": table.notes,
        "names": table.names,
        "lengths": table.lengths,
        "leaves": table.leaves,
        "headless": table.headless,
    }
    return json.dumps(document, default=scalar, ensure_ascii=False).encode()
