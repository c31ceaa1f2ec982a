"""Whether two registered images agree over most of their area, each small area judged by itself.

A frame, a logo, a time stamp or a scale bar that a few images share makes them alike as a whole. So images are cut
into tiles, what the set shares is taken from each tile on its own, so that nothing spreads from one to another, and the
tiles vote: in each quarter of the image and in its middle the median of them must agree.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from workbench.quality.canvases import CANVAS_EDGE
from workbench.quality.residuals import COMPONENTS, IMAGES_A_COMPONENT, Array, Residuals

TILES_ALONG = 6
"""Along each edge, how many tiles an image is cut into."""
PLAIN_SHARE, PLAINEST = 0.1, 0.02
"""Texture below this share of the median tile's, or of the average tile's, says nothing."""
LEAST_TILES = 3
"""Textured tiles without which a region says nothing."""
LEAST_AGREEMENT = 0.35
"""Agreement below which images share too little, however little strangers share."""
CONTRADICTS, CONTRADICTIONS = 0.5, 2
"""The share of the agreement below which a tile of the middle shows another thing, and how many may: dust, a defect."""
MARGIN = 1
"""Tiles around the middle."""


@dataclasses.dataclass(frozen=True, eq=False)
class Background:
    """What images that have nothing to do with each other share in each tile.

    Attributes:
        mean: (T, D) the average tile at each place.
        axes: (T, K, D) orthonormal components at each place.
    """

    mean: Array
    axes: Array


NOTHING = Background(
    np.zeros((TILES_ALONG**2, (CANVAS_EDGE // TILES_ALONG) ** 2), np.float32),
    np.zeros((TILES_ALONG**2, 0, (CANVAS_EDGE // TILES_ALONG) ** 2), np.float32),
)
"""Of images of which it is not known what they share."""


def background_of(residuals: Residuals, strangers: NDArray[np.integer]) -> Background:
    """The mean and the first components of each tile over some images; none speaks louder there than the others."""
    tiles = _tiles(residuals.raw(strangers)).swapaxes(0, 1)
    mean = tiles.mean(1)
    many = min(COMPONENTS, len(strangers) // IMAGES_A_COMPONENT)
    axes = np.zeros((len(tiles), many, tiles.shape[2]), np.float32)
    for place, own in enumerate(tiles - mean[:, None] if many else ()):
        lengths = np.linalg.norm(own, axis=1, keepdims=True)
        own = own / np.maximum(lengths, np.median(lengths) + 1e-6)
        axes[place] = np.linalg.eigh(own.T @ own)[1][:, -many:].T
    return Background(mean, axes)


def correlations(first: Array, second: Array, background: Background) -> Array:
    """The correlation of each tile of pairs of registered textures (M, S, S), of what is not shared: (M, T), NaN where
    either is plain."""
    one, other = _own(first, background), _own(second, background)
    product = np.einsum("tmd,tmd->mt", one, other)
    energies = [np.einsum("tmd,tmd->mt", values, values) for values in (one, other)]
    textured = np.logical_and(*(_textured(energy) for energy in energies))
    result = product / np.maximum(np.sqrt(energies[0] * energies[1]), 1e-9)
    return np.where(textured, result, np.nan).astype(np.float32)


def contradicted(tiles: Array) -> NDArray[np.bool_]:
    """Which pairs, of the correlations of whose tiles (M, T), agree but for what stands in the middle: (M,).

    Different parts before one background do, a copy with a logo in its corner does not.
    """
    middle, whole = tiles[:, _REGIONS[-1]], _median(tiles)
    return np.asarray((middle < CONTRADICTS * whole[:, None]).sum(1) > CONTRADICTIONS)


def agreement_of(tiles: Array) -> Array:
    """How far pairs agree over most of their area, by the correlations of their tiles (M, T): (M,), at most 1.

    The least of the medians over the quarters of the image and its middle; -1 where the middle has no vote.
    """
    parts = np.stack([_median(tiles[:, region]) for region in _REGIONS], 1)
    return np.where(np.isfinite(parts[:, -1]), parts.min(1), -1).astype(np.float32)


def limit_of(null: NDArray[np.floating], pairs: float, expected: float) -> float:
    """The agreement that so many of so many pairs of strangers reach.

    A median of many tiles is nearly normal; the fit takes the middle and the upper decile of the null, which a few true
    pairs do not move.
    """
    from scipy.special import ndtri

    null = null[null > -1]
    if not len(null):
        return LEAST_AGREEMENT
    middle, upper = np.quantile(null, (0.5, 0.9))
    reach = middle + (upper - middle) / ndtri(0.9) * -ndtri(min(expected / pairs, 0.5))
    return max(float(reach), LEAST_AGREEMENT)


def _textured(energy: Array) -> NDArray[np.bool_]:
    least = np.maximum(PLAIN_SHARE * np.median(energy, 1), PLAINEST * energy.mean(1))
    return np.asarray(energy > least[:, None])


def _own(images: Array, background: Background) -> Array:
    """(T, M, D) tiles less what is shared."""
    tiles = _tiles(images).swapaxes(0, 1) - background.mean[:, None]
    if background.axes.shape[1]:
        tiles = tiles - (tiles @ background.axes.swapaxes(1, 2)) @ background.axes
    return tiles


def _tiles(images: Array) -> Array:
    side = CANVAS_EDGE // TILES_ALONG
    tiles = images.reshape(-1, TILES_ALONG, side, TILES_ALONG, side).swapaxes(2, 3)
    return np.ascontiguousarray(tiles).reshape(len(images), TILES_ALONG**2, side * side)


def _median(tiles: Array) -> Array:
    """The median of the textured tiles of each image, infinite where too few are."""
    ordered = np.sort(tiles, axis=1)
    many = np.isfinite(tiles).sum(1)
    rows = np.arange(len(tiles))
    low, high = np.maximum(many - 1, 0) // 2, many // 2
    middle = (ordered[rows, low] + ordered[rows, high]) / 2
    return np.where(many >= LEAST_TILES, middle, np.inf)


def _regions() -> tuple[NDArray[np.intp], ...]:
    places = np.arange(TILES_ALONG**2).reshape(TILES_ALONG, TILES_ALONG)
    quarters = [part for half in np.split(places, 2) for part in np.split(half, 2, axis=1)]
    return *(part.ravel() for part in quarters), places[MARGIN:-MARGIN, MARGIN:-MARGIN].ravel()


_REGIONS = _regions()
