"""From how alike images are to which of them show one part: grades of pairs, and families that no chain holds together.

Where images that resemble a third one do not resemble each other, the set holds sister parts: likeness alone tells
nothing there. Two images count as one part then only if nothing but noise differs between them, and neither is as like
to any other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from workbench.quality.candidates import Triples
from workbench.quality.canvases import CANVAS_EDGE, TINTS, Records
from workbench.quality.differences import Differences
from workbench.quality.residuals import Array, turned
from workbench.quality.warps import Motions

GRADES = ("same file", "same image", "same part", "very similar")
"""How alike two images are, the most alike first. All but the last make a family."""
SAME_IMAGE = 0.07
"""Share of the texture that may be left unexplained in another file of one shot."""
SAME_DETAIL = 0.35
"""Correlation of the finest detail that such a file keeps at least."""
SOME_DETAIL = 0.12
"""Correlation of the finest detail below which two images share no more than their outlines."""
EDGES, NEARLY_NOTHING = 14.0, 0.03
"""Excess from which on a remainder is a thing that only one of them shows, unless next to nothing is left."""
NOISE_ALONE = 4.6
"""Excess up to which nothing but noise differs (3.8 is that of Gaussian noise)."""
ASIDE = 2.0
"""Pixels of the canvas by which an image may lie aside for its colours to be compared place by place."""
OPEN_TRIPLES, BETWEEN = 0.15, 0.05
"""Share of open triples, and of images in the middle of one, above which a set holds sister parts."""
TINT_LEVELS, UNEQUAL_GAINS, MARKED = 12.0, 1.7, 0.85
"""Levels by which colours may differ once each channel is scaled, how unequal those scales may be, and in which share
of the places, those that differ least."""


def of_one_colour(records: Records, triples: Triples, motions: Motions) -> NDArray[np.bool_]:
    """Which pairs, whose second is moved so, have the same colours but for the camera's own balance: (M,)."""
    result = np.ones(len(triples), bool)
    far = np.abs(motions[:, 1]) + CANVAS_EDGE / 2 * np.abs(motions[:, 0]) > ASIDE
    for place, (first, second, turn) in enumerate(triples):
        one = np.asarray(records["tints"][first], np.float32)
        other = np.moveaxis(turned(np.moveaxis(records["tints"][second], -1, 0), turn), 0, -1).astype(np.float32)
        if far[place]:
            one, other = (tints.reshape(2, TINTS // 2, 2, TINTS // 2, 3).mean((1, 3)) for tints in (one, other))
        result[place] = _one_colour(one.reshape(-1, 3), other.reshape(-1, 3))
    return result


def _one_colour(one: Array, other: Array) -> bool:
    """Whether most places of two images, (P, 3), have the same colours: a coloured mark in few of them says nothing."""
    kept = np.arange(len(one))
    for share in (MARKED, 1.0):
        gains = (one[kept] * other[kept]).sum(0) / np.maximum((other[kept] ** 2).sum(0), 1.0)
        rest = one - gains * other
        tint = ((rest - rest.mean(1, keepdims=True)) ** 2).mean(1)
        if share < 1:
            kept = np.argsort(tint)[: int(share * len(tint))]
    unequal = gains.max() / max(float(gains.min()), 1e-3)
    even = unequal < UNEQUAL_GAINS or float(one[kept].max()) < TINT_LEVELS
    return bool(np.sqrt(tint[kept].mean()) < TINT_LEVELS and even)


def holds_sisters(triples: Triples, count: int) -> bool:
    """Whether many of N images resemble two others that do not resemble each other."""
    from scipy.sparse import coo_matrix

    if not len(triples):
        return False
    rows, places = np.unique(triples[:, :2], return_inverse=True)
    first, second = places.reshape(-1, 2).T
    ends = np.concatenate([first, second]), np.concatenate([second, first])
    links = coo_matrix((np.ones(len(ends[0])), ends), shape=(len(rows), len(rows))).tocsr()
    links.data[:] = 1
    paths = links @ links
    degrees = np.asarray(links.sum(1)).ravel()
    closed, most = np.asarray(links.multiply(paths).sum(1)).ravel(), degrees * (degrees - 1)
    between = int((closed < most).sum())
    return bool(between > BETWEEN * count and 1 - closed.sum() / most.sum() > OPEN_TRIPLES)


def grades_of(
    triples: Triples, differences: Differences, coloured: NDArray[np.bool_], sisters: bool
) -> NDArray[np.intp]:
    """The grade, as its place in `GRADES`, of each pair that is alike beyond what strangers reach: (M,)."""
    small = np.nan_to_num(differences.remainder, nan=np.inf)
    excess = np.nan_to_num(differences.excess, nan=np.inf)
    plain = (excess < EDGES) | (small < NEARLY_NOTHING)
    image = (small <= SAME_IMAGE) & (differences.detail >= SAME_DETAIL) & plain
    agrees = np.nan_to_num(differences.detail, nan=-np.inf) >= SOME_DETAIL
    part = (excess <= NOISE_ALONE) & mutual(triples, small) if sisters else np.ones(len(triples), bool)
    return np.where(~coloured, 3, np.where(image, 1, np.where(part & agrees, 2, 3)))


def mutual(triples: Triples, figure: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which pairs have the least figure of all pairs that either of their images is in."""
    least = np.full(int(triples[:, :2].max(initial=0)) + 1, np.inf)
    for column in (0, 1):
        np.minimum.at(least, triples[:, column], figure)
    best: NDArray[np.bool_] = (figure <= least[triples[:, 0]]) & (figure <= least[triples[:, 1]])
    return best & np.isfinite(figure)


def joined(count: int, pairs: Iterable[tuple[int, int]], apart: Iterable[tuple[int, int]]) -> list[int]:
    """The family of each of N images, as the first of its members.

    Pairs come best first. Two families become one only if more than half of the pairs across them are among `pairs`, so
    that a chain of likenesses joins nobody, and if none of them is told apart.

    Args:
        count: N.
        pairs: Those that show one part.
        apart: Those that a person has told apart.
    """
    pairs = list(pairs)
    links: Mapping[int, set[int]] = defaultdict(set)
    for first, second in pairs:
        links[first].add(second)
        links[second].add(first)
    enemies: Mapping[int, set[int]] = defaultdict(set)
    for first, second in apart:
        enemies[first].add(second)
        enemies[second].add(first)
    family = list(range(count))
    members = {row: {row} for row in family}
    changed = True
    while changed:
        changed = False
        for first, second in pairs:
            one, other = sorted((family[first], family[second]))
            if one == other or any(enemies[row] & members[other] for row in members[one]):
                continue
            across = sum(len(links[row] & members[other]) for row in members[one])
            if 2 * across > len(members[one]) * len(members[other]):
                for row in members[other]:
                    family[row] = one
                members[one] |= members.pop(other)
                changed = True
    return [min(members[row]) for row in family]


def best_turns(triples: Triples, score: Array) -> NDArray[np.intp]:
    """The places of the triples, one for each pair: its best turn."""
    order = np.lexsort((-score, triples[:, 1], triples[:, 0]))
    _, first = np.unique(triples[order, :2], axis=0, return_index=True)
    return order[first]


def first_of_each(triples: Triples, score: Array, most: int) -> NDArray[np.bool_]:
    """Which pairs are among the `most` best of either of their images."""
    kept = np.zeros(len(triples), bool)
    seen: dict[int, int] = defaultdict(int)
    for place in np.argsort(-score, kind="stable"):
        first, second = int(triples[place, 0]), int(triples[place, 1])
        kept[place] = min(seen[first], seen[second]) < most
        seen[first] += 1
        seen[second] += 1
    return kept
