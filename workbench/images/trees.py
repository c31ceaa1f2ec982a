"""The files of a set, listed and not yet understood: a folder's, or a zip's, which is read in place and never unpacked.

Every file is either in `Tree.files` or in `Tree.passed_over`, with the reason.
"""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from workbench.catalog import has_drive, is_inside
from workbench.errors import InputError
from workbench.files import open_zip
from workbench.images.item import MAX_BYTES, SUFFIXES, FileSource, Source
from workbench.images.report import LeftOut

MAX_MEMBERS = 200_000
MAX_UNPACKED = 20 * 2**30
MAX_RATIO = 200
MANIFESTS = ("manifest.csv", "manifest.parquet")
HIDDEN, LINK = "hidden", "a link that leads out of the set"
HERE = PurePosixPath()
LISTING = 10.0
"""Seconds that looking through a folder may take."""


@dataclass(frozen=True)
class ZipSource:
    """One member of a zip."""

    archive: zipfile.ZipFile = field(repr=False, compare=False)
    member: zipfile.ZipInfo

    @property
    def size(self) -> int:
        return self.member.file_size

    def read(self) -> bytes:
        """All the bytes.

        Raises:
            InputError: The member is damaged.
        """
        try:
            with self.archive.open(self.member) as file:
                return file.read(self.size)  # a bound, for read() without one unpacks what the header does not admit
        except Exception as error:  # zipfile, zlib and the file system each raise their own kinds
            raise InputError(f"{self.member.filename} in the zip cannot be unpacked ({error}): zip it again.") from None

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.read()).hexdigest()


@dataclass(frozen=True)
class Tree:
    """Files of any kind by their path below a root, sorted.

    Attributes:
        name: Of the folder or zip.
        files: Where each file's bytes come from.
        folder: Where they lie, unless in a zip.
        prefix: Where this root lies below that of the whole that was listed.
        passed_over: Hidden files, system folders and the like, which no layout sees, by reason.
    """

    name: str
    files: Mapping[PurePosixPath, Source]
    folder: Path | None = None
    prefix: PurePosixPath = HERE
    passed_over: tuple[LeftOut, ...] = ()

    @property
    def manifest(self) -> PurePosixPath | None:
        """The manifest at the root, in whatever case its name is written; a CSV before a Parquet file."""
        manifests = sorted(path for path in self.files if len(path.parts) == 1 and path.name.lower() in MANIFESTS)
        return min(manifests, key=lambda path: MANIFESTS.index(path.name.lower()), default=None)

    def images(self) -> list[PurePosixPath]:
        """Paths with an image's ending."""
        return [path for path in self.files if path.suffix.lower() in SUFFIXES]

    def below(self, part: str) -> Tree:
        """The tree under one of the root's folders."""
        files = {
            PurePosixPath(*p.parts[1:]): s for p, s in self.files.items() if p.parts[0] == part and len(p.parts) > 1
        }
        return Tree(self.name, files, self.folder and self.folder / part, self.prefix / part)

    def find(self, path: str) -> Source | None:
        """The file that a manifest names by its path below the root, whatever its ending."""
        return self.files.get(PurePosixPath(path)) or (files_below(self.folder)(path) if self.folder else None)


def folder_tree(folder: Path) -> Tree:
    """The files under `folder`; links to folders are not followed.

    Raises:
        InputError: It holds more files than the limit, or an image in it is a link that leads out of it.
    """
    files: dict[PurePosixPath, Source] = {}
    hidden: list[str] = []
    outside: list[str] = []
    count, name, started = 0, folder.resolve().name or str(folder), time.monotonic()
    for base, folders, names in os.walk(folder):
        count += len(folders) + len(names)
        if time.monotonic() - started > LISTING:
            raise InputError(
                f"{name} takes over {LISTING:g} seconds to look through: choose a folder of the images alone."
            )
        if count > MAX_MEMBERS:
            raise InputError(
                f"{name} holds over {MAX_MEMBERS:,} files and folders: choose a folder of the images alone, or"
                " split it."
            )
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in names:
            path = Path(base, file)
            relative = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")
            if file.startswith("."):
                hidden.append(relative)
                continue
            if path.is_symlink() and os.path.exists(path) and not is_inside(path, folder):
                if path.suffix.lower() not in SUFFIXES:
                    outside.append(relative)
                    continue
                raise InputError(f"{relative} in {name} is a link that leads out of it: copy the file there instead.")
            files[PurePosixPath(relative)] = FileSource(path)
    reasons = {HIDDEN: hidden, LINK: outside}
    passed_over = tuple(LeftOut(reason, tuple(names)) for reason, names in reasons.items() if names)
    return Tree(name, dict(sorted(files.items())), folder, passed_over=passed_over)


def zip_tree(data: Path | bytes, name: str) -> Tree:
    """The members of a zip, after checks of paths, number, size and ratio.

    Args:
        data: The file, or its contents.
        name: Of the file; the tree is called so, less the ending.

    Raises:
        InputError: It is no zip, climbs out of its folder, or would unpack to more than the limits.
    """
    archive = open_zip(data, name)
    members = [m for m in archive.infolist() if m.filename and not m.is_dir()]
    _check_sizes(members, name)
    files: dict[PurePosixPath, Source] = {}
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{name} holds {member.filename!r}, which points outside of the zip: zip the folder again from"
                " inside it."
            )
        if drive := next((part[:2] for part in path.parts if has_drive(part)), None):
            raise InputError(
                f"{name} holds {member.filename!r}, where {drive!r} names a drive of Windows: rename it and zip the"
                " folder again."
            )
        if member.flag_bits & 0x1:
            raise InputError(f"{name} is protected by a password: zip the folder again without one.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(
                f"{name} is packed in a way this does not unpack: zip the folder again with the usual method, deflate."
            )
        if path in files:
            raise InputError(f"{name} holds {member.filename!r} twice: zip the folder again.")
        if path.parts and not any(part.startswith((".", "__MACOSX")) for part in path.parts):
            files[path] = ZipSource(archive, member)
    return Tree(Path(name).stem, dict(sorted(files.items())))


def _check_sizes(members: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Refuse a zip that would unpack to more than the limits."""
    packed, unpacked = sum(m.compress_size for m in members), sum(m.file_size for m in members)
    if unpacked > MAX_RATIO * max(packed, 2**16):
        raise InputError(
            f"{name} would unpack from {packed / 2**20:,.1f} MB to {unpacked / 2**20:,.0f} MB, which looks like a zip"
            " bomb: zip the images themselves, without padding."
        )
    largest = max(members, key=lambda m: m.file_size, default=None)
    if largest is not None and largest.file_size > MAX_BYTES:
        raise InputError(
            f"{name} holds {largest.filename!r} of {largest.file_size / 2**20:,.0f} MB, over the limit of"
            f" {MAX_BYTES // 2**20} MB a file: leave it out, or compress or crop it."
        )
    if unpacked > MAX_UNPACKED:
        raise InputError(
            f"{name} holds {unpacked / 2**30:,.1f} GB, over the limit of {MAX_UNPACKED // 2**30} GB: "
            "split it, or unpack it and give the folder."
        )


def table_tree(path: Path, root: Path) -> Tree:
    """A table that lies alone: the files that it names are looked for below `root`, which is not listed."""
    return Tree(path.stem, {PurePosixPath(path.name): FileSource(path)}, root)


def files_below(folder: Path) -> Callable[[str], Source | None]:
    """Finds the files of a manifest: never above its folder, whatever the manifest says."""
    base = os.path.abspath(folder)

    def find(path: str) -> Source | None:
        target = Path(os.path.abspath(os.path.join(base, path)))
        try:
            return FileSource(target) if target.is_relative_to(base) and target.is_file() else None
        except OSError:  # too long for a path, or not permitted
            return None

    return find
