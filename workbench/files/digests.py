"""SHA-256 of files, computed again only when a file changed.

A file counts as unchanged while its size, its times and its place on the disk are the same. What was written in the
last seconds is read each time, for a further change might leave the same times (as in an index of Git). The digests are
kept in the user's cache, so that a set of many gigabytes is read once and not at every start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from workbench.files.disk import open_file
from workbench.files.folders import cache_folder

FRESH = 2.0
"""Seconds within which a file system may give two writes the same time."""
FILE = "digests.sqlite"
WAITING = 512
"""Digests that wait in memory at most before they are written to the cache."""
NEWEST = 500_000
"""Files whose digests are kept, the newest ones."""
Stamp = tuple[int, int, int, int]


def stamp_of(path: Path | str) -> Stamp:
    """Size in bytes, times of the last change of the contents and of anything at all in nanoseconds, and number on its
    disk.

    Raises:
        OSError: It is not there or may not be asked about.
    """
    return stamp_from(os.stat(path))


def stamp_from(stat: os.stat_result) -> Stamp:
    """The same of what the disk said of a file."""
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & (2**63 - 1)


def file_digest(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hex.

    Raises:
        OSError: It cannot be read.
    """
    stamp = stamp_of(path)
    name = os.path.abspath(path)
    digest = _index().get(name, stamp)
    if digest is not None:
        return digest
    with open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    newest = max(stamp[1], stamp[2]) / 1e9
    if stamp_of(path) == stamp and time.time() - newest > FRESH:
        _index().put(name, stamp, digest)
    return digest


class _Index:
    """Digests by path and stamp, in memory and in one file that a user's processes share; a broken cache is ignored."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._digests: dict[str, tuple[Stamp, str]] = {}
        self._waiting: dict[str, tuple[Stamp, str]] = {}
        self._read = False

    def get(self, name: str, stamp: Stamp) -> str | None:
        with self._lock:
            if not self._read:
                self._read = True
                self._load()
            entry = self._digests.get(name)
        return entry[1] if entry is not None and entry[0] == stamp else None

    def put(self, name: str, stamp: Stamp, digest: str) -> None:
        with self._lock:
            self._digests[name] = self._waiting[name] = stamp, digest
            if len(self._waiting) >= WAITING:
                self._store()

    def store(self) -> None:
        """Write what waits."""
        with self._lock:
            self._store()

    def _load(self) -> None:
        with contextlib.suppress(sqlite3.Error, OSError), self._connection() as base:
            rows = base.execute(
                "SELECT path, size, modified, changed, inode, digest FROM files ORDER BY rowid DESC LIMIT ?", (NEWEST,)
            )
            self._digests = {
                path: ((size, modified, changed, inode), digest)
                for path, size, modified, changed, inode, digest in rows
            }

    def _store(self) -> None:
        rows = [(name, *stamp, digest) for name, (stamp, digest) in self._waiting.items()]
        self._waiting.clear()
        if rows:
            with contextlib.suppress(sqlite3.Error, OSError), self._connection() as base, base:
                base.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)
                base.execute("DELETE FROM files WHERE rowid <= (SELECT max(rowid) FROM files) - ?", (NEWEST,))

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._path, timeout=2)) as base:
            base.execute(
                "CREATE TABLE IF NOT EXISTS files "
                "(path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, changed INTEGER, inode INTEGER, digest TEXT)"
            )
            yield base


def store() -> None:
    """Write the digests that wait in memory to the user's cache: after many files were read."""
    _index().store()


_indexes: dict[Path, _Index] = {}


def _index() -> _Index:
    folder = cache_folder()
    return _indexes.get(folder) or _indexes.setdefault(folder, _Index(folder))
