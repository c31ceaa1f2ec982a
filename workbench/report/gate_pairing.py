"""Two models on the same images: which of a set's images a gate may count, and what either model says of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet
from workbench.predictions import Independence, Predictions, defect_classes, has_defects, independence_of, units_of
from workbench.reliability import DIGITS, TrainingRecord
from workbench.texts import sentence_list

if TYPE_CHECKING:
    from workbench.models import Classifier
    from workbench.predictions import Cases

Flags = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, eq=False)
class GateSide:
    """One of the two models.

    Attributes:
        name: How it is called in sentences.
        classifier: It.
        predictions: What it says of the images that count, with their groups and families.
        record: What is known of its training; None where nothing is.
    """

    name: str
    classifier: Classifier
    predictions: Predictions
    record: TrainingRecord | None = None


@dataclasses.dataclass(frozen=True)
class Eligible:
    """The images that count.

    Attributes:
        items: They.
        left_out: Why images of the split do not count, by name.
        notes: What a reader must know of the others, one sentence each.
        learned: The images of the test split that the new model was trained or chosen on; None where no record of its
            training says, or where no split was asked for.
    """

    items: tuple[ImageItem, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    learned: tuple[str, ...] | None = None


def eligible(
    images: ImageSet,
    split: str,
    records: Mapping[str, TrainingRecord | None],
    units: Mapping[str, int] | None = None,
) -> Eligible:
    """Which images of a set count: those of the split that neither model was trained or chosen on.

    Where images of a unit (a lot, a part) trained one of the models and not the other, those of the unit that are left
    do not count either: the one would be judged on what it knows and the other on what it does not.

    Args:
        images: The set.
        split: "test" for its test split, "all" for all images.
        records: What is known of the training of either model, by the words for it.
        units: The independent unit of each image by its name, where units are known.

    Raises:
        InputError: The set has no test split, or is empty.
    """
    asked = [item for item in images if split == "all" or item.split == "test"]
    if not asked:
        raise InputError(
            'The set has no test split: deal one, or say split = "all" in the rules if neither model was trained on any'
            " of its images."
        )
    known = {name: _trained(images, record, split) for name, record in records.items()}
    trained = [names for names, _ in known.values()]
    shared = [{(units or {}).get(name) for name in names} - {None} for names in trained]
    left, both = {}, 0
    for item in asked:
        own = [name for name, (names, _) in known.items() if item.name in names]
        touched = [(units or {}).get(item.name) in those for those in shared]
        if own:
            left[item.name] = f"the record of its training says that the {' and the '.join(own)} model learned from it"
        elif len(set(touched)) > 1:
            which = next(name for name, one in zip(known, touched, strict=True) if one)
            left[item.name] = f"only the {which} model learned from other images of its group or part"
        both += not own and all(touched)
    notes = [note for _, note in known.values() if note]
    if both:
        notes.append(
            f"Of {both:,} images other images of the same group or part trained both models: of new groups the figures"
            " may be worse."
        )
    kept = tuple(item for item in asked if item.name not in left)
    learned = None
    if split == "test" and _recorded(records.get("new")):
        learned = tuple(item.name for item in asked if item.name in known["new"][0])
    return Eligible(kept, left, tuple(dict.fromkeys(notes)), learned)


def _recorded(record: TrainingRecord | None) -> bool:
    return record is not None and record.trained_on is not None


def _trained(images: ImageSet, record: TrainingRecord | None, split: str) -> tuple[set[str], str]:
    """The names of images that a model learned from or was chosen on, and what is to be said where that is unknown."""
    stated = {item.name for item in images if item.split == "train"} if split == "test" else set()
    if record is None or record.trained_on is None:
        return (
            stated,
            "Which images a model learned from is not recorded of both: that it saw none of these is unproven.",
        )
    seen = record.trained_on | record.chosen_on
    return {item.name for item in images if str(item.readable_id)[:DIGITS] in seen}, ""


@dataclasses.dataclass(frozen=True, eq=False)
class Pairing:
    """Two models on the M images that both could read.

    Attributes:
        old: The model of before.
        new: The one that is to follow it.
        items: (M,) the images.
        truth: (M,) the class of each; None where there is no label that the models know.
        old_says: (M,) the class that the old model decides on.
        new_says: (M,) likewise.
        defects: The classes that are defects; empty where that is not known.
        units: (M,) the unit of each; None where none are known.
        independence: How many units they come in, and how that is known.
        unread: Images that neither model could read, by name.
        unanswered: Images that only the new model has no answer for.
        recovered: Images that only the old one has none for.
    """

    old: GateSide
    new: GateSide
    items: tuple[ImageItem, ...]
    truth: NDArray[np.object_]
    old_says: NDArray[np.object_]
    new_says: NDArray[np.object_]
    defects: tuple[str, ...]
    units: NDArray[np.intp] | None
    independence: Independence
    unread: tuple[str, ...]
    unanswered: tuple[str, ...]
    recovered: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether both are one model with one rule: then nothing of the new one differs from the old one."""
        first, second = self.old.classifier, self.new.classifier
        return first.key == second.key and first.rule == second.rule

    @cached_property
    def labelled(self) -> Flags:
        """(M,) which images have a label that the models know."""
        return np.array([truth is not None for truth in self.truth], bool)

    @cached_property
    def defective(self) -> Flags:
        """(M,) which images show a defect by their label."""
        return np.isin(self.truth.astype(str), self.defects) & self.labelled

    @property
    def good(self) -> Flags:
        """(M,) which show none, where it is known which classes are defects."""
        return self.labelled & ~self.defective & bool(self.defects)

    def wrong(self, says: NDArray[np.object_]) -> Flags:
        """(M,) where decisions (M,) are not the label."""
        return says != self.truth

    def among(self, rows: Flags) -> NDArray[np.intp] | None:
        """The units of some rows (M,)."""
        return None if self.units is None else self.units[rows]

    def cases(self) -> Cases:
        """What the new model says of the labelled images, for the functions that count cases."""
        from workbench.predictions import Cases

        predictions = self.new.predictions
        rows = np.array([predictions.by_name[item.name] for item in self.items], np.intp)[self.labelled]
        return Cases(predictions, np.sort(rows), self.defects)


def pairing(old: GateSide, new: GateSide, items: Sequence[ImageItem], defects: Sequence[str] = ()) -> Pairing:
    """Two models on the same images; either decides by its own rule.

    Args:
        old: The model of before.
        new: The one that is to follow it.
        items: The images that count, in the order of the new model's predictions.
        defects: The classes that are defects; told from the classes and the new model's rule where none are named.

    Raises:
        InputError: The models know other classes, or such a class is none of theirs.
    """
    names = new.predictions.class_names
    if strange := sorted(set(names) ^ set(old.predictions.class_names)):
        raise InputError(
            f"Only one of the models knows {sentence_list([repr(name) for name in strange], 4)}: a gate compares models"
            " of the same classes."
        )
    frames = [side.predictions.frame.set_index("name") for side in (old, new)]
    answered = [set(frame.index[frame["error"].isna()]) for frame in frames]
    read = [item for item in items if all(item.name in those for those in answered)]
    first, second = (frame.loc[[item.name for item in read]] for frame in frames)
    truth = np.array([item.label if item.label in names else None for item in read], object)
    units = units_of(new.predictions.frame)
    places = [new.predictions.by_name[item.name] for item in read]

    def those(old_reads: bool, new_reads: bool) -> tuple[str, ...]:
        reads = old_reads, new_reads
        return tuple(item.name for item in items if tuple(item.name in names for names in answered) == reads)

    return Pairing(
        old,
        new,
        tuple(read),
        truth,
        first["predicted"].to_numpy(object),
        second["predicted"].to_numpy(object),
        _defects(new.predictions, tuple(defects)),
        None if units is None else units[places],
        independence_of(new.predictions.frame, np.array(places, np.intp)),
        those(False, False),
        those(True, False),
        those(False, True),
    )


def _defects(predictions: Predictions, named: tuple[str, ...]) -> tuple[str, ...]:
    if named:
        return defect_classes(predictions, named)
    return defect_classes(predictions) if has_defects(predictions) else ()
