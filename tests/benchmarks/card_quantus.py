"""The metrics of Quantus (Hedstroem et al. 2023) that match a check of the card, asked about the same map.

Each with its own defaults, but for what a 64 x 64 image needs: steps of 64 of 4,096 pixels, squares of 8, the mean
colour (0 of an input that is normalised) in the place of what is removed, and 10 in place of 200 noisy inputs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workbench.attribution import METHODS, Attribution, attribute
from workbench.models import Classifier, Input

MATCHES: Mapping[str, tuple[str, int]] = {
    "Completeness": ("completeness", 1),
    "PixelFlipping": ("deletion", -1),
    "RegionPerturbation": ("deletion", 1),
    "Selectivity": ("deletion", -1),
    "FaithfulnessEstimate": ("deletion", 1),
    "IROF": ("insertion", 1),
    "FaithfulnessCorrelation": ("infidelity", 1),
    "Infidelity": ("infidelity", -1),
    "MPRT": ("randomisation", -1),
    "MaxSensitivity": ("sensitivity", -1),
}
"""The check that asks the same or most like it, and whether more is better (1) or worse (-1)."""
SIGNED = ("Completeness", "FaithfulnessCorrelation", "Infidelity")
"""Those that take the values as amounts of the score: asked only of maps that promise such."""
ALL_CHANNELS = (*SIGNED, "IROF", "MPRT", "MaxSensitivity")
"""Those that take the map with its channels; the others get one value a pixel, as our own deletion does."""
CELL, STEP = 8, 64


def metrics() -> dict[str, Callable[..., Any]]:
    """By name, as Quantus has them."""
    import quantus

    if not hasattr(np, "trapz"):  # which NumPy 2 took away and Quantus 0.6 calls
        np.trapz = np.trapezoid  # type: ignore[attr-defined]
    quiet = {"disable_warnings": True, "display_progressbar": False, "return_aggregate": False}
    plain = {**quiet, "perturb_baseline": 0.0}
    return {
        "Completeness": quantus.Completeness(normalise=False, **plain),
        "PixelFlipping": quantus.PixelFlipping(features_in_step=STEP, **plain),
        "RegionPerturbation": quantus.RegionPerturbation(patch_size=CELL, regions_evaluation=30, **plain),
        "Selectivity": quantus.Selectivity(patch_size=CELL, **plain),
        "FaithfulnessEstimate": quantus.FaithfulnessEstimate(features_in_step=STEP, **plain),
        "IROF": quantus.IROF(perturb_func=_covered, **plain),
        "FaithfulnessCorrelation": quantus.FaithfulnessCorrelation(nr_runs=100, subset_size=224, **plain),
        "Infidelity": quantus.Infidelity(perturb_patch_sizes=[CELL], n_perturb_samples=10, **plain),
        "MPRT": quantus.MPRT(return_last_correlation=True, skip_layers=True, **quiet),
        "MaxSensitivity": quantus.MaxSensitivity(nr_samples=10, lower_bound=0.02, **quiet),
    }


def _covered(arr: NDArray[np.float64], mask: NDArray[np.bool_], **_: Any) -> NDArray[np.float64]:
    """Its own replacement of a segment refuses a mask without channels, which IROF hands to it."""
    return np.where(mask, 0.0, arr)


def scores(
    classifier: Classifier, ready: Input, attribution: Attribution, background: Sequence[Any] | None
) -> dict[str, float]:
    """What each metric gives of one map; without those that do not apply to it or end in an error."""
    method, params = METHODS[attribution.method], dict(attribution.params)
    settings = {name: params[name] for name in METHODS[attribution.method].params if name in params}

    def explained(model: nn.Module, inputs: Any, targets: Any, **_: Any) -> NDArray[np.float32]:
        asked = dataclasses.replace(classifier, key="asked by Quantus", model=model, lock=threading.RLock())
        made = []
        for x in np.asarray(inputs, np.float32):
            shown = dataclasses.replace(ready, x=torch.from_numpy(x))
            with torch.enable_grad():
                made.append(
                    attribute(
                        asked, shown, method.name, attribution.target, score=attribution.score, background=background,
                        **settings,
                    ).values.copy()
                )  # fmt: skip
        return np.stack(made)

    amounts = method.signed and not method.reacts
    result = {}
    for name, metric in metrics().items():
        if (name in SIGNED and not amounts) or (name == "Completeness" and not method.complete):
            continue
        values = attribution.ranking[None]
        if name in ALL_CHANNELS:
            values = np.broadcast_to(attribution.values, ready.x.shape)
        with contextlib.suppress(Exception), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            figure = _asked(metric, classifier, ready, attribution.target, values, explained)
            if math.isfinite(figure):
                result[name] = figure
    return result


def _asked(
    metric: Callable[..., Any],
    classifier: Classifier,
    ready: Input,
    target: int,
    values: NDArray[np.float32],
    explained: Callable[..., NDArray[np.float32]],
) -> float:
    given = metric(
        model=classifier.model,
        x_batch=ready.x[None].numpy(),
        y_batch=np.array([target]),
        a_batch=values[None].astype(np.float64),
        device="cpu",
        explain_func=explained,
        softmax=False,
    )
    return float(np.mean(np.asarray(_one(given), np.float64)))


def _one(given: Any) -> Any:
    """The first map's figure: some metrics answer with a curve, some by layer."""
    return list(given.values()) if isinstance(given, Mapping) else given[0]
