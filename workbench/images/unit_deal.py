"""Deal whole units of images into splits: what shows one part, or comes from one lot, stands on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FIRST_SERVED = ("train", "validation", "test")
"""Which split a class with few units misses last."""


def deal_units(
    labels: Sequence[str], units: Sequence[int], digests: Sequence[str], shares: Mapping[str, float], seed: int
) -> list[str]:
    """A split for each of N images, all images of a unit in one, each class spread as evenly as its units allow.

    The largest units are dealt first, each to the split that lacks most of what it holds, every class weighing alike;
    then a class that a split lacks gets the smallest unit that can be spared. Units of one size go in the order of a
    hash of their contents, so that neither names nor the order of the images matters.

    Args:
        labels: The class of each image.
        units: The number of each image's unit.
        digests: The digest of each image's bytes.
        shares: The share of the images that each split should hold, adding up to 1.
        seed: Another seed gives other splits.
    """
    _, place = np.unique(np.asarray(units), return_inverse=True)
    kinds, kind = np.unique(np.asarray(labels), return_inverse=True)
    counts = np.zeros((place.max() + 1, len(kinds)))
    np.add.at(counts, (place, kind), 1)
    contents: list[list[str]] = [[] for _ in counts]
    for unit, digest in zip(place.tolist(), digests, strict=True):
        contents[unit].append(digest)
    tags = [hashlib.sha256(f"{seed} {sorted(own)}".encode()).hexdigest() for own in contents]
    order = sorted(range(len(counts)), key=lambda unit: (-counts[unit].sum(), tags[unit]))
    names = sorted(shares, key=FIRST_SERVED.index)
    total = counts.sum(0)
    need = np.array([shares[name] for name in names])[:, None] * total
    side = np.zeros(len(counts), np.intp)
    for unit in order:
        side[unit] = int((need * (counts[unit] / total)).sum(1).argmax())
        need[side[unit]] -= counts[unit]
    _fill(side, counts, order[::-1], len(names))
    return [names[side[unit]] for unit in place.tolist()]


def _fill(side: NDArray[np.intp], counts: NDArray[np.float64], order: Sequence[int], splits: int) -> None:
    """Give each split that lacks a class the first unit of `order` that can be spared: its own split keeps a unit of
    every class that it has, or is served after."""
    holds = counts > 0
    for target in range(splits):
        for kind in range(counts.shape[1]):
            if holds[side == target, kind].any():
                continue
            for unit in order:
                if holds[unit, kind] and _spared(unit, target, side, holds):
                    side[unit] = target
                    break


def _spared(unit: int, target: int, side: NDArray[np.intp], holds: NDArray[np.bool_]) -> bool:
    if side[unit] > target:
        return True
    others = (side == side[unit]) & (np.arange(len(side)) != unit)
    return bool(holds[others].any(0)[holds[unit]].all())
