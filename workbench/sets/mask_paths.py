"""Masks by a pattern of their paths, as ground_truth/{label}/{stem}_mask.png."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from workbench.errors import InputError
from workbench.images import ImageItem, Source
from workbench.sets.trees import Tree

WORDS = ("folder", "name", "stem", "label")
"""What may stand in braces: the image's folder below the root, its file's name with and without ending, its class."""

MOST_STEPS = 10_000_000
"""Paths that are compared with patterns in all."""


class MaskPaths:
    """Looks for the masks of images by a pattern of paths below the root of a tree.

    Args:
        tree: Its files.
        pattern: A path with `WORDS` in braces, and * for any part of a name.

    Raises:
        InputError: The pattern is none.
    """

    def __init__(self, tree: Tree, pattern: str) -> None:
        self._tree, self._pattern = tree, re.sub(r"/(\./|/)+", "/", pattern.replace("\\", "/")).removeprefix("./")
        self._known: dict[tuple[str, ...], Sequence[str]] = {}
        self._steps = 0
        strange = [word for word in re.findall(r"\{([^{}]*)\}", pattern) if word not in WORDS]
        if strange or not pattern.strip() or pattern.count("{") != pattern.count("}"):
            raise InputError(
                f"{pattern!r} is no pattern of masks: write a path below the set's root with"
                f" {', '.join(f'{{{word}}}' for word in WORDS)} and * in it, as masks/{{stem}}.png."
            )

    @cached_property
    def _forward(self) -> list[str]:
        return sorted(map(str, self._tree.images()))

    @cached_property
    def _backward(self) -> list[str]:
        return sorted(path[::-1] for path in self._forward)

    def wanted(self, item: ImageItem) -> list[str]:
        """The path of an image's mask, cut at each *."""
        path = PurePosixPath(item.name.replace("\\", "/"))
        values = {"folder": str(path.parent), "name": path.name, "stem": path.stem, "label": item.label or ""}
        pattern = self._pattern if len(path.parts) > 1 else self._pattern.replace("{folder}/", "")
        return [_filled(piece, values) for piece in pattern.split("*")]

    def found(self, item: ImageItem) -> dict[PurePosixPath, Source]:
        """The masks of an image by their paths, in order; never the image itself."""
        pieces = self.wanted(item)
        if len(pieces) == 1:
            source = self._tree.find(pieces[0])
            path = self._tree.path_of(pieces[0]) or PurePosixPath(pieces[0])
            found = {path: source} if source is not None else {}
        else:
            found = {PurePosixPath(path): self._tree.files[PurePosixPath(path)] for path in self._matching(pieces)}
        return {path: source for path, source in found.items() if source != item.source}

    def kinds(self, item: ImageItem, paths: Iterable[PurePosixPath]) -> str:
        """What stands for the last * in the paths of masks, as "bent; broken"; empty where that is no word."""
        whole = re.compile("([^/]*)".join(map(re.escape, self.wanted(item))))
        words = {match[match.lastindex] for path in paths if (match := whole.fullmatch(str(path))) and match.lastindex}
        return "; ".join(sorted(words)) if all(re.search(r"[^\W\d_]{2}", word) for word in words) else ""

    def _matching(self, pieces: Sequence[str]) -> Sequence[str]:
        """The files whose paths have these pieces, in order, with parts of names between."""
        key = tuple(pieces)
        if key not in self._known:
            self._known[key] = self._search(pieces)
        return self._known[key]

    def _search(self, pieces: Sequence[str]) -> Sequence[str]:
        whole = re.compile("[^/]*".join(map(re.escape, pieces)))
        begin, end = pieces[0], pieces[-1][::-1]
        if len(begin) >= len(end):
            near = _beginning(self._forward, begin)
        else:
            near = sorted(path[::-1] for path in _beginning(self._backward, end))
        self._steps += len(near)
        if self._steps > MOST_STEPS:
            raise InputError(
                f"masks = {self._pattern!r} fits too many files to look through: name the folder of the masks in it,"
                " and begin or end it with what tells the images apart."
            )
        rarest = max(pieces, key=len)
        return [path for path in near if rarest in path and whole.fullmatch(path)]


def _beginning(paths: Sequence[str], begin: str) -> Sequence[str]:
    """Those of sorted paths that begin so."""
    return paths[bisect_left(paths, begin) : bisect_left(paths, begin + "\U0010ffff")]


def _filled(piece: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], piece)


def masks_by_pattern(
    tree: Tree, items: Iterable[ImageItem], pattern: str
) -> tuple[dict[str, dict[PurePosixPath, Source]], dict[str, str]]:
    """The masks of images by a pattern, and their kinds: by the image's name, of those that have some.

    Raises:
        InputError: The pattern is none, or no image has a mask by it.
    """
    items, paths = list(items), MaskPaths(tree, pattern)
    result = {item.name: found for item in items if (found := paths.found(item))}
    if not result and items:
        example = "*".join(paths.wanted(items[0]))
        raise InputError(
            f"masks = {pattern!r} names no file: for {items[0].name} it looks for {example}: correct the pattern."
        )
    kinds = {item.name: paths.kinds(item, result[item.name]) for item in items if item.name in result}
    return result, {name: words for name, words in kinds.items() if words}
