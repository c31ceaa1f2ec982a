"""Methods that follow the gradient of the score to the image; each map is (1, C, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.attribution.job import CHUNK, Implementation, Job, seeded


def saliency(job: Job) -> Tensor:
    """|d score / d input|."""
    from captum.attr import Saliency

    return Saliency(job.forward).attribute(job.x.clone().requires_grad_())


def input_x_gradient(job: Job) -> Tensor:
    """Input times gradient."""
    from captum.attr import InputXGradient

    return InputXGradient(job.forward).attribute(job.x.clone().requires_grad_())


def smoothgrad(job: Job) -> Tensor:
    """The gradient's mean over noisy copies."""
    return _tunnel(job, "smoothgrad")


def smoothgrad_sq(job: Job) -> Tensor:
    """The mean squared gradient over noisy copies (Hooker et al. 2019, "A Benchmark for Interpretability Methods")."""
    return _tunnel(job, "smoothgrad_sq")


def vargrad(job: Job) -> Tensor:
    """The gradient's variance over noisy copies (Adebayo et al. 2018, "Sanity Checks for Saliency Maps")."""
    return _tunnel(job, "vargrad").clamp(min=0)  # a difference of two means, which rounding can put below zero


def _tunnel(job: Job, kind: str) -> Tensor:
    from captum.attr import NoiseTunnel, Saliency

    with seeded(job.number("seed")):
        return NoiseTunnel(Saliency(job.forward)).attribute(
            job.x,
            nt_type=kind,
            nt_samples=job.number("samples"),
            nt_samples_batch_size=CHUNK,
            stdevs=_spread(job),
            abs=False,
        )


def expected_gradients(job: Job) -> Tensor:
    """Integrated gradients with the images of `background` as baselines, in expectation (Erion et al. 2021).

    Each sample takes an image of the background and a place on the way from it, both at random, which Captum calls
    GradientShap (Lundberg and Lee 2017). The mean over samples comes ever closer to the change of the score from the
    background's mean.

    Returns:
        (1, C, H, W), in the score's unit.
    """
    from captum.attr import GradientShap

    assert job.background is not None
    method, samples = GradientShap(job.forward), job.number("samples")
    total = torch.zeros_like(job.x)
    with seeded(job.number("seed")):
        for start in range(0, samples, CHUNK):  # Captum would ask about all samples at once
            count = min(CHUNK, samples - start)
            total += count * method.attribute(job.x, job.background, n_samples=count, stdevs=_spread(job)).detach()
    return total / samples


def _spread(job: Job) -> float:
    """The standard deviation of the noise, from its share of the image's range."""
    return job.share("noise") * (job.x.max() - job.x.min()).item()


def _samples(job: Job) -> int:
    return job.number("samples")


IMPLEMENTATIONS = {
    "saliency": Implementation(saliency),
    "input_x_gradient": Implementation(input_x_gradient),
    "smoothgrad": Implementation(smoothgrad, _samples),
    "smoothgrad_sq": Implementation(smoothgrad_sq, _samples),
    "vargrad": Implementation(vargrad, _samples),
    "expected_gradients": Implementation(expected_gradients, _samples),
}
