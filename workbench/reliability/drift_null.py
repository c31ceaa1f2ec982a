"""What a difference between two sets of images is held against: the same images dealt to the two sides otherwise.

Images of one lot (group, module, part) are alike, so that a new lot always differs from the others. Where lots are
known, whole lots are dealt; each image is dealt for itself only where nothing is known of lots, and then that is said.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
from numpy.typing import NDArray

from workbench.stats import ENOUGH, SIGNIFICANT, blocks_of, holm, shuffled, units_or_cases

LOTS_NEEDED = 19
"""Reference lots among which a single new one can be the most unusual at a level of 5 %: one in twenty."""
DEALS = 999
"""Deals besides the observed one, at least."""
_SAME = 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class Deals:
    """N images of two sides, and other ways to deal them.

    Attributes:
        rows: (N,) which of the images handed in take part: of units larger than the usual new one only as many.
        new: (A, N) whether an image lies on the new side, for each deal; the first is the observed one.
        units: (N,) the unit of each.
        exact: Whether these are all the deals that there are.
        by_unit: Whether whole units are dealt; else each image is taken as independent.
        lots: How many units the reference and the new side have.
        reason: Why no verdict can be based on these deals; empty where one can.
    """

    rows: NDArray[np.intp]
    new: NDArray[np.bool_]
    units: NDArray[np.intp]
    exact: bool
    by_unit: bool
    lots: tuple[int, int]
    reason: str


def deals_of(new: NDArray[np.bool_], units: NDArray[np.intp] | None, draws: int = DEALS, seed: int = 0) -> Deals:
    """Deal images to the reference and the new side in other ways.

    Args:
        new: (N,) whether an image is new.
        units: (N,) the unit of each; None where nothing is known of units.
        draws: How many deals at most, besides the observed one. Where there are fewer all are made (Fisher); else they
            are drawn, and the observed one counts as one of them (Phipson and Smyth 2010).
        seed: Of what is drawn.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(new)) if units is None else _evened(new, units, rng)
    own = units_or_cases(units, len(new))[rows]
    side = new[rows]
    blocks = blocks_of(side.astype(np.intp), own)
    count, ours = len(blocks.codes), int(blocks.codes.sum())
    whole = not blocks.strata.any()
    exact = whole and 0 < ours < count and math.comb(count, ours) <= draws + 1
    if exact:
        codes = np.zeros((math.comb(count, ours), count), np.bool_)
        for line, places in enumerate(itertools.combinations(range(count), ours)):
            codes[line, list(places)] = True
        first = int(np.flatnonzero((codes == blocks.codes.astype(bool)).all(1))[0])
        codes[[0, first]] = codes[[first, 0]]
    else:
        parts = [blocks.codes[None], *shuffled(blocks, draws, rng)]
        codes = np.concatenate(parts).astype(np.bool_)
    lots = len(np.unique(own[~side])), len(np.unique(own[side]))
    reason = _too_few(new, lots, count, units is not None)
    return Deals(rows, codes[:, blocks.place], own, exact, units is not None, lots, reason)


def _evened(new: NDArray[np.bool_], units: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows that take part, ascending: of a unit no more than the mean new one has, as in larger ones chance is less."""
    _, place, sizes = np.unique(units, return_inverse=True, return_counts=True)
    ours = np.unique(place[new])
    if not len(ours):
        return np.arange(len(new))
    most = max(math.ceil(float(sizes[ours].mean())), 1)
    order = rng.permutation(len(new))
    ranked = order[np.argsort(place[order], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    turn = np.arange(len(new)) - starts[place[ranked]]
    return np.sort(ranked[turn < most])


def _too_few(new: NDArray[np.bool_], lots: tuple[int, int], blocks: int, by_unit: bool) -> str:
    counts = int((~new).sum()), int(new.sum())
    if min(counts) < ENOUGH:
        which, many = ("reference", counts[0]) if counts[0] < ENOUGH else ("new side", counts[1])
        return f"The {which} holds {many:,} images that can be compared: with fewer than {ENOUGH} nothing is said."
    if by_unit and blocks <= LOTS_NEEDED:
        need = "a reference of at least 19 lots" if lots[1] == 1 else f"{LOTS_NEEDED + 1} lots in all"
        return (
            f"The reference comes from {lots[0]:,} and the new images from {lots[1]:,} independent lots: so few cannot"
            f" tell drift from one more lot that differs as lots do. It takes {need}."
        )
    return ""


def p_values(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of deals (A, T) whose figure is at least the observed one, the first row, for each of T tests."""
    known = np.where(np.isfinite(figures), figures, np.inf)
    return np.asarray((known >= known[0] - _SAME).mean(0), np.float64)


def adjusted(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values of T tests from their figures (A, T), corrected for their number.

    By Holm where the deals are enough for that: with A of them no p-value is below 1/A. Else by the largest
    standardised figure of each deal, step by step (Westfall and Young 1993, "Resampling-based multiple testing"), which
    needs 20 deals however many tests there are.
    """
    if _enough_for_holm(figures):
        return holm(p_values(figures))
    scaled = _scaled(figures)[0]
    order = np.argsort(-scaled[0], kind="stable")
    result, least = np.empty(scaled.shape[1]), 0.0
    for place, test in enumerate(order):
        most = scaled[:, order[place:]].max(1)
        least = max(least, float((most >= scaled[0, test] - _SAME).mean()))
        result[test] = least
    return result


def critical(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """The figure (T,) above which each test would have called drift, were it the first to, from the other deals."""
    others = figures[1:] if len(figures) > 1 else figures
    level = 1 - SIGNIFICANT / max(figures.shape[1], 1)
    if _enough_for_holm(figures):
        return np.asarray(np.quantile(others, level, axis=0, method="higher"), np.float64)
    scaled, mean, spread = _scaled(figures)
    most = (
        float(np.quantile(scaled[1:].max(1, initial=0), 1 - SIGNIFICANT, method="higher")) if len(figures) > 1 else 0.0
    )
    return np.asarray(mean + spread * most, np.float64)


def _enough_for_holm(figures: NDArray[np.float64]) -> bool:
    deals, tests = figures.shape
    return tests / deals <= SIGNIFICANT or tests < 2


def _scaled(
    figures: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Figures in standard deviations from their mean over the deals, the means (T,) and the deviations (T,)."""
    known = np.where(np.isfinite(figures), figures, np.nanmax(figures, axis=0, initial=0.0))
    mean, spread = known.mean(0), known.std(0)
    return (known - mean) / np.where(spread > 0, spread, 1), mean, spread
