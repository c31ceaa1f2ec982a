"""The files of a set, listed and not yet understood: a folder's, or a zip's, which is read in place and never unpacked.

Every file is either in `Tree.files` or in `Tree.passed_over`, with the reason.
"""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from workbench.images import SUFFIXES, FileSource, Guess, LeftOut, Question, Source
from workbench.sets.walks import Walk, is_below

MANIFESTS = ("manifest.csv", "manifest.parquet")
HERE = PurePosixPath()
_NUMBER = re.compile("0*([0-9]+)")


@dataclasses.dataclass(frozen=True)
class Tree:
    """Files of any kind by their path below a root, in the natural order of their names.

    Attributes:
        name: Of the folder or zip.
        files: Where each file's bytes come from.
        folder: Where they lie, unless in a zip.
        prefix: Where this root lies below that of the whole that was listed.
        passed_over: Hidden files, system folders and the like, which no layout sees, by reason.
        follow: Whether links out of the folder may be followed.
        guesses: What was understood in listing them.
        questions: What of their names cannot be known.
        above: The files of the whole that was listed, of which this is a part; None where it is the whole.
    """

    name: str
    files: Mapping[PurePosixPath, Source]
    folder: Path | None = None
    prefix: PurePosixPath = HERE
    passed_over: tuple[LeftOut, ...] = ()
    follow: bool = True
    guesses: tuple[Guess, ...] = ()
    questions: tuple[Question, ...] = ()
    above: Mapping[PurePosixPath, Source] | None = None

    @property
    def manifest(self) -> PurePosixPath | None:
        """The manifest at the root, in whatever case its name is written; a CSV before a Parquet file."""
        manifests = sorted(path for path in self.files if len(path.parts) == 1 and path.name.lower() in MANIFESTS)
        return min(manifests, key=lambda path: MANIFESTS.index(path.name.lower()), default=None)

    def images(self) -> list[PurePosixPath]:
        """Paths with an image's ending."""
        return list(self._images)

    @cached_property
    def _images(self) -> list[PurePosixPath]:
        return [path for path in self.files if path.suffix.lower() in SUFFIXES]

    def below(self, part: str) -> Tree:
        """The tree under one of the root's folders."""
        files = {
            PurePosixPath(*p.parts[1:]): s for p, s in self.files.items() if p.parts[0] == part and len(p.parts) > 1
        }
        folder, above = self.folder and self.folder / part, self.files if self.above is None else self.above
        return Tree(self.name, files, folder, self.prefix / part, follow=self.follow, above=above)

    def find(self, path: str) -> Source | None:
        """The file that a table names by its path below the root, whatever its ending, as `path_of` reads that."""
        place = self.path_of(path)
        if place is None:
            return None
        return self.files.get(place) or FileSource(Path(self.folder or "", place))

    def path_of(self, path: str) -> PurePosixPath | None:
        """The file that a table names, as it is called itself: as written, else in another form of the same letters,
        else in other capitals where only one file is called so.

        Letters with an accent are one sign or two (a letter and its accent): macOS writes the latter.
        """
        exact = PurePosixPath(path)
        if exact in self.files:
            return exact
        normal = os.path.normpath(path)
        if self.folder and os.path.isabs(path):
            normal = os.path.relpath(normal, os.path.abspath(self.folder))
        place = self._listed(PurePosixPath(normal)) or (self._on_disk(normal) if self.folder else None)
        if place is not None and str(place) != normal:
            self.called[normal] = place
        return place

    @cached_property
    def called(self) -> dict[str, PurePosixPath]:
        """What tables call files that are called otherwise, as far as they were looked for."""
        return {}

    def _listed(self, path: PurePosixPath) -> PurePosixPath | None:
        if path in self.files:
            return path
        others = self._folded.get(folded(str(path)), [])
        same = [other for other in others if composed(str(other)) == composed(str(path))]
        return next((group[0] for group in (same, others) if len(group) == 1), None)

    @cached_property
    def _folded(self) -> Mapping[str, Sequence[PurePosixPath]]:
        """The files by what their names have in common with those in other capitals."""
        groups = defaultdict(list)
        for path in self.files:
            groups[folded(str(path))].append(path)
        return groups

    def _on_disk(self, path: str) -> PurePosixPath | None:
        """A file below the folder that was not listed: never above it, whatever the table says."""
        base = os.path.abspath(self.folder or "")
        parts = PurePosixPath(path).parts
        if ".." in parts or os.path.isabs(path):
            return None
        place = ""
        for number, part in enumerate(parts, 1):
            place = os.path.join(place, part)
            if not os.path.lexists(os.path.join(base, place)):
                place = os.path.join(os.path.dirname(place), self._called(os.path.dirname(place), part))
            target = os.path.join(base, place)
            if number == len(parts) and os.path.isfile(target):
                return PurePosixPath(place) if self.follow or is_below(target, os.path.realpath(base)) else None
        return None

    def _called(self, folder: str, part: str) -> str:
        """What the one name in a folder that differs only in capitals or form is; `part` itself where there is none."""
        names = self._names.get(folder)
        if names is None:
            names = self._names[folder] = defaultdict(list)
            try:
                for name in os.listdir(os.path.join(self.folder or "", folder)):
                    names[folded(name)].append(name)
            except (OSError, ValueError):
                pass
        others = names.get(folded(part), [])
        return others[0] if len(others) == 1 else part

    @cached_property
    def _names(self) -> dict[str, dict[str, list[str]]]:
        """Names by what they have in common, of folders that were looked into for a table."""
        return {}


def natural(text: str) -> tuple[str, str]:
    """What names are sorted by: folder by folder, `img2` before `img10`, whatever the capitals; then as they are."""
    ranked = _NUMBER.sub(lambda run: f"0{chr(len(run[1]))}{run[1]}", text.lower())
    return ranked.replace("/", "\0"), text


def composed(text: str) -> str:
    """The same letters, each with its accent as one sign."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """What names have in common that differ only in capitals or in how accents are written."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def left_out(passed_over: Mapping[str, Iterable[str]]) -> tuple[LeftOut, ...]:
    """Names by reason, in order."""
    return tuple(LeftOut(reason, tuple(sorted(passed_over[reason], key=natural))) for reason in sorted(passed_over))


def folder_tree(folder: Path, *, follow: bool = True) -> Tree:
    """The files under `folder`.

    Args:
        folder: Where they lie.
        follow: Whether links to folders, and those of files that lead out of it, are followed.

    Raises:
        InputError: It holds more files than the limit, or cannot be read.
    """
    walk = Walk(folder, follow)
    files: dict[PurePosixPath, Source] = {
        PurePosixPath(name): FileSource(Path(walk.files[name][0])) for name in sorted(walk.files, key=natural)
    }
    return Tree(walk.name, files, folder, passed_over=left_out(walk.passed_over), follow=follow)


def table_tree(path: Path, root: Path, *, follow: bool = True) -> Tree:
    """A table that lies alone: the files that it names are looked for below `root`, which is not listed."""
    return Tree(path.stem, {PurePosixPath(path.name): FileSource(path)}, root, follow=follow)
