"""Maps of images that are read in tiles: each tile's own map, laid on the image and blended where tiles overlap."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from workbench.attribution.methods import Method
from workbench.attribution.result import Attribution, Score
from workbench.errors import InputError
from workbench.models import BATCH, Input, Placement, cut_tile, tile_logits, tile_weights

if TYPE_CHECKING:
    from workbench.images import Raster
    from workbench.models import Classifier

Progress = Callable[[int, int], None]
MOST_PLACES = 2**22
"""Places of a stitched map: one a pixel of the image, of larger images one for several."""


def stitch(
    classifier: Classifier,
    source: Image.Image | Raster,
    method: Method,
    score: Callable[[Callable[[], torch.Tensor]], Score],
    explain: Callable[[Input, Score], Attribution],
    on_progress: Progress | None,
) -> Attribution:
    """The map of an image in tiles.

    At each pixel it is the weighted mean of what the maps of the tiles say there, in their units: a tile counts in
    full within, evenly less towards its neighbour over an overlap, and not at all in the outer quarter of one.

    Args:
        classifier: The model.
        source: The image, of `Classifier.source`.
        method: How each tile is explained.
        score: What is explained, from what gives the logits (1, K) of the image.
        explain: Makes the map of a tile.
        on_progress: Called with (done, total) tiles, those that are asked first among them.

    Raises:
        InputError: The method compares with other images, which are larger than a tile too; or as `explain`.
    """
    if method.background:
        raise InputError(
            f"{method.title} compares with other images, and these are read in tiles: choose a method without a"
            " background."
        )
    boxes = classifier.preprocessing.boxes(*source.size)
    total, parts = 2 * len(boxes), []
    for part in tile_logits(classifier, source, BATCH):
        parts.append(part)
        if on_progress:
            on_progress(sum(map(len, parts)), total)
    joined = classifier.joined(torch.cat(parts))[None]
    aim = score(lambda: joined)
    grid = _Grid(*source.size)
    for done, box in enumerate(boxes):
        if on_progress:
            on_progress(len(boxes) + done, total)
        tile = cut_tile(source, box)
        grid.lay(explain(classifier.untiled.ready(tile), aim), box, tile_weights(boxes, box))
    if on_progress:
        on_progress(total, total)
    return Attribution(
        values=grid.values(),
        method=method.name,
        target=aim.target,
        score=aim.kind,
        params=MappingProxyType(grid.params | {"tiles": len(boxes)}),
        output=float(aim.of(classifier, joined)[0]),
        delta=None,
        change=None,
        placement=grid.placement,
        classifier=classifier.key,
    )


class _Grid:
    """Maps of tiles, summed up over an image.

    Attributes:
        placement: Where its places lie on the image.
        params: Settings of the last map.
    """

    def __init__(self, width: int, height: int) -> None:
        self._step = math.ceil(math.sqrt(width * height / MOST_PLACES))
        rows, columns = -(-height // self._step), -(-width // self._step)
        box = (0.0, 0.0, float(columns * self._step), float(rows * self._step))
        self.placement = Placement((width, height), box, (rows, columns))
        self.params: dict[str, object] = {}
        self._sums: NDArray[np.float32] | None = None
        self._weights = np.zeros((rows, columns), np.float32)

    def lay(self, result: Attribution, box: tuple[int, int, int, int], weights: NDArray[np.float32]) -> None:
        """Add the map of one tile, with its weights (h, w) in pixels of the image."""
        self.params = dict(result.params)
        if self._sums is None:
            self._sums = np.zeros((len(result.values), *self._weights.shape), np.float32)
        self._add(self._weights, weights, box)
        placement, (height, width) = result.placement, weights.shape
        same = placement.box == (0, 0, width, height) and result.values.shape[1:] == weights.shape
        for total, plane in zip(self._sums, result.values, strict=True):
            self._add(total, (plane if same else placement.to_original(plane)) * weights, box)

    def _add(self, total: NDArray[np.float32], plane: NDArray[np.float32], box: tuple[int, int, int, int]) -> None:
        """Add values (h, w) of a tile to a grid, those of `_step` x `_step` pixels to one place."""
        (left, top), step = box[:2], self._step
        if step > 1:
            before, rows, columns = (top % step, left % step), *plane.shape
            after = -(before[0] + rows) % step, -(before[1] + columns) % step
            padded = np.pad(plane, ((before[0], after[0]), (before[1], after[1])))
            plane = padded.reshape(len(padded) // step, step, -1, step).sum((1, 3))
        top, left = top // step, left // step
        total[top : top + plane.shape[0], left : left + plane.shape[1]] += plane

    def values(self) -> NDArray[np.float32]:
        """The weighted mean, (C, rows, columns)."""
        assert self._sums is not None
        self._sums /= np.maximum(self._weights, 1e-6)
        return self._sums
