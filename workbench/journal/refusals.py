"""What the journal says where disk or SQLite refuse it."""

from __future__ import annotations

import errno
import sqlite3

from workbench.errors import InputError
from workbench.files import JOURNAL_VARIABLE

FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)
"""How SQLite says that a file cannot grow: no space, or a quota or limit on its size."""
UNWRITABLE = frozenset({
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
})  # fmt: skip
"""The kinds of error that a file gives in whose folder nothing can be written."""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""The kinds that a file gives in which something was overwritten."""
PRIMARY = 0xFF
"""The part of an SQLite error code that names its kind."""


def refusal(error: sqlite3.Error | OSError, name: str, wait: float, reading: bool = False) -> InputError:
    """What to say of an error of the disk or of SQLite.

    Args:
        error: What was raised.
        name: What messages call the journal.
        wait: Seconds that another writer was waited for.
        reading: Whether nothing was to be written.
    """
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        code = sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_CANTOPEN
    else:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    kind = code & PRIMARY
    if code in FULL:
        return InputError(
            f"The disk is full, so nothing was written to {name}; every entry accepted before is kept: make space"
            " and try again."
        )
    if kind == sqlite3.SQLITE_BUSY:
        return InputError(
            f"{name} is in use by another program for more than {wait:.0f} seconds: close that and try again."
        )
    if kind in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return InputError(f"{name} is not a journal, or is damaged: name another file or restore this one from a copy.")
    if kind in UNWRITABLE and reading:
        return InputError(
            f"{name} cannot be read: check that the file is there, and the permissions of file and folder."
        )
    if kind in UNWRITABLE - {sqlite3.SQLITE_IOERR}:
        return InputError(
            f"{name} cannot be written to: check the folder and its permissions, or name another file in"
            f" {JOURNAL_VARIABLE}."
        )
    return InputError(f"{name} cannot be used ({error}): check the file and the disk.")


def kind_of(error: sqlite3.Error) -> int:
    """The kind of an error of SQLite; that of a bad statement where the driver gives none."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & PRIMARY
