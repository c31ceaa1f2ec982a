"""Methods that follow the gradient of the score to the image; each map is (1, C, H, W)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.attribution.integrated import place
from workbench.attribution.job import CHUNK, OUTPUT, REFERENCE, Implementation, Job, seeded

FEWEST_SAMPLES, MOST_SAMPLES = 64, 512
"""Samples of expected gradients before which refinement never stops, and after which it gives up."""


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

    Each sample takes an image of the background and a place on the way from it. Both are random for each, as in
    Captum's GradientShap (Lundberg and Lee 2017), but spread evenly over all of them: the images take turns, each
    begins at a place of its own, and goes on by a van der Corput sequence shifted there (Cranley and Patterson 1976,
    "Randomization of Number Theoretic Methods for Multiple Integration"), so that the mean over samples comes to the
    change of the score from the background's mean several times faster. Without `samples` their number is doubled from
    `FEWEST_SAMPLES` until the map misses that change by no more than `tolerance` of it, or `MOST_SAMPLES` are reached.

    Returns:
        (1, C, H, W), in the score's unit.
    """
    assert job.background is not None
    given, rng = job.params["samples"], np.random.default_rng(job.number("seed"))
    noise = torch.Generator().manual_seed(job.number("seed"))
    turns, starts = rng.permutation(len(job.background)), _starts(len(job.background), rng)
    before, after = (0.0, 0.0) if given else _ends(job)
    total, done, most = torch.zeros_like(job.x), 0, job.number("samples") if given else FEWEST_SAMPLES
    while True:
        while done < most:
            index = np.arange(done, min(done + CHUNK, most))
            rows = turns[index % len(turns)]
            places = [(starts[row] + place(int(i) // len(turns))) % 1 for row, i in zip(rows, index, strict=True)]
            total += _slopes(job, job.background[torch.from_numpy(rows)], places, noise)
            done += len(index)
        values = total / done
        missed = abs(values.double().sum().item() - (after - before))
        if given or missed <= job.share("tolerance") * abs(after - before) or done >= MOST_SAMPLES:
            break
        most *= 2
    if not given:
        job.report.update({"evaluations": done, OUTPUT: after, REFERENCE: before})
    return values


def _starts(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random place in 0 .. 1 for each image of the background, one in each of as many equal parts: (count,)."""
    return (rng.permutation(count) + rng.random(count)) / count


def _ends(job: Job) -> tuple[float, float]:
    """The mean score of the background, and the score of the image."""
    assert job.background is not None
    with torch.inference_mode():
        parts = [job.forward(part) for part in job.background.split(CHUNK)]
        return torch.cat(parts).double().mean().item(), job.forward(job.x).double().item()


def _slopes(job: Job, starts: Tensor, places: list[float], noise: torch.Generator) -> Tensor:
    """The sum of gradient times way over points between `starts`, (N, C, H, W), and the image, noise laid on it."""
    u = torch.tensor(places, dtype=job.x.dtype, device=job.x.device).reshape(-1, 1, 1, 1)
    shaken = torch.randn(starts.shape, generator=noise).to(job.x) * _spread(job)
    way = job.x + shaken - starts
    points = (starts + u * way).requires_grad_()
    (gradients,) = torch.autograd.grad(job.forward(points).sum(), points)
    return (gradients * way).sum(0, keepdim=True)


def _spread(job: Job) -> float:
    """The standard deviation of the noise, from its share of the image's range."""
    return job.share("noise") * (job.x.max() - job.x.min()).item()


def _samples(job: Job) -> int:
    return FEWEST_SAMPLES if job.params["samples"] is None else job.number("samples")


IMPLEMENTATIONS = {
    "saliency": Implementation(saliency),
    "input_x_gradient": Implementation(input_x_gradient),
    "smoothgrad": Implementation(smoothgrad, _samples),
    "smoothgrad_sq": Implementation(smoothgrad_sq, _samples),
    "vargrad": Implementation(vargrad, _samples),
    "expected_gradients": Implementation(expected_gradients, _samples),
}
