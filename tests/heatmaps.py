"""Attribution maps for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from workbench.audit.summary import GRID
from workbench.bias.places import Region
from workbench.bias.where import Maps

ALL = Region("all")


def lit(region: Region, share: ArrayLike, rest: Region = ALL) -> NDArray[np.float64]:
    """A map for each of M shares, which is even inside of a region; the other mass is even in what is left of another
    region."""
    inside = region.cells() >= 0.5
    outside = (rest.cells() >= 0.5) & ~inside
    share = np.atleast_1d(np.asarray(share, np.float64))[:, None, None]
    return inside * share / inside.sum() + outside * (1 - share) / outside.sum()


def maps(
    heatmaps: NDArray[np.float64], predicted: ArrayLike = "bad", mask: ArrayLike = np.nan, **attributes: ArrayLike
) -> Maps:
    """Maps (M, 32, 32) of images called 0.png, 1.png, ..."""
    count = len(heatmaps)
    assert heatmaps.shape[1:] == (GRID, GRID)
    columns = {"predicted": predicted, **attributes}
    frame = pd.DataFrame(
        {name: np.broadcast_to(np.array(values, dtype=object), count) for name, values in columns.items()}
    )
    frame.insert(0, "name", [f"{i}.png" for i in range(count)])
    return Maps(frame, heatmaps, np.broadcast_to(np.asarray(mask, np.float64), count), "grad_cam")
