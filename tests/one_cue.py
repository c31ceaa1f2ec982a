"""Searches for shortcuts that try corners alone, whatever is proposed elsewhere: seconds, not minutes."""

import dataclasses

import numpy as np
import pytest

from workbench.bias.places import CORNERS, Region
from workbench.cues import Cue, cue_findings, cue_search
from workbench.images import Pixels

CORNER = "the bottom right corner"


@dataclasses.dataclass(frozen=True, eq=False)
class Exchanged:
    """Exchanges what lies in a region with images of the class, or of others for a decoy; all are of one size."""

    region: Region
    own: list[Pixels]
    others: list[Pixels]

    def put(self, host, rng, *, decoy):
        return self._with(host, self.others if decoy else self.own, rng)

    def take(self, carrier, rng, *, decoy):
        return self._with(carrier, self.own if decoy else self.others, rng)

    def carries(self, image):
        inside = self.region.on(*image.shape[:2])
        means = [np.mean([source[inside].mean() for source in side]) for side in (self.own, self.others)]
        return bool(abs(image[inside].mean() - means[0]) < abs(image[inside].mean() - means[1]))

    def _with(self, image, sources, rng):
        inside = self.region.on(*image.shape[:2])[..., None]
        return np.where(inside, sources[int(rng.integers(len(sources)))], image).astype(image.dtype)


def corners(study, target):
    """The four corners."""
    sides = [study.explored(target), study.explored(target, others=True)]
    own, others = ([study.decoded(study.items[i])[0] for i in side] for side in sides)
    names = tuple(study.items[i].name for i in sides[0])
    for region in CORNERS:
        yield Cue("place", f"the {region.name}", target, Exchanged(region, own, others), names, box=region.box)


@pytest.fixture
def one_cue(monkeypatch):
    """Nothing is proposed but the corner where scratched parts carried a stamp."""

    def proposed(study, target):
        return [cue for cue in corners(study, target) if target == "scratch" and cue.name == CORNER]

    monkeypatch.setattr(cue_search, "PROPOSERS", {"place": proposed})
    # Half of the images exchanged show no stamp, and some that decoys are made of show one: the corner as it is turns
    # fewer decisions than a cue of the search would, and its decoy more
    monkeypatch.setattr(cue_findings, "MATTERS", 0.01)
    monkeypatch.setattr(cue_findings, "BY_DECOYS", 0.6)
