"""Methods that change the image and ask again: maps (1, C, H, W) in the score's unit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workbench.attribution.incremental import Scorer
from workbench.attribution.job import CHUNK, Implementation, Job, seeded
from workbench.attribution.superpixels import spread, superpixels
from workbench.errors import InputError

LIME_WIDTH = 0.25  # of LIME's neighbourhood, and
LIME_RIDGE = 1.0  # its penalty, which are those of its authors for images


def occlusion(job: Job) -> Tensor:
    """By how much the score falls when a window is covered with the baseline; overlapping windows are averaged."""
    from captum.attr import Occlusion

    channels = job.x.shape[1]
    window, stride = _window(job)
    scorer = Scorer(job)
    return Occlusion(scorer).attribute(
        job.x,
        sliding_window_shapes=(channels, *window),
        strides=(channels, *stride),
        baselines=job.baseline,
        perturbations_per_eval=scorer.chunk,
    )


def feature_ablation(job: Job) -> Tensor:
    """By how much the score falls when a superpixel is covered with the baseline, shared out among its pixels."""
    from captum.attr import FeatureAblation

    parts, scorer = superpixels(job), Scorer(job)
    weights = FeatureAblation(scorer).attribute(
        job.x, baselines=job.baseline, feature_mask=parts, perturbations_per_eval=scorer.chunk
    )
    return spread(weights, parts)


def lime(job: Job) -> Tensor:
    """What each superpixel adds to the score, by a linear model of it for images near this one.

    Ribeiro et al. 2016, "Why Should I Trust You?". The linear model is their ridge regression, whose weights follow the
    score's scale; Captum's default, a lasso with a fixed penalty, answers with nothing but zeros where the score varies
    little.
    """
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime

    def closeness(image: Tensor, changed: Tensor, kept: Tensor, **_: object) -> Tensor:
        distance = 1 - kept.float().mean(1).sqrt()  # the cosine distance of the zeros and ones in `kept` to ones only
        return torch.exp(-(distance**2) / (2 * LIME_WIDTH**2))

    return _fit(job, Lime(torch.inference_mode()(job.forward), SkLearnRidge(alpha=LIME_RIDGE), closeness))


def kernel_shap(job: Job) -> Tensor:
    """Each superpixel's Shapley value, by a weighted regression over random sets of superpixels that sums to the
    score's change.

    Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions".
    """
    from captum.attr import KernelShap

    method = KernelShap(torch.inference_mode()(job.forward))
    fit = method.interpretable_model.fit
    # Captum weighs the two ends a million times as much as the rest, of which single precision keeps two digits
    method.interpretable_model.fit = lambda data: fit([[values.double() for values in batch] for batch in data])
    return _fit(job, method)


def _fit(job: Job, method: object) -> Tensor:
    parts, samples = superpixels(job), job.number("samples")
    count = int(parts.max()) + 1
    if count < 2:
        raise InputError(f"{job.method.title} compares superpixels, but this image is a single one: raise segments.")
    if samples < 2 * count:
        raise InputError(
            f"{job.method.title} cannot tell {count} superpixels apart by {samples} samples: give at least {2 * count},"
            " or fewer segments."
        )
    with seeded(job.number("seed")):
        weights = method.attribute(  # type: ignore[attr-defined]
            job.x, baselines=job.baseline, feature_mask=parts, n_samples=samples, perturbations_per_eval=CHUNK
        )
    return spread(weights, parts)


def _windows(job: Job) -> int:
    window, stride = _window(job)
    return 1 + math.prod(math.ceil((n - w) / s) + 1 for n, w, s in zip(job.x.shape[2:], window, stride, strict=True))


def _window(job: Job) -> tuple[tuple[int, int], tuple[int, int]]:
    height, width = job.x.shape[2:]
    share = job.share("window")
    if not 0 < share <= 1:
        raise InputError("Occlusion's window is a share of the image's edge: give a number above 0 and at most 1.")
    window = max(round(height * share), 1), max(round(width * share), 1)
    return window, (max(window[0] // 2, 1), max(window[1] // 2, 1))


IMPLEMENTATIONS = {
    "occlusion": Implementation(occlusion, _windows),
    "feature_ablation": Implementation(feature_ablation, lambda job: 2 + int(superpixels(job).max())),
    "lime": Implementation(lime, lambda job: job.number("samples")),
    "kernel_shap": Implementation(kernel_shap, lambda job: job.number("samples")),
}
