"""The map that a model gives itself, beside its score."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor
from torch.nn import functional

from workbench.attribution.job import Implementation, Job


def anomaly_map(job: Job) -> Tensor:
    """The model's own anomaly map, (1, 1, H, W), interpolated bilinearly; the same for every class and score.

    Raises:
        InputError: It gives none, or one that falls below 0.
    """
    model, answers = job.classifier.model, list[object]()
    scripted = isinstance(model, torch.jit.ScriptModule)  # which takes no hook
    with torch.inference_mode(), contextlib.ExitStack() as hooks:
        if not scripted:
            hooks.callback(model.register_forward_hook(lambda module, inputs, output: answers.append(output)).remove)
        job.forward(job.x)
        answer = job.classifier.answer(job.x) if scripted else job.classifier.head.read(answers[-1], len(job.x))
    heatmap = answer.map
    if heatmap is None:
        raise job.refuse(
            "it gives no anomaly map beside its score, as models for anomaly detection do, so choose another method"
        )
    if (low := heatmap.min().item()) < 0:
        raise job.refuse(f"its anomaly map reaches {low:.4g}, below 0, so export it with its normalisation on")
    return functional.interpolate(heatmap[:, None], tuple(job.x.shape[2:]), mode="bilinear")


IMPLEMENTATIONS = {"anomaly_map": Implementation(anomaly_map)}
