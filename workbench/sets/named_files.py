"""Which files of a set the cells of a table name, wherever their paths start."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import unquote

from workbench.errors import InputError
from workbench.images import SUFFIXES
from workbench.sets.readings import NOT_WANTED
from workbench.sets.trees import HERE, Tree, composed, folder_tree
from workbench.sets.words import role_of, split_within, tokens
from workbench.texts import sentence_list

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
DRIVE = re.compile(r"^[A-Za-z]:(?=[/\\])")


FIRST = 20
"""Cells that are looked for as they stand before all are."""
ENDING = re.compile(rf"({'|'.join(map(re.escape, SUFFIXES))})$", re.IGNORECASE)
Pair = tuple[PurePosixPath, PurePosixPath]
"""A folder that paths of a table start at, and a file below it."""


@dataclass
class Places:
    """What the cells of one column name.

    Attributes:
        paths: The file of each cell; None where there is none.
        rule: How they were found, a sentence; empty where the paths start at the table or at the set's root.
        rivals: Folders that would do as well, where the cells allow several.
        unwanted: Cells whose file a person left out.
        near: Whether the paths start at the table's own folder, so that cells are names as they stand.
    """

    paths: list[PurePosixPath | None]
    rule: str = ""
    rivals: list[PurePosixPath] = field(default_factory=list)
    unwanted: set[int] = field(default_factory=set)
    near: bool = False

    @property
    def count(self) -> int:
        """Cells whose file is there."""
        return sum(path is not None for path in self.paths)


def parts_of(text: str) -> tuple[str, ...]:
    """The folders and the name in a path of any system, without a drive or the dots of relative paths."""
    text = DRIVE.sub("", text.removeprefix("file://")).replace("\\", "/")
    return tuple(part for part in text.split("/") if part not in ("", ".", ".."))


class Finder:
    """Finds the files that tables name in a tree.

    Args:
        tree: The set.
        root: The folder that paths start at, where a person says so.
    """

    def __init__(self, tree: Tree, root: str | None = None) -> None:
        self.tree = tree
        self._aside: dict[tuple[str, ...], bool] = {}
        self.root = None if root is None else PurePosixPath(os.path.normpath(root))

    @cached_property
    def _gone(self) -> set[PurePosixPath]:
        return {PurePosixPath(n) for group in self.tree.passed_over if group.reason == NOT_WANTED for n in group.names}

    @cached_property
    def _names(self) -> dict[str, list[PurePosixPath]]:
        """Files by their name, and images by their name without its ending too."""
        files = self.tree.files
        if self.tree.folder is not None and not self.tree.images():
            try:
                files = folder_tree(self.tree.folder, follow=self.tree.follow).files
            except InputError:  # too many files to look through
                files = self.tree.files
        names = defaultdict[str, list[PurePosixPath]](list)
        for path in files:
            if self.root is None or path.is_relative_to(self.root):
                names[composed(path.name)].append(path)
                if path.suffix.lower() in SUFFIXES and path.stem != path.name:
                    names[composed(path.stem)].append(path)
        return names

    @cached_property
    def _width(self) -> int:
        """How many digits the names of all images have that are numbers; 0 where that differs."""
        widths = {len(path.stem) for path in self.tree.images() if path.stem.isdecimal()}
        return widths.pop() if len(widths) == 1 else 0

    def direct(self, base: PurePosixPath, text: str) -> PurePosixPath | None:
        """The file that a path below a folder of the set names, never above the set."""
        for place in dict.fromkeys((text, text.replace("\\", "/"), unquote(text) if "%" in text else text)):
            path = PurePosixPath(base, place)
            if path in self.tree.files:
                return path
            if (own := self.tree.path_of(os.path.normpath(path))) is not None:
                return own
        return None

    def _is_second(self, path: PurePosixPath) -> bool:
        """Whether a file lies where masks, thumbnails and the like do."""
        folders = path.parts[:-1]
        if folders not in self._aside:
            self._aside[folders] = any(role_of(part) in ("masks", "aside") for part in folders)
        return self._aside[folders] or ("mask" in path.name.lower() and "mask" in tokens(path.stem))

    def places(
        self,
        texts: Sequence[str | None],
        table: PurePosixPath,
        hints: Sequence[Collection[str]] = (),
        masks: bool = False,
    ) -> Places:
        """The files that the cells of a column name.

        Args:
            texts: The cells.
            table: Where the table lies, from which its paths may start.
            hints: What else a row says, its split and its label: of several files the one whose folders say so too.
            masks: Whether they are masks, which are looked for in folders of masks.
        """
        bases = [self.root] if self.root is not None else list(dict.fromkeys((table.parent, HERE)))
        some = [text for text in texts if text and not _is_address(text)][:FIRST]
        if len(texts) > FIRST and not any(self.direct(base, text) for base in bases for text in some):
            other = self._by_tails(texts, hints, masks)
            if other.count == sum(bool(text) for text in texts):
                return other
        best = Places([None] * len(texts))
        for base in bases:
            paths = [None if not text or _is_address(text) else self.direct(base, text) for text in texts]
            found = Places(paths, near=base == table.parent)
            if found.count > best.count:
                best = found
        best.unwanted = {n for n, path in enumerate(best.paths) if path in self._gone} if self._gone else set()
        rows = sum(bool(text) for text in texts)
        if 2 * best.count >= rows:
            best.paths = [None if number in best.unwanted else path for number, path in enumerate(best.paths)]
            return best
        other = self._by_tails(texts, hints, masks)
        if not other.count and not best.count:
            other = self._by_tails([text and ENDING.sub("", text) for text in texts], hints, masks)
            other.rule += ", with another ending"
        if not other.count and not best.count and (width := self._width) > 0:
            other = self._by_tails([t.zfill(width) if t and t.isdecimal() else t for t in texts], hints, masks)
            other.rule += ", with zeros before their numbers"
        return other if other.count > best.count else best

    def _by_tails(self, texts: Sequence[str | None], hints: Sequence[Collection[str]], masks: bool) -> Places:
        """By the longest common tail of each cell and a file, the first parts of the cells being the same in all."""
        matches = [self._matches(text, masks) for text in texts]
        strips = Counter(strip for row in matches for strip in {strip for strip, _, _ in row})
        if not strips:
            return Places([None] * len(texts))
        strip, _ = strips.most_common(1)[0]
        rows = [[(add, path) for begin, add, path in row if begin == strip] for row in matches]
        votes = Counter(add for row in rows for add in {add for add, _ in row})
        ranked = votes.most_common()
        leader = ranked[0][0] if len(ranked) == 1 or ranked[0][1] > ranked[1][1] else None
        paths: list[PurePosixPath | None] = []
        rivals = Counter[PurePosixPath]()
        for number, row in enumerate(rows):
            row = list(_hinted(row, hints[number] if hints else ()))
            chosen = next((path for add, path in row if add == leader), None) if len(row) > 1 else None
            if len(row) > 1 and chosen is None:
                rivals.update(add for add, _ in row)
            paths.append(chosen or (row[0][1] if len(row) == 1 else None))
        several = [add for add, _ in rivals.most_common()]
        if several:
            first = several[0]
            options = [next((path for add, path in row if add == first), None) for row in rows]
            paths = [path or option for path, option in zip(paths, options, strict=True)]
        return Places(paths, _sentence(strip, [add for add, _ in ranked]), several)

    def _matches(self, text: str | None, masks: bool) -> list[tuple[tuple[str, ...], PurePosixPath, PurePosixPath]]:
        """The files with the longest common tail: what of the cell is not in it, the folder for that, and the file."""
        if not text or _is_address(text):
            return []
        parts = parts_of(composed(text))
        if "%" in text and parts and parts[-1] not in self._names:
            parts = parts_of(composed(unquote(text)))
        found: list[tuple[int, PurePosixPath]] = []
        for path in self._names.get(parts[-1], ()) if parts else ():
            length, limit = 1, min(len(parts), len(path.parts))
            while length < limit and parts[-1 - length] == path.parts[-1 - length]:
                length += 1
            found.append((length, path))
        most = max((length for length, _ in found), default=0)
        found = [(length, path) for length, path in found if length == most]
        fitting = [(n, path) for n, path in found if self._is_second(path) == masks]
        rows = _of_one_stem(fitting or [pair for pair in found if masks or pair[0] > 1])
        return [(parts[:-length], PurePosixPath(*path.parts[:-length]), path) for length, path in rows]


def _is_address(text: str) -> bool:
    return bool(ADDRESS.match(text)) and not text.startswith("file://")


def _of_one_stem(found: list[tuple[int, PurePosixPath]]) -> list[tuple[int, PurePosixPath]]:
    """Of `a.jpg` beside `a.png` the JPEG: the other is its mask."""
    jpegs = [pair for pair in found if pair[1].suffix.lower() in (".jpg", ".jpeg")]
    return jpegs if len(jpegs) == 1 and len({path.with_suffix("") for _, path in found}) == 1 else found


def _hinted(row: Sequence[Pair], hints: Iterable[str]) -> Sequence[Pair]:
    """Of several files those whose folders say what the row says."""
    for hint in hints:
        fitting = [pair for pair in row if any(_says(part, hint) for part in pair[1].parts[:-1])]
        if len(row) > 1 and len(fitting) == 1:
            return fitting
    return row


def _says(folder: str, hint: str) -> bool:
    return folder.lower() == hint.lower() or split_within(folder) == hint


def _sentence(strip: tuple[str, ...], adds: Sequence[PurePosixPath]) -> str:
    """How paths in a table became paths in the set."""
    begin = f"below {'/'.join(strip)} of the table" if strip else "by the names in the table"
    folders = [str(add) if add.parts else "the folder of the set" for add in adds]
    return f"{begin}, found in {sentence_list(folders, 3)}"
