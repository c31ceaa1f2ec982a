"""Parquet files of the workbench's own: every page carries a checksum, and so does what the file belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FACTS, SUM = b"workbench", b"workbench sha256"


class DamagedError(InputError):
    """A file does not hold what was written to it.

    Attributes:
        path: Which file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} is damaged: remove it and run the audit again, which computes what it held.")
        self.path = path


def metadata_of(facts: Mapping[str, object]) -> dict[bytes, bytes]:
    """Facts as the metadata of a file, with their check sum."""
    text = json.dumps(facts, ensure_ascii=False).encode()
    return {FACTS: text, SUM: hashlib.sha256(text).hexdigest().encode()}


def facts_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, object]:
    """The facts in the metadata of a file; empty where there are none or where they are not those that were written."""
    text, digest = (metadata or {}).get(FACTS, b""), (metadata or {}).get(SUM)
    if digest is not None and hashlib.sha256(text).hexdigest().encode() != digest:
        return {}
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def read_facts(path: Path) -> dict[str, object]:
    """The facts of a file; empty where there is no such file or none are in it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return facts_of(pq.read_schema(path).metadata)
    except (OSError, pa.ArrowException, ValueError):
        return {}


def open_parquet(path: Path) -> pq.ParquetFile:
    """A file whose pages are held against their check sums when they are read.

    Raises:
        OSError, pyarrow.ArrowException: It is not there, or is no Parquet file.
    """
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, page_checksum_verification=True)


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a file, of all its columns where `columns` is missing.

    Raises:
        DamagedError: It does not hold what was written to it.
        FileNotFoundError: It is not there.
    """
    import pyarrow as pa

    try:
        return open_parquet(path).read(None if columns is None else list(columns))
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, ValueError):  # names that are no text among it
        raise DamagedError(path) from None
