"""One map of one decision in a contest: how the score follows its order, and the order of the same map elsewhere."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.attribution import CHUNK, Attribution
from workbench.evidence.case import BUDGETS, Case, Fill, Meter
from workbench.evidence.removal import order_of, regions
from workbench.models import Classifier, Input

SHARES_SHOWN = (0.01, 0.03, 0.07, 0.16, 0.84, 0.93, 0.97, 0.99)
"""Shares of the image that are shown: few around the middle, where a map that marks too much does as well as one that
marks the right place alone."""
MOVES = 1
"""How often a map is moved elsewhere, to see what chance gives; a league has as many for each decision."""


@dataclasses.dataclass(frozen=True, eq=False)
class Bout:
    """What the model says while only a share of the image is shown, for each of F fills and L `SHARES_SHOWN`.

    Attributes:
        most: (1 + MOVES, F, L) scores with the places shown that the map marks most: as it lies, and moved elsewhere.
        least: (1 + MOVES, F, L) with as many shown that it marks least.
        ends: (1 + F,) score of the whole image, and of each fill.
        turns: Whether any of these copies is decided otherwise than the image.
    """

    most: NDArray[np.float64]
    least: NDArray[np.float64]
    ends: NDArray[np.float64]
    turns: bool

    @property
    def reach(self) -> NDArray[np.float64]:
        """(2, F) the least and the largest score with each fill."""
        fills = len(self.ends) - 1
        shown = np.moveaxis(np.concatenate([self.most, self.least]), 1, 2).reshape(-1, fills)
        heights = np.concatenate([shown, np.full((1, fills), self.ends[0]), self.ends[None, 1:]])
        return np.stack([heights.min(0), heights.max(0)])

    @property
    def leads(self) -> NDArray[np.float64]:
        """(1 + MOVES, F) by how much the most marked places carry more of the score than the least marked, on average
        over the levels: what insertion gains, and what deletion loses."""
        return np.asarray((self.most - self.least).mean(-1))


def bout(classifier: Classifier, ready: Input, attribution: Attribution, seed: int) -> Bout:
    """Hold a map against the model by its order alone, with the same fills, shares and moves as every other map of the
    decision.

    Args:
        classifier: The model.
        ready: The image.
        attribution: The map.
        seed: Of the moves and of ties.
    """
    plain = dataclasses.replace(attribution, params={k: v for k, v in attribution.params.items() if k == "against"})
    case = Case(classifier, ready, plain, None, (), BUDGETS["quick"], seed, Meter([0], None))
    rng = case.generator(5)
    height, width = case.ranking.shape
    steps = [(0, 0), *((int(rng.integers(height)), int(rng.integers(width))) for _ in range(MOVES))]
    smooth = regions(case.ranking)
    orders = [order_of(np.roll(smooth, step, (0, 1)), rng) for step in steps]
    whole, decided = _asked(case, case.x)
    scores, others = [], []
    for fill in case.fills:
        made = [_asked(case, part) for part in _copies(case, fill, orders)]
        scores.append(np.concatenate([score for score, _ in made]).reshape(len(orders), 2, len(SHARES_SHOWN)))
        others += [column for _, column in made]
    blank = [_asked(case, fill.values) for fill in case.fills]
    curves = np.stack(scores, axis=2)
    ends = np.concatenate([whole, *(score for score, _ in blank)])
    turns = bool((np.concatenate([*others, *(column for _, column in blank)]) != decided[0]).any())
    most, least = curves[:, 0], curves[:, 1]
    if case.ranking.min() == case.ranking.max():  # it marks no place: its order is that of the ties
        most = least = (most + least) / 2
    return Bout(most, least, ends, turns)


def _copies(case: Case, fill: Fill, orders: list[NDArray[np.int64]]) -> list[torch.Tensor]:
    """The image with the first, and with the last, of each order shown, in chunks of (N, C, H, W)."""
    size = orders[0].size
    cuts = [round(size * level) for level in SHARES_SHOWN]
    kept = [mask for order in orders for mask in (*(order < n for n in cuts), *(order >= size - n for n in cuts))]
    masks = torch.from_numpy(np.stack(kept))[:, None].to(case.x.device)
    return [torch.where(part, case.x, fill.values) for part in masks.split(CHUNK)]


def _asked(case: Case, x: torch.Tensor) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The score (N,) of inputs (N, C, H, W), and the class that each is decided for."""
    logits = case.logits(x)
    probabilities = case.classifier.probabilities(logits).cpu().numpy()
    return case.aim.of(case.classifier, logits).double().cpu().numpy(), case.classifier.rule.decide(probabilities)[0]
