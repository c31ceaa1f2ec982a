"""Rectangles cut out of images and pasted on others, level with what lies around them and without a seam."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.cues.cue_sample import Study
from workbench.errors import InputError
from workbench.images import Pixels, alike, as_image, as_pixels, resized, shrunk

Box = tuple[float, float, float, float]
"""Top, left, bottom, right, as shares of height and width."""
SEAM = 1 / 64
"""Over which share of the longer side the rim of what is pasted is feathered, but where it meets the image's edge."""
RING = 1 / 8
"""How wide, as a share of the shorter side, the ring around a rectangle is that says how light it is there."""
READ = 32
"""Of how many rows and columns at most it is read."""
HALO = 1 / 24
"""How far around a masked defect, as a share of the longer side, nothing is cut and nothing pasted."""
MATCHED = 64
"""Pixels of the longer side at which marks are looked for."""
PLACES_TRIED = 30
GAIN = 2.0
"""How much stronger or weaker, at most, a decoy is made to be as strong as what it stands for."""
DECOYS = 12
"""Among how many contents the one that is most nearly as strong is chosen."""


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """An image that may be cut from or pasted on.

    Attributes:
        image: (H, W, C).
        spared: (H, W) where its defect is, with a rim of `HALO`; None where it has none that a mask shows.
        place: Its position in the study.
    """

    image: Pixels
    spared: NDArray[np.bool_] | None = None
    place: int = -1

    @cached_property
    def detail(self) -> NDArray[np.float32]:
        """As `detail_of`."""
        return detail_of(self.image)

    def free(self, box: Box) -> bool:
        """Whether a rectangle holds nothing of the defect."""
        if self.spared is None:
            return True
        top, left, bottom, right = edges(box, self.spared)
        return not self.spared[top:bottom, left:right].any()


@dataclasses.dataclass(frozen=True, eq=False)
class Crop:
    """A rectangle of an image.

    Attributes:
        pixels: (h, w, C).
        around: (C,) the median of the ring around it.
        box: Where it was.
        source: Whose.
    """

    pixels: Pixels
    around: NDArray[np.float32]
    box: Box
    source: Seen


def seen(study: Study, places: Iterable[int]) -> list[Seen]:
    """The images at some positions of a study, but those that cannot be read, and those of which no mask says where
    their defect is while the masks of the others do."""
    from scipy.ndimage import maximum_filter

    masks, images = study.masks_known(), []
    for place in places:
        item = study.items[place]
        try:
            image, mask = study.decoded(item)
        except InputError:
            continue
        if mask is None and masks and item.label != study.good:
            continue
        spared = None
        if mask is not None and mask.any():
            spared = maximum_filter(mask, 2 * max(round(HALO * max(mask.shape)), 1) + 1)
        images.append(Seen(image, spared, place))
    return images


def fitted(source: Pixels, image: Pixels) -> Pixels:
    """An image scaled to the size of another."""
    if source.shape[:2] == image.shape[:2]:
        return source
    return as_pixels(as_image(source).resize((image.shape[1], image.shape[0])))


def detail_of(image: Pixels) -> NDArray[np.float32]:
    """(h, w, C) how far an image's channels lie from the median of each, with no side over `MATCHED` pixels: ink as
    bright as what it lies on shows by its colour."""
    small = np.asarray(shrunk(image, MATCHED), np.float32)
    return np.asarray(small - np.median(small, (0, 1)), np.float32)


def edges(box: Box, image: NDArray[np.generic]) -> tuple[int, int, int, int]:
    """A box in pixels of an image (H, W, ...): within it, and of two rows and columns at least."""
    height, width = image.shape[:2]
    top, left = (max(min(round(box[i] * n), n - 2), 0) for i, n in ((0, height), (1, width)))
    bottom, right = (min(max(round(box[i] * n), first + 2), n) for i, n, first in ((2, height, top), (3, width, left)))
    return top, left, bottom, right


def cut(source: Seen, box: Box) -> Crop:
    """What lies in a box of an image."""
    top, left, bottom, right = edges(box, source.image)
    return Crop(source.image[top:bottom, left:right], _ring(source.image, box), box, source)


def _ring(image: Pixels, box: Box) -> NDArray[np.float32]:
    """(C,) the median of what lies around a box, which no mark beside it moves far: of the box itself where it is the
    whole image."""
    top, left, bottom, right = edges(box, image)
    wide = max(round(RING * min(image.shape[:2])), 1)
    rows, columns = (
        np.arange(max(first - wide, 0), min(last + wide, n))
        for first, last, n in ((top, bottom, image.shape[0]), (left, right, image.shape[1]))
    )
    rows, columns = (lines[:: max(len(lines) // READ, 1)] for lines in (rows, columns))
    inside = ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))
    pixels = image[np.ix_(rows, columns)]
    return np.asarray(np.median(pixels.reshape(-1, image.shape[2]) if inside.all() else pixels[~inside], 0), np.float32)


def pasted(host: Pixels, crop: Crop, box: Box, gain: float = 1.0) -> Pixels:
    """A host (H, W, C) with a crop at a box, scaled to it, its change times `gain`."""
    top, left, bottom, right = edges(box, host)
    result = host.copy()
    own = host[top:bottom, left:right]
    result[top:bottom, left:right] = alike(own + gain * _change(host, crop, box), own)
    return result


def energy(host: Pixels, crop: Crop, box: Box) -> float:
    """The root mean square, in levels, of what pasting a crop at a box changes in it."""
    return float(np.sqrt(np.square(_change(host, crop, box)).mean()))


def _change(host: Pixels, crop: Crop, box: Box) -> NDArray[np.float32]:
    """(h, w, C) what pasting changes, its rim feathered, level with what lies around it."""
    top, left, bottom, right = edges(box, host)
    own = host[top:bottom, left:right].astype(np.float32)
    content = crop.pixels.astype(np.float32)
    if content.shape != own.shape:
        content = resized(content, (own.shape[1], own.shape[0]))
    seam = max(round(SEAM * max(host.shape[:2])), 1)
    down = _ramp(len(own), seam, first=top > 0, last=bottom < host.shape[0])
    across = _ramp(own.shape[1], seam, first=left > 0, last=right < host.shape[1])
    change = content + (_ring(host, box) - crop.around) - own
    return np.asarray(change * down[:, None, None] * across[None, :, None], np.float32)


def _ramp(many: int, seam: int, *, first: bool, last: bool) -> NDArray[np.float32]:
    rise, flat = np.minimum((np.arange(many) + 1) / (seam + 1), 1), np.ones(many)
    return np.asarray((rise if first else flat) * (rise[::-1] if last else flat), np.float32)


def crops_of(images: Sequence[Seen], box: Box, rng: np.random.Generator, most: int = DECOYS) -> list[Crop]:
    """What some images show at a place, `most` of them drawn among those whose defect lies elsewhere."""
    free = [image for image in images if image.free(box)]
    return [cut(free[i], box) for i in rng.permutation(len(free))[:most]]


def as_strong(host: Pixels, box: Box, strength: float, crops: Sequence[Crop]) -> Pixels:
    """The host with that crop at a box which changes it most nearly as strongly as asked, made stronger or weaker by
    up to `GAIN` to match.

    Args:
        host: (H, W, C).
        box: Where.
        strength: An `energy`, in levels.
        crops: Some.
    """
    strengths = np.maximum([energy(host, crop, box) for crop in crops], 1e-6)
    best = int(np.abs(np.log(strengths / max(strength, 1e-6))).argmin())
    return pasted(host, crops[best], box, float(np.clip(strength / strengths[best], 1 / GAIN, GAIN)))


def exchanged(
    carrier: Pixels, box: Box, others: Sequence[Seen], rng: np.random.Generator, *, decoy: bool
) -> Pixels | None:
    """An image with a place as one of the others shows it; a decoy with another place as large, as strongly; None
    where there is none."""
    crops = crops_of(others, box, rng, 1)
    if not crops:
        return None
    if not decoy:
        return pasted(carrier, crops[0], box)
    elsewhere = _mirrored(box, rng)
    found = crops_of(others, elsewhere, rng) if elsewhere else []
    return as_strong(carrier, elsewhere, energy(carrier, crops[0], box), found) if elsewhere and found else None


def _mirrored(box: Box, rng: np.random.Generator) -> Box | None:
    """A mirror image of a box that does not meet it, any of those that there are, for it lies to the edges alike; else
    a box as large at another place; None where there is no room."""
    top, left, bottom, right = box
    turns = [(1 - bottom, left, 1 - top, right), (top, 1 - right, bottom, 1 - left)]
    turns.append((1 - bottom, 1 - right, 1 - top, 1 - left))
    apart = [turn for turn in turns if not meets(turn, box)]
    if apart:
        return apart[int(rng.integers(len(apart)))]
    return anywhere(box, rng, free=lambda place: not meets(place, box))


def anywhere(box: Box, rng: np.random.Generator, free: Callable[[Box], bool] = lambda _: True) -> Box | None:
    """A box as large at a random place that is free; None where `PLACES_TRIED` met none."""
    tall, wide = box[2] - box[0], box[3] - box[1]
    for _ in range(PLACES_TRIED):
        top, left = rng.random() * (1 - tall), rng.random() * (1 - wide)
        place = top, left, top + tall, left + wide
        if free(place):
            return place
    return None


def meets(one: Box, other: Box) -> bool:
    """Whether two boxes share anything."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def windows(edge: float, many: int) -> list[Box]:
    """Windows over an image, `many` a side, each with an edge of so large a share of the image's."""
    starts = np.linspace(0, 1 - edge, many).tolist()
    return [(top, left, top + edge, left + edge) for top in starts for left in starts]
