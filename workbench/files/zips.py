"""Open zips without being led to read more than they hold."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from workbench.errors import InputError

MOST_MEMBERS = 200_000


def open_zip(data: Path | bytes, name: str) -> zipfile.ZipFile:
    """A zip, its index read.

    Args:
        data: The file, or its contents.
        name: What sentences call it.

    Raises:
        InputError: It is no zip, holds more members than the limit, or members that overlap.
    """
    if isinstance(data, bytes) and data.count(b"PK\1\2") > MOST_MEMBERS + 1000:  # how each entry of the index begins
        raise InputError(f"{name} holds over {MOST_MEMBERS:,} files, which is the limit: split it.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data) if isinstance(data, bytes) else data)
        length = len(data) if isinstance(data, bytes) else data.stat().st_size
    except Exception:  # zipfile raises its own kinds on a damaged index
        raise InputError(f"{name} is not a zip this can read: zip the folder again.") from None
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise InputError(f"{name} holds {len(members):,} files, over the limit of {MOST_MEMBERS:,}: split it.")
    if sum(member.compress_size for member in members) > length:
        raise InputError(f"{name} holds files that overlap, which looks like a zip bomb: zip the folder again.")
    return archive
