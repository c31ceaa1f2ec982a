"""Integrated gradients (Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks"), refined to its sum."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.attribution.job import CHUNK, OUTPUT, REFERENCE, Implementation, Job

MOST_GRADIENTS = 400
"""Gradients after which refinement gives up; the delta is then reported as it is."""
FEWEST = CHUNK
"""Gradients before which it never stops; a power of two, half of which make the first map to compare with."""
SAME = 0.98
"""Least cosine of the map with that of half as many points: a coarse map can have the right sum by luck."""
POWER = 2.0
"""How densely points crowd near the baseline, where ReLU networks switch most units and the gradient is roughest."""


def integrated_gradients(job: Job) -> Tensor:
    """The gradient's mean on the straight way from the baseline, times the way.

    With `n_steps` this is Captum's Gauss-Legendre rule with exactly so many points. Without, points are added until the
    sum of the map misses the change of the score by no more than `tolerance` of it and the map itself has settled. They
    follow a van der Corput sequence (van der Corput 1935), each prefix of which is spread evenly, so that no gradient
    is ever thrown away and memory does not grow with their number; at every power of two they are the points of the
    trapezoidal rule. Of the sums with and without the way's end, either of which converges, that is taken which misses
    less.

    Returns:
        (1, C, H, W), in the score's unit.
    """
    if job.params["n_steps"] is not None:
        from captum.attr import IntegratedGradients

        return IntegratedGradients(job.forward).attribute(
            job.x, baselines=job.baseline, n_steps=job.number("n_steps"), internal_batch_size=CHUNK
        )
    return _refine(job)


def _refine(job: Job) -> Tensor:
    assert job.baseline is not None
    way = job.x - job.baseline
    with torch.inference_mode():
        before = job.forward(job.baseline).double().item()
    total, weight, done = torch.zeros_like(way), 0.0, 0
    coarse: Tensor | None = None
    while done < MOST_GRADIENTS:
        u = torch.tensor([place(i) for i in range(done, done + CHUNK)], dtype=way.dtype, device=way.device).reshape(
            -1, 1, 1, 1
        )
        points = (job.baseline + u**POWER * way).requires_grad_()
        scores = job.forward(points)
        (gradients,) = torch.autograd.grad(scores.sum(), points)
        density = POWER * u ** (POWER - 1)
        if coarse is None:  # the image itself is an end of the way; at its other end, the baseline, the density is zero
            density[0] /= 2
            after, end, of_end = scores[0].double().item(), density[0] * gradients[:1], density[0].item()
        parts = density * gradients
        if coarse is None:
            half = slice(CHUNK // 2)
            coarse = parts[half].sum(0, keepdim=True) / density[half].sum() * way
        total += parts.sum(0, keepdim=True)
        weight += density.sum().item()
        done += CHUNK
        # two rules over the same points
        closed, without = total / weight * way, (total - end) / (weight - of_end) * way
        values, missed = min(
            ((v, abs(v.double().sum().item() - (after - before))) for v in (closed, without)), key=lambda v: v[1]
        )
        if missed <= job.share("tolerance") * abs(after - before) and _alike(values, coarse):
            break
        if done & (done - 1) == 0:
            coarse = closed
    job.report.update({"evaluations": done, OUTPUT: after, REFERENCE: before})
    return values


def _alike(a: Tensor, b: Tensor) -> bool:
    """Whether two maps point the same way; one of zeros is like itself only."""
    lengths = (a.norm() * b.norm()).item()
    return torch.equal(a, b) if lengths == 0 else (a * b).sum().item() >= SAME * lengths


def place(i: int) -> float:
    """1, and then the binary digits of `i` mirrored at the point, taken from 1: 1/2, 3/4, 1/4, 7/8, ..."""
    value, digit = 1.0, 0.5
    while i:
        value -= digit * (i & 1)
        i, digit = i >> 1, digit / 2
    return value


def _steps(job: Job) -> int:
    return MOST_GRADIENTS if job.params["n_steps"] is None else job.number("n_steps")


IMPLEMENTATIONS = {"integrated_gradients": Implementation(integrated_gradients, _steps)}
