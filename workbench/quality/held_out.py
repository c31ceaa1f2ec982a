"""What a model says of images whose labels it did not learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Predictions

UNSEEN = ("validation", "test")
"""The splits whose labels a model did not learn."""


def by_model(
    names: Sequence[str],
    splits: Sequence[str | None],
    units: NDArray[np.intp],
    predictions: Predictions,
    classes: Sequence[str],
) -> NDArray[np.float64]:
    """The model's own probabilities of the images that it did not learn from, (N, K); NaN in the rows of all others.

    Those are images of `UNSEEN` splits of a set that has a training split, unless another image of their unit is in
    that: then the model has learned the label of the part.

    Args:
        names: N images.
        splits: The split of each.
        units: (N,) which belong together.
        predictions: What the model says of them.
        classes: The K classes that are wanted, all of them the model's.
    """
    result = np.full((len(names), len(classes)), np.nan)
    learned = {unit for unit, split in zip(units.tolist(), splits, strict=True) if split == "train"}
    columns = [predictions.class_names.index(name) for name in classes]
    if not learned:
        return result
    for i, (name, split) in enumerate(zip(names, splits, strict=True)):
        row = predictions.by_name.get(name)
        if row is not None and split in UNSEEN and units[i] not in learned:
            result[i] = predictions.probabilities[row, columns]
    return result
