"""Cues that may lie anywhere: what occlusion finds in several images, matched by its look and pasted elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.cues.cue import Cue
from workbench.cues.cue_evidence import RISES, peaks, rises
from workbench.cues.cue_sample import Study
from workbench.cues.cuts import (
    Box,
    Crop,
    Seen,
    anywhere,
    as_strong,
    crops_of,
    cut,
    detail_of,
    edges,
    energy,
    exchanged,
    meets,
    pasted,
    seen,
)
from workbench.cues.exchanged import place_at
from workbench.images import Pixels

COVERED_IMAGES = 12
"""How many explored images of the class are covered window by window."""
HOSTS = 6
"""How many explored images of other verdicts each crop is tried on."""
MOST_MARKS = 2
"""How many marks are proposed for a class."""
LEAST_SHOWING = 3
"""From fewer units nothing is proposed: what one image shows may be a defect that no mask tells of."""
CROPS_KEPT, TEMPLATES = 8, 2
"""How many crops of a mark are pasted, and how many serve to find it."""
MARK_ALIKE = 0.5
"""The least correlation of an image's best match with a mark that it carries."""
APART = 0.15
"""By how much more of the images of the class must carry a mark than of the others."""
WANDERS = 1 / 16
"""A standard deviation of the places, as a share of the sides, below which a mark does not wander."""
TONE = 8
"""Levels by which a mark is darker or brighter than what lies around it, to be called so."""


@dataclasses.dataclass(frozen=True, eq=False)
class Mark:
    """Puts a mark anywhere and covers it where it is found.

    Attributes:
        own: Crops that show it.
        others: Images that are called otherwise and do not.
        templates: (h, w, C) small copies, as `detail_of`, that it is found by.
        least: The correlation from which on it is found.
    """

    own: tuple[Crop, ...]
    others: tuple[Seen, ...]
    templates: tuple[NDArray[np.float32], ...]
    least: float

    def put(self, host: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """The mark at a random place; a decoy is what images of other verdicts show there, as strong."""
        crop = self.own[int(rng.integers(len(self.own)))]
        box = anywhere(crop.box, rng)
        if box is None or not decoy:
            return None if box is None else pasted(host, crop, box)
        crops = crops_of(self.others, box, rng)
        return as_strong(host, box, energy(host, crop, box), crops) if crops else None

    def take(self, carrier: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """The mark covered by what another image shows there; a decoy covers another place as large."""
        match, box = best_match(detail_of(carrier), self.templates)
        return exchanged(carrier, box, self.others, rng, decoy=decoy) if box and match >= self.least else None

    def carries(self, image: Pixels) -> bool:
        """Whether the mark is found."""
        return best_match(detail_of(image), self.templates)[0] >= self.least


def best_match(image: NDArray[np.float32], templates: Sequence[NDArray[np.float32]]) -> tuple[float, Box | None]:
    """The best normalised cross-correlation (Lewis 1995) of templates (h, w, C) with an image (H, W, C), over all
    channels at once, and where it is; -1 and None where no template shows anything."""
    from skimage.feature import match_template

    best, box, (height, width, channels) = -1.0, None, image.shape
    flat = image.reshape(height, -1)  # channels side by side: each C-th shift is one of whole pixels
    for template in templates:
        rows, columns = template.shape[:2]
        if rows > height or columns > width or template.std() < 1:
            continue
        matches = match_template(flat, template.reshape(rows, -1))[:, ::channels]
        top, left = (int(i) for i in np.unravel_index(int(matches.argmax()), matches.shape))
        if matches[top, left] > best:
            best = float(matches[top, left])
            box = top / height, left / width, (top + rows) / height, (left + columns) / width
    return best, box


def marks(study: Study, target: str) -> Iterator[Cue]:
    """What several explored images of a class show, each at its own place, and raises the class wherever it is pasted:
    that which raises it most comes first. One that does not wander is proposed as the place where it lies."""
    rng = np.random.default_rng([study.seed, *target.encode()])
    own, others = seen(study, study.explored(target)), seen(study, study.explored(target, others=True))
    crops = [crop for source in own[:COVERED_IMAGES] for crop in peaks(study.classifier, source, target, rng)]
    claimed: list[tuple[Seen, Box]] = []
    given = 0
    for crop in _strongest(study, target, crops, others[:HOSTS], rng):
        if given == MOST_MARKS:
            return
        if any(source is crop.source and meets(box, crop.box) for source, box in claimed):
            continue
        carriers, least = _carriers(crop, own, others)
        again = sum(source in (carrier for carrier, _ in carriers) for source in {source for source, _ in claimed})
        claimed += carriers
        if 2 * again >= len(carriers):  # the same images again: another part of the same mark
            continue
        cue = _cue(study, target, carriers, own, others, least, rng)
        if cue is not None:
            yield cue
            given += 1


def _carriers(crop: Crop, own: Sequence[Seen], others: Sequence[Seen]) -> tuple[list[tuple[Seen, Box]], float]:
    """The images of the class that show what a crop shows, and where, and the correlation from which on they do; none
    where the others show it as well."""
    template = _template(crop)
    matches = [(source, *best_match(source.detail, [template])) for source in own]
    least = parted([match for _, match, _ in matches], [best_match(other.detail, [template])[0] for other in others])
    if least is None:
        return [], 1.0
    found = [(source, box) for source, match, box in matches if box and match >= least]
    free = [(source, box) for source, box in found if source.free(box)]
    return free if 2 * len(free) > len(found) else [], least  # else it looks like the defect that masks show


def parted(own: Sequence[float], others: Sequence[float]) -> float | None:
    """The match, `MARK_ALIKE` at least, from which on most more of the class's images than of the others count: at the
    greatest of Youden's indices. None where that is less than `APART`."""
    levels = np.array(sorted({match for match in own if match >= MARK_ALIKE}))
    if not len(levels):
        return None
    apart = (np.array(own) >= levels[:, None]).mean(1) - (np.array(others) >= levels[:, None]).mean(1)
    best = int(apart.argmax())
    return float(levels[best]) if apart[best] >= APART else None


def _cue(
    study: Study,
    target: str,
    carriers: Sequence[tuple[Seen, Box]],
    own: Sequence[Seen],
    others: Sequence[Seen],
    least: float,
    rng: np.random.Generator,
) -> Cue | None:
    centres = np.array([((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for _, box in carriers])
    if len({int(study.units[source.place]) for source, _ in carriers}) < LEAST_SHOWING:
        return None
    if centres.std(0).max() < WANDERS:
        top, left, bottom, right = np.median([box for _, box in carriers], 0).tolist()
        return place_at(study, target, (top, left, bottom, right), own, others)
    crops = _strongest(study, target, [cut(source, box) for source, box in carriers], others[:HOSTS], rng)[:CROPS_KEPT]
    if not crops:
        return None
    templates = tuple(_template(crop) for crop in crops[:TEMPLATES])
    without = tuple(other for other in others if best_match(other.detail, templates)[0] < least)
    names = tuple(dict.fromkeys(study.items[crop.source.place].name for crop in crops))
    mark = Mark(tuple(crops), without, templates, least)
    return Cue("mark", named(crops[0], names[0]), target, mark, names, crops[0].pixels) if without else None


def _template(crop: Crop) -> NDArray[np.float32]:
    top, left, bottom, right = edges(crop.box, crop.source.detail)
    return crop.source.detail[top:bottom, left:right]


def named(crop: Crop, image: str) -> str:
    """A mark in words: how light and large it is, and where to see it."""
    lighter = float(crop.pixels.mean() - crop.around.mean())
    tone = "dark " if lighter < -TONE else "bright " if lighter > TONE else ""
    across, down = crop.box[3] - crop.box[1], crop.box[2] - crop.box[0]
    return f"a {tone}mark of {across:.0%} by {down:.0%} of the image, as in {image}".replace("%", " %")


def _strongest(
    study: Study, target: str, crops: Sequence[Crop], hosts: Sequence[Seen], rng: np.random.Generator
) -> list[Crop]:
    """The crops that raise the class when pasted at random places of hosts, the strongest first."""
    if not crops or not hosts:
        return []
    moved = []
    for host in hosts:
        boxes = [anywhere(crop.box, rng, free=host.free) for crop in crops]
        edits = (pasted(host.image, crop, at) if at else host.image for crop, at in zip(crops, boxes, strict=True))
        moved.append(rises(study.classifier, host.image, edits, target))
    order = np.argsort(-np.mean(moved, 0), kind="stable")
    return [crops[i] for i in order if np.median(moved, 0)[i] >= RISES]
