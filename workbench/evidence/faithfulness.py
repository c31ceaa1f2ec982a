"""Does the map tell what the score rests on? Completeness, deletion and insertion, infidelity."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.attribution import CHUNK
from workbench.evidence.case import Case
from workbench.evidence.finding import Outcome, Verdict, advantage, limit
from workbench.models import BASELINES
from workbench.texts import chosen, directed

COMPLETE = 0.01
"""The tolerance to which this workbench refines integrated gradients by default."""
INCOMPLETE = 0.05
"""Sundararajan et al. 2017 advise to check the sum, and to add steps until it agrees within 5 %."""
FLAT = 1e-4
"""Share of the scores below which image and baseline are too close: the ratio would be rounding error."""
USEFUL_AREA = 0.05
"""Area gap as a share of the score's range. A perfect map gains about half the range on a random order: a tenth of that
is not worth looking at, however surely it was measured."""
TWO_SIGMA = 2.0
"""Of the mean over random orders, about 95 %."""
HALF_EXPLAINED = 0.5
"""Highest infidelity at which the map predicts at least half of the effect of covering squares, in the mean square."""
RESAMPLES = 1000
EVEN = 1e-12


def completeness(case: Case) -> Outcome:
    """|sum - (f(x) - f(b))| / |f(x) - f(b)|, Sundararajan et al. 2017, with the sum and the scores recomputed."""
    if not case.method.complete:
        return Outcome(f"{case.method.title} does not promise that its values sum to the change of the score.")
    total = float(case.attribution.values.sum(dtype=np.float64))
    # an array or many images: only the map knows their score
    if case.attribution.params.get("baseline") not in BASELINES:
        change, size = case.attribution.change, abs(case.attribution.output)
        if change is None:
            return Outcome(
                "The map does not say from which baseline it starts, so there is no change to compare its sum with."
            )
    else:
        change, size = case.ends[0] - case.ends[1], max(map(abs, case.ends))
    if abs(change) <= FLAT * max(size, EVEN):
        return Outcome(
            f"The score hardly differs between the image and the baseline ({change:.2g}), so no share can be formed.",
            "doubtful",
        )
    error = abs(total - change) / abs(change)
    goes = "rises" if change > 0 else "falls"
    reason = (
        f"The values sum to {total:.4g} and the score {goes} by {abs(change):.4g} from the baseline: an error of"
        f" {error:.1%}."
    )
    return Outcome(reason, limit((error, error), COMPLETE, INCOMPLETE), error, chance=1.0)


def order_of(values: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
    """Each pixel's rank, (H, W), from the largest value (0) to the smallest; ties, as in areas of zero, are random."""
    shuffled = rng.permutation(values.size)
    places = np.empty(values.size, np.int64)
    places[shuffled[np.argsort(-values.ravel()[shuffled], kind="stable")]] = np.arange(values.size)
    return places.reshape(values.shape)


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


def shares(steps: int) -> NDArray[np.float64]:
    """Which share of the pixels is removed at each step, from none to all: (steps + 1,), the same from either end.

    The steps are short at the ends, where a good map differs most from a random order: a small defect is gone with the
    first few percent.
    """
    return (1 - np.cos(np.pi * np.arange(steps + 1) / steps)) / 2


def _cut(case: Case, step: int) -> int:
    """How many pixels are removed up to a step."""
    return round(case.ranking.size * float(shares(case.budget.steps)[step]))


def random_curves(case: Case) -> NDArray[np.float64]:
    """Deletion curves of random orders, (orders, marks + 2), from the whole image to what replaces it.

    Read backwards each is the insertion curve of the reversed order, which is just as random: one set serves for both.
    """
    if "random curves" not in case.shared:
        rng = case.generator(1)
        orders = (order_of(alike(case.ranking, rng), rng) for _ in range(case.budget.orders))
        inner = case.scores(order >= _cut(case, step) for order in orders for step in case.budget.marks)
        first, last = (np.full((case.budget.orders, 1), end) for end in case.ends)
        case.shared["random curves"] = np.concatenate([first, inner.reshape(case.budget.orders, -1), last], axis=1)
    return case.shared["random curves"]


def deletion(case: Case) -> Outcome:
    """The score while pixels are removed, those that speak for it most first (Petsiuk et al. 2018).

    The interval is that of single random orders, not of their mean: the question is whether one more random order might
    have done as well as the map. The mean's own interval narrows with every order that is drawn, and would let through
    half of all random maps in the end. But no better than random is a map only where it gains too little on the mean
    itself, which is known much more closely.
    """
    return _curve(case, deleting=True)


def insertion(case: Case) -> Outcome:
    """The score while pixels are put in, those that speak for it most first (Petsiuk et al. 2018)."""
    return _curve(case, deleting=False)


def _curve(case: Case, *, deleting: bool) -> Outcome:
    if case.ranking.min() == case.ranking.max():
        return Outcome("The map is constant: it marks no place to begin with.")
    order, budget = order_of(case.ranking, case.generator(2)), case.budget

    def kept() -> Iterator[NDArray[np.bool_]]:
        for step in range(1, budget.steps):
            yield order >= _cut(case, step) if deleting else order < _cut(case, step)

    first, last = case.ends if deleting else case.ends[::-1]
    curve = np.array([first, *case.scores(kept()), last])
    chance = random_curves(case)[:, :: 1 if deleting else -1]
    span = float(max(curve.max(), chance.max()) - min(curve.min(), chance.min()))
    if not np.isfinite(span) or span <= FLAT * max(abs(first), abs(last), EVEN):
        return Outcome(
            f"The score stays at {first:.4g} whatever is replaced by {case.replacement[1]}: there is nothing to find."
        )
    share, marks = shares(budget.steps), np.array([0, *budget.marks, budget.steps])
    heights = np.vstack([curve[marks], chance]) / span  # all at the same marks, to be fair
    areas = (heights[:, 1:] + heights[:, :-1]) @ np.diff(share[marks]) / 2
    gaps = (areas[1:] - areas[0]) * (1 if deleting else -1)
    gap, low, high = float(gaps.mean()), float(gaps.min()), float(gaps.max())
    top = gap + TWO_SIGMA * float(gaps.std(ddof=1)) / math.sqrt(len(gaps))
    verb, goes = ("removed", "falls") if deleting else ("put in", "rises")
    when = chosen(gap, "{:.1%}", "sooner than", "later than", "no sooner and no later than")
    ends = " to ".join(directed(end, "{:.1%}", "sooner", "later", "no difference") for end in (low, high))
    reason = (
        f"Pixels are {verb} in the map's order, with {case.replacement[1]} in the place of those that are out: the"
        f" score {goes} {when} for {len(gaps)} random orders as smooth as the map, by an area of {abs(gap):.1%} of its"
        f" range (against each of them {ends})."
    )
    curves = {"share": share, "map": curve, "random_share": share[marks], "random": chance.copy()}
    return Outcome(
        reason, advantage(gap, low=low, top=top, chance=0.0, useful=USEFUL_AREA), gap, (low, high), 0.0, curves
    )


def infidelity(case: Case) -> Outcome:
    """How badly the map predicts the fall of the score when squares are covered (Yeh et al. 2019).

    Captum's infidelity with its normalisation, as a share of the mean squared fall: 0 is a map that predicts every
    fall, 1 one that predicts none, and more than 1 one that predicts rises. By chance stands a map of one value
    everywhere on the same squares.
    """
    if not case.method.signed:
        return Outcome(f"{case.method.title} shows no sign, so it cannot predict whether the score falls or rises.")
    squares = _squares(case)
    foretold, falls, figure = _covered(case, squares)
    if not (falls**2).mean() > (FLAT * max(map(abs, case.ends))) ** 2:
        return Outcome(
            f"Covering squares with {case.replacement[1]} does not change the score: there is nothing to predict.",
            "doubtful",
        )

    def share(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        p, f = foretold[rows], falls[rows]
        product, size = (p * f).sum(-1), (p**2).sum(-1) * (f**2).sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):  # a draw in which no square changed the score says nothing
            return np.where(
                (f**2).sum(-1) > 0, np.where(size > 0, 1 - np.sign(product) * product**2 / size, 1.0), np.nan
            )

    missed = max(figure, 0.0) / float((falls**2).mean())
    # Captum's factor may turn the map's sign round: that is no merit
    value = missed if (foretold * falls).sum() >= 0 else 2 - missed
    drawn = share(case.generator(4).integers(0, len(falls), (RESAMPLES, len(falls))))
    interval = float(np.nanquantile(drawn, 0.025)), float(np.nanquantile(drawn, 0.975))
    even = 1 - float(falls.sum() ** 2 / (len(falls) * (falls**2).sum()))
    verdict: Verdict = "doubtful" if interval[0] <= even else "fails"
    if interval[1] < even and value <= HALF_EXPLAINED:
        verdict = "holds"
    reason = (
        f"Of what covering {len(falls)} random squares with {case.replacement[1]} does to the score, the map misses"
        f" {value:.0%} (95 % interval {interval[0]:.0%} to {interval[1]:.0%}); a uniform map misses {even:.0%}."
    )
    return Outcome(reason, verdict, value, interval, even, {"foretold": foretold, "falls": falls})


def _squares(case: Case) -> Tensor:
    """Random squares of a quarter of the image's edges, all of one size and inside of it: (N, 1, H, W) of 0 and 1."""
    height, width = case.x.shape[2:]
    rng = case.generator(3)
    edge = max(height // 4, 1), max(width // 4, 1)
    squares = torch.zeros(case.budget.squares, 1, height, width, device=case.x.device)
    for square in squares:
        top, left = rng.integers(0, height - edge[0] + 1), rng.integers(0, width - edge[1] + 1)
        square[:, top : top + edge[0], left : left + edge[1]] = 1
    return squares


def _covered(case: Case, squares: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """The map's forecast for each covered square, the score's fall, and Captum's infidelity of the two."""
    from captum.metrics import infidelity as captums

    values = torch.tensor(case.attribution.values)[None].to(case.x.device)
    # a layer's map is shared out evenly among the channels
    values = (values / (case.x.shape[1] / values.shape[1])).expand_as(case.x)
    # Reactions predict a fall when they are multiplied by the change of the input, shares of the score as they stand.
    change = case.x - case.replacement[0] if case.method.reacts else torch.ones_like(case.x)
    waiting = iter(squares)
    foretold: list[Tensor] = []
    falls: list[Tensor] = []

    def cover(inputs: Tensor) -> tuple[Tensor, Tensor]:
        part = torch.stack([next(waiting) for _ in inputs])
        foretold.append((part * change * values).double().flatten(1).sum(1))
        return part * change, torch.where(part > 0, case.replacement[0], inputs)

    def forward(z: Tensor) -> Tensor:
        if len(z) == 1 and torch.equal(z, case.x):  # Captum asks about the image itself again with each chunk
            return torch.tensor([case.ends[0]], dtype=torch.float64, device=z.device)
        scores = case.score(z)
        falls.append(case.ends[0] - scores)
        return scores

    figure = captums(
        forward, cover, case.x, values, n_perturb_samples=len(squares), max_examples_per_batch=CHUNK, normalize=True
    )
    return torch.cat(foretold).cpu().numpy(), torch.cat(falls).cpu().numpy(), float(figure)
