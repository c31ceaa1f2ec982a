"""The explainability workbench: why an image classifier decides as it does, and whether that can be trusted.

The public names are imported on first use, so that `import workbench` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.attribution import Attribution, attribute
    from workbench.bias import Breakdown, breakdown
    from workbench.classifier import Classifier, predict
    from workbench.defects import operating_points
    from workbench.errors import InputError
    from workbench.evidence import Evidence, assess
    from workbench.images import ImageItem, ImageSet
    from workbench.layouts import load_images
    from workbench.loading import load_classifier
    from workbench.methods import METHODS
    from workbench.predictions import Predictions

__version__ = "0.1.0"

_HOMES = {
    "METHODS": "methods",
    "Attribution": "attribution",
    "attribute": "attribution",
    "Breakdown": "bias",
    "breakdown": "bias",
    "Classifier": "classifier",
    "predict": "classifier",
    "operating_points": "defects",
    "InputError": "errors",
    "Evidence": "evidence",
    "assess": "evidence",
    "ImageItem": "images",
    "ImageSet": "images",
    "load_images": "layouts",
    "load_classifier": "loading",
    "Predictions": "predictions",
}

__all__ = [
    "METHODS",
    "Attribution",
    "Breakdown",
    "Classifier",
    "Evidence",
    "ImageItem",
    "ImageSet",
    "InputError",
    "Predictions",
    "assess",
    "attribute",
    "breakdown",
    "load_classifier",
    "load_images",
    "operating_points",
    "predict",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    return getattr(import_module(f"workbench.{_HOMES[name]}"), name)
