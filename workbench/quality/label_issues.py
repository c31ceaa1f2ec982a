"""Which labels are probably wrong: confident learning on out-of-sample probabilities, and what contradicts a label."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.predictions import Predictions, good_class, units_of_items
from workbench.quality.held_out import by_model
from workbench.quality.label_contradictions import Contradiction, against_masks, soft_labels, twins_apart
from workbench.quality.label_interventions import Interventions, against_interventions
from workbench.quality.same_part import Families
from workbench.stats import head_probabilities

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models import Classifier

NO_LABEL = (
    "No image has a label, so none can be wrong: put the images into folders named after classes, or add a manifest"
    " with a column label."
)
FEWEST = 30
"""With fewer images of a class its labels are not judged."""
MODEL, FOLDED_HEAD = "model", "head"
"""Where a probability comes from: the loaded model, or a head on frozen features, fitted without the image's unit."""
SOURCES: Mapping[str, str] = {
    MODEL: "the loaded model, which did not learn from this image",
    FOLDED_HEAD: "a classifier on ImageNet features, fitted to other parts",
}
LABEL_COLUMNS = (
    "name", "label", "split", "flagged", "suggestion", "score", "confidence", "source", "contradiction", "twin", "why",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class LabelIssues:
    """Which labels of a set are suspected.

    Attributes:
        frame: One row a labelled image, the most suspected first: name, label, split, flagged (whether to look at it),
            suggestion (the most probable class, where that is another one; None else), score (the out-of-sample
            probability of its label; NaN where it is not judged), confidence (that of the most probable class), source
            (`MODEL` or `FOLDED_HEAD`; None), contradiction ("twins", "mask", "intervention", several of them joined by
            "and", or None), twin (the image of the same part with another label; None) and why (a sentence; empty where
            nothing is suspected).
        judged: How many labels have an out-of-sample probability.
        few: The classes with fewer than `FEWEST` images, and how many they have.
        soft: The attribute that holds labels in doubt, or None.
        doubtful: The images whose label the set itself holds in doubt, with that attribute's value: they are not
            suspected by their probability.
        masks: How many masks were held against their label.
        opposed: The verified pairs of images of one part with different labels; None where families are not known.
        notes: What could not be judged and why, sentences.
        edited: How many images were edited to see whether that contradicts their label; None where that was not tried.
        unedited: What editing could not tell and why, sentences.
    """

    frame: pd.DataFrame
    judged: int
    few: Mapping[str, int]
    soft: str | None
    doubtful: Mapping[str, float]
    masks: int
    opposed: tuple[tuple[str, str], ...] | None
    notes: tuple[str, ...] = ()
    edited: int | None = None
    unedited: tuple[str, ...] = ()

    @cached_property
    def flagged(self) -> pd.DataFrame:
        """The rows that somebody should look at."""
        return self.frame[self.frame["flagged"]].reset_index(drop=True)


def label_issues(
    items: Iterable[ImageItem],
    families: Families | None = None,
    predictions: Predictions | None = None,
    *,
    features: NDArray[np.floating] | None = None,
    classifier: Classifier | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> LabelIssues:
    """Find labels that are probably wrong.

    Confident learning (Northcutt, Jiang and Chuang 2021, by cleanlab) on probabilities by something that did not learn
    from the label. Images of the validation and test splits are judged by the model, unless another image of their part
    or group is in the training split; all others by a logistic head on `features`, fitted in folds that keep units
    whole. Each of the two is judged by itself. Verified twins with different labels, defects with an empty mask and
    good parts with a mask need no probabilities. With the model at hand, images that it did not learn from are edited
    too (`label_interventions`); that ranks behind all others.

    Args:
        items: N images.
        families: Which show one part; None where that is not known.
        predictions: What a model says of them.
        features: (N, D) of a network that never saw these labels, as `frozen_features` gives them; NaN in the rows of
            images that cannot be read.
        classifier: The model that made the predictions, where images may be edited and asked about again.
        on_progress: Called with how much is done, of how much; what it raises stops the work.

    Raises:
        InputError: No image has a label, all have the same one, or several labels are true of an image at once.
    """
    images = list(items)
    labelled = [i for i, item in enumerate(images) if item.label is not None]
    _check([images[i] for i in labelled], predictions)
    kept = [images[i] for i in labelled]
    found_soft = soft_labels(kept)
    soft, doubtful = found_soft or (None, {})
    good = good_class(dict.fromkeys(str(item.label) for item in kept))
    against, masks = against_masks(kept, good, on_progress)
    counts = Counter(str(item.label) for item in kept if item.name not in doubtful)
    few = {name: count for name, count in sorted(counts.items()) if count < FEWEST}
    few |= {str(item.label): 0 for item in kept if str(item.label) not in counts}
    classes = [name for name in sorted(counts) if name not in few]
    rows = np.array([i for i, item in enumerate(kept) if item.name not in doubtful and item.label in classes], np.intp)
    part = None if features is None else np.asarray(features)[np.array(labelled, np.intp)]
    units = units_of_items(kept, None if families is None else families.by_name)
    judgement = _Judgement.of(kept, rows, classes, units, predictions, part, on_progress)
    apart, edits = twins_apart(kept, families), _edits(classifier, kept, units, predictions, good, on_progress)
    contradictions = defaultdict[str, list[Contradiction]](list)
    for each in (*apart, *against, *edits.against):
        contradictions[each.image].append(each)
    frame = _frame(kept, classes, judgement, contradictions, _doubts(soft, doubtful))
    opposed = tuple(dict.fromkeys((min(e.image, e.twin), max(e.image, e.twin)) for e in apart if e.twin))
    judged = int(np.isfinite(judgement.values).all(1).sum()) if classes else 0
    notes = (*judgement.notes, *_few_notes(few))
    opposed_pairs = opposed if families is not None else None
    tried = None if classifier is None or predictions is None else edits.tried
    return LabelIssues(frame, judged, few, soft, doubtful, masks, opposed_pairs, notes, tried, edits.notes)


def _edits(
    classifier: Classifier | None,
    items: Sequence[ImageItem],
    units: NDArray[np.intp],
    predictions: Predictions | None,
    good: str | None,
    on_progress: Callable[[int, int], None] | None,
) -> Interventions:
    if classifier is None or predictions is None:
        return Interventions((), 0)
    return against_interventions(classifier, items, units, predictions, good, on_progress=on_progress)


def _check(items: Sequence[ImageItem], predictions: Predictions | None) -> None:
    if not items:
        raise InputError(NO_LABEL)
    if len({item.label for item in items}) == 1:
        raise InputError(
            f"All {len(items):,} labels are {items[0].label!r}: with one class, nothing tells a wrong label from a"
            " right one."
        )
    if predictions is not None and predictions.rule.thresholds is not None:
        raise InputError(
            "Several labels can be true of one image here, and no label is wrong by another: choose one of the labels"
            " to ask about it alone."
        )


def _few_notes(few: Mapping[str, int]) -> list[str]:
    return [
        f"{name}: {count:,} sure {'label' if count == 1 else 'labels'}, fewer than {FEWEST}, so they are not judged."
        for name, count in few.items()
    ]


def _doubts(soft: str | None, doubtful: Mapping[str, float]) -> dict[str, str]:
    return {name: f"Held in doubt by the set itself ({soft} {value:.2f})." for name, value in doubtful.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class _Judgement:
    """Probabilities of M images, where each comes from, and which labels they speak against.

    Attributes:
        values: (M, K); NaN in rows that are not judged.
        sources: (M,) `MODEL`, `FOLDED_HEAD` or None.
        flags: (M,) whether the label is an issue.
        notes: What could not be judged.
    """

    values: NDArray[np.float64]
    sources: NDArray[np.object_]
    flags: NDArray[np.bool_]
    notes: tuple[str, ...]

    @staticmethod
    def of(
        items: Sequence[ImageItem],
        rows: NDArray[np.intp],
        classes: Sequence[str],
        units: NDArray[np.intp],
        predictions: Predictions | None,
        features: NDArray[np.floating] | None,
        on_progress: Callable[[int, int], None] | None,
    ) -> _Judgement:
        """Judge the images at `rows`, all of `classes`."""
        size, notes = len(items), list[str]()
        values = np.full((size, len(classes)), np.nan)
        sources, flags = np.full(size, None, object), np.zeros(size, bool)
        if len(classes) < 2:
            return _Judgement(values, sources, flags, (f"Fewer than two classes have {FEWEST} sure labels.",))
        labels = np.full(size, -1, np.intp)
        labels[rows] = [classes.index(str(items[i].label)) for i in rows]
        if predictions is not None and not {*classes} <= {*predictions.class_names}:
            notes.append("The model does not know all of the labels, so it judges none of them.")
        elif predictions is not None:
            own = [items[i] for i in rows]
            table = by_model([o.name for o in own], [o.split for o in own], units[rows], predictions, classes)
            _take(values, sources, labels, rows, table, MODEL, notes)
        left = rows[[sources[i] is None for i in rows]]
        if features is None and len(left):
            notes.append(
                f"{len(left):,} labels are not judged: features of the ImageNet backbone are not computed yet."
            )
        elif features is not None and len(left):
            seen = rows[np.isfinite(features[rows]).all(1)]
            if len({*labels[seen].tolist()}) == len(classes):
                table = head_probabilities(
                    np.asarray(features[seen], np.float32), labels[seen], units[seen], on_progress
                )
                wanted = np.isin(seen, left)
                _take(values, sources, labels, seen[wanted], table[wanted], FOLDED_HEAD, notes)
            if missing := int(sum(sources[i] is None for i in left)):
                notes.append(f"{missing:,} labels are not judged: unreadable images, or too few parts of a class.")
        for source in (MODEL, FOLDED_HEAD):
            at = np.flatnonzero(sources == source)
            flags[at] = _issues(labels[at], values[at]) if len(at) else False
        return _Judgement(values, sources, flags, tuple(notes))


def _take(
    values: NDArray[np.float64],
    sources: NDArray[np.object_],
    labels: NDArray[np.intp],
    rows: NDArray[np.intp],
    table: NDArray[np.float64],
    source: str,
    notes: list[str],
) -> None:
    """Take over finite probabilities of the model where it has enough of every class, and any of the head."""
    good = np.isfinite(table).all(1)
    at = rows[good]
    counts = np.bincount(labels[at], minlength=values.shape[1])
    if source == MODEL and len(at) and counts.min() < FEWEST:
        notes.append(
            f"Of images that the model did not learn from, some class has only {counts.min():,}, fewer than {FEWEST}:"
            " their labels are judged by a head on frozen features in place of the model."
        )
        return
    values[at], sources[at] = table[good], source


def _issues(labels: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which labels confident learning prunes."""
    from cleanlab.filter import find_label_issues

    if len(np.unique(labels)) < 2:
        return np.zeros(len(labels), bool)
    mask = np.asarray(find_label_issues(labels, values, filter_by="prune_by_noise_rate", n_jobs=1), bool)
    return mask & (values.argmax(1) != labels)


def _frame(
    items: Sequence[ImageItem],
    classes: Sequence[str],
    judgement: _Judgement,
    contradictions: Mapping[str, Sequence[Contradiction]],
    doubts: Mapping[str, str],
) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for i, item in enumerate(items):
        odds, against = judgement.values[i], contradictions.get(item.name, ())
        suggestion, score, confidence, why = None, np.nan, np.nan, [each.why for each in against]
        if judgement.sources[i] is not None:
            best = int(odds.argmax())
            score, confidence = float(odds[classes.index(str(item.label))]), float(odds[best])
            suggestion = classes[best] if classes[best] != item.label else None
        if judgement.flags[i]:
            by = SOURCES[str(judgement.sources[i])]
            why.append(f"{by[0].upper()}{by[1:]}, gives {suggestion} {confidence:.0%} and {item.label} {score:.0%}.")
        if item.name in doubts:
            why.append(doubts[item.name])
        flagged = bool(judgement.flags[i] or against)
        kind = " and ".join(dict.fromkeys(each.kind for each in against)) or None
        twin = next((each.twin for each in against if each.twin), None)
        rows.append((item.name, item.label, item.split, flagged, suggestion, score, confidence, judgement.sources[i],
                     kind, twin, " ".join(why)))  # fmt: skip
    kinds = {"flagged": bool, "score": float, "confidence": float}
    frame = pd.DataFrame(rows, columns=[*LABEL_COLUMNS], dtype=object).astype(kinds)
    certain = ~frame["contradiction"].fillna("").str.contains("twins|mask")
    order = frame.assign(certain=certain, calm=~frame["flagged"])
    return frame.loc[order.sort_values(["calm", "certain", "score"], kind="stable").index].reset_index(drop=True)
