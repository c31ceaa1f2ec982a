"""Which everyday disturbance changes decisions at the working threshold: a sample of a set, corrupted and asked again.

After Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and perturbations";
but of decisions at a threshold, of escapes and overkill, and of each image held against itself. A corruption is applied
to the original image, as a camera would hand it over, before the model's own preprocessing.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import CORRUPTIONS, SAMPLE, SEVERITIES, ImageSet, stratify
from workbench.predictions import Predictions, factorise, groupable, known_defects, units_of
from workbench.reliability.corrupted_answers import Answers, answers_of, prune

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models import Classifier

MOST_GROUPED = 12
"""An attribute with more values is not grouped by."""
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Corrupted:
    """Decisions of M images, uncorrupted and under Q kinds of corruption at five severities.

    Attributes:
        kinds: (Q,) names in `CORRUPTIONS`.
        names: (M,) of the images that could be asked about.
        truth: (M,) column of the label; -1 where there is none that the model knows.
        clean: (M,) column decided on without a corruption.
        decisions: (M, Q, 5) columns decided on; -1 where the image cannot have the kind.
        class_names: The K classes.
        positive: Those that are defects; empty where that is not known.
        threshold: The working threshold; None where the most probable class is the decision.
        attributes: M rows: what the images can be grouped by, of few values each.
        left_out: Why images of the sample were not asked about, by name.
        unsuited: Why images cannot have a kind, by the kind's name.
        sample: How many images there are ("images"), were "drawn", with which "seed", of which "split" if of one.
        shrunk: How many of the images were larger than `corrupted_answers.CORRUPTED_EDGE` and shrunk first.
        unlike: How many are decided otherwise than the table of predictions has it, before any corruption.
        units: (M,) the independent unit of each image; None where each is one of its own.
    """

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    truth: NDArray[np.intp]
    clean: NDArray[np.intp]
    decisions: NDArray[np.intp]
    class_names: tuple[str, ...]
    positive: tuple[str, ...]
    threshold: float | None
    attributes: pd.DataFrame
    left_out: Mapping[str, str]
    unsuited: Mapping[str, str]
    sample: Mapping[str, object]
    shrunk: int = 0
    unlike: int = 0
    units: NDArray[np.intp] | None = None

    @cached_property
    def defective(self) -> NDArray[np.bool_]:
        """(M,) whether the label is that of a defect."""
        return np.isin(self.truth, self._columns)

    @property
    def good(self) -> NDArray[np.bool_]:
        """(M,) whether the label is another one, where it is known which are defects."""
        return (self.truth >= 0) & ~self.defective & bool(self.positive)

    def rejected(self, decisions: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether decisions, of any shape, are for a defect."""
        return np.isin(decisions, self._columns)

    @property
    def _columns(self) -> list[int]:
        return [self.class_names.index(name) for name in self.positive]

    @property
    def where(self) -> str:
        """Which images, as in "40 images of the test split"."""
        split = self.sample.get("split")
        images = "1 image" if len(self.names) == 1 else f"{len(self.names):,} images"
        return f"{images} of the {split} split" if split else f"{images} of the set"


def corrupted(
    classifier: Classifier,
    images: ImageSet,
    predictions: Predictions,
    kinds: Sequence[str],
    *,
    most: int = SAMPLE,
    seed: int = 0,
    folder: Path | None = None,
    batch: int | None = None,
    on_progress: Progress | None = None,
) -> Corrupted:
    """Ask about a sample of a set under some kinds of corruption at every severity.

    Args:
        classifier: The model.
        images: The set.
        predictions: What the model says of it; its rule decides, and its groups and families are the units.
        kinds: Names in `CORRUPTIONS`.
        most: How many images at most, drawn by `images.stratify`: as evenly over the classes as their numbers allow, of
            the test split where there is one.
        seed: Of the sample.
        folder: Where answers are kept image by image; None where they are not.
        batch: Images in one forward pass.
        on_progress: Called with (done, total) corrupted images; what it raises stops the work, which goes on from the
            images that are done when it is asked for again.

    Raises:
        InputError: There is no such kind, several labels can be true of one image, or no image can be asked about.
    """
    for kind in kinds:
        if kind not in CORRUPTIONS:
            raise InputError(f"There is no corruption {kind[:40]!r}: choose one of {', '.join(CORRUPTIONS)}.")
    places, facts = stratify(predictions.frame, most, seed)
    items = {place: images.by_name[predictions.frame["name"][place]] for place in places}
    cells, left, answers = len(kinds) * len(SEVERITIES), {}, dict[int, Answers]()
    for number, (place, item) in enumerate(items.items()):
        counter = _Counter(number * cells, len(items) * cells, on_progress)
        counter.tell()
        try:
            answers[place] = answers_of(classifier, item, kinds, folder, counter.step, batch)
        except InputError as error:
            left[item.name] = str(error)
    if on_progress:
        on_progress(len(items) * cells, len(items) * cells)
    if folder is not None:
        prune(folder)
    if not answers:
        raise InputError(next(iter(left.values()), "There are no images to corrupt: choose a set that holds some."))
    sample = {"images": len(predictions), "drawn": len(places), "seed": seed, "split": facts["split"]}
    ruled = dataclasses.replace(classifier, rule=predictions.rule)
    return _joined(ruled, answers, predictions, tuple(kinds), left, sample)


class _Counter:
    """Progress within the images: so many cells are done."""

    def __init__(self, done: int, total: int, on_progress: Progress | None) -> None:
        self._done, self._total, self._on_progress = done, total, on_progress

    def tell(self) -> None:
        if self._on_progress:
            self._on_progress(self._done, self._total)

    def step(self) -> None:
        self.tell()
        self._done += 1


def _joined(
    classifier: Classifier,
    answers: Mapping[int, Answers],
    predictions: Predictions,
    kinds: tuple[str, ...],
    left: Mapping[str, str],
    sample: Mapping[str, object],
) -> Corrupted:
    rows, frame, names = np.array(list(answers)), predictions.frame, predictions.class_names
    clean = _decide(classifier, np.stack([answer.clean for answer in answers.values()]))
    decisions = np.full((len(rows), len(kinds), len(SEVERITIES)), -1, np.intp)
    for row, answer in enumerate(answers.values()):
        for place, kind in enumerate(kinds):
            if kind in answer.under:
                decisions[row, place] = _decide(classifier, answer.under[kind])
    labels = frame["label"].to_numpy()[rows]
    units = units_of(frame)
    return Corrupted(
        kinds,
        tuple(frame["name"].to_numpy()[rows]),
        np.array([names.index(label) if label in names else -1 for label in labels], np.intp),
        clean,
        decisions,
        names,
        known_defects(predictions),
        predictions.rule.threshold,
        _attributes(predictions, rows),
        left,
        _reasons(answers.values(), kinds),
        sample,
        sum(answer.shrunk for answer in answers.values()),
        int((frame["predicted"].to_numpy()[rows] != np.array(names, object)[clean]).sum()),
        None if units is None else units[rows],
    )


def _decide(classifier: Classifier, logits: NDArray[np.float32]) -> NDArray[np.intp]:
    """Columns (N,) for logits (N, K), by the model's rule."""
    import torch

    return classifier.rule.decide(classifier.probabilities(torch.from_numpy(logits)).numpy())[0].astype(np.intp)


def _reasons(answers: Iterable[Answers], kinds: Sequence[str]) -> dict[str, str]:
    """Why images cannot have a kind, with how many of them."""
    counts: Counter[tuple[str, str]] = Counter()
    for answer in answers:
        counts.update((kind, answer.unsuited[kind]) for kind in kinds if kind in answer.unsuited)
    return {kind: f"{count:,} of the images cannot have it. {reason}" for (kind, reason), count in counts.items()}


def _attributes(predictions: Predictions, rows: NDArray[np.intp]) -> pd.DataFrame:
    """What the images at some rows can be grouped by: attributes of two to `MOST_GROUPED` values."""
    names = [name for name in groupable(predictions) if len(factorise(predictions.frame[name], rows)[1]) >= 2]
    few = [name for name in names if len(factorise(predictions.frame[name], rows)[1]) <= MOST_GROUPED]
    return predictions.frame.loc[rows, few].reset_index(drop=True)
