"""One sentence about the maps of one image: whether they agree beyond chance, and where they are strongest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from workbench.attribution import METHODS, Attribution
from workbench.errors import InputError
from workbench.evidence.case import pooled, strength
from workbench.stats import midranks

CHANCE = 0.05
"""Share of unrelated maps that agree by chance, over all pairs of maps together."""
UNRELATED = 0.66
"""Rank correlation that maps of two different images reached in one of twenty pairs, measured on the shipped models
(0.60 on solar cells, 0.66 on stamped metal): what parts have in common is no agreement about one of them."""
CLEAR = 2 / 9
"""Share of its strength from which a map is said to be strongest in one of nine parts: twice an even one."""
PARTS = (
    ("at the upper left", "at the top", "at the upper right"),
    ("at the left", "in the centre", "at the right"),
    ("at the lower left", "at the bottom", "at the lower right"),
)


def reading(maps: Sequence[Attribution], class_name: str) -> str:
    """What the maps of one image show and whether they agree, as one sentence.

    Two maps agree where the rank correlation of their strength, on a coarse grid, is higher than `UNRELATED`, and than
    that of one of them with nearly all copies of the other that were turned, mirrored and moved: the same shapes
    elsewhere.

    Args:
        maps: Of one image, at least one.
        class_name: The class that they explain.

    Raises:
        InputError: They lie on images or inputs of different sizes.
    """
    if len({attribution.placement for attribution in maps}) > 1:
        raise InputError("These maps lie on different images: hand over the maps of one image.")
    titles = [METHODS[attribution.method].title for attribution in maps]
    usable = [i for i, attribution in enumerate(maps) if np.ptp(pooled(strength(attribution.values))) > 0]
    if not usable:
        return "No place stands out: what is shown is the same everywhere."
    if len(usable) == 1:
        (i,) = usable
        why = "one map alone cannot show" if len(maps) == 1 else "no other map has a place that stands out, to show"
        return f"{titles[i]} is {_where([maps[i]], class_name)}; {why} whether methods agree."
    figures = _figures({i: pooled(strength(maps[i].values)) for i in usable})
    group = _agreeing(usable, figures)
    if not group:
        most, reach = max(figures.values())
        figure = f"rank correlation {most:.2f} at most, unrelated maps reach {reach:.2f}"
        return f"The maps do not agree: no two are more alike than unrelated maps can be ({figure})."
    pairs = [figures[pair] for pair in combinations(group, 2)]
    amount = f"rank correlation {min(r for r, _ in pairs):.2f}{' or more' if len(pairs) > 1 else ''}"
    beside = f"unrelated maps reach {max(reach for _, reach in pairs):.2f}"
    others = [titles[i] for i in range(len(maps)) if i not in group]
    names = "The maps" if not others else _listed([titles[i] for i in group])
    verb = "does" if len(others) == 1 else "do"
    rest = f" {_listed(others)} {verb} not agree with all of them." if others else ""
    where = _where([maps[i] for i in group], class_name)
    return f"{names} agree ({amount}, {beside}) and are {where}.{rest}"


def _figures(grids: Mapping[int, NDArray[np.float32]]) -> dict[tuple[int, int], tuple[float, float]]:
    """For each pair of maps their rank correlation, and what unrelated maps reach."""
    pairs = list(combinations(grids, 2))
    figures = {(a, b): alike(grids[a], grids[b], CHANCE / len(pairs)) for a, b in pairs}
    return {pair: (correlation, max(reach, UNRELATED)) for pair, (correlation, reach) in figures.items()}


def alike(first: NDArray[np.floating], second: NDArray[np.floating], chance: float = CHANCE) -> tuple[float, float]:
    """The rank correlation of two grids of one shape, (h, w), none constant, and the one that only a share `chance` of
    the copies of the second exceeds that were turned, mirrored and moved around the edges."""
    turned = [np.rot90(flipped, turns) for flipped in (second, second[:, ::-1]) for turns in range(4)]
    fitting = [grid for grid in turned if grid.shape == first.shape]
    height, width = first.shape
    copies = [np.roll(grid, (y, x), (0, 1)) for grid in fitting for y in range(height) for x in range(width)]
    ranks = np.array([midranks(grid) for grid in copies])
    ranks -= ranks.mean(1, keepdims=True)
    own = midranks(first)
    own -= own.mean()
    values = ranks @ own / np.sqrt((own**2).sum() * (ranks**2).sum(1))
    return float(values[0]), float(np.quantile(values, 1 - chance))


def _agreeing(maps: Sequence[int], figures: Mapping[tuple[int, int], tuple[float, float]]) -> list[int]:
    """The maps that agree with one another, from the pair that is most alike on; empty where no pair agrees."""
    surplus = {pair: correlation - reach for pair, (correlation, reach) in figures.items()}
    best = max(surplus, key=lambda pair: figures[pair][0] if surplus[pair] > 0 else -2)
    if surplus[best] <= 0:
        return []
    group = list(best)
    for i in sorted(set(maps) - set(best), key=lambda i: -max(figures[min(i, j), max(i, j)][0] for j in best)):
        if all(surplus[min(i, j), max(i, j)] > 0 for j in group):
            group.append(i)
    return sorted(group)


def _where(maps: Sequence[Attribution], class_name: str) -> str:
    """Where maps are strongest together, and for what that speaks where all of them say so."""
    shares = np.mean([_ninths(strength(m.values)) for m in maps], axis=0)
    if shares.max() < CLEAR:
        return "spread over the image, without a part that stands out"
    y, x = np.unravel_index(int(shares.argmax()), shares.shape)
    text = f"strongest {PARTS[y][x]} ({shares[y, x]:.0%} of their strength on a ninth of the image)"
    text = text.replace("their", "its") if len(maps) == 1 else text
    told = [METHODS[m.method].signed and not METHODS[m.method].reacts for m in maps]
    signs = {
        bool(_ninths(m.values.sum(0), share=False)[y, x] > 0) for m, tells in zip(maps, told, strict=True) if tells
    }
    if len(signs) != 1 or maps[0].params.get("against") is not None:
        return text
    return f"{text}, which speaks {'for' if signs == {True} else 'against'} {class_name}"


def _ninths(values: NDArray[np.floating], share: bool = True) -> NDArray[np.float64]:
    """The sums of (H, W) values over 3 x 3 parts; as shares of the whole or as they are."""
    sums = np.array(
        [[part.sum(dtype=np.float64) for part in np.array_split(row, 3, 1)] for row in np.array_split(values, 3)]
    )
    return sums / sums.sum() if share else sums


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
