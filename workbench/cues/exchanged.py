"""Cues that lie at a fixed place: its content exchanged between images of different verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from workbench.bias import REGIONS, Region
from workbench.cues.cue import Cue
from workbench.cues.cue_sample import Study
from workbench.images import Pixels, alike, as_image, as_pixels

SEAM = 1 / 64
"""Over which share of the longer side the rim of what is exchanged is feathered."""


@dataclasses.dataclass(frozen=True, eq=False)
class Content:
    """Exchanges what lies in a region: with images of the class, or of other classes for a decoy.

    Attributes:
        region: Where.
        own: Images (H, W, C) that are called the cue's class.
        others: Images that are not.
    """

    region: Region
    own: tuple[Pixels, ...]
    others: tuple[Pixels, ...]

    def put(self, host: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """The region as an image of the class shows it; a decoy as one of the others does."""
        return self._with(host, self.others if decoy else self.own, rng)

    def take(self, carrier: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """The region as an image of another class shows it; a decoy as another of its own does."""
        return self._with(carrier, self.own if decoy else self.others, rng)

    def _with(self, image: Pixels, sources: tuple[Pixels, ...], rng: np.random.Generator) -> Pixels | None:
        from scipy.ndimage import gaussian_filter

        height, width = image.shape[:2]
        source = fitted(sources[int(rng.integers(len(sources)))], image)
        inside = self.region.on(height, width).astype(np.float32)
        alpha = gaussian_filter(inside, SEAM * max(height, width))[..., None]
        return alike(alpha * source + (1 - alpha) * image, image)


def fitted(source: Pixels, image: Pixels) -> Pixels:
    """An image scaled to the size of another."""
    if source.shape[:2] == image.shape[:2]:
        return source
    return as_pixels(as_image(source).resize((image.shape[1], image.shape[0])))


def places(study: Study, target: str) -> Iterator[Cue]:
    """Corners, border, centre and quadrants, each with what images of the class show there."""
    own = tuple(study.decoded(study.items[i])[0] for i in study.explored(target))
    others = tuple(study.decoded(study.items[i])[0] for i in study.explored(target, others=True))
    names = tuple(study.items[i].name for i in study.explored(target))
    for region in REGIONS.values():
        if not region.of_mask:
            yield Cue("place", f"the {region.name}", target, Content(region, own, others), names, box=region.box)
