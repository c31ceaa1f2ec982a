"""Methods that change the picture and ask again."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workbench.attribution.job import CHUNK, Implementation, Job
from workbench.errors import InputError


def occlusion(job: Job) -> Tensor:
    """By how much the score falls when a window is covered with the baseline; windows overlap by half and are averaged."""
    from captum.attr import Occlusion

    channels = job.x.shape[1]
    window, stride = _window(job)
    with torch.inference_mode():
        return Occlusion(job.forward).attribute(
            job.x,
            sliding_window_shapes=(channels, *window),
            strides=(channels, *stride),
            baselines=job.baseline,
            perturbations_per_eval=CHUNK,
        )


def _windows(job: Job) -> int:
    window, stride = _window(job)
    return 1 + math.prod(math.ceil((n - w) / s) + 1 for n, w, s in zip(job.x.shape[2:], window, stride, strict=True))


def _window(job: Job) -> tuple[tuple[int, int], tuple[int, int]]:
    height, width = job.x.shape[2:]
    share = job.share("window")
    if not 0 < share <= 1:
        raise InputError("Occlusion's window is a share of the picture's edge: give a number above 0 and at most 1.")
    window = max(round(height * share), 1), max(round(width * share), 1)
    return window, (max(window[0] // 2, 1), max(window[1] // 2, 1))


IMPLEMENTATIONS = {"occlusion": Implementation(occlusion, _windows)}
