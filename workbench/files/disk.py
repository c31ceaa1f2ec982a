"""Open files that somebody else named."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

_HOW = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_file(path: Path | str) -> io.BufferedReader:
    """A file with contents of its own, open for reading: opening a pipe would wait for somebody to write, and a device
    may never end.

    Raises:
        OSError: It cannot be read, or is something else than a file.
    """
    number = os.open(path, _HOW)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "it is a pipe, a socket, a device or a folder, not a file", str(path))
    return io.BufferedReader(io.FileIO(number))


def read_file(path: Path | str, most: int) -> bytes:
    """The contents of a file of at most so many bytes, whatever size it says it has. Errors as `open_file`."""
    with open_file(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, "it is longer than it says", str(path))
    return data
