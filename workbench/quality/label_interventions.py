"""Labels that contradict what editing an image does to a model's decision: to be looked at, not decided by.

Only images are tried that the model did not learn from, and only these speak against a label:

- a defect that is decided as labelled, and as surely with what its mask marks covered: what decides lies elsewhere;
- a defect that is called another one, until what its mask marks is covered: then the mark is that other one;
- a good part that the model calls a defect for what its mask marks, or for one small place: covered, it is decided as
  labelled, and covering as much elsewhere changes nothing.

A defect that the model misses speaks against nothing, for it looks the same to the model with and without its mark.
A model that does not decide by the marks at all speaks against no label; its fault is another one, and is said.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import ImageItem, cover_region, elsewhere, shrunk
from workbench.predictions import Predictions
from workbench.quality.held_out import UNSEEN
from workbench.quality.label_contradictions import Contradiction
from workbench.stats import wilson

if TYPE_CHECKING:
    from workbench.models import Classifier

MOST_MARKED, MOST_SEARCHED = 120, 60
"""Defects whose marks are covered, and good parts that are searched for a place, at most."""
LEAST_MARKED = 10
"""Of fewer decisions that agree with the label it cannot be told whether the model decides by the marks."""
UNMOVED = 0.05
"""A probability that changes by less is unmoved: the edge of a cover alone can change it so."""
CLEAR_FALL, ONE_PLACE = 0.3, 3
"""What a probability falls by where a mark made it; and how many good parts one place may decide about: of more, the
place is what the model has learned."""
COVERED_SIDE, WINDOW, TRIES = 512, 4, 4
"""Pixels of the longer side of what is covered; a window is one part in so many of either side; covers of a place."""
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Interventions:
    """What editing said of labels.

    Attributes:
        against: The labels that it contradicts.
        tried: How many images were edited.
        notes: What could not be told and why, sentences.
    """

    against: tuple[Contradiction, ...]
    tried: int
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Covered:
    """What covering its mask makes of an image: how the model decides before and after, and how probable what it calls
    the image is."""

    item: ImageItem
    decisions: tuple[str, str]
    before: float
    after: float

    @property
    def unmoved(self) -> bool:
        return self.decisions[0] == self.decisions[1] and abs(self.after - self.before) < UNMOVED


def against_interventions(
    classifier: Classifier,
    items: Sequence[ImageItem],
    units: NDArray[np.intp],
    predictions: Predictions,
    good: str | None,
    *,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Interventions:
    """Edit images that the model did not learn from, and see which labels that contradicts.

    Args:
        classifier: The model.
        items: N labelled images.
        units: (N,) which belong together: of a part in the training split no image is tried.
        predictions: What the model says of them.
        good: The class of parts without a defect.
        seed: Of the sample and of what covers.
        on_progress: Called with images done, of how many; what it raises stops the work.
    """
    if good not in classifier.class_names:
        return Interventions((), 0, ("No class of the model reads as good, so no image was edited.",))
    marked, odd = _candidates(classifier, items, units, predictions, good, np.random.default_rng(seed))
    total, covered = len(marked) + len(odd), list[_Covered]()
    places = dict[str, tuple[str, str]]()
    for done, item in enumerate((*marked, *odd)):
        if on_progress is not None:
            on_progress(done, total)
        rng = np.random.default_rng([seed, done])
        try:
            if done < len(marked):
                covered.append(_without_marks(classifier, item, rng))
            elif (found := _place_that_decides(classifier, item, rng)) is not None:
                places[item.name] = found
        except InputError:  # a fault of the file, which is told as one
            continue
    by_marks, notes = _by_marks(covered, good)
    against, learned = _by_places(places)
    return Interventions((*by_marks, *against), len(covered) + len(odd), (*notes, *learned))


def _by_places(places: Mapping[str, tuple[str, str]]) -> tuple[list[Contradiction], list[str]]:
    """The good parts that a place of their own decides about, from the place of each and the reason."""
    counts = Counter(place for place, _ in places.values() if place)
    learned = {place: count for place, count in counts.items() if count >= ONE_PLACE}
    notes = [
        f"In {count:,} good parts one and the same place, {place}, makes them defects: the model has learned it, which"
        " speaks against no label. Look for a shortcut on Bias."
        for place, count in learned.items()
    ]
    rows = [(name, why) for name, (place, why) in places.items() if place not in learned]
    return [Contradiction(name, "intervention", why) for name, why in rows], notes


def _candidates(
    classifier: Classifier,
    items: Sequence[ImageItem],
    units: NDArray[np.intp],
    predictions: Predictions,
    good: str,
    rng: np.random.Generator,
) -> tuple[list[ImageItem], list[ImageItem]]:
    """Defects with a mask, and good parts that are called a defect, the surest first; none that was learned."""
    learned = {unit for unit, item in zip(units.tolist(), items, strict=True) if item.split == "train"}
    frame = predictions.frame
    called = dict(zip(frame["name"], zip(frame["predicted"], frame["confidence"], strict=True), strict=True))
    fresh = [
        item
        for unit, item in zip(units.tolist(), items, strict=True)
        if learned and item.split in UNSEEN and unit not in learned and item.label in classifier.class_names
        and isinstance(called.get(item.name, (None, 0))[0], str)
    ]  # fmt: skip
    marked = [item for item in fresh if item.label != good and item.mask is not None]
    odd = [item for item in fresh if item.label == good and called[item.name][0] != good]
    chosen = np.sort(rng.permutation(len(marked))[:MOST_MARKED])
    odd.sort(key=lambda item: -float(called[item.name][1]))
    return [marked[i] for i in chosen], odd[:MOST_SEARCHED]


def _without_marks(classifier: Classifier, item: ImageItem, rng: np.random.Generator) -> _Covered:

    from workbench.models import ask

    image = shrunk(classifier.levels(item), COVERED_SIDE, Image.Resampling.BICUBIC)
    marks = _marks(item, image.shape[:2])
    if marks is None:
        raise InputError("The mask marks nothing, or all of the image.")
    answers = ask(classifier, [image, cover_region(image, marks, "inpaint", (), rng)])
    first, second = (classifier.class_names[column] for column in classifier.rule.decide(answers)[0])
    before, after = answers[:, classifier.index(first)].tolist()
    return _Covered(item, (first, second), before, after)


def _marks(item: ImageItem, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """What an image's mask marks, and a rim, on a copy of shape (H, W); None where that is nothing, or all."""
    from scipy.ndimage import binary_dilation

    mask = item.open_mask()
    if mask is None or not mask.any() or mask.all():
        return None
    inside = np.asarray(Image.fromarray(mask).resize((shape[1], shape[0]), Image.Resampling.NEAREST))
    return np.asarray(binary_dilation(inside, iterations=max(max(shape) // 32, 1)))


def _by_marks(covered: Sequence[_Covered], good: str) -> tuple[list[Contradiction], tuple[str, ...]]:
    """The defects that covering leaves unmoved or shows to be others, where it moves most decisions that are right."""
    right = [one for one in covered if one.decisions[0] == one.item.label]
    moved = sum(not one.unmoved for one in right)
    if len(right) < LEAST_MARKED:
        few = f"Only {len(right)} marked defects that the model did not learn from are decided as labelled"
        return [], (f"{few}: whether it decides by the marks cannot be told.",) if covered else ()
    if (wilson(moved, len(right)).low or 0) < 0.5:
        return [], (
            f"Covering what masks mark moves only {moved:,} of {len(right):,} decisions: the model does not decide by"
            " the marks, which speaks against no label. Look for a shortcut on Bias.",
        )
    usual = f"though it moves {moved:,} of {len(right):,} others"
    lines = [(one, _unmoved(one, usual)) for one in right if one.unmoved]
    others = [one for one in covered if one.decisions[0] not in (one.item.label, good) and one.decisions[1] == good]
    lines += [(one, _another(one)) for one in others if one.before - one.after >= CLEAR_FALL]
    return [Contradiction(one.item.name, "intervention", why) for one, why in lines], ()


def _unmoved(one: _Covered, usual: str) -> str:
    called = one.decisions[0]
    return (
        f"Covering what its mask marks leaves the decision at {called} (P({called}) {one.before:.2f}, then"
        f" {one.after:.2f}), {usual}: for the model what decides lies elsewhere."
    )


def _another(one: _Covered) -> str:
    called, after = one.decisions
    return (
        f"Covering what its mask marks turns the decision from {called} (P({called}) {one.before:.2f}, then"
        f" {one.after:.2f}) to {after}: for the model what is marked is {called}, not {one.item.label}."
    )


def _place_that_decides(classifier: Classifier, item: ImageItem, rng: np.random.Generator) -> tuple[str, str] | None:
    """The place that alone makes the model call a good part a defect, empty for what its mask marks, and a sentence on
    it; None where there is none."""
    from workbench.models import ask

    image = shrunk(classifier.levels(item), COVERED_SIDE, Image.Resampling.BICUBIC)
    column = classifier.index(str(item.label))
    marks = _marks(item, image.shape[:2])
    windows = _windows(*image.shape[:2]) if marks is None else [marks]
    answers = ask(classifier, [image, *(cover_region(image, place, "mean", (), rng) for place in windows)])
    called = classifier.class_names[int(classifier.rule.decide(answers[:1])[0][0])]
    place = windows[int(answers[1:, column].argmax())]
    covers = [cover_region(image, place, "patch", (), rng) for _ in range(TRIES)]
    others = [cover_region(image, elsewhere(place, place, rng, mirrored=False), "patch", (), rng) for _ in range(TRIES)]
    turned = classifier.rule.decide(ask(classifier, [*covers, *others]))[0] == column
    if called == item.label or turned[:TRIES].sum() < TRIES or turned[TRIES:].any():
        return None
    rows, columns = (np.flatnonzero(place.any(axis)) for axis in (1, 0))
    ends = zip((rows, columns), place.shape, strict=True)
    down, across = (round(50 * int(at[0] + at[-1] + 1) / size) for at, size in ends)
    at = f"{down} % down and {across} % across" if marks is None else ""
    where = f"One place, {at}," if at else "What its mask marks"
    return at, (
        f"{where} makes the model call it {called}: covered, it is {item.label} as labelled, in {TRIES} of {TRIES}"
        " covers, and covering as much elsewhere changes nothing."
    )


def _windows(height: int, width: int) -> list[NDArray[np.bool_]]:
    """Squares of the image, each half over the next, all of which cover it."""
    side = max(height // WINDOW, 1), max(width // WINDOW, 1)
    starts = [np.unique(np.linspace(0, size - own, 2 * WINDOW - 1).round().astype(int)).tolist()
              for size, own in zip((height, width), side, strict=True)]  # fmt: skip
    places = []
    for top in starts[0]:
        for left in starts[1]:
            inside = np.zeros((height, width), bool)
            inside[top : top + side[0], left : left + side[1]] = True
            places.append(inside)
    return places
