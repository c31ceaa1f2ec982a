"""Images that lie in the cells of a Parquet file of the set, each read when it is looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

from workbench.files import ParquetCells
from workbench.images import FileSource, Source
from workbench.sets.archives import ZipSource


@dataclass(frozen=True)
class CellSource:
    """One cell.

    Attributes:
        cells: Reads the file.
        column: As `parquet_images.image_leaf` names it.
        row: From 0.
        size: Bytes, as they were counted when the set was read.
    """

    cells: ParquetCells = field(repr=False, compare=False)
    column: str
    row: int
    size: int

    def read(self) -> bytes:
        """All the bytes.

        Raises:
            InputError: The file changed or is damaged.
        """
        return self.cells.read(self.column, self.row)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.read()).hexdigest()


def cells_of(source: Source, name: str) -> ParquetCells:
    """What reads the images in a Parquet file: from the disk, from within a zip, or from memory."""
    if isinstance(source, FileSource):
        return ParquetCells(source.path, name)
    if isinstance(source, ZipSource):
        return ParquetCells(lambda: _opened(source), name)
    return ParquetCells(source.read(), name)


def _opened(source: ZipSource) -> IO[bytes]:
    return source.archive.open(source.member)


def place_of(source: Source) -> Path | None:
    """Where a table lies, if on the disk."""
    return source.path if isinstance(source, FileSource) else None
