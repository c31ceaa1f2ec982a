"""Would a model do without the cue? Its last layer is fitted again on images in which the cue says nothing."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.cues.cue import Cue
from workbench.cues.cue_sample import Study
from workbench.cues.transplant import LEAST_TRIED, spared, sparing
from workbench.cues.transplant_store import Past
from workbench.errors import InputError
from workbench.images import ImageItem, Pixels, digest
from workbench.predictions import units_among
from workbench.stats import Rate, head_answers, mean_of, share

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from workbench.models import Classifier

LEARNED = 120
"""Images of each label that the last layer is fitted on, at most."""
LEAST_LEARNED = 8
"""Fewer images of the class without the cue, or of others with it, say nothing of what a balanced set would do."""
REFIT_AT_ONCE = 32
"""Images in one forward pass."""
LEAST_COUNTED = 5
"""A group of fewer images counts as if it had so many, so that no single one decides."""
REFIT_HEADS = ("before", "unbalanced", "balanced")
"""The columns of decisions: the model's own, of a last layer fitted on the same images each label of which counts
alike, and of one to which the cue says nothing."""


@dataclasses.dataclass(frozen=True, eq=False)
class Refit:
    """What a last layer fitted anew decides, on confirmed images that it did not learn from.

    Attributes:
        cue: What the class was shown to go by.
        learned: How many images it was fitted on.
        frame: One row a judged image: name, unit, label, carries (the cue), misled (whether the cue speaks against the
            label: an image of the class without it, or of another with it), those of `REFIT_HEADS` (what it is called),
            and "put before", "put balanced" (what it is called with the cue put on; None where it cannot be, or is
            there).
    """

    cue: Cue
    learned: int
    frame: pd.DataFrame

    def right(self, head: str, *, misled: bool = False) -> Rate:
        """The share of judged images that a head is right about, with its interval by unit; of those that the cue
        misleads alone where wanted."""
        part = self.frame[self.frame["misled"]] if misled else self.frame
        return share((part[head] == part["label"]).to_numpy(bool), part["unit"].to_numpy(np.intp))

    def turned(self, head: str) -> Rate:
        """The share of the images that a head calls otherwise which the cue, put on, turns to its class."""
        put = self.frame[f"put {head}"]
        part = self.frame[put.notna() & (self.frame[head] != self.cue.target)]
        hits = (part[f"put {head}"] == self.cue.target).to_numpy(bool)
        return share(hits, part["unit"].to_numpy(np.intp))

    @property
    def gain(self) -> Rate:
        """By how much more of the misled images the balanced head is right about than the model."""
        part = self.frame[self.frame["misled"]]
        own: NDArray[np.float64] = (part["balanced"] == part["label"]).to_numpy(float) - (
            part["before"] == part["label"]
        ).to_numpy(float)
        return mean_of(own, units=part["unit"].to_numpy(np.intp))

    @property
    def enough(self) -> bool:
        """Whether enough images that the cue misleads could be judged to say anything."""
        return int(self.frame["misled"].sum()) >= LEAST_TRIED

    @property
    def record(self) -> Refit:
        """The same as it can be written by `workbench.files.write_value`: without the means to edit images."""
        return dataclasses.replace(self, cue=dataclasses.replace(self.cue, exchange=Past(), crop=None, inside=None))

    @property
    def mends(self) -> bool:
        """Whether the balanced head is right about more of the misled images, beyond chance."""
        return self.enough and (self.gain.low or 0) > 0


def refitted(
    study: Study,
    cue: Cue,
    pool: Sequence[ImageItem],
    *,
    units: Mapping[str, int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Refit:
    """Fit the last layer anew, each label counting as much with the cue as without it, and ask it about other images.

    Kirichenko et al. 2023, "Last layer re-training is sufficient for robustness to spurious correlations". Their groups
    are labels with and without a known attribute; here the search has found it, and tells which images show it. Beside
    it stands a layer fitted on the same images, balanced over labels alone, for fitting anew may help by itself. What
    does not mend the model so lies deeper than its last layer. All decide for the most probable class.

    Args:
        study: The sample of the search; its confirmed images are judged.
        cue: With its means to edit images, as a search gives it.
        pool: Images of the set to learn from; those that share a unit with a judged one are left out.
        units: The independent unit of each image by its name, as the study's.
        on_progress: Called with (done, total) images; what it raises stops the work.

    Raises:
        InputError: The model has no last layer that can be fitted anew, or too few images are labelled, or show the cue
            against their label.
    """
    learn, judge = _learned(study, pool, units), _judged(study)
    total, done = len(learn) + 2 * len(judge), 0

    def report() -> None:
        nonlocal done
        if on_progress:
            on_progress(done, total)
        done += 1

    own = _examples(study, learn, cue, report)
    rest = _examples(study, [study.items[place] for place in judge], cue, report)
    groups: Counter[tuple[int, bool]] = Counter(zip(own.labels.tolist(), own.carries.tolist(), strict=True))
    _check(study, cue, groups)
    return Refit(cue, len(own.labels), _frame(study, cue, judge, own, rest, groups, report))


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """M images that could be read: their places among those that were given, what goes into the last layer (M, D), the
    column of each label, and which carry the cue."""

    places: NDArray[np.intp]
    features: NDArray[np.float32]
    labels: NDArray[np.intp]
    carries: NDArray[np.bool_]


def _judged(study: Study) -> list[int]:
    names = study.classifier.class_names
    return [int(i) for i in np.flatnonzero(~study.explore) if study.items[i].label in names]


def _learned(study: Study, pool: Sequence[ImageItem], units: Mapping[str, int] | None) -> list[ImageItem]:
    """Up to `LEARNED` images of each label, drawn; none that is judged, or shares a unit with one that is."""
    kept_out = {study.items[i].name for i in np.flatnonzero(~study.explore)}
    numbers = units_among(pool, units)
    shared = (
        set() if numbers is None else {int(n) for item, n in zip(pool, numbers, strict=True) if item.name in kept_out}
    )
    taken: Counter[str] = Counter()
    chosen = []
    for place in sorted(range(len(pool)), key=lambda i: digest(study.seed, pool[i].name)):
        item = pool[place]
        apart = item.name not in kept_out and (numbers is None or int(numbers[place]) not in shared)
        if apart and item.label in study.classifier.class_names and taken[item.label] < LEARNED:
            taken[item.label] += 1
            chosen.append(item)
    return chosen


def _examples(study: Study, items: Sequence[ImageItem], cue: Cue, report: Callable[[], None]) -> Examples:
    last, places, labels, carries = LastLayer(study.classifier), [], [], []
    for place, item in enumerate(items):
        report()
        try:
            image = study.decoded(item)[0]
            last.take(image)
        except InputError:
            continue
        places.append(place)
        labels.append(study.classifier.index(str(item.label)))
        carries.append(cue.exchange.carries(image))
    return Examples(np.array(places, np.intp), last.features, np.array(labels, np.intp), np.array(carries, bool))


class LastLayer:
    """What goes into a model's last layer, and what comes out, for images that are given one by one."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._waiting: list[Tensor] = []
        self._features: list[NDArray[np.float32]] = []
        self._called: list[NDArray[np.intp]] = []

    def take(self, image: Pixels) -> None:
        """One more image. Errors as `Classifier.input`."""
        self._waiting.append(self._classifier.input(image).x)
        if len(self._waiting) == REFIT_AT_ONCE:
            self._flush()

    @property
    def features(self) -> NDArray[np.float32]:
        """(M, D) what goes into it, for all images so far; (0, 0) before the first."""
        self._flush()
        return np.concatenate(self._features) if self._features else np.zeros((0, 0), np.float32)

    @property
    def called(self) -> NDArray[np.intp]:
        """(M,) the column of the most probable class of each."""
        self._flush()
        return np.concatenate(self._called) if self._called else np.zeros(0, np.intp)

    def _flush(self) -> None:
        from workbench.audit import NO_EMBEDDING, Reading, compute, matrix

        readings = [Reading(str(number), x) for number, x in enumerate(self._waiting)]
        self._waiting = []
        table = compute(self._classifier, 0, readings, set()).table
        if table is None:
            return
        if "embedding" not in table.column_names:
            raise InputError(f"The last layer of this model cannot be fitted anew: {NO_EMBEDDING}.")
        self._features.append(matrix(table.column("embedding")))
        self._called.append(matrix(table.column("probabilities")).argmax(1))


def _check(study: Study, cue: Cue, groups: Mapping[tuple[int, bool], int]) -> None:
    column = study.classifier.index(cue.target)
    without = groups.get((column, False), 0)
    others = sum(count for (label, carries), count in groups.items() if carries and label != column)
    if min(without, others) < LEAST_LEARNED:
        raise InputError(
            f"A last layer cannot be fitted in which the cue says nothing: of the images that may be learned from,"
            f" {without} labelled “{cue.target}” do not show it, {others} of other labels do. Add images until there"
            f" are {LEAST_LEARNED} of either."
        )


def _frame(
    study: Study,
    cue: Cue,
    judge: Sequence[int],
    own: Examples,
    rest: Examples,
    groups: Mapping[tuple[int, bool], int],
    report: Callable[[], None],
) -> pd.DataFrame:
    import pandas as pd

    names, column = np.array(study.classifier.class_names, object), study.classifier.index(cue.target)
    places = [judge[place] for place in rest.places]
    rows, laid = _laid_on(study, cue, places, rest.carries, report)
    features = np.concatenate([rest.features, laid.features]) if rows else rest.features
    called = {head: names[_fitted(own, features, weights)] for head, weights in _weights(own, groups).items()}
    called["before"] = names[study.probabilities[places].argmax(1)]
    frame = pd.DataFrame({
        "name": [study.items[place].name for place in places],
        "unit": study.units[places],
        "label": names[rest.labels],
        "carries": rest.carries,
        "misled": rest.carries != (rest.labels == column),
        **{head: called[head][: len(places)] for head in REFIT_HEADS},
    })  # fmt: skip
    for head, values in (("before", names[laid.called]), ("balanced", called["balanced"][len(places) :])):
        frame[f"put {head}"] = pd.Series(values, rows, object).reindex(range(len(places)))
    return frame


def _weights(own: Examples, groups: Mapping[tuple[int, bool], int]) -> dict[str, NDArray[np.float64]]:
    """How much each example counts: so that all labels do alike, and so that each does with the cue and without it."""
    of_label = np.bincount(own.labels)[own.labels]
    pairs = zip(own.labels.tolist(), own.carries.tolist(), strict=True)
    return {"unbalanced": 1 / of_label, "balanced": np.array([1 / max(groups[pair], LEAST_COUNTED) for pair in pairs])}


def _laid_on(
    study: Study, cue: Cue, places: Sequence[int], carries: NDArray[np.bool_], report: Callable[[], None]
) -> tuple[list[int], LastLayer]:
    """The cue put on the judged images that do not show it: their rows, and what the last layer makes of them."""
    rng, rows = np.random.default_rng([study.seed, *f"refit {cue.name} {cue.target}".encode()]), []
    last = LastLayer(study.classifier)
    for row, place in enumerate(places):
        report()
        if carries[row]:
            continue
        image, mask = study.decoded(study.items[place])
        edited = cue.exchange.put(image, rng, decoy=False)
        if edited is not None:
            last.take(sparing(image, edited, spared(mask) if cue.spares else None))
            rows.append(row)
    return rows, last


def _fitted(own: Examples, features: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """The column that each of some features is called by a head fitted on the examples, whose weights are brought to a
    mean of one."""
    count = len(own.labels)
    both = np.concatenate([own.features, features])
    labels = np.concatenate([own.labels, np.zeros(len(features), np.intp)])
    answers = head_answers(both, labels, np.arange(count), np.arange(count, len(both)), weights / weights.mean())
    return np.unique(own.labels)[answers.argmax(1)]
