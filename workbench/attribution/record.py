"""What to export with a map: a manifest that says all it depends on, and the raw values."""

from __future__ import annotations

import dataclasses
import datetime
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import workbench
from workbench.attribution.methods import METHODS
from workbench.catalog import versions
from workbench.images import ImageItem

if TYPE_CHECKING:
    from workbench.attribution.result import Attribution

PACKAGES = ("torch", "torchvision", "captum", "timm", "numpy", "pillow")
"""Whose releases may change a map."""
NAMED_CLASSES = 5


def manifest(
    attribution: Attribution,
    item: ImageItem,
    class_names: Sequence[str],
    probabilities: NDArray[np.floating],
    model: Mapping[str, object],
) -> dict[str, object]:
    """Everything that one map depends on, ready for JSON.

    Args:
        attribution: The map.
        item: Its image.
        class_names: The K classes.
        probabilities: (K,), of this image.
        model: What to say of the model beside its digest: its name and where it came from.
    """
    order = np.argsort(probabilities)[::-1][:NAMED_CLASSES]
    return {
        "workbench": workbench.__version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": {**model, "key": attribution.classifier},
        "image": {"name": item.name, "sha256": item.id, "label": item.label, "split": item.split},
        "probabilities": {class_names[i]: round(float(probabilities[i]), 6) for i in order},
        "method": attribution.method,
        "paper": METHODS[attribution.method].paper,
        "unit": METHODS[attribution.method].unit,
        "target": class_names[attribution.target],
        "score": attribution.score,
        "output": attribution.output,
        "params": dict(attribution.params),
        "convergence_delta": attribution.delta,
        "change_from_baseline": attribution.change,
        "relative_delta": attribution.relative_delta,
        "shape": list(attribution.values.shape),
        "placement": dataclasses.asdict(attribution.placement),
        "versions": versions(PACKAGES),
    }


def npz(attributions: Mapping[str, Attribution]) -> bytes:
    """Raw values as a NumPy archive: float32 (C, H, W) under each name."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: a.values for name, a in attributions.items()})  # type: ignore[arg-type]
    return buffer.getvalue()
