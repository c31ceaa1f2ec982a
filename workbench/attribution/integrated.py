"""Integrated gradients (Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks"), refined until the sum is right."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.attribution.job import CHUNK, Implementation, Job

MOST = 400
"""Gradients after which refinement gives up; the delta is then reported as it is."""
FEWEST = 24
"""Gradients before which it never stops: the sum can be right by luck while the map is still coarse."""
POWER = 2.0
"""How strongly the points crowd towards the baseline, where ReLU networks switch most of their units and the gradient is roughest."""


def integrated_gradients(job: Job) -> Tensor:
    """The gradient's mean on the straight way from the baseline, times the way.

    With `n_steps` this is Captum's Gauss-Legendre rule with exactly so many points. Without, points are added until the sum of the
    map misses the change of the score by no more than `tolerance` of it. They follow a van der Corput sequence (van der Corput
    1935), each prefix of which is spread evenly, so that no gradient is ever thrown away and memory does not grow with their number.
    """
    if job.params["n_steps"] is not None:
        from captum.attr import IntegratedGradients

        return IntegratedGradients(job.forward).attribute(
            job.x, baselines=job.baseline, n_steps=job.number("n_steps"), internal_batch_size=CHUNK
        )
    return _refined(job)


def _refined(job: Job) -> Tensor:
    assert job.baseline is not None
    way = job.x - job.baseline
    with torch.inference_mode():
        change = (job.forward(job.x) - job.forward(job.baseline)).double().item()
    total, weight = torch.zeros_like(way), 0.0
    for start in range(0, MOST, CHUNK):
        places = [_van_der_corput(i) for i in range(start + 1, start + CHUNK + 1)]
        u = torch.tensor(places, dtype=way.dtype, device=way.device).reshape(-1, 1, 1, 1)
        points = (job.baseline + u**POWER * way).requires_grad_()
        (gradients,) = torch.autograd.grad(job.forward(points).sum(), points)
        density = POWER * u ** (POWER - 1)
        total += (density * gradients).sum(0, keepdim=True)
        weight += density.sum().item()
        values = total / weight * way
        job.report["evaluations"] = start + CHUNK
        missed = abs(values.double().sum().item() - change)
        if start + CHUNK >= FEWEST and missed <= job.share("tolerance") * abs(change):
            break
    return values


def _van_der_corput(i: int) -> float:
    """The binary digits of `i` mirrored at the point: 1/2, 1/4, 3/4, 1/8, ..."""
    value, digit = 0.0, 0.5
    while i:
        value += digit * (i & 1)
        i, digit = i >> 1, digit / 2
    return value


def _steps(job: Job) -> int:
    return MOST if job.params["n_steps"] is None else job.number("n_steps")


IMPLEMENTATIONS = {"integrated_gradients": Implementation(integrated_gradients, _steps)}
