"""The files of a zip, which is read in place and never unpacked."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from workbench.catalog import has_drive
from workbench.errors import InputError
from workbench.files import open_zip
from workbench.images import SUFFIXES, Source
from workbench.sets.clutter import path_clutter
from workbench.sets.trees import Tree, left_out, natural
from workbench.sets.walks import EMPTY
from workbench.sets.zip_names import member_names

MAX_UNPACKED = 20 * 2**30
MAX_RATIO = 200
LINK = "links, of which a zip holds the name of a file alone: zip the files themselves"


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


def zip_tree(data: Path | bytes, name: str, encoding: str | None = None) -> Tree:
    """The members of a zip, after checks of paths, number, size and ratio.

    Args:
        data: The file, or its contents.
        name: Of the file; the tree is called so, less the ending.
        encoding: That of names for which the zip does not state it; none: it is recognised.

    Raises:
        InputError: It is no zip, climbs out of its folder, or would unpack to more than the limits.
    """
    archive = open_zip(data, name)
    members = [m for m in archive.infolist() if m.filename and not _is_folder(m)]
    _check_sizes(members, name)
    names = member_names(members, name, encoding)
    files: dict[str, Source] = {}
    passed_over: dict[str, list[str]] = defaultdict(list)
    for member, text in zip(members, names.texts, strict=True):
        path = PurePosixPath(text.replace("\\", "/"))
        if not path.parts:
            continue
        _check(member, path, text, name)
        if str(path) in files:
            raise InputError(f"{name} holds {text!r} twice: zip the folder again.")
        if (reason := _passed_over(member, path)) is not None:
            passed_over[reason].append(str(path))
        else:
            files[str(path)] = ZipSource(archive, member)
    order = {PurePosixPath(text): files[text] for text in sorted(files, key=natural)}
    return Tree(
        Path(name).stem, order, passed_over=left_out(passed_over), guesses=names.guesses, questions=names.questions
    )


def _is_folder(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a folder; Windows may write its path with `\\`."""
    return member.is_dir() or (member.filename.endswith("\\") and not member.file_size)


def _check(member: zipfile.ZipInfo, path: PurePosixPath, text: str, name: str) -> None:
    """Refuse a member that leads out of the zip, or cannot be unpacked here."""
    if path.is_absolute() or ".." in path.parts:
        raise InputError(
            f"{name} holds {text!r}, which points outside of the zip: zip the folder again from inside it."
        )
    if drive := next((part[:2] for part in path.parts if has_drive(part)), None):
        raise InputError(
            f"{name} holds {text!r}, where {drive!r} names a drive of Windows: rename it and zip the folder again."
        )
    if member.flag_bits & 0x1:
        raise InputError(f"{name} is protected by a password: zip the folder again without one.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(
            f"{name} is packed in a way this does not unpack: zip the folder again with the usual method, deflate."
        )


def _passed_over(member: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    """Why a member is no part of any set."""
    if stat.S_ISLNK(member.external_attr >> 16):
        return LINK
    if not member.file_size and path.suffix.lower() in SUFFIXES:
        return EMPTY
    return path_clutter(path.parts)


def _check_sizes(members: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Refuse a zip that would unpack to more than the limits; what is stored as it is cannot."""
    packed, unpacked = sum(m.compress_size for m in members), sum(m.file_size for m in members)
    if unpacked > MAX_RATIO * max(packed, 2**16):
        raise InputError(
            f"{name} would unpack from {packed / 2**20:,.1f} MB to {unpacked / 2**20:,.0f} MB, which looks like a zip"
            " bomb: zip the images themselves, without padding."
        )
    if unpacked > MAX_UNPACKED:
        raise InputError(
            f"{name} holds {unpacked / 2**30:,.1f} GB, over the limit of {MAX_UNPACKED // 2**30} GB: "
            "split it, or unpack it and give the folder."
        )
