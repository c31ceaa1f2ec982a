"""Where the map lies: on the marked region, on few pixels, on the same places as other maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.attribution import Attribution
from workbench.errors import InputError
from workbench.evidence.case import Case, pooled, strength
from workbench.evidence.finding import Outcome, advantage
from workbench.stats import spearman

USEFUL_SHARE = 0.1
"""A tenth of the way from chance to a map wholly inside the mask: less is useless, however certain."""
SMALL = 0.05
"""Share of the image up to which a mask is hit by chance so seldom that a single hit tells something: the usual 5 %."""


def sparsity(case: Case) -> Outcome:
    """Gini index of |values| (Chalasani et al. 2020).

    It never holds or fails: a random spike is as sparse as a true one, and a decision that rests on a broad texture
    needs a broad map.
    """
    values = np.sort(strength(case.attribution.values).ravel()).astype(np.float64)
    if not values.any():
        return Outcome("The map is zero everywhere.")
    weights = 2 * np.arange(1, values.size + 1) - values.size - 1
    gini = float((weights * values).sum() / (values.size * values.sum()))
    most = np.cumsum(values[::-1])
    half = (int(np.searchsorted(most, most[-1] / 2)) + 1) / values.size
    return Outcome(
        f"The Gini index is {gini:.2f} (0: spread evenly, 1: on one pixel); half of the map lies on {half:.1%} of the"
        " pixels.",
        value=gini,
    )


def relevance_mass(case: Case) -> Outcome:
    """Share of the positive attribution that lies inside of the mask (Arras et al. 2022)."""
    placed = _placed(case)
    if isinstance(placed, Outcome):
        return placed
    values, inside, seen = placed
    total = values.sum()
    figure = float(values[inside].sum() / total)
    anywhere = _anywhere(values, inside, seen) / total
    reason = "{value:.1%} of the map's positive values lie inside of the mask"
    return _compared(figure, anywhere, float(inside[seen].mean()), reason)


def relevance_rank(case: Case) -> Outcome:
    """Of the K most positive pixels, the share inside a mask of K pixels (Arras et al. 2022)."""
    placed = _placed(case)
    if isinstance(placed, Outcome):
        return placed
    values, inside, seen = placed
    count = int(inside.sum())
    order = np.lexsort((case.generator(5).random(values.size), -np.where(seen, values, -1).ravel()))
    top = np.zeros(values.shape, np.float64)
    top.flat[order[:count]] = 1
    figure = float(top[inside].sum() / count)
    reason = (
        f"Of the {count:,} pixels with the most positive values, as many as the mask has, {{value:.1%}} lie inside"
        " of it"
    )
    return _compared(figure, _anywhere(top, inside, seen) / count, float(inside[seen].mean()), reason)


def pointing(case: Case) -> Outcome:
    """Whether the most positive pixel lies inside the mask (Zhang et al. 2018, without their margin of 15 pixels)."""
    placed = _placed(case)
    if isinstance(placed, Outcome):
        return placed
    values, inside, seen = placed
    peak, chance = values == values.max(), float(inside[seen].mean())
    hits = int((peak & inside).sum())
    if 0 < hits < peak.sum():
        return Outcome(
            f"The largest value is that of {peak.sum():,} pixels, of which {hits:,} lie inside of the mask, "
            f"which covers {chance:.1%}: the map has no single peak.",
            "doubtful", hits / float(peak.sum()), chance=chance,
        )  # fmt: skip
    y, x = np.unravel_index(int(values.argmax()), values.shape)
    hit = hits > 0
    where = (
        f"The most positive pixel (column {x}, row {y}) lies {'inside' if hit else 'outside'} of the mask, which covers"
        f" {chance:.1%}"
    )
    if hit and chance > SMALL:
        return Outcome(f"{where}: one hit there may well be chance.", "doubtful", 1.0, chance=chance)
    return Outcome(f"{where}.", "holds" if hit else "fails", float(hit), chance=chance)


def _placed(case: Case) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]] | Outcome:
    """Positive attribution on the original image's pixels, the mask there, and what of the image the model saw: each
    (h, w).

    Of values that say how the score reacts, whose sign is no evidence for or against, the size stands for positive
    attribution.
    """
    if case.mask is None:
        return Outcome("There is no mask that says where the map should lie.")
    placement = case.attribution.placement
    seen = placement.to_original(np.ones(case.ranking.shape, np.float32)) > 0
    inside = case.mask & seen
    if not inside.any():
        return Outcome("The mask is empty, or lies where the model does not look.")
    if inside[seen].all():
        return Outcome("The mask covers all that the model sees, so that every map lies inside of it.")
    values = placement.to_original(case.ranking).clip(0).astype(np.float64)
    if not values.any():
        return Outcome("The map has no positive value, so that none lies inside of the mask.", "doubtful")
    return values, inside, seen


def _anywhere(values: NDArray[np.float64], inside: NDArray[np.bool_], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The sum of values inside the mask for each shift of the map over the image, wrapped at its edges."""
    box = np.ix_(seen.any(1), seen.any(0))
    return np.fft.irfft2(
        np.fft.rfft2(values[box]).conj() * np.fft.rfft2(inside[box].astype(np.float64)), s=values[box].shape
    )


def _compared(value: float, anywhere: NDArray[np.float64], chance: float, reason: str) -> Outcome:
    """A share inside of the mask beside the same map laid anywhere else, whose spread gives the interval."""
    low, high = np.quantile(anywhere, [0.025, 0.975]) - anywhere.mean()
    interval = max(value - float(high), 0.0), min(value - float(low), 1.0)
    verdict = advantage(value, low=interval[0], top=value, chance=chance, useful=chance + USEFUL_SHARE * (1 - chance))
    reason = (
        f"{reason.format(value=value)}, where chance gives {chance:.1%} (95 % interval {interval[0]:.1%} to"
        f" {interval[1]:.1%})."
    )
    return Outcome(reason, verdict, value, interval, chance)


def agreement(attributions: Sequence[Attribution]) -> tuple[list[str], NDArray[np.float64]]:
    """How far the maps of one image agree.

    Args:
        attributions: Maps of one image, by whatever methods.

    Returns:
        The names of their methods, numbered where one comes again, and a matrix (N, N) of the rank correlation of
        |values| on a coarse grid, where fine-grained and coarse maps can be compared; NaN where a map is the same
        everywhere and so has no order.

    Raises:
        InputError: There is none, or they lie on images or inputs of different sizes.
    """
    if not attributions:
        raise InputError("There is no map to compare: hand over the maps of one image.")
    if len({attribution.placement for attribution in attributions}) > 1:
        raise InputError("These maps lie on different images: hand over the maps of one image.")
    names: list[str] = []
    for attribution in attributions:
        before = sum(earlier.method == attribution.method for earlier in attributions[: len(names)])
        names.append(f"{attribution.method} ({before + 1})" if before else attribution.method)
    grids = [pooled(strength(attribution.values)) for attribution in attributions]
    matrix = np.array([[spearman(a, b) for b in grids] for a in grids])
    even = np.array([np.ptp(grid) == 0 for grid in grids])
    matrix[even | even[:, None]] = np.nan
    return names, matrix
