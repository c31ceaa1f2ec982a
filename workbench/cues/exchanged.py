"""Cues that lie at a fixed place: its content exchanged between images of different verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.cues.cue import Cue
from workbench.cues.cue_evidence import RISES, rises
from workbench.cues.cue_sample import Study
from workbench.cues.cuts import (
    Box,
    Crop,
    Seen,
    as_strong,
    crops_of,
    cut,
    energy,
    exchanged,
    meets,
    pasted,
    seen,
    windows,
)
from workbench.images import Pixels, resized

SMALL_PLACES, LARGE_PLACES = tuple(windows(1 / 4, 7)), tuple(windows(1 / 2, 3))
"""The places that are exchanged."""
WINDOWS = (*SMALL_PLACES, *LARGE_PLACES)
PAIRS = 16
"""How many images of either side get what lies there in another image of the other side."""
LEAST_PAIRS = 4
"""Fewer pairs that no defect spoils say nothing of a place."""
HOSTS = 6
"""How many explored images of other verdicts the content of each image is tried on."""
MOST_PLACES = {SMALL_PLACES: 2, LARGE_PLACES: 1}
"""How many places of each size are proposed for a class: a large one, which moves images by more than
the cue, only where no small one in it is."""
LEAST_GAIN = 0.05
"""By how much more, beyond chance, a wider window must move images to be taken for the narrower one."""
LEAST_SHOWING = 3
"""From fewer units nothing is proposed: what one image shows may be a defect that no mask tells of."""
CROPS_KEPT = 8
"""How many contents of a place are pasted."""
CARRIED = 0.5
"""The likeness above which an image shows what those of the class do."""
AGREE = 0.5
"""The least agreement of what several images show at a place; with less, it is none."""
RIM = 2.0
"""Where the outermost line of a place differs this many times as much as the place does, what it shows is cut there."""
GROWTHS = 4
"""How often a place that cuts what it shows is grown, by a quarter of its edge."""
CONTENT_EDGE = 12
"""Pixels a side at which contents are compared."""


@dataclasses.dataclass(frozen=True, eq=False)
class Likeness:
    """Where contents of a place lie on the line from what the others show there, 0, to what those of the class do, 1.

    Attributes:
        start: (E, E, C) the median of the others.
        line: (E, E, C) from there to the mean of those of the class.
    """

    start: NDArray[np.float32]
    line: NDArray[np.float32]

    def of(self, crop: Crop) -> float:
        """The likeness of a crop."""
        return float((self.line * (_thumbnail(crop) - self.start)).sum() / max(np.square(self.line).sum(), 1e-9))

    def shown(self, crop: Crop) -> bool:
        """Whether a crop shows what those of the class do, or the same with light and dark exchanged: one ink is darker
        than a bright part and brighter than a dark one."""
        return abs(self.of(crop)) > CARRIED


def likeness_of(own: Sequence[Crop], others: Sequence[Crop]) -> Likeness:
    """The line from the others to those of the class."""
    start = np.median([_thumbnail(crop) for crop in others], 0)
    return Likeness(start, np.mean([_thumbnail(crop) for crop in own], 0) - start)


def agreement(crops: Sequence[Crop], start: NDArray[np.float32]) -> float:
    """The median likeness of each crop (two at least) with the others, from `start` on: 1 where all show the same,
    about 0 where they have nothing in common."""
    shown = [_thumbnail(crop) - start for crop in crops]
    rest = [np.mean([other for j, other in enumerate(shown) if j != i], 0) for i in range(len(shown))]
    return float(np.median([Likeness(start, line).of(crop) for line, crop in zip(rest, crops, strict=True)]))


def _thumbnail(crop: Crop) -> NDArray[np.float32]:
    """(E, E, C) a crop against what lay around it."""
    return np.asarray(
        resized(crop.pixels, (CONTENT_EDGE, CONTENT_EDGE), Image.Resampling.BOX) - crop.around, np.float32
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Content:
    """Exchanges what lies at a place: with images of the class, or of other classes for a decoy.

    Attributes:
        box: Where.
        own: Crops of images that are called the cue's class.
        others: Images that are not, and do not show it all the same.
        likeness: Tells which images show it.
    """

    box: Box
    own: tuple[Crop, ...]
    others: tuple[Seen, ...]
    likeness: Likeness

    def put(self, host: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """The place as an image of the class shows it; a decoy as one of the others does, as strongly."""
        crop = self.own[int(rng.integers(len(self.own)))]
        if not decoy:
            return pasted(host, crop, self.box)
        crops = crops_of(self.others, self.box, rng)
        return as_strong(host, self.box, energy(host, crop, self.box), crops) if crops else None

    def take(self, carrier: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """The place as an image of another class shows it, of images that show there what those of the class do; a
        decoy another place as large."""
        return exchanged(carrier, self.box, self.others, rng, decoy=decoy) if self.carries(carrier) else None

    def carries(self, image: Pixels) -> bool:
        """Whether the place shows what it does in images of the class, rather than what it does in others."""
        return self.likeness.shown(cut(Seen(image), self.box))


def places(study: Study, target: str) -> Iterator[Cue]:
    """Places whose content, exchanged between explored images, moves them to a class: the strongest first."""
    own, others = seen(study, study.explored(target)), seen(study, study.explored(target, others=True))
    scores = dict(zip(WINDOWS, _scores(study, target, own, others).tolist(), strict=True))
    proposed: list[Box] = []
    for sizes, most in MOST_PLACES.items():
        chosen: list[Box] = []
        for box in sorted(sizes, key=lambda window: -scores[window]):
            taken = (*chosen, *proposed)
            if scores[box] > 0 and len(chosen) < most and not any(meets(box, other) for other in taken):
                chosen.append(box)
                cue = place_at(study, target, _grown(study, target, box, own, others), own, others)
                if cue is not None:
                    proposed.append(box)
                    yield cue


def _grown(study: Study, target: str, box: Box, own: Sequence[Seen], others: Sequence[Seen]) -> Box:
    """A window that cuts its cue, grown at one or two sides until more of it does not move explored images clearly
    further: by more than the standard error of the difference, pair by pair."""
    sides = [(up, left) for up in (-1, 0, 1) for left in (-1, 0, 1) if (up, left) != (0, 0)]
    boxes = [box, *dict.fromkeys(wider for side in sides if (wider := _wider(box, *side)) != box)]
    best = 0
    put, taken = _moved(study, target, others, own, boxes), -_moved(study, target, own, others, boxes)
    for table in (put, taken):
        for number in range(1, len(boxes)):
            gain = table[:, number] - table[:, best]
            gain = gain[np.isfinite(gain)]
            if len(gain) >= LEAST_PAIRS and gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)) + LEAST_GAIN:
                best = number
    return boxes[best]


def _wider(box: Box, up: int, left: int) -> Box:
    """A box with half its height more above (-1) or below (1), and half its width more to the left or right."""
    tall, wide = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    top, bottom = box[0] - tall * (up < 0), box[2] + tall * (up > 0)
    return max(top, 0.0), max(box[1] - wide * (left < 0), 0.0), min(bottom, 1.0), min(box[3] + wide * (left > 0), 1.0)


def _scores(study: Study, target: str, own: Sequence[Seen], others: Sequence[Seen]) -> NDArray[np.float64]:
    """(W,) by how much the content of each window raises the class where it is put, or lowers it where it is taken away
    by that of others, whichever is more: means over pairs, against the middle window; minus infinity where defects left
    too few pairs."""
    if not own or not others:
        return np.full(len(WINDOWS), -np.inf)
    put = _moved(study, target, others, own, WINDOWS)
    taken = -_moved(study, target, own, others, WINDOWS)
    return np.fmax(_apart(put), _apart(taken))


def _moved(
    study: Study, target: str, hosts: Sequence[Seen], sources: Sequence[Seen], boxes: Sequence[Box]
) -> NDArray[np.float64]:
    """(P, W) by how much the content of each box moves a host to the class; NaN where a defect is in the way."""
    table = np.full((PAIRS, len(boxes)), np.nan)
    for pair, host in enumerate(hosts[:PAIRS]):
        source = sources[pair % len(sources)]
        free = [i for i, box in enumerate(boxes) if source.free(box) and host.free(box)]
        edits = (pasted(host.image, cut(source, boxes[i]), boxes[i]) for i in free)
        table[pair, free] = rises(study.classifier, host.image, edits, target)
    return table


def _apart(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """(W,) the means of a table (P, W) less that of the middle window and their own standard error, so that few pairs
    win by luck no more than many."""
    many = np.isfinite(table).sum(0)
    enough = many >= LEAST_PAIRS
    if not enough.any():
        return np.full(len(many), -np.inf)
    means = np.nansum(table, 0) / np.maximum(many, 1)
    spread = np.sqrt(np.nansum((table - means) ** 2, 0) / np.maximum(many - 1, 1))
    return np.where(enough, means - np.median(means[enough]) - spread / np.sqrt(np.maximum(many, 1)), -np.inf)


def place_at(study: Study, target: str, box: Box, own: Sequence[Seen], others: Sequence[Seen]) -> Cue | None:
    """A place of which several images of a class show the same, in as far as that raises the class on others; None
    where they do not."""
    free = [host for host in others if host.free(box)]
    crops = _strongest(study, target, box, [cut(source, box) for source in own if source.free(box)], free[:HOSTS])
    if len({int(study.units[crop.source.place]) for crop in crops}) < LEAST_SHOWING or not free:
        return None
    box, likeness = whole(box, [crop.source for crop in crops], free)
    crops = [cut(crop.source, box) for crop in crops if crop.source.free(box)]
    if agreement(crops, likeness.start) < AGREE:  # what matters there wanders
        return None
    without = tuple(host for host in others if host.free(box) and not likeness.shown(cut(host, box)))
    names = tuple(study.items[crop.source.place].name for crop in crops)
    content = Content(box, tuple(crops), without, likeness)
    return Cue("place", named(box), target, content, names, crops[0].pixels, box)


def whole(box: Box, own: Sequence[Seen], others: Sequence[Seen]) -> tuple[Box, Likeness]:
    """A place grown until what the class shows there does not reach its rim, as far as defects leave room, and its
    likeness. Half of a stamp is another thing than a stamp or none: to leave one turns decisions that the stamp does
    not."""
    likeness = likeness_of([cut(source, box) for source in own], [cut(host, box) for host in others])
    for _ in range(GROWTHS):
        rims = np.square(likeness.line).sum(2)
        most = RIM * float(rims.mean())
        tall, wide = (box[2] - box[0]) / 4, (box[3] - box[1]) / 4
        grown = (
            max(box[0] - tall * (rims[0].mean() > most), 0.0),
            max(box[1] - wide * (rims[:, 0].mean() > most), 0.0),
            min(box[2] + tall * (rims[-1].mean() > most), 1.0),
            min(box[3] + wide * (rims[:, -1].mean() > most), 1.0),
        )
        sides = [[image for image in images if image.free(grown)] for images in (own, others)]
        if grown == box or len(sides[0]) < max(LEAST_SHOWING, len(own) // 2) or not sides[1]:
            break
        box, likeness = grown, likeness_of(*([cut(image, grown) for image in images] for images in sides))
    return box, likeness


def _strongest(study: Study, target: str, box: Box, crops: Sequence[Crop], hosts: Sequence[Seen]) -> list[Crop]:
    """Up to `CROPS_KEPT` crops, of the better half, that raise the class when pasted on hosts, the strongest first."""
    if not crops or not hosts:
        return []
    moved = [rises(study.classifier, host.image, (pasted(host.image, c, box) for c in crops), target) for host in hosts]
    better = np.argsort(-np.mean(moved, 0), kind="stable")[: min(CROPS_KEPT, (len(crops) + 1) // 2)]
    return [crops[i] for i in better if np.median(moved, 0)[i] >= RISES]


def named(box: Box) -> str:
    """A place in words."""
    row, column = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    down = "top" if row < 1 / 3 else "bottom" if row > 2 / 3 else "middle"
    across = "left" if column < 1 / 3 else "right" if column > 2 / 3 else "centre"
    where = "centre" if (down, across) == ("middle", "centre") else f"{down} {across}".removesuffix(" centre")
    spans = f"{box[1]:.0%} to {box[3]:.0%} across, {box[0]:.0%} to {box[2]:.0%} down".replace("%", " %")
    return f"what lies at the {where} ({spans})"
