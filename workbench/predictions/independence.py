"""Which images are independent of each other: those of one group (lot, module, part) or of one family are not.

A group is what a person says of the images, in the attribute `group`; a family is what the workbench found, images of
one part. Both are columns of the table of predictions. Images that share either belong to one unit, and whatever counts
images for an interval, a test or a promise counts units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.predictions.table import Predictions

if TYPE_CHECKING:
    import pandas as pd

GROUP, FAMILY = "group", "family"
"""The columns that say which images belong together."""


def units_of(frame: pd.DataFrame, *columns: str) -> NDArray[np.intp] | None:
    """The unit of each of N images, numbered in order of first appearance, (N,); None where neither a group nor a
    family is known of any.

    Images belong to one unit where a chain of shared groups and families joins them. An image of which nothing is known
    is a unit of its own.

    Args:
        frame: A table with a row an image.
        columns: What joins images; `GROUP` and `FAMILY` where none are named.

    Example:
        >>> import pandas as pd
        >>> from workbench.predictions import units_of
        >>> frame = pd.DataFrame({"group": ["a", "a", None, "b"], "family": ["1", "2", "2", "3"]})
        >>> units_of(frame).tolist()
        [0, 0, 0, 1]
    """
    present = [name for name in columns or (GROUP, FAMILY) if name in frame and frame[name].notna().any()]
    if not present:
        return None
    import pandas as pd
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    size, width = len(frame), len(frame) * (1 + len(present))
    codes = np.stack([pd.factorize(frame[name])[0] for name in present])
    kind, row = np.nonzero(codes >= 0)
    ends = row, size * (1 + kind) + codes[kind, row]
    _, labels = connected_components(coo_matrix((np.ones(len(ends[0])), ends), shape=(width, width)), directed=False)
    units, _ = pd.factorize(labels[:size])
    return units.astype(np.intp)


def with_families(predictions: Predictions, families: Mapping[str, str]) -> Predictions:
    """The same predictions with the family of each image, by its name, in the column `family`; images of which no
    family is known keep what the set itself says."""
    frame = predictions.frame.copy()
    found = frame["name"].map(families).astype(object)
    frame[FAMILY] = found.where(found.notna(), frame.get(FAMILY))
    return dataclasses.replace(predictions, frame=frame)
