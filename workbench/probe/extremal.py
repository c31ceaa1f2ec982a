"""Extremal perturbation, the reference for the smallest region: a smooth mask of given area that keeps, or takes, the
most evidence.

Fong, Patrick and Vedaldi 2019, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks". Captum has no
such method, and the authors' own package, torchray, has had no release since 2019; so it is built here, small and
readable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.models import Askable, Classifier, Placement

Variant = Literal["preserve", "delete"]
AREAS = (0.025, 0.05, 0.1, 0.2)
SEED_GRID, FINER = 28, 4  # seeds of the mask along the input's longer side; points between two of them
REACH = 2  # how far a seed reaches, in distances between seeds: the mask's smoothness
# steps of blur, and the width of the strongest as a share of the longer side: the paper's 20 pixels of 224
BLUR_STEPS, BLUR = 8, 1 / 11
SHARPNESS = 20.0  # of the smooth maximum, as in the paper
# weight of the area against a score that is scaled to 1; how many times heavier it ends
AREA_WEIGHT, AREA_GROWTH = 3.0, 300.0
RATE, MOMENTUM = 0.015, 0.9


@dataclasses.dataclass(frozen=True, eq=False)
class Extremal:
    """Masks of one image, one for each area.

    Attributes:
        variant: "preserve": what the mask covers is kept, all else blurred; "delete": what it covers is blurred.
        target: Column of the class.
        areas: (A,) share of the input that each mask is to cover.
        masks: (A, h, w) over the model's input, 0 .. 1.
        scores: (A,) the class's probability under each mask.
        before: Its probability on the image.
        blurred: Its probability with everything blurred.
        placement: Where the input lies on the image: `placement.to_original(masks[i])` is a mask over the image's
            pixels.
    """

    variant: Variant
    target: int
    areas: tuple[float, ...]
    masks: NDArray[np.float32]
    scores: NDArray[np.float32]
    before: float
    blurred: float
    placement: Placement


def extremal(
    classifier: Classifier,
    image: Askable,
    *,
    variant: Variant = "preserve",
    target: int | str | None = None,
    areas: Sequence[float] = AREAS,
    iterations: int = 400,
    on_progress: Callable[[int, int], None] | None = None,
) -> Extremal:
    """Optimise a mask for each area, all at once, by gradient descent with momentum; it takes a forward and a backward
    pass a step.

    The score is the class's log-odds, divided by how far the image's are from those of its blur, so that it weighs the
    same against the area for every model; each step is scaled to the greatest gradient. Nothing is drawn at random.

    Args:
        classifier: The model, which must let gradients through.
        image: What to look at.
        variant: "preserve" or "delete".
        target: The class; the decided one where missing.
        areas: Shares of the model's input, each above 0 and below 1.
        iterations: Steps; the paper takes 800.
        on_progress: Called with (done, total) steps after each; what it raises stops the work.

    Raises:
        InputError: A setting is out of range, there is no such class, or the model gives no gradient.
    """
    import torch

    from workbench.models import untouched

    if variant not in ("preserve", "delete") or not areas or not all(0 < area < 1 for area in areas) or iterations < 1:
        raise InputError(
            "Extremal perturbation needs the variant preserve or delete, areas between 0 and 1, and at least one step."
        )
    ready = classifier.input(image)
    blurs = _blurs(ready.x)
    size, sign = tuple(blurs.shape[2:]), 1 if variant == "preserve" else -1
    seeds = torch.full((len(areas), 1, *(max(round(SEED_GRID * n / max(size)), 2) for n in size)), 0.5)
    step = torch.zeros_like(seeds)
    ends = classifier.forward(blurs[[0, -1]])
    column = int(classifier.rule.decide(ends.softmax(1).numpy())[0][0]) if target is None else classifier.index(target)
    scale = float(_log_odds(ends, column).diff().abs().clamp(min=1e-3))
    for done in range(iterations):
        # at first every pixel is alike: the score picks
        weight = AREA_WEIGHT * AREA_GROWTH ** (done / iterations) if done else 0.0
        with torch.enable_grad(), untouched(classifier):
            masks = _smooth(seeds.requires_grad_(True), size)
            score = _log_odds(classifier.logits(_blur(blurs, masks, variant)).float().cpu(), column) / scale
            if not score.requires_grad:
                raise InputError(
                    "The model gives no gradient, which extremal perturbation needs: look for the region by filling."
                )
            (gradient,) = torch.autograd.grad(weight * _off(masks, areas).sum() - sign * score.sum(), seeds)
        step = MOMENTUM * step + gradient / gradient.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
        seeds = (seeds.detach() - RATE * step).clamp(0, 1)
        if on_progress:
            on_progress(done + 1, iterations)
    masks = _smooth(seeds, size)
    scores = classifier.forward(_blur(blurs, masks, variant)).softmax(1)[:, column].numpy()
    before, blurred = ends.softmax(1)[:, column].tolist()
    return Extremal(variant, column, tuple(areas), masks[:, 0].numpy(), scores, before, blurred, ready.placement)


def _log_odds(logits: Tensor, column: int) -> Tensor:
    others = [i for i in range(logits.shape[1]) if i != column]
    return logits[:, column] - logits[:, others].logsumexp(1)


def _blurs(x: Tensor) -> Tensor:
    """An input (C, h, w) ever more blurred, (BLUR_STEPS, C, h, w), itself first."""
    import torch
    from scipy.ndimage import gaussian_filter

    widths = np.linspace(0, BLUR * max(x.shape[1:]), BLUR_STEPS)
    return torch.from_numpy(
        np.stack([gaussian_filter(x.numpy(), (0, width, width), mode="nearest") for width in widths])
    )


def _blur(blurs: Tensor, masks: Tensor, variant: Variant) -> Tensor:
    """The input under each mask (A, 1, h, w), (A, C, h, w): the less of a pixel is kept, the more it is blurred."""
    import torch

    depth = (1 - masks if variant == "preserve" else masks) * (BLUR_STEPS - 1)
    shares = (1 - (depth - torch.arange(BLUR_STEPS).view(1, -1, 1, 1)).abs()).clamp(min=0)
    return torch.einsum("alhw,lchw->achw", shares, blurs)


def _off(masks: Tensor, areas: Sequence[float]) -> Tensor:
    """How far each mask is from one that is 1 on its area and 0 elsewhere, (A,): the paper's sorted penalty."""
    import torch

    ranks = torch.linspace(0, 1, masks[0].numel())
    ideal = (ranks[None] >= 1 - torch.tensor(areas)[:, None]).float()
    return (masks.flatten(1).sort(1).values - ideal).square().mean(1)


def _smooth(seeds: Tensor, size: Sequence[int]) -> Tensor:
    """Masks (A, 1, *size) from seeds (A, 1, rows, columns): the smooth maximum of soft discs about the seeds."""
    import torch
    from torch.nn.functional import interpolate, pad, unfold

    radius, (rows, columns) = 2 * REACH, seeds.shape[2:]
    between = (torch.arange(FINER) + 0.5) / FINER - 0.5
    away = (torch.arange(-radius, radius + 1)[:, None] - between[None]).square()
    distance = (away[:, None, :, None] + away[None, :, None, :]).sqrt() / REACH
    kernel = torch.exp(-2 * (distance - 0.5).clamp(min=0) ** 2).flatten(0, 1)[None, :, None, :, None, :]
    near = unfold(pad(seeds, [radius] * 4), 2 * radius + 1).view(len(seeds), -1, rows, 1, columns, 1)
    discs = (near * kernel).reshape(len(seeds), -1, rows * FINER, columns * FINER)
    grid = (discs * (SHARPNESS * discs).softmax(1)).sum(1, keepdim=True)
    return interpolate(grid, size=tuple(size), mode="bilinear", align_corners=False)
