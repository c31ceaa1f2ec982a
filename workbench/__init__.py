"""The explainability workbench: why an image classifier decides as it does, and whether that can be trusted.

The public names are imported on first use, so that `import workbench` costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from workbench.version import __version__ as __version__

if TYPE_CHECKING:
    from workbench.attribution import METHODS, Attribution, attribute
    from workbench.bias import Breakdown, breakdown
    from workbench.catalog import ReadOptions
    from workbench.defects import operating_points
    from workbench.errors import InputError
    from workbench.evidence import Evidence, assess
    from workbench.images import ImageItem, ImageSet
    from workbench.models import Classifier, load_classifier, predict
    from workbench.predictions import Predictions
    from workbench.quality import Families, families
    from workbench.sets import load_images

__all__ = [
    "METHODS",
    "Attribution",
    "Breakdown",
    "Classifier",
    "Evidence",
    "Families",
    "ImageItem",
    "ImageSet",
    "InputError",
    "Predictions",
    "ReadOptions",
    "assess",
    "attribute",
    "breakdown",
    "families",
    "load_classifier",
    "load_images",
    "operating_points",
    "predict",
]

HOMES = {
    "attribution": "METHODS Attribution attribute",
    "bias": "Breakdown breakdown",
    "defects": "operating_points",
    "errors": "InputError",
    "evidence": "Evidence assess",
    "catalog": "ReadOptions",
    "images": "ImageItem ImageSet",
    "sets": "load_images",
    "models": "Classifier load_classifier predict",
    "predictions": "Predictions",
    "quality": "Families families",
}
"""Where each public name comes from."""


def handed_on(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """A package's `__getattr__` (PEP 562), which imports a name's module when the name is first asked for.

    Args:
        package: The package's `__name__`.
        homes: The names, separated by spaces, by the module of the package that they come from.
    """
    modules = {name: module for module, names in homes.items() for name in names.split()}

    def attribute_of(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return attribute_of


__getattr__ = handed_on(__name__, HOMES)
