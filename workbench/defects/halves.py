"""The images of a defect decision: labelled, in classes that are defects or not, and usable for the threshold."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from numpy.typing import ArrayLike

from workbench.predictions import Cases, Predictions, defect_classes, judgeable

CHOSEN_ON, REPORTED_ON = "validation", "test"
HALVES = {CHOSEN_ON: "choosing half", REPORTED_ON: "reporting half"}
"""What the two halves are called that stand in where a set has no validation split."""


def cases_of(
    predictions: Predictions, positive: str | Sequence[str] | None = None, rows: ArrayLike | None = None
) -> Cases:
    """The labelled images of a table, to decide on.

    Args:
        predictions: N images.
        positive: The class or classes that are defects; where missing the rule's, or else all but the one whose name
            says that it is good. A rule whose class reads as good, which is a threshold for good parts, does not make
            it a defect.
        rows: (N,) which images count; all where missing.

    Raises:
        InputError: It is not known which classes are defects, or they are not the model's, or are all of them.
    """
    return Cases(predictions, judgeable(predictions, rows), defect_classes(predictions, positive))


def of_split(cases: Cases, split: str) -> Cases:
    """The images of one split."""
    return cases.where((cases.predictions.frame["split"] == split).to_numpy(dtype=bool))


def deal(cases: Cases) -> dict[str, Cases]:
    """Two halves of the images that no model was trained on, by `CHOSEN_ON` and `REPORTED_ON`, for sets without a
    validation split.

    Of each class every other image in the order of a digest of its bytes goes to either half: always the same halves,
    no image in both, and copies of one image in the same, whatever their labels. Copies of an image that was trained on
    go to neither.
    """
    frame = cases.predictions.frame
    trained = frame["split"] == "train"
    copies = frame["id"].isin(frame["id"][trained].dropna())
    unseen = cases.where(~(copies | trained).to_numpy(dtype=bool))
    distinct = frame.iloc[unseen.rows].drop_duplicates("id")
    first: list[str] = []
    for _, group in distinct.groupby("label"):
        first += sorted(group["id"], key=lambda digest: hashlib.sha256(str(digest).encode()).hexdigest())[::2]
    choosing = frame["id"].isin(first).to_numpy(dtype=bool)
    return {CHOSEN_ON: unseen.where(choosing), REPORTED_ON: unseen.where(~choosing)}
