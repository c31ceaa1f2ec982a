"""Images that lie in the cells of a Parquet file, as data sets of Hugging Face are stored: read one at a time."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from workbench.errors import InputError
from workbench.files.digests import stamp_of

BATCH, BUFFER = 16, 2**20
"""Rows that are in memory at a time, and bytes that are read of the file at once."""
NAMES = frozenset(("image", "img", "photo", "jpg", "jpeg", "png", "image_bytes", "bytes", "content", "mask"))
"""How columns are called whose bytes may be images."""
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"\x93NUMPY", b"\0\0\0")
"""How the files of images begin."""


def image_leaf(field: Any) -> str | None:
    """The part of a column that may hold the bytes of images; None where there is none."""
    import pyarrow.types as are

    kind = field.type
    if are.is_struct(kind):
        inner = next((part for part in kind if part.name == "bytes"), None)
        return f"{field.name}.bytes" if inner is not None and _is_bytes(inner.type) else None
    return field.name if field.name.lower() in NAMES and _is_bytes(kind) else None


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as are

    return bool(are.is_binary(kind) or are.is_large_binary(kind))


def features_of(metadata: Any) -> dict[str, list[str]]:
    """The names of the classes of columns of numbers, as Hugging Face's `datasets` writes them into a schema."""
    try:
        document = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = document["info"]["features"]
        return {
            str(column): [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def lengths_of(file: Any, leaf: str) -> list[int | None] | None:
    """Bytes of each cell; None where the first that is not empty is no image."""
    import pyarrow.compute as pc

    lengths: list[int | None] = []
    looked = False
    for batch in file.iter_batches(batch_size=BATCH, columns=[leaf], use_threads=False):
        cells = _bytes(batch)
        lengths += pc.binary_length(cells).to_pylist()
        first = None if looked else next((cell for cell in cells if cell.is_valid), None)
        if first is not None:
            looked = True
            if not first.as_py()[:16].startswith(MAGIC):
                return None
    return lengths


def _bytes(batch: Any) -> Any:
    """The one column of bytes of a batch, which may lie within a table of its own."""
    import pyarrow.compute as pc
    import pyarrow.types as are

    column = batch.column(0)
    return pc.struct_field(column, "bytes") if are.is_struct(column.type) else column


class ParquetCells:
    """The images of one file, in order at the cost of one pass; memory holds `BATCH` of them and the page that they
    lie in, the least that can be read of such a file.

    Args:
        source: The file, or what opens it.
        name: Of the file, for sentences.
    """

    def __init__(self, source: Path | bytes | Callable[[], IO[bytes]], name: str) -> None:
        self.name = name
        self._source = source
        self._stamp = stamp_of(source) if isinstance(source, Path) else None
        self._lock = threading.Lock()
        self._file: Any = None
        self._cursors: dict[str, _Cursor] = {}

    def read(self, leaf: str, row: int) -> bytes:
        """The bytes in one cell.

        Args:
            leaf: As `image_leaf` names it.
            row: From 0.

        Raises:
            InputError: The file changed, or is damaged there.
        """
        if isinstance(self._source, Path) and stamp_of(self._source) != self._stamp:
            raise InputError(f"{self.name} changed since it was read: load the image set again.")
        with self._lock:
            try:
                return self._read(leaf, row)
            except OSError:
                raise
            except Exception as error:  # pyarrow raises its own kinds
                self._cursors.clear()
                raise InputError(f"{self.name} cannot be read in row {row + 1} ({type(error).__name__}).") from None

    def _read(self, leaf: str, row: int) -> bytes:
        if self._file is None:
            self._file = open_parquet_images(self._source)
        cursor = self._cursors.get(leaf)
        if cursor is None or not cursor.begin <= row < cursor.end:
            cursor = None
            self._cursors.pop(leaf, None)  # what it holds is freed before the next is read
            cursor = self._cursors[leaf] = _Cursor(self._file, leaf, row)
        data = cursor.cell(row)
        if data is None:
            raise InputError(f"{self.name} holds no image in row {row + 1}.")
        return data


class _Cursor:
    """A pass through one group of rows."""

    def __init__(self, file: Any, leaf: str, row: int) -> None:
        self.end, group = 0, 0
        for group in range(file.metadata.num_row_groups):
            self.begin, self.end = self.end, self.end + file.metadata.row_group(group).num_rows
            if row < self.end:
                break
        self._batches: Iterator[Any] = file.iter_batches(
            batch_size=BATCH, row_groups=[group], columns=[leaf], use_threads=False
        )
        self._cells = _bytes(next(self._batches))

    def cell(self, row: int) -> bytes | None:
        """What stands in a row, which lies at `begin` or after it."""
        while row >= self.begin + len(self._cells):
            self.begin += len(self._cells)
            self._cells = _bytes(next(self._batches))
        value = self._cells[row - self.begin].as_py()
        return None if value is None else bytes(value)


def open_parquet_images(source: Path | bytes | Callable[[], IO[bytes]]) -> Any:
    """A Parquet file, read in small steps."""
    import pyarrow.parquet as pq

    place = str(source) if isinstance(source, Path) else io.BytesIO(source) if isinstance(source, bytes) else source()
    return pq.ParquetFile(place, pre_buffer=False, buffer_size=BUFFER)
