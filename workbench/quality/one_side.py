"""What stands on one side of a split: the images of one part, and those that may show one without being sure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.quality.same_part import Families

MOST_TOGETHER = 0.1
"""Share of the images up to which likeness alone keeps images on one side."""


def one_side(found: Families, units: NDArray[np.intp]) -> NDArray[np.intp]:
    """Units of N images joined further, the most alike first, by pairs that are alike without being verified, and by
    chains of pairs.

    A chain may hold strangers, so that it makes no family. For a split that does no harm, while one part on two sides
    flatters every figure. Where different parts look alike, likeness says nothing, and the units stay as they are.

    Args:
        found: Families of the images, in their order.
        units: The number of each image's unit, (N,).

    Returns:
        Numbers of what stands on one side, (N,); none grows beyond `MOST_TOGETHER` of the images by this.
    """
    _, side, sizes = np.unique(units, return_inverse=True, return_counts=True)
    if found.sisters:
        return side
    heads, held = list(range(len(sizes))), sizes.tolist()

    def head(place: int) -> int:
        while heads[place] != place:
            heads[place] = heads[heads[place]]
            place = heads[place]
        return place

    place_of = dict(zip(found.frame["name"], side.tolist(), strict=True))
    for first, second in zip(found.pairs["first"], found.pairs["second"], strict=True):
        here, there = head(place_of[first]), head(place_of[second])
        if here != there and held[here] + held[there] <= MOST_TOGETHER * len(side):
            heads[there] = here
            held[here] += held[there]
    return np.array([head(place) for place in side.tolist()], np.intp)


def unsure(found: Families) -> int:
    """How many pairs `one_side` may keep together although they are of two families."""
    family = found.by_name
    pairs = zip(found.pairs["first"], found.pairs["second"], strict=True)
    return 0 if found.sisters else sum(family[first] != family[second] for first, second in pairs)
