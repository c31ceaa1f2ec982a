"""Concepts that nobody had to name: what images of a class have in common in the model's last feature layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.cues.concept_layer import Parts, activations, answered, feature_layer, parts_of
from workbench.cues.cue import Cue
from workbench.cues.cue_evidence import odds_of
from workbench.cues.cue_sample import Study
from workbench.cues.cuts import Box, Crop, Seen, anywhere, as_strong, crops_of, cut, energy, exchanged, pasted, seen
from workbench.cues.exchanged import named
from workbench.cues.mark_cues import CROPS_KEPT, LEAST_SHOWING, WANDERS
from workbench.errors import InputError
from workbench.images import Pixels, alike, resized

if TYPE_CHECKING:
    from workbench.models import Classifier

MOST_CONCEPTS = 2
"""How many concepts are looked at closely for a class: those without which the class's odds fall most."""
HANGS = 0.2
"""The share of decisions that must turn without a concept in the layer, beyond those without others, to propose it."""
DECOYS_IN = 3
"""How many times others of the same energy are suppressed beside it."""
STRONG = 0.5
"""From this share of the median peak on, a place off the defect shows the concept; and around a peak, its extent."""
MOSAIC_EDGE, TILES_ACROSS = 96, 4
"""Pixels a side at which a crop is shown, and how many beside each other."""
SMALLEST_CROP, LARGEST_CROP = 1 / 8, 1 / 2
"""Shares of the image's sides that a crop has at least and at most."""


@dataclasses.dataclass(frozen=True, eq=False)
class Concept:
    """A direction of a layer: put on by pasting crops where it is strong, taken by covering where it is strongest.

    Attributes:
        classifier: Whose.
        parts: All directions of the class, of the layer.
        number: Which of them.
        least: How much of it at one place says that an image carries it.
        crops: What shows it, free of masked defects.
        others: Images that are called otherwise and do not carry it.
        box: Where the crops lie; None where that differs.
    """

    classifier: Classifier
    parts: Parts
    number: int
    least: float
    crops: tuple[Crop, ...]
    others: tuple[Seen, ...]
    box: Box | None = None
    _held: dict[int, tuple[float, Box]] = dataclasses.field(default_factory=dict)

    def put(self, host: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """A crop where it always lies, else at a random place; a decoy is what images of other verdicts show there, as
        strong."""
        crop = self.crops[int(rng.integers(len(self.crops)))]
        box = self.box or anywhere(crop.box, rng)
        if box is None or not decoy:
            return None if box is None else pasted(host, crop, box)
        crops = crops_of(self.others, box, rng)
        return as_strong(host, box, energy(host, crop, box), crops) if crops else None

    def take(self, carrier: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """Where it is strongest covered by what another image shows there; a decoy covers another place as large."""
        most, box = self._strongest(carrier)
        return exchanged(carrier, box, self.others, rng, decoy=decoy) if most >= self.least else None

    def carries(self, image: Pixels) -> bool:
        """Whether some place holds enough of it."""
        return self._strongest(image)[0] >= self.least

    def suppressed(self, image: Pixels, rng: np.random.Generator) -> NDArray[np.intp]:
        """(1 + `DECOYS_IN`,) what the model calls an image without the concept in the layer, and without others of the
        same energy."""
        (value,) = activations(self.classifier, self.parts.layer, [image])
        edits = self.parts.without(value, self.number, rng, DECOYS_IN)
        return _called(self.classifier, answered(self.classifier, self.parts.layer, image, edits))

    def _strongest(self, image: Pixels) -> tuple[float, Box]:
        """How much of it there is at one place at most, and the box around it."""
        known = hash(image.tobytes())
        if known not in self._held:
            self._held.clear()  # an image is edited several times, one after the other
            amount = self.parts.amounts(activations(self.classifier, self.parts.layer, [image]))[0, self.number]
            self._held[known] = float(amount.max()), around(self.classifier, image, amount)
        return self._held[known]


def concepts(study: Study, target: str) -> Iterator[Cue]:
    """Directions of the last feature layer on which decisions for a class hang: what its explored images show there is
    taken apart, and that comes first without which its odds fall most. One that lies on masked defects alone is none.

    Nothing where the model has no such layer (`feature_layer` says why).
    """
    own, others = seen(study, study.explored(target)), seen(study, study.explored(target, others=True))
    if not own or not others:
        return
    try:
        layer = feature_layer(study.classifier)
        values = activations(study.classifier, layer, [source.image for source in own])
        parts = parts_of(layer, values, study.seed)
    except InputError:
        return
    amounts = parts.amounts(values)
    elsewhere = parts.amounts(activations(study.classifier, layer, [other.image for other in others]))
    for number in _first(study, target, parts, own, values, amounts):
        peaks, away = (held[:, number].max((1, 2)) for held in (amounts, elsewhere))
        least = _least(peaks, away)
        free = [_off(study.classifier, source, held[number]) for source, held in zip(own, amounts, strict=True)]
        strength = np.array([held.max() for held in free])
        shown = np.flatnonzero(strength >= max(STRONG * float(np.median(peaks)), 1e-9))
        places = [
            (own[i], around(study.classifier, own[i].image, free[i])) for i in shown[np.argsort(-strength[shown])]
        ]
        crops = tuple(cut(source, box) for source, box in places if source.free(box))[:CROPS_KEPT]
        without = tuple(other for other, most in zip(others, away, strict=True) if most < least)
        if len({int(study.units[crop.source.place]) for crop in crops}) < LEAST_SHOWING or not without:
            continue
        box = _same(crops)
        concept = Concept(study.classifier, parts, number, least, crops, without, box)
        if _hangs(study, target, concept, own):
            names = tuple(study.items[crop.source.place].name for crop in crops)
            name = f"what its last feature layer sees in {_where(crops[0], box)} of {names[0]} and the like"
            yield Cue("concept", name, target, concept, names, _mosaic(crops), box, inside=concept)


def _mosaic(crops: Sequence[Crop]) -> Pixels:
    """(h, w, C) the crops as tiles, the strongest first, in full rows."""
    own, across = crops[0].pixels, min(len(crops), TILES_ACROSS)
    tiles = [alike(resized(crop.pixels.astype(np.float32), (MOSAIC_EDGE, MOSAIC_EDGE)), own) for crop in crops]
    rows = [tiles[start : start + across] for start in range(0, len(tiles) - across + 1, across)]
    return np.concatenate([np.concatenate(row, 1) for row in rows], 0)


def _same(crops: Sequence[Crop]) -> Box | None:
    """Where all crops lie; None where they wander."""
    boxes = np.array([crop.box for crop in crops])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    top, left, bottom, right = np.median(boxes, 0).tolist()
    return (top, left, bottom, right) if centres.std(0).max() < WANDERS else None


def _where(crop: Crop, box: Box | None) -> str:
    """How much of an image a concept takes, and where where it lies at the same place in all."""
    if box is not None:
        return named(box).removeprefix("what lies at ")
    across, down = crop.box[3] - crop.box[1], crop.box[2] - crop.box[0]
    return f"{across:.0%} by {down:.0%}".replace("%", " %")


def _first(
    study: Study,
    target: str,
    parts: Parts,
    own: Sequence[Seen],
    values: NDArray[np.float32],
    amounts: NDArray[np.float32],
) -> list[int]:
    """The directions without which the odds of a class fall most, in the mean of its images."""
    import torch

    falls = []
    for source, value, held in zip(own, values, amounts, strict=True):
        edits = [value, *(value - parts.made_of(held, number) for number in range(len(held)))]
        logits = answered(study.classifier, parts.layer, source.image, np.stack(edits))
        odds = odds_of(study.classifier, torch.from_numpy(logits), target)
        falls.append(odds[0] - odds[1:])
    fall = np.mean(falls, 0)
    return [int(number) for number in np.argsort(-fall, kind="stable")[:MOST_CONCEPTS] if fall[number] > 0]


def _called(classifier: Classifier, logits: NDArray[np.float64]) -> NDArray[np.intp]:
    """(M,) the classes that the rule decides on."""
    import torch

    probabilities = classifier.probabilities(torch.from_numpy(logits).float()).numpy()
    return classifier.rule.decide(probabilities.astype(np.float64))[0]


def _least(own: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """The peak from which on most more images of the class than of the others count: Youden's index."""
    levels = np.unique(own)
    apart = (own >= levels[:, None]).mean(1) - (others >= levels[:, None]).mean(1)
    return float(levels[int(apart.argmax())])


def _hangs(study: Study, target: str, concept: Concept, own: Sequence[Seen]) -> bool:
    """Whether enough decisions of explored images hang on it."""
    rng = np.random.default_rng([study.seed, concept.number, *target.encode()])
    turned = [concept.suppressed(source.image, rng) != study.classifier.index(target) for source in own]
    return float(np.mean([line[0] - line[1:].mean() for line in turned])) >= HANGS


def _off(classifier: Classifier, source: Seen, amount: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) an amount where a masked defect is not; all of it where none is known."""
    if source.spared is None:
        return amount
    inside = classifier.input(source.image).placement.to_input(source.spared)
    share = Image.fromarray(inside.astype(np.float32)).resize(amount.shape[::-1], Image.Resampling.BOX)
    return np.where(np.asarray(share) > 0, 0, amount)


def around(classifier: Classifier, image: Pixels, amount: NDArray[np.float32]) -> Box:
    """The box of an image around the peak of an amount (h, w) over the input, as far as it is `STRONG` there."""
    from scipy.ndimage import label

    placement = classifier.input(image).placement
    left, top, right, bottom = placement.box
    row, column = (int(i) for i in np.unravel_index(int(amount.argmax()), amount.shape))
    near = label(amount >= STRONG * amount[row, column])[0]
    rows, columns = np.nonzero(near == near[row, column])
    wide, tall = placement.original
    down = _side(rows, row, amount.shape[0], (top / tall, bottom / tall))
    across = _side(columns, column, amount.shape[1], (left / wide, right / wide))
    return down[0], across[0], down[1], across[1]


def _side(places: NDArray[np.intp], peak: int, many: int, spans: tuple[float, float]) -> tuple[float, float]:
    """Start and end, as shares of an image's side, of some of `many` places of an input that spans a part of it: around
    the peak alone where they reach too far."""
    scale = (spans[1] - spans[0]) / many
    size = (int(places.max()) + 1 - int(places.min())) * scale
    middle = (int(places.min()) + int(places.max()) + 1) / 2 if size <= LARGEST_CROP else peak + 0.5
    size = min(max(size, SMALLEST_CROP), LARGEST_CROP)
    start = min(max(spans[0] + middle * scale - size / 2, 0.0), 1 - size)
    return start, start + size
