"""Deletion and insertion in the domain: asked of a copy of the network that was tuned on images with random parts
replaced, so that such an image is nothing new to it (after Hooker et al. 2019, ROAR, without training anew)."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import torch
from card_images import Scene, drawn
from card_nets import Faked, Spec, as_input, patches
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from workbench.evidence import removal
from workbench.evidence.case import Case, Meter
from workbench.models import Classifier

STEPS, BATCH, SHOWN = 60, 16, 160
RATE = 1e-3


class Tuned:
    """The copies of one network's classifiers, each tuned once."""

    def __init__(self, spec: tuple[str, str, int]) -> None:
        self._spec = Spec(*spec)
        self._copies: dict[int, tuple[Classifier, Classifier]] = {}

    def outcomes(self, case: Case) -> dict[str, tuple[str, float | None]]:
        """Verdict and figure of both checks for a map, by the tuned copy of its model."""
        if self._spec.cue == "nothing":
            return {}
        if id(case.classifier) not in self._copies:  # the original is kept, so that its id is no other's
            made = dataclasses.replace(case.classifier, key="tuned", model=tuned(case.classifier.model, self._spec))
            self._copies[id(case.classifier)] = case.classifier, made
        other = self._copies[id(case.classifier)][1]
        asked = dataclasses.replace(case, classifier=other, shared={}, meter=Meter([0], None))
        made = {"deletion": removal.deletion(asked), "insertion": removal.insertion(asked)}
        return {name: (outcome.verdict, outcome.value) for name, outcome in made.items()}


def tuned(model: torch.nn.Module, spec: Spec) -> torch.nn.Module:
    """A copy, trained further to tell the cue of images of which a random share is replaced; gates stay as they are."""
    made, rng = copy.deepcopy(model), np.random.default_rng([spec.seed, 31])
    heads = (made.model if isinstance(made, Faked) else made).heads  # type: ignore[union-attr]
    for weights in heads.parameters():  # type: ignore[union-attr]
        weights.requires_grad_(True)
    places = patches(spec)
    there = rng.random((SHOWN, len(places) if spec.cue == "apart" else 1)) < 0.5
    x = as_input(np.stack([drawn(rng, Scene(spec.cue, places), row) for row in there]))
    aims = torch.from_numpy(there).float()
    optimiser = torch.optim.AdamW(heads.parameters(), RATE)  # type: ignore[union-attr]
    made.train()
    with torch.enable_grad():
        for _ in range(STEPS):
            rows = torch.from_numpy(rng.integers(0, SHOWN, BATCH))
            loss = functional.binary_cross_entropy_with_logits(made(masked(x[rows], rng))[:, 1:], aims[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return made.eval()


def masked(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Inputs (N, C, H, W) with a random share of each replaced, in smooth regions, by its mean colour, a blur of it or
    another place of it."""
    size = x.shape[2:]
    blurred = functional.avg_pool2d(x, 17, 1, 8, count_include_pad=False)
    fills = [x.mean((2, 3), keepdim=True).expand_as(x), blurred, torch.roll(x, (size[0] // 2, size[1] // 2), (2, 3))]
    parts = [fills[rng.integers(len(fills))][n : n + 1] for n in range(len(x))]
    kept = torch.from_numpy(np.stack([_kept(rng, size) for _ in range(len(x))]))[:, None]
    return torch.where(kept, x, torch.cat(parts))


def _kept(rng: np.random.Generator, size: tuple[int, int] | torch.Size) -> NDArray[np.bool_]:
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.standard_normal(tuple(size)), rng.uniform(1, 8), mode="wrap")
    return field > np.quantile(field, rng.random())
