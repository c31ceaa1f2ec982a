"""Partial results: small Parquet files, each written whole, so that a killed run loses nothing written."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.files import metadata_of, read_facts

ROWS = 512
EVERY_SECONDS = 3.0
"""How many rows, and how long, wait at most before they are written: what a kill at the worst moment costs."""
UNFINISHED = ".unfinished"


class Parts:
    """A folder of Parquet files, each added whole.

    Attributes:
        folder: Where they lie; made when the first is written.
    """

    def __init__(self, folder: Path, facts: Mapping[str, object] = MappingProxyType({})) -> None:
        """`facts` are what the rows belong to, for the metadata of each file."""
        self.folder, self._facts = folder, facts
        self._waiting: list[pa.Table] = []
        self._since = time.monotonic()
        self._next = 1 + max((int(path.stem) for path in self.paths()), default=-1)

    def paths(self) -> list[Path]:
        """The files, in the order in which they were written."""
        return sorted(path for path in self.folder.glob("*.parquet") if path.stem.isdecimal())

    def put(self, table: pa.Table) -> None:
        """Take rows, and write them with those that wait when they are many or have waited long."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= ROWS or time.monotonic() - self._since >= EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write all that waits, as one file."""
        if not self._waiting:
            return
        path, table = self.folder / f"{self._next:08d}.parquet", pa.concat_tables(self._waiting)
        table = table.replace_schema_metadata(metadata_of(dict(self._facts)))
        with atomic_write(path) as unfinished:
            pq.write_table(table, unfinished, compression="zstd", use_dictionary=False, write_page_checksum=True)
        self._next += 1
        self._waiting.clear()

    def clear(self) -> None:
        """Remove the files: their rows stand elsewhere."""
        for path in self.paths():
            path.unlink()
        with contextlib.suppress(OSError):  # it holds something that is not ours, or was never made
            self.folder.rmdir()


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path to write to, and put what was written in the place of `path` at once and durably; its folder is made.

    Raises:
        InputError: The disk is full, or the folder may not be written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
        if os.name == "posix":  # elsewhere a folder cannot be opened, and a rename is durable by itself
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:  # of Arrow's too
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): free some space or give another folder; what was"
            " written is kept."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what a killed run left half written."""
    for path in folder.glob(f"**/*{UNFINISHED}"):
        path.unlink(missing_ok=True)


def lists(values: NDArray[np.floating], missing: NDArray[np.bool_] | None = None) -> pa.FixedSizeListArray:
    """`values` of shape (N, D) as one list of D a row, null in the rows that are `missing`, (N,)."""
    flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=None if missing is None else pa.array(missing))


def matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """What `lists` laid into a column: float32 of shape (N, D), NaN in the rows that are null."""
    values = np.full((len(column), column.type.list_size), np.nan, np.float32)
    valid = column.is_valid().to_numpy()
    values[valid] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(int(valid.sum()), -1)
    return values


def write_rows(path: Path, tables: Iterable[pa.Table], facts: Mapping[str, object]) -> None:
    """Write at least one table of the same columns as one file, each a row group, with `facts` and the time in its
    metadata.

    Raises:
        InputError: As `atomic_write`.
    """
    iterator = iter(tables)
    first = next(iterator)
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    schema = first.schema.with_metadata(metadata_of({**facts, "created": created}))
    words = [field.name for field in schema if pa.types.is_string(field.type) and field.name not in ("id", "name")]
    settings: dict[str, Any] = {"compression": "zstd", "use_dictionary": words, "write_page_checksum": True}
    with atomic_write(path) as unfinished, pq.ParquetWriter(unfinished, schema, **settings) as writer:
        for table in itertools.chain([first], iterator):
            writer.write_table(table)


def stands(path: Path, facts: Mapping[str, object]) -> bool:
    """Whether a file with these facts is there, whenever it was made."""
    return {name: fact for name, fact in read_facts(path).items() if name != "created"} == json.loads(json.dumps(facts))
