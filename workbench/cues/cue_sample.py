"""What a search for cues looks at: a sample of images by what they are called, one half to explore, one to confirm."""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import ImageItem, Pixels, digest, shrunk
from workbench.predictions import good_class, spread_over, units_among
from workbench.stats import FEW_UNITS

if TYPE_CHECKING:
    from workbench.models import Classifier
    from workbench.predictions import Predictions

EXPLORED, TRIED_ON, CONFIRMED = 24, 40, 80
"""How many images of each verdict are looked at for cues, on how many others a cue is put, and from how many it may be
taken, of which only some carry it."""
LEAST_CALLED = 20
"""Fewer images that are called so support no verdict on a class."""
LONGER_EDGE = 1024
"""Pixels of the longer side to which larger images are shrunk first."""
ROOM = 256 * 1024**2
"""Bytes of decoded images that a study holds at most."""


class Decoded:
    """Images and masks of at most `LONGER_EDGE` pixels a side, the latest held in at most `ROOM` bytes."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._held: OrderedDict[str, tuple[Pixels, NDArray[np.bool_] | None]] = OrderedDict()
        self._bytes = 0

    def __call__(self, item: ImageItem) -> tuple[Pixels, NDArray[np.bool_] | None]:
        """The image (H, W, C) and its mask (H, W), None where there is none; `InputError` where one cannot be read."""
        if item.name in self._held:
            self._held.move_to_end(item.name)
            return self._held[item.name]
        whole, mask = self._classifier.levels(item), item.open_mask()
        image = shrunk(whole, LONGER_EDGE, Image.Resampling.BICUBIC)
        if mask is not None and mask.shape != image.shape[:2]:
            size = image.shape[1], image.shape[0]
            mask = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        self._held[item.name] = image, mask
        self._bytes += image.nbytes
        while self._bytes > ROOM and len(self._held) > 1:
            self._bytes -= self._held.popitem(last=False)[1][0].nbytes
        return image, mask


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """N images of a set, what the model calls them, and which of them may be explored.

    Attributes:
        classifier: The model.
        items: The images, each readable.
        called: (N,) the index of the class that each is called.
        probabilities: (N, K).
        units: (N,) the independent unit of each.
        explore: (N,) whether cues are looked for in it; they are tried on the others, which share no unit with these.
        good: The class without a defect, None where none is known.
        decoded: Gives the pixels and the mask of an item.
        seed: Of all draws.
    """

    classifier: Classifier
    items: tuple[ImageItem, ...]
    called: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    units: NDArray[np.intp]
    explore: NDArray[np.bool_]
    good: str | None
    decoded: Decoded
    seed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that enough images are called, and enough others are not, on either side."""
        return tuple(name for name in self.classifier.class_names if self.enough(name))

    def enough(self, target: str) -> bool:
        """Whether a verdict on a class can be supported: images called so and others, explored and not."""
        own = self.called == self.classifier.index(target)
        sides = [(own, True), (own, False), (~own, True), (~own, False)]
        parts = [side & (self.explore == half) for side, half in sides]
        few = any(len(np.unique(self.units[part])) < FEW_UNITS for part in parts)
        return own.sum() >= LEAST_CALLED and (~own).sum() >= LEAST_CALLED and not few

    def explored(self, target: str, *, others: bool = False) -> list[int]:
        """Positions of the explored images that are called `target`, the surest first; those that are not instead."""
        return self._among(self.explore, target, others)

    def confirmed(self, target: str, *, others: bool = False) -> list[int]:
        """Positions of the images from which a cue may be taken, likewise; of `TRIED_ON` at most on which it is put."""
        return self._among(~self.explore, target, others)[: TRIED_ON if others else CONFIRMED]

    def _among(self, half: NDArray[np.bool_], target: str, others: bool) -> list[int]:
        column = self.classifier.index(target)
        places = np.flatnonzero(half & ((self.called == column) != others))
        if not others:
            return [int(i) for i in places[np.argsort(-self.probabilities[places, column], kind="stable")]]
        turns = [int((self.called[places[:n]] == self.called[i]).sum()) for n, i in enumerate(places)]
        return [int(i) for i in places[np.argsort(turns, kind="stable")]]  # as many of each verdict as can be

    def masks_known(self) -> bool:
        """Whether masks show where the defects lie: in at least half of the images whose label says that there is
        one."""
        faulty = [item for item in self.items if item.label is not None and item.label != self.good]
        masked = sum(item.mask is not None for item in faulty)
        return bool(faulty) and 2 * masked >= len(faulty)


def study_of(
    classifier: Classifier,
    items: Sequence[ImageItem],
    predictions: Predictions,
    *,
    units: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Study:
    """Draw the sample and deal it into halves by whole units.

    Args:
        classifier: The model.
        items: Images that it was not trained on.
        predictions: What it says of them, among others.
        units: The independent unit of each by its name; what the images say of groups and families where missing.
        seed: Of the draw; another one draws another sample.

    Raises:
        InputError: No image can be read.
    """
    rows = dict(zip(predictions.frame["name"], range(len(predictions.frame)), strict=True))
    fine = predictions.frame["error"].isna().to_numpy()
    pool = [item for item in items if item.name in rows and fine[rows[item.name]]]
    if not pool:
        raise InputError("None of the images can be read: choose other images.")
    values = predictions.probabilities[[rows[item.name] for item in pool]].astype(np.float64)
    called = classifier.rule.decide(values)[0]
    numbers = units_among(pool, units)
    numbers = np.arange(len(pool), dtype=np.intp) if numbers is None else numbers
    order = sorted(range(len(pool)), key=lambda i: digest(seed, pool[i].readable_id, pool[i].name))
    names = {pool[i].name: i for i in order}
    spread = [names[name] for name in spread_over(list(names), {pool[i].name: int(numbers[i]) for i in order})]
    explore = _explored(numbers, called, spread)
    chosen = _chosen(called, explore, spread)
    return Study(
        classifier,
        tuple(pool[i] for i in chosen),
        called[chosen],
        values[chosen],
        numbers[chosen],
        explore[chosen],
        good_class(classifier.class_names),
        Decoded(classifier),
        seed,
    )


def _explored(units: NDArray[np.intp], called: NDArray[np.intp], order: Sequence[int]) -> NDArray[np.bool_]:
    """(M,) which images may be explored: whole units, so that each verdict comes to either side as `EXPLORED` is to
    `TRIED_ON`."""
    members: dict[int, list[int]] = {}
    for i in order:
        members.setdefault(int(units[i]), []).append(i)
    count = np.zeros((2, int(called.max()) + 1))
    explore = np.zeros(len(units), bool)
    for own in members.values():
        held = np.bincount(called[own], minlength=count.shape[1])
        most = int(held.argmax())
        first = count[1, most] / EXPLORED <= count[0, most] / TRIED_ON
        count[int(first)] += held
        explore[own] = first
    return explore


def _chosen(called: NDArray[np.intp], explore: NDArray[np.bool_], order: Sequence[int]) -> NDArray[np.intp]:
    """Of each verdict and half the first, up to `EXPLORED` and `CONFIRMED`, in their order."""
    kept: Counter[tuple[int, bool]] = Counter()
    chosen = []
    for i in order:
        key = int(called[i]), bool(explore[i])
        kept[key] += 1
        if kept[key] <= (EXPLORED if key[1] else CONFIRMED):
            chosen.append(i)
    return np.array(chosen, np.intp)
