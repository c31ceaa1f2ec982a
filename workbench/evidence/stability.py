"""Does the map hang on the model, and on nothing else? Randomised weights, another seed, a little noise."""

from __future__ import annotations

import copy
import dataclasses
import threading

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.attribution import Attribution
from workbench.errors import InputError
from workbench.evidence.case import Case, pooled, strength
from workbench.evidence.finding import Outcome, limit
from workbench.models import BASELINES, Classifier, untouched
from workbench.stats import cosine, spearman

SAME = 0.5
"""Rank correlation above which two maps count as alike: then they share more than a quarter of the variance of their
ranks. Adebayo et al. 2018 draw the correlation without a threshold; a method that follows the weights falls close to
zero there, and guided backprop and its like stay far above this."""
STUCK = 0.8
"""Rank correlation above which a map fails: no right map of a planted network comes near it, and maps that take nothing
from the weights reach 1 (`bench_card.py`, even seeds)."""
REPRODUCED = 0.9
"""Least cosine of the map with its recomputation: another device's rounding stays far above, another map far below."""
STEADY = 0.5
"""Change of the map as a share of its size up to which it is stable: maps of equal size then have cosine >= 0.87."""
SHAKEN = 1.0
"""From here on the change is as large as the map itself (a cosine of 0.5)."""
TIMES_INPUT = frozenset(("integrated_gradients", "input_x_gradient", "expected_gradients", "deeplift"))
"""Methods that multiply a gradient with the way from the baseline to the image."""
FULLY = 1e-6
"""What is left of two maps that only repeat what they were multiplied with: nothing to correlate."""
ZERO = "The map is zero everywhere, so there is nothing whose change could be seen."
UNRELATED = 2**0.5
"""Change between two maps of equal size that have nothing in common."""
NOISE = 2.5
"""Grey levels of 255 by which each pixel is moved: below what an eye, or a camera's own noise, tells apart."""


def randomisation(case: Case) -> Outcome:
    """Rank correlation with the map on randomised weights, layer by layer from the top (Adebayo et al. 2018)."""
    if case.lost:
        return Outcome(case.lost)
    if not case.attribution.values.any():
        return Outcome(ZERO, "doubtful")
    itself = _cosine(case)
    if itself < REPRODUCED:
        return Outcome(_foreign(case), "fails", itself, chance=0.0)
    try:
        private = spoilable(case.classifier)
    except Exception as error:  # whatever a foreign module raises when it is copied
        return Outcome(f"The model cannot be copied to try other weights ({type(error).__name__}).")
    layers = _owners(private, case)
    if not layers:
        return Outcome("The model has no weights to randomise.")
    if not any(_spread(weights) for layer in layers for weights in layer.parameters(recurse=False)):
        return Outcome("Each of the model's tensors of weights holds one value only: drawn anew, none of them changes.")
    try:
        counts, by_pixel, by_cell = _cascade(case, private, layers)
    except InputError as error:
        return Outcome(f"With random weights there is no map to compare with: {error}", "doubtful")
    value = max(by_pixel[-1], by_cell[-1])
    interval = _fisher(value, pooled(case.ranking).size)
    reason = (
        f"With the weights of all {len(layers)} layers randomised, the rank correlation with this map is"
        f" {by_pixel[-1]:.2f} on pixels and {by_cell[-1]:.2f} on a coarse grid (95 % interval of the larger one"
        f" {interval[0]:.2f} to {interval[1]:.2f})."
    )
    curves = {"layers": np.array([0, *counts]), "pixels": np.array(by_pixel), "grid": np.array(by_cell)}
    return Outcome(reason, limit(interval, SAME, STUCK), value, interval, 0.0, curves)


def _cascade(case: Case, private: Classifier, layers: list[nn.Module]) -> tuple[list[int], list[float], list[float]]:
    """How many layers were randomised, and the rank correlation then, on pixels and on the grid, with the untouched
    model first.

    Raises:
        InputError: There is no map any more, or one of zeros, whose likeness says nothing.
    """
    shared = _multiplied(case)

    def likeness(a: NDArray[np.float32], b: NDArray[np.float32], grid: bool) -> float:
        parts = [a, b] if shared is None else [a, b, shared]
        parts = [pooled(part) for part in parts] if grid else parts
        return spearman(*parts) if shared is None else _beyond(*parts)

    counts = sorted({max(round(len(layers) * stage), 1) for stage in np.linspace(0, 1, case.budget.stages)})
    mine = strength(case.attribution.values)
    rng, by_pixel, by_cell, done = torch.Generator().manual_seed(case.seed), [1.0], [1.0], 0
    for count in counts:
        redraw(layers[done:count], rng)
        done = count
        redrawn = strength(case.again(private).values)
        by_pixel.append(likeness(mine, redrawn, False))
        by_cell.append(likeness(mine, redrawn, True))
    if not redrawn.any():
        raise InputError("its values are zero everywhere.")
    return counts, by_pixel, by_cell


def _multiplied(case: Case) -> NDArray[np.float32] | None:
    """What the method multiplies the gradient with, as strength (H, W); None where it does not.

    Both maps share it, whatever the weights: Adebayo et al. 2018 warn that such maps look alike for that reason alone.
    """
    if case.method.name not in TIMES_INPUT:
        return None
    given = case.attribution.params.get("baseline")
    start = case.replacement[0] if isinstance(given, str) and given in BASELINES else torch.zeros_like(case.x)
    return strength((case.x - start)[0].cpu().numpy())


def _beyond(a: NDArray[np.float32], b: NDArray[np.float32], shared: NDArray[np.float32]) -> float:
    """Partial rank correlation of two maps, each (H, W), given what both were multiplied with."""
    ab, ac, bc = spearman(a, b), spearman(a, shared), spearman(b, shared)
    rest = float(np.sqrt(max((1 - ac**2) * (1 - bc**2), 0.0)))
    return float(np.clip((ab - ac * bc) / rest, -1, 1)) if rest > FULLY else ab


def _cosine(case: Case) -> float:
    """Similarity of the map and the same map recomputed, whatever their scale: 1 at best."""
    a, b = case.attribution.values.ravel(), case.fresh.values.ravel()
    return float(cosine(a[None], b)[0]) if a.any() or b.any() else 1.0


def _foreign(case: Case) -> str:
    return (
        f"{case.method.title} on this model and image gives another map than this one: their cosine is"
        f" {_cosine(case):.2f} of 1."
    )


def _cannot(case: Case) -> str | None:
    """Why nothing can be said about making the map again; None where it can."""
    return case.lost or (_foreign(case) if _cosine(case) < REPRODUCED else None)


def _fisher(correlation: float, cells: int) -> tuple[float, float]:
    """95 % interval of a rank correlation by Fisher's transform.

    It counts the cells of the coarse grid also for a correlation of pixels: neighbouring pixels say much the same, so
    that their number would promise far more than is known.
    """
    middle, reach = np.arctanh(np.clip(correlation, -0.999999, 0.999999)), 1.96 / np.sqrt(max(cells - 3, 1))
    return float(np.tanh(middle - reach)), float(np.tanh(middle + reach))


def spoilable(classifier: Classifier) -> Classifier:
    """The classifier with a copy of its model that may be spoiled, and a lock of its own."""
    with untouched(classifier):
        model = copy.deepcopy(classifier.model)
    private = dataclasses.replace(classifier, key=f"{classifier.key} at random", model=model, lock=threading.RLock())
    if "grids" in vars(classifier):  # where its layers lie does not hang on the weights: they are measured once
        vars(private)["grids"] = classifier.grids
    return private


def _owners(private: Classifier, case: Case) -> list[nn.Module]:
    """Modules with own weights, the last that runs first; if some are never called, the last registered first."""
    owners = [
        module
        for module in private.model.modules()
        if any(p.is_floating_point() for p in module.parameters(recurse=False))
    ]
    ran: dict[int, int] = {}

    def note(module: nn.Module, inputs: object) -> None:
        ran.setdefault(id(module), len(ran))

    with untouched(private), torch.inference_mode():  # which takes the hooks away again
        for module in owners:
            module.register_forward_pre_hook(note)
        private.logits(case.x)
    if all(id(module) in ran for module in owners):
        owners.sort(key=lambda module: ran[id(module)])
    return owners[::-1]


def redraw(layers: list[nn.Module], rng: torch.Generator) -> None:
    """Randomise the layers' weights, from a normal distribution of each tensor's own mean and spread.

    What a net was initialised with is not known; at the spread that its weights have, the signal neither dies nor
    explodes.
    """
    with torch.no_grad():
        for layer in layers:
            for weights in layer.parameters(recurse=False):
                if weights.is_floating_point():
                    drawn = (
                        torch.randn(weights.shape, generator=rng, dtype=torch.float64) * _spread(weights)
                        + weights.double().mean().item()
                    )
                    weights.copy_(drawn.to(weights))


def _spread(weights: Tensor) -> float:
    """By how much a tensor's weights differ, and of a single one how large it is; 0 of whole numbers."""
    if not weights.is_floating_point() or not weights.numel():
        return 0.0
    weights = weights.detach()
    return float(weights.double().std(correction=0) if weights.numel() > 1 else weights.abs())


def repeatability(case: Case) -> Outcome:
    """By how much the map changes with another seed, as a share of its size."""
    if "seed" not in case.attribution.params:
        return Outcome(f"{case.method.title} is deterministic: the same settings give the same map.")
    if obstacle := _cannot(case):
        return Outcome(obstacle)
    seed = int(case.attribution.params["seed"]) + 1 + case.seed  # type: ignore[call-overload]
    change = _change(case.attribution, case.again(seed=seed % 2**31))
    reason = (
        f"With another seed the map changes by {change:.0%} of its own size; unrelated maps would differ by"
        f" {UNRELATED:.0%}."
    )
    return Outcome(reason, limit((change, change), STEADY, SHAKEN), change, chance=UNRELATED)


def _change(old: Attribution, new: Attribution) -> float:
    size = float(np.linalg.norm(old.values))
    return float(np.linalg.norm(new.values - old.values)) / (size or 1.0)


def sensitivity(case: Case) -> Outcome:
    """Largest change of the map under tiny input noise, as a share of its size: max-sensitivity (Yeh et al. 2019)."""
    from captum.metrics import sensitivity_max

    if obstacle := _cannot(case):
        return Outcome(obstacle)
    rng = torch.Generator().manual_seed(case.seed)
    std = torch.tensor(case.classifier.preprocessing.std).view(-1, 1, 1)
    radius = (NOISE / 255 / std).to(case.x.device)

    def shake(inputs: Tensor) -> Tensor:
        noise = torch.rand(inputs.shape, generator=rng) * 2 - 1
        return inputs + noise.to(inputs.device) * radius

    def maps(inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
        stack = inputs[0] if isinstance(inputs, tuple) else inputs
        attributions = (case.fresh if torch.equal(x, case.x[0]) else case.again(x=x[None]) for x in stack)
        # of a bare tensor Captum takes one channel for the whole
        return (torch.stack([torch.from_numpy(attribution.values) for attribution in attributions]),)

    if not case.fresh.values.any():
        return Outcome(ZERO, "doubtful")
    change = float(sensitivity_max(maps, case.x, shake, n_perturb_samples=case.budget.noises, max_examples_per_batch=1))
    reason = (
        f"When every pixel is moved by up to {NOISE:g} of 255 grey levels, the map changes by up to {change:.0%} of"
        f" its own size ({case.budget.noises} trials); unrelated maps would differ by {UNRELATED:.0%}."
    )
    return Outcome(reason, limit((change, change), STEADY, SHAKEN), change, chance=UNRELATED)
