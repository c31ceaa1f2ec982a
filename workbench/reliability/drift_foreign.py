"""How far new images lie from the reference in an embedding, and which of them are images of the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.stats import Rate, share

if TYPE_CHECKING:
    import pandas as pd

FAR_RANK, FAR_QUANTILE = 5, 0.99
"""The distance to this many-th nearest reference image counts, and the quantile of the reference's own distances from
which on an image lies beyond its reach (Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors").
"""
COPY_SHARE, COPIES_BY_CHANCE = 0.05, 0.01
"""An image that lies within this share of the reference's median distance of neighbours is a copy, unless as many as
this share of the reference's own images lie so near to an image of another unit."""
FOREIGN_AT_ONCE = 512


@dataclasses.dataclass(frozen=True, eq=False)
class Foreign:
    """Where M new images lie.

    Attributes:
        frame: A row each, the most foreign first: name, distance, beyond (the reach of the reference), nearest (the
            most alike image of the reference), copy (whether it is as near as a copy).
        beyond: The share beyond the reach, by unit.
        radius: The distance from which on.
        told: Whether copies can be told in this embedding.
    """

    frame: pd.DataFrame
    beyond: Rate
    radius: float
    told: bool


def foreign_of(
    vectors: NDArray[np.floating],
    new: NDArray[np.bool_],
    units: NDArray[np.intp] | None,
    names: Sequence[str],
) -> Foreign:
    """Hold new images against the reference, in which images of the same unit never count: the reach is that of a lot
    to the other lots.

    Args:
        vectors: (N, D), finite.
        new: (N,) which are new.
        units: (N,) the unit of each; None where none are known.
        names: (N,) of the images.
    """
    import pandas as pd

    own = np.arange(len(new)) if units is None else units
    scale = max(float(np.abs(vectors).max(initial=0)), 1e-30)  # squares stay finite
    values = (vectors / scale).astype(np.float32)
    pool = np.flatnonzero(~new)
    far, near, nearest = _distances(values, own, pool)
    far, near = far * scale, near * scale
    radius = float(np.quantile(far[pool], FAR_QUANTILE, method="higher"))
    typical = float(np.median(near[pool][np.isfinite(near[pool])])) if np.isfinite(near[pool]).any() else 0.0
    alike = near <= COPY_SHARE * typical
    told = typical > 0 and float(alike[pool].mean()) <= COPIES_BY_CHANCE
    ours = np.flatnonzero(new)
    frame = pd.DataFrame(
        {
            "name": [names[row] for row in ours.tolist()],
            "distance": far[ours],
            "beyond": far[ours] > radius,
            "nearest": [names[row] for row in nearest[ours].tolist()],
            "copy": alike[ours] & told,
        }
    ).sort_values("distance", ascending=False, ignore_index=True)
    beyond = share(far[ours] > radius, None if units is None else own[ours])
    return Foreign(frame, beyond, radius, told)


def _distances(
    values: NDArray[np.float32], units: NDArray[np.intp], pool: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Of each of N rows the distance to the `FAR_RANK`-th and to the first nearest of other units in `pool`, and which
    that is."""
    there, squares = values[pool], np.einsum("nd,nd->n", values[pool], values[pool], dtype=np.float64)
    far, near, nearest = np.empty(len(values)), np.empty(len(values)), np.empty(len(values), np.intp)
    rank = min(FAR_RANK, len(pool) - 1) - 1
    for start in range(0, len(values), FOREIGN_AT_ONCE):
        rows = slice(start, start + FOREIGN_AT_ONCE)
        part = values[rows]
        apart = np.einsum("nd,nd->n", part, part, dtype=np.float64)[:, None] + squares - 2.0 * (part @ there.T)
        apart[units[rows][:, None] == units[pool]] = np.inf
        nearest[rows] = pool[apart.argmin(1)]
        near[rows] = apart.min(1)
        far[rows] = np.partition(apart, max(rank, 0), axis=1)[:, max(rank, 0)]
    return np.sqrt(np.maximum(far, 0)), np.sqrt(np.maximum(near, 0)), nearest
