"""Whole groups at fault: a lot that is dark or out of focus as a whole is as usual as can be within itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.images import ImageItem
from workbench.predictions import GROUP
from workbench.texts import shown

LEAST_GROUPS, LEAST_OF_GROUP = 10, 5
"""Groups from which on it is known what is usual among them, and images of one from which on its median is."""


def medians_apart(
    values: NDArray[np.float64], items: Sequence[ImageItem], sign: int, least: float, far: float, to_z: float
) -> list[tuple[str, NDArray[np.intp], float]]:
    """The groups whose median lies apart from those of the other groups: name, places of the images, robust z-score.

    Args:
        values: (N,) a measure, as it is judged.
        items: The N images; the attribute `group` says which belong together.
        sign: -1 where low values are the fault, 1 where high ones are.
        least: Smallest spread of the measure.
        far: The z-score beyond which a group lies apart.
        to_z: What turns a median distance into a standard deviation.
    """
    import pandas as pd

    names = [item.attributes.get(GROUP) for item in items]
    codes, found = pd.factorize(np.array([None if name is None else shown(name) for name in names], dtype=object))
    places = [np.flatnonzero((codes == number) & np.isfinite(values)) for number in range(len(found))]
    groups = [(str(name), at) for name, at in zip(found, places, strict=True) if len(at) >= LEAST_OF_GROUP]
    if len(groups) < LEAST_GROUPS:
        return []
    medians = np.array([np.median(values[at]) for _, at in groups])
    middle = np.median(medians)
    z = (medians - middle) / (max(float(np.median(np.abs(medians - middle))), least) / to_z)
    return [(name, at, float(score)) for (name, at), score in zip(groups, z, strict=True) if sign * score > far]
