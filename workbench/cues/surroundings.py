"""What surrounds the defect, or the part: exchanged between images of different verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workbench.cues.cue import Cue
from workbench.cues.cue_sample import Study
from workbench.cues.cuts import fitted
from workbench.cues.defect_followed import LARGEST, without
from workbench.errors import InputError
from workbench.images import Pixels, alike, cover_region

MOST_SOURCES, LEAST_SOURCES = 12, 6
"""Of how many images of the class, and of the others, the surroundings are taken; with fewer there is no trial."""
LOOKED_AT = 16
"""How many images are looked at to see whether parts can be told from what surrounds them."""
PLAIN = 14.0
"""By how many levels of 255 nine tenths of a border may differ from its median for it to count as of one colour."""
PART_SHARE = (0.05, 0.85)
"""How much of an image a part takes, at least and at most."""
CUT_OFF = 0.2
"""Which share of the border a part may cover."""
NEEDED = "It needs masks of at least half of the defective images, or parts that stand out from a border of one colour."


@dataclasses.dataclass(frozen=True, eq=False)
class Surroundings:
    """Exchanges all that is not the defect, which the proof leaves alone, or not the part.

    A decoy is what surrounds another image of the same verdict: as much is exchanged, by the same kind of content,
    cleaned of defects in the same way, and only the verdict that it goes with is another.

    Attributes:
        own: (H, W, C) what surrounds defects or parts in images that are called the class.
        others: The same of images that are not.
        parted: Whether a part is cut out of a plain background, as no masks show defects.
    """

    own: tuple[Pixels, ...]
    others: tuple[Pixels, ...]
    parted: bool

    def put(self, host: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """The surroundings of an image of the class; a decoy's are of another verdict."""
        return self._within(host, self.others if decoy else self.own, rng)

    def take(self, carrier: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """The surroundings of an image of another verdict; a decoy's are of the class."""
        return self._within(carrier, self.own if decoy else self.others, rng)

    def _within(self, image: Pixels, sources: tuple[Pixels, ...], rng: np.random.Generator) -> Pixels | None:
        from scipy.ndimage import gaussian_filter

        source = fitted(sources[int(rng.integers(len(sources)))], image)
        if source.shape != image.shape:
            return None
        if not self.parted:
            return source
        part = part_of(image)
        if part is None:
            return None
        alpha = gaussian_filter(part.astype(np.float32), max(part.shape) / 200)[..., None]
        return alike(alpha * image + (1 - alpha) * source, image)


def part_of(image: Pixels) -> NDArray[np.bool_] | None:
    """(H, W) the part before a plain background, None where the border of the image (H, W, C) is not of one colour, or
    what stands out from it is no part: too small, too large, or cut off by the border."""
    from scipy.ndimage import binary_fill_holes, binary_opening, label

    edge = max(min(image.shape[:2]) // 32, 1)
    border = np.ones(image.shape[:2], bool)
    border[edge:-edge, edge:-edge] = False
    values = image.astype(np.float32)
    apart = np.abs(values - np.median(values[border], 0)).max(2)
    spread = float(np.quantile(apart[border], 0.9))
    if spread > PLAIN:
        return None
    areas, _ = label(apart <= max(2 * spread, PLAIN / 2))
    outer = np.isin(areas, np.setdiff1d(np.unique(areas[border]), 0))
    part = np.asarray(binary_fill_holes(binary_opening(~outer, iterations=edge)), bool)
    share = float(part.mean())
    if not PART_SHARE[0] <= share <= PART_SHARE[1] or part[border].mean() > CUT_OFF:
        return None
    return part


def unparted(study: Study) -> str:
    """Why the background cannot be exchanged, in a sentence; empty where it can."""
    if study.masks_known():
        return ""
    looked = told = 0
    for place in np.flatnonzero(study.explore)[:LOOKED_AT]:
        try:
            looked, told = looked + 1, told + (part_of(study.decoded(study.items[place])[0]) is not None)
        except InputError:
            continue
    return "" if 2 * told > looked else NEEDED


def backgrounds(study: Study, target: str) -> Iterator[Cue]:
    """What surrounds the defects, or the parts, of explored images called `target`; none where that is not known."""
    if unparted(study):
        return
    rng = np.random.default_rng([study.seed, *f"background {target}".encode()])
    parted = not study.masks_known()
    own, others = (_sources(study, target, rng, others=side, parted=parted) for side in (False, True))
    if min(len(own), len(others)) >= LEAST_SOURCES:
        names = tuple(name for name, _ in own)
        exchange = Surroundings(tuple(image for _, image in own), tuple(image for _, image in others), parted)
        yield Cue("background", "the background", target, exchange, names)


def _sources(
    study: Study, target: str, rng: np.random.Generator, *, others: bool, parted: bool
) -> list[tuple[str, Pixels]]:
    result: list[tuple[str, Pixels]] = []
    for place in study.explored(target, others=others):
        if len(result) == MOST_SOURCES:
            break
        item = study.items[place]
        try:
            image, mask = study.decoded(item)
        except InputError:
            continue
        bare = _without_part(image, rng) if parted else _without_defect(study, item.label, image, mask, rng)
        if bare is not None:
            result.append((item.name, bare))
    return result


def _without_part(image: Pixels, rng: np.random.Generator) -> Pixels | None:
    part = part_of(image)
    return None if part is None else cover_region(image, part, "inpaint", (), rng)


def _without_defect(
    study: Study, label: str | None, image: Pixels, mask: NDArray[np.bool_] | None, rng: np.random.Generator
) -> Pixels | None:
    """The image without its defect; None where no mask shows the one that its label tells of, or it is too large."""
    if mask is None or not mask.any():
        return image if label == study.good else None
    return without(image, mask, rng) if mask.mean() <= LARGEST else None
