"""Open zips without being led to read more than they hold."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from workbench.errors import InputError
from workbench.files.disk import open_file

MOST_MEMBERS = 200_000
_OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"MSCF": "cabinet",
}
"""How archives of other kinds begin."""
_TAR = slice(257, 262)
_HEAD, _LAST = 512, 2**16
_END = b"PK\5\6"
_AGAIN = "zip the folder again"
_UNREAD = f"not a zip this can read: {_AGAIN}"
_PART = "the last of several parts, not a zip of its own: join them, as by zip -s 0 PART.zip --out whole.zip"


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
        is_part = _is_part(_both_ends(data)[1])
    except Exception:  # zipfile raises its own kinds on a damaged index
        raise InputError(f"{name} is {_instead(data)}.") from None
    members = archive.infolist()
    if is_part or any(member.header_offset < 0 for member in members):
        raise InputError(f"{name} is {_PART}.")
    if len(members) > MOST_MEMBERS:
        raise InputError(f"{name} holds {len(members):,} files, over the limit of {MOST_MEMBERS:,}: split it.")
    if sum(member.compress_size for member in members) > length:
        raise InputError(f"{name} holds files that overlap, which looks like a zip bomb: zip the folder again.")
    return archive


def _instead(data: Path | bytes) -> str:
    """What is there in place of a zip, and what to do."""
    try:
        head, tail = _both_ends(data)
    except OSError:
        return _UNREAD
    kind = next((kind for begin, kind in _OTHERS.items() if head.startswith(begin)), None)
    if kind or head[_TAR] == b"ustar":
        return f"not a zip but a {kind or 'tar'} archive: unpack it and give the folder, or zip that"
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "not a zip but a web page, such as one that asks to log in: download the file itself"
    if head.startswith(b"version https://git-lfs"):
        return "not a zip but the pointer of Git LFS to it: run git lfs pull"
    if head.startswith((b"PK\3\4", b"PK\7\x08")) and _END not in tail:
        return f"not a zip this can read, for its end is missing: download or copy it again, or {_AGAIN}"
    return _PART if _is_part(tail) else _UNREAD


def _is_part(tail: bytes) -> bool:
    """Whether a zip ends as the last of several parts does: with another number than that of the first."""
    end = tail.rfind(_END)
    return end >= 0 and tail[end + 4 : end + 6] not in (b"\0\0", b"\xff\xff", b"")


def _both_ends(data: Path | bytes) -> tuple[bytes, bytes]:
    if isinstance(data, bytes):
        return data[:_HEAD], data[-_LAST:]
    with open_file(data) as file:
        head = file.read(_HEAD)
        file.seek(max(file.seek(0, os.SEEK_END) - _LAST, 0))
        return head, file.read(_LAST)
