"""The regions that a decision rests on, and what becomes of its score without them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import Pixels, as_pixels, cover_region, elsewhere, tile

if TYPE_CHECKING:
    from workbench.models import Classifier

DEFECT_FILLS = ("inpaint", "blur", "mean")
SMOOTH = 1 / 32
"""Width, as a share of the longer side, of the Gaussian that joins the specks of a pixel map into regions."""
LEVEL = 0.35
"""From this share of the smoothed map's peak on a pixel belongs to a region."""
SMALLEST_SPOT = 1e-3
"""Share of the image under which a spot is no region."""
ELSEWHERE = 8
"""How many random places of equal area are filled for comparison."""
LEAST_MOVE = 0.05
"""By how much filling a region must move the score for it to count."""


@dataclasses.dataclass(frozen=True, eq=False)
class Spot:
    """A connected region of a heatmap.

    Attributes:
        inside: (H, W), True where it lies, in the pixels of the image.
        box: Left, top, right and bottom in pixels; right and bottom are the first pixels outside.
        area: Share of the image.
        mass: Share of the map's positive values, 0 .. 1.
        peak: The map's greatest value in it, in the map's unit.
    """

    inside: NDArray[np.bool_]
    box: tuple[int, int, int, int]
    area: float
    mass: float
    peak: float


@dataclasses.dataclass(frozen=True)
class Filled:
    """What filling one region does to the score of a defect.

    Attributes:
        fill: One of `workbench.images.fills.FILLS`.
        before: The score of the same image with nothing filled.
        after: The score with the region filled.
        elsewhere: The scores with as large a region filled at random places, `ELSEWHERE` of them.
    """

    fill: str
    before: float
    after: float
    elsewhere: tuple[float, ...]

    @property
    def effect(self) -> Literal["rests", "holds down", "little", "none"]:
        """What the region does for the score, for filling it moves the score further than every random place, or does
        not.

        "rests": the score falls without it, by `LEAST_MOVE` or more; "holds down": it rises, likewise; "little": it
        moves further than elsewhere, but by less than that; "none": not even further.
        """
        change = self.after - self.before
        beyond = self.after < min(self.elsewhere) if change < 0 else change > 0 and self.after > max(self.elsewhere)
        if not beyond:
            return "none"
        if abs(change) < LEAST_MOVE:
            return "little"
        return "rests" if change < 0 else "holds down"


def spots(heatmap: NDArray[np.floating], most: int = 5) -> list[Spot]:
    """The connected regions of a map's positive values, the heaviest first.

    The map is smoothed, and what reaches `LEVEL` of its peak is split into connected parts: the usual way from a class
    activation map to a box (Zhou et al. 2016, "Learning deep features for discriminative localization"), with a level
    between theirs and half the peak.

    Args:
        heatmap: (H, W) in the pixels of the image; of methods without a sign, their values.
        most: How many regions.

    Returns:
        None at all where nothing of the map is positive.
    """
    from scipy.ndimage import find_objects, gaussian_filter, label

    positive = np.clip(heatmap, 0, None).astype(np.float64)
    total = positive.sum()
    if total <= 0:
        return []
    smooth = gaussian_filter(positive, SMOOTH * max(heatmap.shape), mode="nearest")
    parts, count = label(smooth >= LEVEL * smooth.max(), structure=np.ones((3, 3)))
    result = []
    for number, where in enumerate(find_objects(parts), 1):
        inside = parts == number
        if inside.sum() < SMALLEST_SPOT * inside.size and count > 1:
            continue
        down, across = where
        box = across.start, down.start, across.stop, down.stop
        peak = float(heatmap[inside].max())
        result.append(Spot(inside, box, float(inside.mean()), float(positive[inside].sum() / total), peak))
    return sorted(result, key=lambda spot: -spot.mass)[:most]


def fill_spots(
    classifier: Classifier,
    image: Image.Image | Pixels,
    regions: Sequence[Spot],
    positive: Sequence[str],
    fill: str = "inpaint",
    seed: int = 0,
) -> tuple[float, list[Filled]]:
    """The score of a defect as the image is, and with each region filled beside as large a region at random places.

    Random places are the same shape, moved so that it stays within the image and meets the region in as few pixels as
    can be had.

    Args:
        classifier: The model.
        image: RGB, or what `Classifier.levels` gives, of the size of the regions.
        regions: S of them.
        positive: The classes that are defects: the score is the sum of their probabilities.
        fill: One of `workbench.images.fills.FILLS`, save "exchange".
        seed: Of the random places.

    Raises:
        InputError: A region is all of the image.
    """
    from workbench.models import ask

    pixels, rng = as_pixels(image), np.random.default_rng(seed)
    texture = tile(pixels) if fill == "patch" else None
    columns = [classifier.index(name) for name in positive]
    images = [pixels]
    for spot in regions:
        if spot.inside.shape != pixels.shape[:2]:
            raise ValueError(f"expected regions of shape {pixels.shape[:2]}, got {spot.inside.shape}")
        if spot.inside.all():
            raise InputError(
                "The region is the whole image, so that there is nothing to compare it with: choose another map."
            )
        places = [spot.inside, *(elsewhere(spot.inside, spot.inside, rng, mirrored=False) for _ in range(ELSEWHERE))]
        images += [cover_region(pixels, place, fill, (), rng, texture) for place in places]
    scores = ask(classifier, images)[:, columns].astype(np.float64).sum(1).clip(0, 1)
    lines = scores[1:].reshape(len(regions), 1 + ELSEWHERE)
    before = float(scores[0])
    return before, [Filled(fill, before, float(line[0]), tuple(line[1:].tolist())) for line in lines]
