"""What the images can be grouped by: attributes of few values as they are, measurements in quarters, no others."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Predictions, factorise, groupable

if TYPE_CHECKING:
    import pandas as pd

MOST_VALUES = 20
"""An attribute with more values than this is no list of groups."""


@dataclasses.dataclass(frozen=True, eq=False)
class Grouping:
    """Predictions with attributes that divide the images into a few groups.

    Attributes:
        predictions: The table, with measurements replaced by the range that each falls into.
        names: The attributes to group by.
        cut: Measurements that were cut into ranges.
        left_out: Why each of the other attributes cannot be grouped by: (name, reason).
    """

    predictions: Predictions
    names: tuple[str, ...]
    cut: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def grouping(predictions: Predictions) -> Grouping:
    """Find the attributes to group by."""
    frame, rows = predictions.frame, np.arange(len(predictions))
    names, ranges, left_out = [], {}, []
    for name in groupable(predictions):
        _, values = factorise(frame[name], rows)
        count = len([value for value in values if value is not None and value == value])
        if count <= MOST_VALUES:
            if count > 1:
                names.append(name)
            else:
                left_out.append((name, "has one value only" if count else "has no values"))
        elif frame[name].dtype.kind in "iuf" and (cut := quarters(frame[name])) is not None:
            names.append(name)
            ranges[name] = cut
        else:
            left_out.append((name, f"has {count:,} values, more than {MOST_VALUES}"))
    if ranges:
        frame = frame.copy(deep=False)
        for name, cut in ranges.items():
            frame[name] = cut
        predictions = dataclasses.replace(predictions, frame=frame)
    return Grouping(predictions, tuple(names), tuple(ranges), tuple(left_out))


def quarters(column: pd.Series) -> NDArray[np.object_] | None:
    """The range of each of N measurements, about a quarter of them in each; None if they cannot be told apart."""
    values = column.to_numpy(np.float64)
    finite = np.isfinite(values)
    edges = np.unique(np.quantile(values[finite], [0, 0.25, 0.5, 0.75, 1])) if finite.any() else np.empty(0)
    if len(edges) < 3:
        return None
    ends = [f"{edge:.4g}" for edge in edges]
    names = np.array([*(f"{low} to {high}" for low, high in itertools.pairwise(ends)), None], dtype=object)
    return names[np.where(finite, np.searchsorted(edges[1:-1], values, side="left"), -1)]
