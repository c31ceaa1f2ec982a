"""Whether folders hold the same things seen twice, by names and then by a few images: left and right, for example."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem

IN_COMMON, COMPARED = 3, 6
"""The least names that folders must have in common, and how many of them are looked at in two folders."""
SHRUNK = 32
"""Pixels of an edge to which these are shrunk."""
MARGIN = 0.2
"""By how much images of one name must be more alike than those of two, as a correlation."""


def seen_twice(items: Sequence[ImageItem]) -> tuple[str, str] | None:
    """Two labels whose images have the same names and show the same, name by name; None where none are.

    Only where all labels have exactly the same names of files are a few images decoded. They are alike where those of
    one name correlate by `MARGIN` more than those of two names, each with each.
    """
    names: dict[str, dict[str, ImageItem]] = defaultdict(dict)
    for item in items:
        if item.label is not None:
            names[item.label][PurePosixPath(item.name).stem] = item
    first, *others = names.values() or [{}]
    if not others or len(first) < IN_COMMON or any(other.keys() != first.keys() for other in others):
        return None
    stems = sorted(first)[:: max(1, len(first) // COMPARED)][:COMPARED]
    labels = list(names)[:2]
    try:
        left, right = (np.stack([_small(names[label][stem]) for stem in stems]) for label in labels)
    except InputError:
        return None
    alike = np.abs(left @ right.T) / SHRUNK**2
    same, different = np.diag(alike), alike[~np.eye(len(stems), dtype=bool)]
    return (labels[0], labels[1]) if same.min() > different.max() and same.mean() > different.mean() + MARGIN else None


def _small(item: ImageItem) -> NDArray[np.float64]:
    """An image in grey, small, with mean 0 and standard deviation 1."""
    grey = np.asarray(item.open().convert("L").resize((SHRUNK, SHRUNK)), np.float64).ravel()
    return (grey - grey.mean()) / max(grey.std(), 1e-9)
