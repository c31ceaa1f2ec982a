"""Do the map's values tell what the score does? Completeness and infidelity."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.attribution import CHUNK
from workbench.evidence.case import EVEN, FLAT, QUIET, Case, Fill
from workbench.evidence.finding import Outcome, Verdict, limit
from workbench.models import BASELINES

COMPLETE = 0.01
"""The tolerance to which this workbench refines integrated gradients by default."""
INCOMPLETE = 0.05
"""Sundararajan et al. 2017 advise to check the sum, and to add steps until it agrees within 5 %."""
HALF_EXPLAINED = 0.5
"""Highest infidelity at which the map predicts at least half of the effect of covering squares, in the mean square."""
HARDLY = 0.15
"""Share of what a uniform map misses: a map that at best predicts no more of it than that fails."""
RESAMPLES = 1000


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


def infidelity(case: Case) -> Outcome:
    """How badly the map predicts the fall of the score when squares are covered (Yeh et al. 2019).

    Captum's infidelity with its normalisation, as a share of the mean squared fall: 0 is a map that predicts every
    fall, 1 one that predicts none, and more than 1 one that predicts rises. By chance stands a map of one value
    everywhere on the same squares. Each of the case's fills covers them once: what one of them puts there may mean
    something to the model, so that the one that the map predicts best is told, and the map fails where it fails all.
    """
    if not case.method.signed:
        return Outcome(f"{case.method.title} shows no sign, so it cannot predict whether the score falls or rises.")
    if case.method.reacts:
        return Outcome(
            f"{case.method.title} says how the score reacts to a small change, which does not foretell what covering a"
            " whole square does."
        )
    squares = _squares(case)
    covered = [(*_covered(case, squares, fill), fill.words) for fill in case.whole_fills]
    sizes = np.sqrt([(falls**2).mean() for _, falls, _, _ in covered])
    words = ", ".join(fill.words for fill in case.whole_fills)
    if not np.isfinite(sizes).all():
        return Outcome(
            f"The score is not a number once some squares are covered ({words}): there is nothing to predict."
        )
    if case.stays(float(sizes.max())):
        so = "does not change the score" if not sizes.max() else "changes the score too little to matter"
        return Outcome(f"Covering squares ({words}) {so}: there is nothing to predict.", "doubtful")
    heard = [one for one, size in zip(covered, sizes, strict=True) if size >= QUIET * sizes.max()]
    return max((_predicted(case, *one) for one in heard), key=lambda made: (made.chance or 0.0) - (made.value or 0.0))


def _predicted(
    case: Case, foretold: NDArray[np.float64], falls: NDArray[np.float64], figure: float, words: str
) -> Outcome:
    """What the map's forecasts of the falls, each (N,), and Captum's figure of them come to."""

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
    verdict: Verdict = "doubtful" if interval[0] <= (1 - HARDLY) * even else "fails"
    if interval[1] < even and value <= HALF_EXPLAINED:
        verdict = "holds"
    reason = (
        f"Of what covering {len(falls)} random squares with {words} does to the score, the map misses"
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


def _covered(case: Case, squares: Tensor, fill: Fill) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """The map's forecast for each covered square, the score's fall, and Captum's infidelity of the two."""
    from captum.metrics import infidelity as captums

    values = torch.tensor(case.attribution.values)[None].to(case.x.device)
    # a layer's map is shared out evenly among the channels
    values = (values / (case.x.shape[1] / values.shape[1])).expand_as(case.x)
    waiting = iter(squares)
    foretold: list[Tensor] = []
    falls: list[Tensor] = []

    def cover(inputs: Tensor) -> tuple[Tensor, Tensor]:
        part = torch.stack([next(waiting) for _ in inputs])
        foretold.append((part * values).double().flatten(1).sum(1))
        return part.expand_as(inputs), torch.where(part > 0, fill.values, inputs)

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
