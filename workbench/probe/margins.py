"""Whether a contrastive map holds: does covering what it points at take the margin away, and would any place do?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.images import Pieces, Pixels, as_pixels, square_cells
from workbench.stats import SIGNIFICANT

if TYPE_CHECKING:
    from workbench.models import Classifier

COVERED, CELLS, RANDOM_PLACES = 0.1, 16, 39
"""The share of the image that is covered, of square cells so many along the longer side; random places beside it."""


@dataclasses.dataclass(frozen=True)
class Covered:
    """What covering the places that a map points at does to a margin of log-probabilities.

    Attributes:
        before: The margin of the image.
        after: With the places covered.
        random: (R,) margins with as many random cells covered.
        area: The share of the image that is covered.
    """

    before: float
    after: float
    random: NDArray[np.float64]
    area: float

    @property
    def as_much(self) -> int:
        """How many random places take at least as much away."""
        return int((self.random <= self.after).sum())

    @property
    def p(self) -> float:
        """The chance that an ordinary place takes as much: exact, by rank (Barnard 1963)."""
        return (1 + self.as_much) / (1 + len(self.random))

    @property
    def holds(self) -> bool:
        """Whether covering what the map points at takes the margin away, and random places do not."""
        return self.after < self.before and self.p <= SIGNIFICANT


def covered(
    classifier: Classifier,
    image: Image.Image | Pixels,
    heatmap: NDArray[np.floating],
    first: str,
    second: str,
    *,
    fill: str = "inpaint",
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Covered:
    """Cover the tenth of an image that speaks most for one class rather than another, and as much at random.

    Args:
        classifier: The model.
        image: RGB, or what `Classifier.levels` gives.
        heatmap: (H, W) of the image's pixels: what speaks for the first class rather than the second is positive.
        first: A class.
        second: Another one.
        fill: One of `REGION_FILLS`.
        seed: Of the random places and of patches.
        on_progress: Called with (done, total) images; what it raises stops the work.
    """
    from workbench.models import answers

    pixels = as_pixels(image)
    labels = square_cells(pixels.shape, CELLS)
    pieces = Pieces(pixels, labels, fill, seed)
    masses = np.bincount(labels.ravel(), heatmap.ravel(), pieces.parts) / np.bincount(labels.ravel())
    count, rng = max(round(COVERED * pieces.parts), 1), np.random.default_rng(seed)
    orders = [np.argsort(-masses, kind="stable"), *(rng.permutation(pieces.parts) for _ in range(RANDOM_PLACES))]
    fillings = np.zeros((1 + len(orders), pieces.parts), bool)
    for filling, order in zip(fillings[1:], orders, strict=True):
        filling[order[:count]] = True
    margins: list[float] = []
    a, b = classifier.index(first), classifier.index(second)
    for part in answers(classifier, map(pieces.with_filled, fillings)):
        logs = np.log(part.astype(np.float64).clip(1e-12))
        margins += (logs[:, a] - logs[:, b]).tolist()
        if on_progress:
            on_progress(len(margins), len(fillings))
    return Covered(margins[0], margins[1], np.array(margins[2:]), float(pieces.areas[fillings[1]].sum()))
