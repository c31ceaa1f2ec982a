"""Permutation tests of groups whose cases come in units: whole units change groups, or cases do within their unit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workbench.stats.significance import normal_ranges, tail

DRAWN_AT_ONCE = 4_000_000
"""Numbers of a batch of draws."""
MANY_BLOCKS = 2000
"""From so many blocks on the permutations' normal limit stands in for draws."""


@dataclasses.dataclass(frozen=True, eq=False)
class Blocks:
    """What is exchangeable of M cases that fall into G groups.

    The cases of a unit that lies in one group are one block, which changes places with others; in a unit of several
    groups each case is a block, which changes places within the unit.

    Attributes:
        place: (M,) the block of each case.
        cells: (M,) within which the case's value is compared: its block's stratum and its own class.
        codes: (B,) the group of each block.
        strata: (B,) within which blocks change places.
    """

    place: NDArray[np.intp]
    cells: NDArray[np.intp]
    codes: NDArray[np.intp]
    strata: NDArray[np.intp]


def blocks_of(codes: NDArray[np.intp], units: NDArray[np.intp], classes: NDArray[np.intp] | None = None) -> Blocks:
    """Find the blocks.

    Args:
        codes: (M,) the group of each case, none below 0.
        units: (M,) its unit.
        classes: (M,) what cases are only exchanged within; whole units within those of the same commonest class.
    """
    classes = np.zeros_like(codes) if classes is None else np.unique(classes, return_inverse=True)[1]
    _, unit = np.unique(units, return_inverse=True)
    size, kinds, count = len(codes), int(classes.max(initial=0)) + 1, int(unit.max(initial=-1)) + 1
    low, high = np.full(count, size), np.full(count, -1)
    np.minimum.at(low, unit, codes)
    np.maximum.at(high, unit, codes)
    whole = (low == high)[unit]
    commonest = np.bincount(unit * kinds + classes, minlength=count * kinds).reshape(count, kinds).argmax(1)
    name = np.where(whole, unit, count + np.arange(size))
    _, first, place = np.unique(name, return_index=True, return_inverse=True)
    strata = np.where(whole, commonest[unit], kinds + unit * kinds + classes)
    cells = np.unique(strata * kinds + classes, return_inverse=True)[1]
    return Blocks(place, cells, codes[first], np.unique(strata[first], return_inverse=True)[1])


def shuffled(blocks: Blocks, draws: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """The groups of the blocks in random orders, in batches (D, B)."""
    order = np.argsort(blocks.strata, kind="stable")
    step = max(DRAWN_AT_ONCE // max(len(order), 1), 1)
    for start in range(0, draws, step):
        keys = blocks.strata[order] + rng.random((min(step, draws - start), len(order)))
        result = np.empty(keys.shape, np.intp)
        result[:, order] = blocks.codes[order][np.argsort(keys, axis=1)]
        yield result


def excess_in_units(values: NDArray[np.float64], blocks: Blocks, groups: int) -> NDArray[np.float64]:
    """Each group's mean less what is expected of where its cases lie, (G,); `values` are (M,)."""
    residuals = _residuals(values, blocks)
    codes = blocks.codes[blocks.place]
    return np.bincount(codes, residuals, minlength=groups) / np.bincount(codes, minlength=groups)


def means_differ_by_units(
    values: NDArray[np.float64], blocks: Blocks, groups: int, draws: int, rng: np.random.Generator
) -> float:
    """The chance of so wide a range of means if blocks changed places at random within their strata.

    Args:
        values: (M,) a number for each case, True or False for a share.
        blocks: What is exchangeable.
        groups: G, each of which has a case.
        draws: How many permutations; of `MANY_BLOCKS` blocks their normal limit (Strasser and Weber 1999).
        rng: Where they come from.
    """
    sums = np.bincount(blocks.place, _residuals(values, blocks)).astype(np.float64)
    sizes = np.bincount(blocks.place).astype(np.float64)
    observed = float(np.ptp(excess_in_units(values, blocks, groups)))
    if len(sums) >= MANY_BLOCKS:
        total = np.bincount(blocks.codes, sizes, minlength=groups)
        return tail(observed, _limit(sums, blocks, 1 / total[:, None], groups, draws, rng))
    ranges = []
    for codes in shuffled(blocks, draws, rng):
        means = np.stack([_mean((codes == g), sums, sizes) for g in range(groups)])
        ranges.append(np.nanmax(means, 0) - np.nanmin(means, 0))
    return tail(observed, np.concatenate(ranges))


def more_by_units(
    hits: NDArray[np.bool_], inside: NDArray[np.bool_], units: NDArray[np.intp], draws: int, rng: np.random.Generator
) -> float:
    """The chance of so high a share of hits among the cases `inside`, if blocks of units changed places at random.

    Arguments as `means_differ_by_units`; hits and whether a case is inside are (M,).
    """
    blocks = blocks_of(inside.astype(np.intp), units)
    residuals = _residuals(hits.astype(np.float64), blocks)
    columns = np.stack([residuals, np.ones(len(hits))], axis=1)
    sums = np.concatenate([part[:, 1] for part in sums_of_shuffles(columns, blocks, 2, draws, rng)])
    null = np.divide(sums[:, 0], sums[:, 1], out=np.zeros(len(sums)), where=sums[:, 1] > 0)
    return tail(float(residuals[inside].mean()), null)


def all_means_differ_by_units(
    values: NDArray[np.float64], blocks: Blocks, groups: int, draws: int, rng: np.random.Generator
) -> list[float]:
    """As `means_differ_by_units` for each of R columns of values, (M, R), by the same draws."""
    residuals = np.stack([_residuals(column, blocks) for column in values.T], axis=1)
    observed = [float(np.ptp(excess_in_units(column, blocks, groups))) for column in values.T]
    columns = np.concatenate([residuals, np.ones((len(values), 1))], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [part[..., :-1] / part[..., -1:] for part in sums_of_shuffles(columns, blocks, groups, draws, rng)]
    null = np.concatenate([np.nanmax(part, 1) - np.nanmin(part, 1) for part in parts])
    return [tail(*pair) for pair in zip(observed, null.T, strict=True)]


def apart_by_units(values: NDArray[np.float64], inside: NDArray[np.bool_], units: NDArray[np.intp]) -> float:
    """The chance of a mean of the cases `inside` so far from that of the others, either way, if blocks of units changed
    places at random: the permutations' normal limit (Strasser and Weber 1999). Arguments as `more_by_units`."""
    blocks = blocks_of(inside.astype(np.intp), units)
    sums = np.bincount(blocks.place, _residuals(values, blocks))
    size, own = np.bincount(blocks.strata), np.bincount(blocks.strata, blocks.codes)
    mean = np.bincount(blocks.strata, sums) / size
    squares = np.bincount(blocks.strata, (sums - mean[blocks.strata]) ** 2)
    variance = float((own * (size - own) / size * squares / np.maximum(size - 1, 1)).sum())
    distance = abs(float(sums[blocks.codes == 1].sum() - own @ mean))
    return math.erfc(distance / math.sqrt(2 * variance)) if variance > 1e-24 else 1.0


def sign_flips(
    values: NDArray[np.float64], draws: int, rng: np.random.Generator, units: NDArray[np.intp] | None = None
) -> float:
    """The chance of so large a sum of differences (N,), either way, if each took either sign at random (Fisher's sign
    flips); those of one unit take the same.

    Args:
        values: What one treatment gives less what the other does.
        draws: How many.
        rng: Where they come from.
        units: (N,) the number of each case's unit; each case is one of its own where missing.
    """
    if units is not None and len(np.unique(units)) < len(units):
        values = np.asarray(np.bincount(np.unique(units, return_inverse=True)[1], values), np.float64)
    null = np.abs((rng.integers(0, 2, (draws, len(values)), dtype=np.int8) * 2 - 1) @ values)
    return tail(abs(float(values.sum())), null)


def sums_of_shuffles(
    columns: NDArray[np.float64], blocks: Blocks, groups: int, draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Sums (D, G, C) over the groups of what is counted of the cases, (M, C), in batches of draws."""
    sums = np.stack([np.bincount(blocks.place, column) for column in columns.T], axis=1)
    for codes in shuffled(blocks, draws, rng):
        yield np.stack([(codes == g).astype(np.float64) @ sums for g in range(groups)], axis=1)


def _residuals(values: NDArray[np.float64], blocks: Blocks) -> NDArray[np.float64]:
    mean = np.bincount(blocks.cells, values) / np.maximum(np.bincount(blocks.cells), 1)
    return np.asarray(values - mean[blocks.cells], np.float64)


def _mean(inside: NDArray[np.bool_], sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    count = inside @ sizes
    return np.divide(inside @ sums, count, out=np.full(len(count), np.nan), where=count > 0)


def _limit(
    sums: NDArray[np.float64],
    blocks: Blocks,
    weights: NDArray[np.float64],
    groups: int,
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Ranges (draws,) of the groups' sums times their weights (G, 1), as normal variables."""
    strata = int(blocks.strata.max()) + 1
    count = np.bincount(blocks.codes * strata + blocks.strata, minlength=groups * strata).reshape(groups, strata)
    size = count.sum(0)
    mean = np.bincount(blocks.strata, sums, minlength=strata) / np.maximum(size, 1)
    squares = np.bincount(blocks.strata, (sums - mean[blocks.strata]) ** 2, minlength=strata)
    variance = squares / np.maximum(size - 1, 1)
    return normal_ranges(weights * count, count.astype(np.float64), variance, draws, rng)
