"""Does the order of the files hide a group? Those of one lot, module or day lie together, and look alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.files import CheckResult, Outcome
from workbench.images import ImageItem
from workbench.predictions import GROUP
from workbench.quality.name_groups import Proposed, in_blocks, in_names
from workbench.sets import natural
from workbench.stats import SIGNIFICANT, tail

NEIGHBOURS, LEAST_ALIKE, DRAWS, GREY_SIDE = 10, 24, 499, 16
"""So many neighbours an image has, in strata of at least so many images; draws of the test, and pixels of the side of
what images are compared by where no features are given."""
NEARER = 0.9
"""Order hides a group where neighbours lie nearer than by this share of what chance makes of it."""


@dataclasses.dataclass(frozen=True, eq=False)
class FileOrder:
    """Whether alike images lie together in the order of the files.

    Attributes:
        images: How many images could be compared: those of a class, folder and stated group that holds enough.
        gap: The median number of files between an image and those most alike to it, of its class, folder and group.
        by_chance: The same if order meant nothing, the median over the draws.
        p: The chance of so small a gap if order meant nothing.
        proposed: Ways to read groups out of names or order, the best first; empty where nothing is hidden.
        stated: How many groups are stated already: then it is asked whether the order hides others within them.
    """

    images: int
    gap: float
    by_chance: float
    p: float
    proposed: tuple[Proposed, ...] = ()
    stated: int = 0

    @property
    def hides(self) -> bool:
        """Whether the order hides a group."""
        return self.images > 0 and self.p <= SIGNIFICANT and self.gap <= NEARER * self.by_chance

    @property
    def sentence(self) -> str:
        """What was found, with its figures."""
        if not self.images:
            place = "one folder and stated group" if self.stated else "one folder"
            return (
                f"Whether the order of the files hides a {self._group} cannot be told: no class has {LEAST_ALIKE}"
                f" images in {place}."
            )
        chance = f"{self.by_chance:,.0f} if order meant nothing"
        found = f"the {NEIGHBOURS} images most alike lie a median of {self.gap:,.0f} files apart, {chance}"
        if self.hides:
            return f"The order of the files hides a {self._group}: {found} (p = {self.p:.3f})."
        return f"The order of the files hides no {self._group} that can be seen: {found} (p = {self.p:.2f})."

    @property
    def _group(self) -> str:
        return f"group within the {self.stated:,} that are stated" if self.stated else "group"


def file_order(
    items: Sequence[ImageItem],
    features: NDArray[np.floating] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> FileOrder:
    """Test whether alike images lie together in the natural order of their files, and propose groups where they do.

    Of each image the `NEIGHBOURS` most alike (by cosine of the features less their mean) are found among the images of
    its class in its folder and stated group, and the files between them are counted. The median is held against those
    of random orders within the same: a set sorted by class has no hidden group for that alone, nor one by module whose
    modules are stated.

    Args:
        items: N images.
        features: (N, D) of each, such as a network's penultimate layer; where missing, each image in `GREY_SIDE` by
            `GREY_SIDE` grey values.
        draws: Random orders.
        seed: Of the draws.
        on_progress: Called with how many images are read, of how many.
    """
    names = [item.name for item in items]
    vectors = _small(items, on_progress) if features is None else np.asarray(features, np.float32)
    if len(vectors) != len(items):
        raise ValueError(f"expected features of {len(items)} images, got {len(vectors)}")
    usable = np.asarray(np.isfinite(vectors).all(axis=1))
    places = _places(names)
    stated = len({str(item.attributes[GROUP]) for item in items if GROUP in item.attributes})
    strata = [part[usable[part]] for part in _strata(items)]
    strata = [part for part in strata if len(part) >= LEAST_ALIKE]
    if not strata:
        return FileOrder(0, float("nan"), float("nan"), 1.0, stated=stated)
    pairs = [_neighbours(vectors[part]) for part in strata]
    rng = np.random.default_rng(seed)
    gap = _median_gap([places[part] for part in strata], pairs)
    null = np.array([_median_gap([rng.permutation(places[part]) for part in strata], pairs) for _ in range(draws)])
    result = FileOrder(sum(map(len, strata)), gap, float(np.median(null)), tail(-gap, -null), stated=stated)
    proposed = in_names(names, strata, pairs, rng)
    if result.hides:
        proposed += in_blocks(names, places, strata, pairs, rng)
    return dataclasses.replace(result, proposed=tuple(proposed))


def order_results(result: FileOrder) -> tuple[CheckResult, ...]:
    """The check "hidden groups" of `findings.json`."""
    verdict: Outcome = "unknown" if not result.images else "warn" if result.hides or result.proposed else "ok"
    ways = " ".join(f"Proposed: {way.sentence}" for way in result.proposed[:3])
    figure = None if not result.images else result.gap
    chance = None if not result.images else result.by_chance
    sentence = f"{result.sentence} {ways}".strip()
    return (CheckResult("hidden groups", verdict, sentence, figure, threshold=chance, support=result.images),)


def _places(names: Sequence[str]) -> NDArray[np.intp]:
    """Where each file stands in the natural order of all."""
    places = np.empty(len(names), np.intp)
    places[sorted(range(len(names)), key=lambda i: natural(names[i]))] = np.arange(len(names))
    return places


def _strata(items: Sequence[ImageItem]) -> list[NDArray[np.intp]]:
    """The images of each class in each folder and stated group."""
    members: dict[tuple[str | None, str, str | None], list[int]] = {}
    for row, item in enumerate(items):
        group = str(item.attributes[GROUP]) if GROUP in item.attributes else None
        members.setdefault((item.label, str(PurePosixPath(item.name).parent), group), []).append(row)
    return [np.array(rows) for rows in members.values()]


def _neighbours(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """The most alike others of each of n images, (n, k)."""
    centred = vectors - vectors.mean(0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    count, step = min(NEIGHBOURS, (len(vectors) - 1) // 4), 1024
    rows = []
    for start in range(0, len(centred), step):
        likeness = centred[start : start + step] @ centred.T
        likeness[np.arange(len(likeness)), np.arange(start, start + len(likeness))] = -np.inf
        rows.append(np.argpartition(-likeness, count - 1, axis=1)[:, :count])
    return np.concatenate(rows)


def _median_gap(places: Sequence[NDArray[np.intp]], pairs: Sequence[NDArray[np.intp]]) -> float:
    gaps = [np.abs(own[:, None] - own[near]).ravel() for own, near in zip(places, pairs, strict=True)]
    return float(np.median(np.concatenate(gaps)))


def _small(items: Sequence[ImageItem], on_progress: Callable[[int, int], None] | None) -> NDArray[np.float32]:
    """Each image in few grey values, (N, GREY_SIDE * GREY_SIDE); NaN where it cannot be read."""
    result = np.full((len(items), GREY_SIDE * GREY_SIDE), np.nan, np.float32)
    for row, item in enumerate(items):
        if on_progress is not None:
            on_progress(row, len(items))
        try:
            image = item.open().convert("L").resize((GREY_SIDE, GREY_SIDE), Image.Resampling.BOX)
        except InputError:
            continue
        values = np.asarray(image, np.float32).ravel()
        result[row] = (values - values.mean()) / max(float(values.std()), 1.0)
    if on_progress is not None:
        on_progress(len(items), len(items))
    return result
