"""Does the model need what the map marks, and does it suffice? Deletion and insertion, region by region."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workbench.evidence.case import EVEN, QUIET, Case, Fill
from workbench.evidence.finding import Outcome, Verdict, advantage
from workbench.texts import chosen, directed

USEFUL_AREA = 0.05
"""Area gap as a share of the score's range. A perfect map gains about half the range on a random order: a tenth of that
is not worth looking at, however surely it was measured."""
TWO_SIGMA = 2.0
"""Of the mean over random orders, about 95 %."""
GRAIN = 1 / 32
"""Standard deviation of the Gaussian that joins the map's pixels into regions, as a share of the longer edge. Single
pixels that are removed make edges and speckle of their own, to which a model reacts wherever they lie."""
COMMON = 0.25
"""Share of random orders that do as well as the map, above which it is no better than luck."""


@dataclasses.dataclass(frozen=True)
class Curves:
    """What one fill does to the score.

    Attributes:
        fill: What stands in the place of removed pixels.
        map: (steps + 1,), the score along the map's order.
        random: (orders, marks + 2), along random orders.
        gain: By how much the map's area beats the mean of random orders, as a share of the score's range.
        gains: (orders,), the same of each random order against the others.
        top: The most that the gain may be for all that was measured.
    """

    fill: Fill
    map: NDArray[np.float64]
    random: NDArray[np.float64]
    gain: float
    gains: NDArray[np.float64]
    top: float

    @property
    def span(self) -> float:
        """The score's range."""
        ends = np.concatenate([self.map, self.random.ravel()])
        return float(np.ptp(ends))


def alike(values: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    """A random field of shape (H, W) as smooth as `values`: the same power at every spatial frequency, at random
    phases.

    Pixel noise would be an unfair opponent. It covers all of the image evenly, so that a coarse map that hides one
    whole region and leaves another cannot be compared with it: the model suffers from speckle (or survives it) whatever
    the map says. Against fields of its own smoothness a map wins by where it lies only.
    """
    noise = np.fft.rfft2(rng.standard_normal(values.shape))
    spectrum = np.abs(np.fft.rfft2(values - values.mean()))
    if not spectrum.max() > EVEN:
        spectrum = np.ones_like(spectrum)
    return np.fft.irfft2(spectrum * noise / np.maximum(np.abs(noise), EVEN), s=values.shape)


def regions(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The map (H, W) smoothed over `GRAIN`, so that its order removes regions and not single pixels."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values.astype(np.float64), GRAIN * max(values.shape), mode="nearest")


def order_of(values: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
    """Each pixel's rank, (H, W), from the largest value (0) to the smallest.

    Ties, as in areas of zero, follow a random field as smooth as the map: dealt pixel by pixel they would be speckle,
    against which the random orders are smooth.
    """
    places = np.empty(values.size, np.int64)
    places[np.lexsort((alike(values, rng).ravel(), -values.ravel()))] = np.arange(values.size)
    return places.reshape(values.shape)


def shares(steps: int) -> NDArray[np.float64]:
    """Which share of the pixels is removed at each step, from none to all: (steps + 1,), the same from either end.

    The steps are short at the ends, where a good map differs most from a random order: a small defect is gone with the
    first few percent.
    """
    return (1 - np.cos(np.pi * np.arange(steps + 1) / steps)) / 2


def deletion(case: Case) -> Outcome:
    """The score while regions are removed, those that speak for it most first (after Petsiuk et al. 2018).

    Each of the case's fills replaces them once. The map holds where its largest gain over the fills is useful and beats
    the largest gain of every random order. It gains nothing where that is too little with every fill, or where many
    random orders do as well: a fill may leave what the model reads, or put something there, and then says nothing about
    the map. It fails where it gains nothing and does not hold in `insertion` either: of a score that is all or nothing,
    as a saturated transformer's is, no part may be needed although each suffices, or none suffice although all are
    needed.
    """
    return _outcome(case, deleting=True)


def insertion(case: Case) -> Outcome:
    """The score while regions are put in, those that speak for it most first; fills and verdict as of `deletion`."""
    return _outcome(case, deleting=False)


@dataclasses.dataclass(frozen=True)
class Gains:
    """What one direction comes to by itself.

    Attributes:
        verdict: As if there were no other.
        best: The fill with which the map gains most.
        others: The other fills to which the score reacts.
        luck: (orders,), the largest gain of each random order.
    """

    verdict: Verdict
    best: Curves
    others: list[Curves]
    luck: NDArray[np.float64]


def _outcome(case: Case, *, deleting: bool) -> Outcome:
    if case.ranking.min() == case.ranking.max():
        return Outcome("The map is constant: it marks no place to begin with.")
    made = _gains(case, deleting=deleting)
    if isinstance(made, Outcome):
        return made
    best, budget, verdict, also = made.best, case.budget, made.verdict, ""
    if verdict == "fails":
        other = _gains(case, deleting=not deleting)
        if isinstance(other, Gains) and other.verdict == "holds":
            verdict = "doubtful"
            also = (
                " Shown alone, these regions do carry the decision: others may do so too, so that none is needed."
                if deleting
                else " Without these regions the decision is lost: the model needs them, and others too."
            )
    low, high = best.gain - float(made.luck.max()), best.gain - float(made.luck.min())
    curves = {
        "share": shares(budget.steps),
        "map": best.map,
        "random_share": shares(budget.steps)[[0, *budget.marks, budget.steps]],
        "random": best.random.copy(),
        "luck": made.luck,
    }
    reason = _reason(best, made.others, (low, high), deleting=deleting) + also
    return Outcome(reason, verdict, best.gain, (low, high), 0.0, curves)


def _gains(case: Case, *, deleting: bool) -> Gains | Outcome:
    """One direction, computed once for a case; an outcome where there is nothing to compare."""
    name = f"gains, deleting {deleting}"
    if name not in case.shared:
        order = order_of(regions(case.ranking), case.generator(2))
        made = [_curves(case, fill, order, deleting=deleting) for fill in case.whole_fills]
        case.shared[name] = _compared(case, made)
    result: Gains | Outcome = case.shared[name]
    return result


def _compared(case: Case, made: list[Curves]) -> Gains | Outcome:
    widest = max(made, key=lambda curves: curves.span)
    if not np.isfinite([curves.span for curves in made]).all():
        return Outcome("The score is not a number once some of the image is replaced, so no curve can be drawn.")
    if case.stays(widest.span):
        words = ", ".join(fill.words for fill in case.whole_fills)
        return Outcome(
            f"The score {_still(case.ends[0], widest.span)} whatever is replaced ({words}): it rests on no place that"
            " the map could mark.",
            "fails",
            0.0,
            chance=0.0,
        )
    heard = [curves for curves in made if curves.span >= QUIET * widest.span]
    best = max(heard, key=lambda curves: curves.gain)
    luck = np.max([curves.gains for curves in heard], axis=0)
    low = best.gain - float(luck.max())
    verdict = advantage(best.gain, low=low, top=max(curves.top for curves in heard), chance=0.0, useful=USEFUL_AREA)
    if float((luck >= best.gain).mean()) > COMMON:
        verdict = "fails"
    return Gains(verdict, best, [curves for curves in heard if curves is not best], luck)


def _still(score: float, span: float) -> str:
    """That a score keeps still, in words: wholly, or but for a change that matters to no decision."""
    return (
        f"stays at {score:.4g}" if span <= EVEN else f"stays at {score:.4g} but for {span:.1g}, too little to matter,"
    )


def _reason(best: Curves, others: list[Curves], ends: tuple[float, float], *, deleting: bool) -> str:
    verb, goes = ("removed", "falls") if deleting else ("put in", "rises")
    when = chosen(best.gain, "{:.1%}", "sooner than", "later than", "no sooner and no later than")

    def directly(gain: float) -> str:
        return directed(gain, "{:.1%}", "sooner", "later", "no difference")

    against = " to ".join(directly(end) for end in ends)
    rest = "".join(f"; with {curves.fill.words} {directly(curves.gain)}" for curves in others)
    return (
        f"Regions are {verb} in the map's order, with {best.fill.words} in the place of those that are out: the score"
        f" {goes} {when} for {len(best.gains)} random orders as smooth as the map, by an area of {abs(best.gain):.1%}"
        f" of its range (against the best and the worst of them {against}){rest}."
    )


def _cut(case: Case, step: int) -> int:
    """How many pixels are removed up to a step."""
    return round(case.ranking.size * float(shares(case.budget.steps)[step]))


def _random_curves(case: Case, fill: Fill) -> NDArray[np.float64]:
    """Deletion curves of random orders, (orders, marks + 2), from the whole image to what replaces it.

    Read backwards each is the insertion curve of the reversed order, which is just as random: one set serves for both.
    """
    name = f"random curves, {fill.name}"
    if name not in case.shared:
        rng, smooth = case.generator(1), regions(case.ranking)
        orders = (order_of(alike(smooth, rng), rng) for _ in range(case.budget.orders))
        masks = (order >= _cut(case, step) for order in orders for step in case.budget.marks)
        inner = case.scores(masks, fill).reshape(case.budget.orders, -1)
        ends = case.ends[0], float(case.score(fill.values)[0])
        first, last = (np.full((case.budget.orders, 1), end) for end in ends)
        case.shared[name] = np.concatenate([first, inner, last], axis=1)
    return case.shared[name]


def _curves(case: Case, fill: Fill, order: NDArray[np.int64], *, deleting: bool) -> Curves:
    """What removing (or putting in) along an order (H, W) of ranks does with one fill."""
    budget, random = case.budget, _random_curves(case, fill)[:, :: 1 if deleting else -1]

    def kept() -> Iterator[NDArray[np.bool_]]:
        for step in range(1, budget.steps):
            yield order >= _cut(case, step) if deleting else order < _cut(case, step)

    curve = np.array([random[0, 0], *case.scores(kept(), fill), random[0, -1]])
    marks = np.array([0, *budget.marks, budget.steps])
    heights = np.vstack([curve[marks], random])  # all at the same marks, to be fair
    areas = (heights[:, 1:] + heights[:, :-1]) @ np.diff(shares(budget.steps)[marks]) / 2
    span = max(float(max(curve.max(), random.max()) - min(curve.min(), random.min())), EVEN)
    with np.errstate(invalid="ignore"):  # a score without end, of which no area is used
        merits = areas / span * (-1 if deleting else 1)
        mine, others = float(merits[0]), merits[1:]
        gain, error = mine - float(others.mean()), float(others.std(ddof=1)) / math.sqrt(len(others))
        gains = (others - others.mean()) * len(others) / (len(others) - 1)
    return Curves(fill, curve, random, gain, gains, gain + TWO_SIGMA * error)
