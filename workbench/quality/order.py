"""Does the order of the files hide a group? Those of one lot, module or day lie together, and look alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
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
        images: How many images could be compared: those of a class and folder that holds enough.
        gap: The median number of files between an image and those most alike to it, of its class and folder; where
            groups are stated, the number of groups between its own and those of the most alike images of others.
        by_chance: The same if order meant nothing, the median over the draws.
        p: The chance of so small a gap if order meant nothing.
        proposed: Ways to read groups out of names or order, the best first; empty where nothing is hidden.
        stated: How many groups are stated already: then it is asked whether the order hides that some belong together.
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
            few = f" of {LEAST_ALIKE} stated groups" if self.stated else ""
            return (
                f"Whether the order of the files hides a group cannot be told: no class has {LEAST_ALIKE} images{few}"
                " in one folder."
            )
        chance = f"{self.by_chance:,.0f} if order meant nothing"
        found = f"the {NEIGHBOURS} images most alike lie a median of {self.gap:,.0f} files apart, {chance}"
        if self.stated:
            found = (
                f"the images of other groups that are most alike lie a median of {self.gap:,.0f} groups apart, {chance}"
            )
        if self.hides:
            remedy = " If those come of one lot or day, state that as their group." if self.stated else ""
            return f"The order of the files hides a group{self._beyond}: {found} (p = {self.p:.3f}).{remedy}"
        return f"The order of the files hides no group that can be seen{self._beyond}: {found} (p = {self.p:.2f})."

    @property
    def _beyond(self) -> str:
        return f", to which several of the {self.stated:,} stated ones belong" if self.stated else ""


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
    its class in its folder, and the files between them are counted. The median is held against those of random orders
    within class and folder: a set sorted by class has no hidden group for that alone.

    Where groups are stated, images of one group are no neighbours, the groups between them are counted instead of the
    files, and whole groups are put into random order: what lies within a group is known to belong together.

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
    units, stated = _units(items)
    strata = [part[usable[part]] for part in _strata(items)]
    strata = [part for part in strata if len(np.unique(units[part])) >= LEAST_ALIKE]
    if not strata:
        return FileOrder(0, float("nan"), float("nan"), 1.0, stated=stated)
    pairs = [_neighbours(vectors[part], units[part]) for part in strata]
    rng, places, homes = np.random.default_rng(seed), _places(names), _homes(units, strata)
    ranks = _ranks(units, places)
    gap = _median_gap([ranks[units[part]] for part in strata], pairs)
    null = np.array(
        [_median_gap([dealt[units[part]] for part in strata], pairs) for dealt in _dealt(ranks, homes, draws, rng)]
    )
    result = FileOrder(sum(map(len, strata)), gap, float(np.median(null)), tail(-gap, -null), stated=stated)
    if stated:
        return result
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
    """The images of each class in each folder."""
    members: dict[tuple[str | None, str], list[int]] = {}
    for row, item in enumerate(items):
        members.setdefault((item.label, str(PurePosixPath(item.name).parent)), []).append(row)
    return [np.array(rows) for rows in members.values()]


def _units(items: Sequence[ImageItem]) -> tuple[NDArray[np.intp], int]:
    """The number of each image's stated group, or of the image itself where none is; and how many groups are stated."""
    names = [str(item.attributes[GROUP]) if GROUP in item.attributes else None for item in items]
    keys = [(row, "") if name is None else (-1, name) for row, name in enumerate(names)]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return np.array([number[key] for key in keys], np.intp), len({name for name in names if name is not None})


def _ranks(units: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where each unit stands in the order of their first files."""
    first = np.full(int(units.max()) + 1, len(places))
    np.minimum.at(first, units, places)
    return first.argsort().argsort()


def _homes(units: NDArray[np.intp], strata: Sequence[NDArray[np.intp]]) -> list[NDArray[np.intp]]:
    """The units that have most of their images in each stratum."""
    counts = np.stack([np.bincount(units[part], minlength=int(units.max()) + 1) for part in strata])
    home = np.where(counts.any(0), counts.argmax(0), -1)
    return [np.flatnonzero(home == stratum) for stratum in range(len(strata))]


def _dealt(
    ranks: NDArray[np.intp], homes: Sequence[NDArray[np.intp]], draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.intp]]:
    """The ranks in random order among the units of each stratum, so many times."""
    for _ in range(draws):
        dealt = ranks.copy()
        for home in homes:
            dealt[home] = rng.permutation(ranks[home])
        yield dealt


def _neighbours(vectors: NDArray[np.float32], units: NDArray[np.intp]) -> NDArray[np.intp]:
    """The most alike others of each of n images, (n, k), none of its own unit."""
    centred = vectors - vectors.mean(0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    others = len(vectors) - int(np.bincount(units).max())
    count, step = min(NEIGHBOURS, max(others // 4, 1)), 1024
    rows = []
    for start in range(0, len(centred), step):
        likeness = centred[start : start + step] @ centred.T
        likeness[units[start : start + step, None] == units] = -np.inf
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
