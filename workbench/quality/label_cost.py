"""What wrong labels cost: the threshold that would be chosen with the labels changed, and the mistakes there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from workbench.errors import InputError
from workbench.predictions import Predictions, all_scores, defect_classes, reaches

CHOOSING, REPORTING = "validation", "test"
"""The split that the threshold is chosen on, and that it is reported on."""
Chooser = Callable[[Predictions], float]
"""Chooses a threshold on the validation split; raises InputError where none can be chosen."""


@dataclasses.dataclass(frozen=True)
class Working:
    """A working threshold and the mistakes at it.

    Attributes:
        threshold: From this score on a part is rejected; None where none can be chosen.
        escapes: Defects of the test split that pass.
        defects: Defects of the test split.
        overkill: Good parts of the test split that are rejected.
        good: Good parts of the test split.
    """

    threshold: float | None
    escapes: int
    defects: int
    overkill: int
    good: int

    @property
    def escape_rate(self) -> float:
        """Share of the defects that pass; NaN without a defect or a threshold."""
        return self.escapes / self.defects if self.defects and self.threshold is not None else np.nan

    @property
    def overkill_rate(self) -> float:
        """Share of the good parts that are rejected; NaN without one, or without a threshold."""
        return self.overkill / self.good if self.good and self.threshold is not None else np.nan


@dataclasses.dataclass(frozen=True)
class LabelCost:
    """What changes if labels change.

    Attributes:
        images: The images whose labels would change.
        before: With the labels as they are.
        after: With them changed.
        learned: How many of them the model learned from, as training images: what they cost shows only in training
            again.
    """

    images: tuple[str, ...]
    before: Working
    after: Working
    learned: int

    @property
    def moves(self) -> float:
        """How far escape and overkill rate move together, as shares; 0 where neither is known."""
        pairs = (
            (self.before.escape_rate, self.after.escape_rate), (self.before.overkill_rate, self.after.overkill_rate)
        )  # fmt: skip
        return float(np.nansum([abs(after - before) for before, after in pairs]))

    @property
    def sentence(self) -> str:
        """What the change does, with its figures."""
        count = len(self.images)
        what = "This label moves" if count == 1 else f"These {count:,} labels move"
        before, after = self.before, self.after
        if before.threshold is None or after.threshold is None:
            when = "with the labels as they are" if before.threshold is None else "with these labels changed"
            return f"No threshold can be chosen {when}, so the cost of these labels is not known."
        rates = [
            f"the {name} rate from {_rate(*old)} to {_rate(*new)}"
            for name, old, new in (
                ("escape", (before.escapes, before.defects), (after.escapes, after.defects)),
                ("overkill", (before.overkill, before.good), (after.overkill, after.good)),
            )
            if old != new
        ]
        if np.float32(before.threshold) != np.float32(after.threshold):
            rates.insert(0, f"your threshold from {before.threshold:.3f} to {after.threshold:.3f}")
        what_of = "is a training image" if self.learned == 1 else "are training images"
        learned = f" {self.learned:,} of them {what_of}: that cost shows in training again."
        if not rates:
            return f"{what} neither the threshold nor a rate.{learned if self.learned else ''}"
        return f"{what} {_listed(rates)}.{learned if self.learned else ''}"


def label_cost(
    predictions: Predictions, changes: Mapping[str, str], choose: Chooser, positive: str | Sequence[str] | None = None
) -> LabelCost:
    """What becomes of the threshold and of the mistakes at it if labels are changed.

    Args:
        predictions: N images with the labels as they are.
        changes: The label that each image would have, by its name.
        choose: Chooses the threshold.
        positive: The class or classes that are defects, as for `defect_classes`.

    Raises:
        InputError: It is not known which classes are defects, or a name is of no image.
    """
    if unknown := [name for name in changes if name not in predictions.by_name]:
        raise InputError(f"The predictions hold no image {unknown[0]!r}: look for label issues of this set again.")
    classes = defect_classes(predictions, positive)
    rows = [predictions.by_name[name] for name in changes]
    frame = predictions.frame.copy()
    labels = frame["label"].astype(object)
    labels.iloc[rows] = list(changes.values())
    frame["label"] = labels
    changed = dataclasses.replace(predictions, frame=frame)
    learned = int((predictions.frame["split"].iloc[rows] == "train").sum())
    return LabelCost(
        tuple(changes), _working(predictions, choose, classes), _working(changed, choose, classes), learned
    )


def ranked_by_cost(
    predictions: Predictions,
    changes: Mapping[str, str],
    choose: Chooser,
    positive: str | Sequence[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, LabelCost]:
    """The cost of each change alone, the dearest first. Arguments and errors as `label_cost`."""
    frame, costs = predictions.frame, {}
    kept = _kept(choose, predictions)
    for done, (name, label) in enumerate(changes.items(), 1):
        row = predictions.by_name.get(name)
        chooses = row is not None and frame["split"].iloc[row] == CHOOSING
        costs[name] = label_cost(predictions, {name: label}, choose if chooses else kept, positive)
        if on_progress is not None:
            on_progress(done, len(changes))
    return dict(sorted(costs.items(), key=lambda pair: -pair[1].moves))


def _kept(choose: Chooser, predictions: Predictions) -> Chooser:
    """A chooser that knows the threshold already: of changes that leave the validation split as it is."""
    try:
        threshold = choose(predictions)
    except InputError:
        return choose
    return lambda _: threshold


def _working(predictions: Predictions, choose: Chooser, positive: Sequence[str]) -> Working:
    frame = predictions.frame
    labelled = frame["label"].isin(predictions.class_names).to_numpy(bool)
    reported = labelled & (frame["split"] == REPORTING).to_numpy(bool) & frame["error"].isna().to_numpy(bool)
    defect = frame["label"].isin(list(positive)).to_numpy(bool)
    defects, good = int((reported & defect).sum()), int((reported & ~defect).sum())
    try:
        threshold = choose(predictions)
    except InputError:
        return Working(None, 0, defects, 0, good)
    rejected = reaches(all_scores(predictions, positive), threshold)
    escapes, overkill = int((reported & defect & ~rejected).sum()), int((reported & ~defect & rejected).sum())
    return Working(float(threshold), escapes, defects, overkill, good)


def _rate(count: int, support: int) -> str:
    return f"{count / support:.1%} ({count:,} of {support:,})" if support else "unknown (none)"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
