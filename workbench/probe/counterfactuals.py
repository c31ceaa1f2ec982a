"""The nearest image of a set that is decided otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Predictions
from workbench.stats import nearest


@dataclasses.dataclass(frozen=True)
class Counterfactual:
    """The image of a set most like another one that is decided otherwise.

    Attributes:
        row: In the table of predictions.
        name: The image's.
        predicted: What it is taken for.
        label: What it is, where that is known.
        verdict: "right", "wrong", or None without a usable label.
        distance: Between the embeddings, 1 - cosine similarity: 0 alike, 1 nothing in common, 2 opposed.
    """

    row: int
    name: str
    predicted: str
    label: str | None
    verdict: str | None
    distance: float


def counterfactual(
    predictions: Predictions,
    embeddings: NDArray[np.floating],
    row: int,
    *,
    rows: NDArray[np.bool_] | None = None,
    to: Collection[str] | None = None,
) -> Counterfactual | None:
    """The nearest image of the set that is taken for another class, one that is rightly taken for it if there is any.

    It is the nearest unlike neighbour of Keane and Smyth 2020, "Good counterfactuals and where to find them".

    Args:
        predictions: N images.
        embeddings: (N, D) what goes into the model's last layer, a row each of the table; NaN where an image cannot be
            read.
        row: Which image.
        rows: (N,) among which others; all where missing.
        to: The classes that it may be taken for; all but the image's own where missing.

    Returns:
        None where there is none, or where the image itself cannot be read.
    """
    frame = predictions.frame
    if len(embeddings) != len(frame):
        raise ValueError(f"expected {len(frame)} embeddings, got {len(embeddings)}")
    predicted = frame["predicted"]
    free = (
        frame["error"].isna().to_numpy(bool)
        & np.isfinite(embeddings).all(1)
        & (predicted != predicted.iloc[row]).to_numpy(bool)
    )
    if rows is not None:
        free &= rows
    if to is not None:
        free &= predicted.isin(list(to)).to_numpy(bool)
    right = free & (frame["verdict"] == "right").to_numpy(bool)
    best = nearest(embeddings, row, right if right.any() else free)
    if best is None:
        return None
    image = frame.iloc[best[0]]
    return Counterfactual(best[0], image["name"], image["predicted"], image["label"], image["verdict"], 1 - best[1])
