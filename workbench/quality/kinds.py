"""The kinds of a set that measures are judged within: classes, and attributes such as the light or the camera."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.images import ImageItem
from workbench.texts import shown

LEAST_OF_KIND = 30
"""Images of a kind below which what is usual in it is not known."""
MOST_VALUES_OF_KIND, LESS_SPREAD, MOST_PARTS_OF_KIND = 50, 0.85, 3
"""Values up to which an attribute names kinds; the share of the spread that an attribute must leave at most to be
taken for one; and how many of class and attributes make a kind at most."""
CLASS, WHOLE_SET = "class", "all images"


@dataclasses.dataclass(frozen=True)
class Kinds:
    """Which kind each of N images is judged within.

    Attributes:
        codes: (N,) numbers of kinds.
        names: What each kind is, in words.
        by: What kinds are made of, as ("class", "lighting").
        coarser: (N,) whether an image's own kind has fewer than `LEAST_OF_KIND` images, so that it is judged in a
            wider one.
    """

    codes: NDArray[np.intp]
    names: tuple[str, ...]
    by: tuple[str, ...]
    coarser: NDArray[np.bool_]


def traits_of(items: Sequence[ImageItem]) -> dict[str, NDArray[np.intp]]:
    """What may make a kind of N images: the class, and each attribute of a few values, most of them frequent; (N,)
    numbers each, -1 where there is none."""
    import pandas as pd

    columns: dict[str, list[object]] = {CLASS: [item.label for item in items]}
    names = dict.fromkeys(name for item in items for name in item.attributes if name != CLASS)
    columns |= {name: [item.attributes.get(name) for item in items] for name in names}
    result = {}
    for name, column in columns.items():
        words = [None if value is None else shown(value) for value in column]
        codes, values = pd.factorize(np.array(words, dtype=object))
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        frequent = counts[counts >= LEAST_OF_KIND].sum()
        if 1 < len(values) <= MOST_VALUES_OF_KIND and 2 * frequent > len(items):
            result[name] = codes
    return result


def kinds_for(values: NDArray[np.float64], items: Sequence[ImageItem], traits: dict[str, NDArray[np.intp]]) -> Kinds:
    """The kinds within which a measure (N,) varies least.

    What leaves the least spread joins first, as long as it takes away a good part of what is left. An image whose kind
    is small is judged without what joined last, and so on to the whole set.
    """
    chosen: list[str] = []
    levels = [np.zeros(len(items), np.intp)]
    spread = _spread(values, levels)
    while len(chosen) < MOST_PARTS_OF_KIND:
        trials = {name: [*levels, _joined(levels[-1], codes)] for name, codes in traits.items() if name not in chosen}
        spreads = {name: _spread(values, trial) for name, trial in trials.items()}
        best = min(spreads, key=spreads.__getitem__, default=None)
        if best is None or spreads[best] >= LESS_SPREAD * spread:
            break
        chosen, levels, spread = [*chosen, best], trials[best], spreads[best]
    return _named(levels, items, chosen)


def _joined(codes: NDArray[np.intp], more: NDArray[np.intp]) -> NDArray[np.intp]:
    joint = codes * (int(more.max(initial=0)) + 2) + more + 1
    return np.unique(joint, return_inverse=True)[1].astype(np.intp)


def _settled(levels: Sequence[NDArray[np.intp]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The finest kind of each image that has enough, numbered over all levels, and at which level that is."""
    codes, level = levels[0].copy(), np.zeros(len(levels[0]), np.intp)
    start = 0
    for depth, own in enumerate(levels):
        enough = np.bincount(own)[own] >= LEAST_OF_KIND
        codes[enough], level[enough] = own[enough] + start, depth
        start += int(own.max(initial=0)) + 1
    return codes, level


def _spread(values: NDArray[np.float64], levels: Sequence[NDArray[np.intp]]) -> float:
    """The median distance from the median of the own kind."""
    codes, _ = _settled(levels)
    finite = np.isfinite(values)
    away = [np.abs(part - np.median(part)) for part in _parts_of(values[finite], codes[finite])]
    return float(np.median(np.concatenate(away))) if away else 0.0


def _parts_of(values: NDArray[np.float64], codes: NDArray[np.intp]) -> list[NDArray[np.float64]]:
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order])) + 1
    return [part for part in np.split(values[order], starts) if len(part)]


def _named(levels: Sequence[NDArray[np.intp]], items: Sequence[ImageItem], chosen: Sequence[str]) -> Kinds:
    codes, level = _settled(levels)
    _, first, numbers = np.unique(codes, return_index=True, return_inverse=True)
    names = [_words(items[place], chosen[: level[place]]) for place in first.tolist()]
    return Kinds(numbers.astype(np.intp), tuple(names), tuple(chosen), level < len(chosen))


def _words(item: ImageItem, parts: Sequence[str]) -> str:
    said = [
        shown(value) if (value := item.label if name == CLASS else item.attributes.get(name)) is not None else "unknown"
        for name in parts
    ]
    pairs = [word if name == CLASS else f"{name} {word}" for name, word in zip(parts, said, strict=True)]
    return ", ".join(pairs) or WHOLE_SET
