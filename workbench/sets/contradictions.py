"""What the bytes of a set contradict: one image under two labels, in two splits, under two names, or as its own mask.

Files are compared that have the same size, by their ends first; all their bytes are read only where those agree.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from workbench.errors import InputError
from workbench.files import open_file, store
from workbench.images import MAX_BYTES, SHOWN, BytesSource, FileSource, Finding, Guess, ImageItem, Source, parts_of
from workbench.sets.archives import ZipSource
from workbench.sets.trees import composed

LOOKING = 3.0
"""Seconds in which files are compared."""
END = 4096
"""Bytes at each end of a file that are compared first."""
Pair = tuple[ImageItem, ImageItem]


@dataclass(frozen=True)
class _Piece:
    """The file of an image, or of a mask of it."""

    item: ImageItem
    source: Source
    is_mask: bool


def contradictions(items: Sequence[ImageItem]) -> tuple[list[Finding], list[Guess]]:
    """What contradicts itself, and how much was not looked at where that would take too long."""
    groups, unseen = _same_bytes(items)
    images = [[piece.item for piece in group if not piece.is_mask] for group in groups]
    masks = [
        (mask.item if mask.item in group else group[0], mask.item)
        for group, pieces in zip(images, groups, strict=True)
        for mask in pieces
        if mask.is_mask
    ]
    findings = [
        _same("label", "under several labels", _differing(images, lambda item: item.label)),
        _same("split", "in several splits", _differing(images, lambda item: item.split)),
        _finding("twice", "are one file under two names", _pairs(_by(items, _place_of))),
        _finding("form", "have names that look alike: accents are written otherwise", _pairs(_by_form(items))),
        _finding("case", "hold the same bytes under names that differ in capitals alone", _cases(images)),
        _finding("mask", "hold the same bytes as a mask", masks),
    ]
    guesses = []
    if unseen:
        value = f"{len(items) - unseen:,} of {len(items):,} images were looked at for bytes that are there twice"
        guesses = [Guess("files", value, f"more would take over {LOOKING:g} seconds", "assumed")]
    return [finding for finding in findings if finding is not None], guesses


def _finding(kind: str, what: str, pairs: Sequence[Pair]) -> Finding | None:
    if not pairs:
        return None
    shown = "; ".join(f"{_told(first)} and {_told(second)}" for first, second in pairs[:SHOWN])
    more = f" and {len(pairs) - SHOWN:,} more" if len(pairs) > SHOWN else ""
    number = "2 images" if len(pairs) == 1 else f"{len(pairs):,} pairs of images"
    names = tuple(item.name for pair in pairs for item in pair)
    return Finding(kind, f"{number} {what}: {shown}{more}.", names)


def _same(kind: str, what: str, groups: Sequence[Sequence[ImageItem]]) -> Finding | None:
    """Images that hold the same bytes as others in their group; they are paired with the first of it."""
    if not groups:
        return None
    count = sum(len(group) for group in groups)
    number = (
        f"{count:,} images hold the same bytes" if len(groups) == 1 else f"{count:,} images hold {len(groups):,} files"
    )
    shown = "; ".join(" = ".join(_told(item) for item in group[:SHOWN]) for group in groups[:SHOWN])
    more = f" and {len(groups) - SHOWN:,} more" if len(groups) > SHOWN else ""
    names = tuple(item.name for group in groups for second in group[1:] for item in (group[0], second))
    return Finding(kind, f"{number} {what}: {shown}{more}.", names)


def _told(item: ImageItem) -> str:
    about = ", ".join(word for word in (item.label, item.split) if word)
    return f"{item.name} ({about})" if about else item.name


def _differing(groups: Iterable[Sequence[ImageItem]], told: Callable[[ImageItem], str | None]) -> list[list[ImageItem]]:
    """The groups of whose images different things are told, without those of which nothing is."""
    known = ([item for item in group if told(item) is not None] for group in groups)
    return [group for group in known if len({told(item) for item in group}) > 1]


def _pairs(groups: Iterable[Sequence[ImageItem]]) -> list[Pair]:
    return [(group[0], item) for group in groups for item in group[1:]]


def _cases(groups: Iterable[Sequence[ImageItem]]) -> list[Pair]:
    alike = (case for group in groups for case in _by(group, lambda item: item.name.lower()))
    return [(a, b) for a, b in _pairs(alike) if _place(a.source) != _place(b.source)]


def _by_form(items: Iterable[ImageItem]) -> list[list[ImageItem]]:
    return _by((item for item in items if not item.name.isascii()), lambda item: composed(item.name))


def _by(items: Iterable[ImageItem], told: Callable[[ImageItem], Hashable]) -> list[list[ImageItem]]:
    """Images of which the same is told, where they are several."""
    groups: dict[Hashable, list[ImageItem]] = defaultdict(list)
    for item in items:
        groups[told(item)].append(item)
    return [group for group in groups.values() if len(group) > 1]


def _place_of(item: ImageItem) -> Hashable:
    return _place(item.source)


def _place(source: Source) -> Hashable:
    """Where the bytes lie: the same for one file under two names."""
    if isinstance(source, FileSource):
        return os.path.normpath(source.path)
    return source.member.header_offset if isinstance(source, ZipSource) else id(source)


class _Look:
    """Files compared, as long as there is time.

    Attributes:
        unseen: Images for which there was none.
    """

    def __init__(self) -> None:
        self.unseen, self._ends = 0, time.monotonic() + LOOKING

    def split(self, pieces: Iterable[_Piece], told: Callable[[Source], Hashable]) -> list[list[_Piece]]:
        """Files of which the same is told, an image and others; those that cannot be read are like no other."""
        groups: dict[Hashable, list[_Piece]] = defaultdict(list)
        for piece in pieces:
            if time.monotonic() > self._ends:
                self.unseen += not piece.is_mask
                continue
            try:
                groups[told(piece.source)].append(piece)
            except (OSError, InputError):
                continue
        return [group for group in groups.values() if len(group) > 1 and not all(piece.is_mask for piece in group)]


def _same_bytes(items: Sequence[ImageItem]) -> tuple[list[list[_Piece]], int]:
    """Files that hold the same bytes, in the order of the set, and how many images there was no time for."""
    sizes: dict[Hashable, list[_Piece]] = defaultdict(list)
    for item in items:
        for piece in (_Piece(item, item.source, False), *(_Piece(item, part, True) for part in parts_of(item.mask))):
            if (size := _size(piece.source)) is not None:
                sizes[type(piece.source), size].append(piece)
    look = _Look()
    alike = [group for group in sizes.values() if len(group) > 1 and not all(piece.is_mask for piece in group)]
    groups = [same for group in alike for ends in look.split(group, _ends) for same in look.split(ends, _whole)]
    store()
    return groups, look.unseen


def _size(source: Source) -> int | None:
    """The length of a file that is compared: of some kind whose bytes lie somewhere as they are."""
    if not isinstance(source, (FileSource, ZipSource, BytesSource)):
        return None
    try:
        size = source.size
    except OSError:
        return None
    return size if 0 < size <= MAX_BYTES else None


def _ends(source: Source) -> Hashable:
    """What tells most files of one size apart, for little reading."""
    if isinstance(source, ZipSource):
        return source.member.CRC
    if not isinstance(source, FileSource):
        return source.digest
    with open_file(source.path) as file:
        first = file.read(END)
        file.seek(max(file.seek(0, os.SEEK_END) - END, 0))
        return hashlib.sha256(first + file.read(END)).digest()


def _whole(source: Source) -> Hashable:
    return source.digest
