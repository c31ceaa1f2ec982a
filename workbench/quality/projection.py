"""A set in two dimensions: what a model sees as alike lies close together (van der Maaten and Hinton 2008, "Visualizing
data using t-SNE").

Exact copies share one place. The places depend on the images alone, not on their order. More than `MOST_EMBEDDED`
different images are placed among that many of them, each at its nearest ones.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError

MOST_EMBEDDED = 5_000
"""Images that t-SNE itself arranges."""
COMPONENTS = 50
"""Principal components that go into it."""
LEAST_EMBEDDED = 12
"""Fewer different images than this are shown by their first two principal components."""
PERPLEXITY = 30
STEPS = 4
"""Rounds of 250 iterations, the first with early exaggeration; between them the work can be stopped."""
NEIGHBOURS = 3
"""Landmarks that an image beyond `MOST_EMBEDDED` is placed between."""


def projection(
    vectors: NDArray[np.floating], *, on_progress: Callable[[int, int], None] | None = None
) -> NDArray[np.float32]:
    """Places in two dimensions for N images.

    Args:
        vectors: (N, D) an embedding; rows that are not finite are of images that cannot be read.
        on_progress: Called with how many rounds are done, of how many.

    Returns:
        (N, 2), each column from 0 to 1; NaN where the row of `vectors` is not finite.

    Raises:
        InputError: It is no table of numbers, or no row is finite.
    """
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise InputError("There is no embedding to draw a map of: run the model over the set.")
    read = np.isfinite(vectors).all(axis=1)
    if not read.any():
        raise InputError("No image of the set can be read, so there is nothing to draw a map of.")
    rows, place = _different(vectors[read].astype(np.float32))
    components = _components(rows)
    tell = on_progress or (lambda done, total: None)
    if len(rows) < LEAST_EMBEDDED:
        spots = _plain(components)
    elif len(rows) <= MOST_EMBEDDED:
        spots = _embedded(components, tell)
    else:
        spots = _placed(components, tell)
    places = np.full((len(vectors), 2), np.nan, np.float32)
    low, high = spots.min(axis=0), spots.max(axis=0)
    places[read] = ((spots - low) / np.where(high > low, high - low, 1))[place]
    return places


def _different(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """The different rows in an order that depends on their contents alone, and which of them each row is."""
    names = [hashlib.sha256(row.tobytes()).digest() for row in rows + np.float32(0)]  # -0 is 0
    order = {name: number for number, name in enumerate(sorted(set(names)))}
    place = np.array([order[name] for name in names], np.intp)
    first = np.empty(len(order), np.intp)
    first[place[::-1]] = np.arange(len(rows))[::-1]
    return rows[first], place


def _components(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first principal components, (N, at most `COMPONENTS`); rows of any scale."""
    from sklearn.decomposition import PCA

    scale = float(np.abs(rows).max()) or 1.0
    values = (rows / scale).astype(np.float64)
    count = min(COMPONENTS, *values.shape)
    if len(values) < 2 or np.ptp(values, axis=0).max() == 0:
        return np.zeros((len(values), 2), np.float32)
    solver = "covariance_eigh" if values.shape[1] <= 2000 else "full"
    result = PCA(count, svd_solver=solver).fit_transform(values)
    return np.asarray(result / max(float(result[:, 0].std()), 1e-12), dtype=np.float32)


def _plain(components: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(components, ((0, 0), (0, max(2 - components.shape[1], 0))))[:, :2]


def _embedded(components: NDArray[np.float32], tell: Callable[[int, int], None]) -> NDArray[np.float32]:
    """t-SNE in rounds, each from where the last one ended."""
    from sklearn.manifold import TSNE

    count = len(components)
    places = _plain(components) * np.float32(1e-4)
    for done in range(STEPS):
        tell(done, STEPS)
        model = TSNE(
            init=places,
            perplexity=min(PERPLEXITY, (count - 1) / 3),
            early_exaggeration=12.0 if done == 0 else 1.0,
            learning_rate=max(count / 48, 50.0),
            max_iter=250,
            random_state=0,
            method="exact" if count < 100 else "barnes_hut",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            places = np.asarray(model.fit_transform(components), dtype=np.float32)
    tell(STEPS, STEPS)
    return places


def _placed(components: NDArray[np.float32], tell: Callable[[int, int], None]) -> NDArray[np.float32]:
    """Landmarks by t-SNE, all others between their nearest ones, the nearer the more."""
    from sklearn.neighbors import NearestNeighbors

    chosen = np.linspace(0, len(components) - 1, MOST_EMBEDDED).round().astype(np.intp)  # by digest, so at random
    spots = _embedded(components[chosen], tell)
    apart, nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(components[chosen]).kneighbors(components)
    weights = 1 / np.maximum(apart, 1e-9) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    places = np.asarray((spots[nearest] * weights[..., None]).sum(axis=1), dtype=np.float32)
    places[chosen] = spots
    return places
