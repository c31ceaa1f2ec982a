"""The files below a folder, each with what the disk says of it, and what was not taken, by reason."""

from __future__ import annotations

import os
import stat
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import InputError
from workbench.images import SUFFIXES
from workbench.sets.clutter import NOT_LOOKED_INTO, file_clutter, folder_clutter

MAX_FILES = 200_000
"""Files and folders that are looked through at most."""
LISTING = 10.0
"""Seconds that looking through a folder may take."""
OUT = "links that lead out of the set: copy the files there, or name the set with --images or in workbench.toml"
TO_FOLDER = "links to folders: copy the files there, or name the set with --images or in workbench.toml"
BROKEN = "links to what is not there"
LOOP = "links to a folder that they lie in"
TWICE = "folders that are read already under another name"
DENIED, GONE = "not permitted to be read", "gone while the folder was read"
NO_FILE, EMPTY = "pipes, sockets or devices, not files", "empty files of 0 bytes"
SAME_NAME = "names that read like another's"
Stat = os.stat_result


class Walk:
    """What lies below a folder.

    Attributes:
        files: Path on the disk and what the disk says, by path below the folder with `/`.
        passed_over: By reason, the same paths of what was not taken; of a folder with `/` at its end.

    Raises:
        InputError: It holds more than the limit, takes longer, or cannot be read.
    """

    def __init__(self, folder: Path, follow: bool) -> None:
        self.name = folder.resolve().name or str(folder)
        self.files: dict[str, tuple[str, Stat]] = {}
        self.passed_over: dict[str, list[str]] = defaultdict(list)
        self._root, self._follow = os.path.realpath(folder), follow
        self._places: dict[tuple[int, int], str] = {}
        self._linked: list[tuple[str, str]] = []
        self._count, self._started = 0, time.monotonic()
        self._below(str(folder), "")
        while self._linked:  # after the folders themselves, so that these keep their own names
            name, path = min(self._linked)
            self._linked.remove((name, path))
            self._below(path, name)

    def _below(self, path: str, name: str) -> None:
        """Take a folder and those below it, links to others not among them."""
        folders = [(path, name)]
        while folders:
            path, name = folders.pop()
            try:
                about = os.stat(path)
                if self._is_new(name, (about.st_dev, about.st_ino)):
                    folders += self._entries(path, f"{name}/" if name else "")
            except OSError as error:
                if not name:
                    raise InputError(
                        f"{self.name} cannot be read ({error.strerror}): check the folder and its permissions."
                    ) from None
                self._pass_over(DENIED if isinstance(error, PermissionError) else GONE, f"{name}/")

    def _is_new(self, name: str, place: tuple[int, int]) -> bool:
        """Whether a folder, known by its device and its number there, was not taken yet."""
        before = self._places.setdefault(place, name)
        if before == name:
            return True
        self._pass_over(LOOP if f"{name}/".startswith(f"{before}/" if before else "") else TWICE, f"{name}/")
        return False

    def _entries(self, path: str, begin: str) -> Iterator[tuple[str, str]]:
        """Take the files of a folder; the folders in it are handed back."""
        with os.scandir(path) as entries:
            for entry in entries:
                self._counted()
                name = begin + entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                kind = (folder_clutter if is_folder else file_clutter)(entry.name)
                if kind is not None:
                    self._pass_over(f"{kind}, {NOT_LOOKED_INTO}" if is_folder else kind, name + "/" * is_folder)
                elif is_folder:
                    yield entry.path, name
                elif entry.is_symlink():
                    self._link(entry, name)
                else:
                    self._file(entry, name)

    def _link(self, entry: os.DirEntry[str], name: str) -> None:
        if not os.path.exists(entry.path):
            self._pass_over(BROKEN, name)
        elif entry.is_dir():
            kind = folder_clutter(entry.name)
            if kind is not None or not self._follow:
                self._pass_over(f"{kind}, {NOT_LOOKED_INTO}" if kind else TO_FOLDER, f"{name}/")
            else:
                self._linked.append((name, entry.path))
        elif not self._follow and not is_below(entry.path, self._root):
            self._pass_over(OUT, name)
        else:
            self._file(entry, name)

    def _file(self, entry: os.DirEntry[str], name: str) -> None:
        try:
            about = entry.stat()
        except OSError:
            self._pass_over(GONE, name)
            return
        if not stat.S_ISREG(about.st_mode):
            self._pass_over(NO_FILE, name)
        elif not about.st_size and os.path.splitext(name)[1].lower() in SUFFIXES:
            self._pass_over(EMPTY, name)
        elif self.files.setdefault(readable(name), (entry.path, about))[0] != entry.path:
            self._pass_over(SAME_NAME, f"{name} (another)")

    def _pass_over(self, reason: str, name: str) -> None:
        self.passed_over[reason].append(readable(name))

    def _counted(self) -> None:
        self._count += 1
        if time.monotonic() - self._started > LISTING:
            raise InputError(
                f"{self.name} takes over {LISTING:g} seconds to look through: choose a folder of the images alone."
            )
        if self._count > MAX_FILES:
            raise InputError(
                f"{self.name} holds over {MAX_FILES:,} files and folders: choose a folder of the images alone, or"
                " split it."
            )


def is_below(path: str, root: str) -> bool:
    """Whether what `path` leads to lies below `root`, a path without links."""
    return Path(os.path.realpath(path)).is_relative_to(root)


def readable(name: str) -> str:
    r"""A name as text that can be written down: bytes that are no UTF-8 as `\xff`."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")
