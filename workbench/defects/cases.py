"""What a defect decision is made from: one score a picture, whether it shows a defect, and which pictures may be chosen on."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InputError
from workbench.predictions import Predictions, as_scores, good_class

CHOSEN_ON, REPORTED_ON = "validation", "test"
HALVES = {CHOSEN_ON: "choosing half", REPORTED_ON: "reporting half"}
"""What the two halves are called that stand in where a set has no validation split."""


@dataclasses.dataclass(frozen=True, eq=False)
class Cases:
    """Some of the pictures of a table, each with its score.

    Attributes:
        predictions: The table of N pictures.
        positive: The classes that are defects.
        rows: (N,) which pictures these are, M of them: readable ones with a label that the model knows.
    """

    predictions: Predictions
    positive: tuple[str, ...]
    rows: NDArray[np.bool_]

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The probability of a defect, (M,)."""
        return all_scores(self.predictions, self.positive)[self.rows]

    @cached_property
    def defect(self) -> NDArray[np.bool_]:
        """Whether the ground truth is a defect, (M,)."""
        return np.asarray(self.predictions.frame["label"][self.rows].isin(self.positive).to_numpy(bool))

    @property
    def defects(self) -> int:
        """How many show a defect."""
        return int(self.defect.sum())

    @property
    def good(self) -> int:
        """How many do not."""
        return len(self.defect) - self.defects

    def where(self, rows: NDArray[np.bool_]) -> Cases:
        """Those of them that are among `rows`, (N,)."""
        return dataclasses.replace(self, rows=self.rows & rows)


def cases_of(predictions: Predictions, positive: str | Sequence[str] | None = None, rows: ArrayLike | None = None) -> Cases:
    """The labelled pictures of a table, to decide on.

    Args:
        predictions: N pictures.
        positive: The class or classes that are defects; where missing the rule's, or else all but the one whose name says that it is good.
            A rule whose class reads as good, which is a threshold for good parts, does not make it a defect.
        rows: (N,) which pictures count; all where missing.

    Raises:
        InputError: It is not known which classes are defects, or they are not the model's, or are all of them.
    """
    usable = predictions.frame["verdict"].notna().to_numpy(dtype=bool)
    chosen = usable if rows is None else usable & np.asarray(rows, dtype=bool)
    return Cases(predictions, defect_classes(predictions, positive), chosen)


def defect_classes(predictions: Predictions, positive: str | Sequence[str] | None = None) -> tuple[str, ...]:
    """The classes that are defects, in the model's order. Arguments and errors as `cases_of`."""
    names = predictions.class_names
    if positive is None:
        good = good_class(names)
        if predictions.rule.positive not in (None, good):
            return (str(predictions.rule.positive),)
        if good is None:
            raise InputError(f"None of the classes says by its name that it is good ({_listed(names)}): name those that are defects.")
        return tuple(name for name in names if name != good)
    asked = {positive} if isinstance(positive, str) else set(positive)
    if strange := sorted(asked - set(names)):
        raise InputError(f"There is no class {strange[0]!r}: the model knows {_listed(names)}.")
    if not asked or len(asked) == len(names):
        raise InputError("Some classes must be defects and some not: leave out those that are good.")
    return tuple(name for name in names if name in asked)


def all_scores(predictions: Predictions, positive: Sequence[str]) -> NDArray[np.float64]:
    """The probability of any defect, (N,): the sum over the classes that are defects; NaN where a picture could not be read."""
    columns = [predictions.class_names.index(name) for name in positive]
    return as_scores(predictions.probabilities[:, columns].astype(np.float64).sum(1).clip(0, 1))


def of_split(cases: Cases, split: str) -> Cases:
    """The pictures of one split."""
    return cases.where((cases.predictions.frame["split"] == split).to_numpy(dtype=bool))


def deal(cases: Cases) -> dict[str, Cases]:
    """Two halves of the pictures that no model was trained on, by `CHOSEN_ON` and `REPORTED_ON`, for sets without a validation split.

    Of each class every other picture in the order of a digest of its bytes goes to either half: always the same halves, no picture in
    both, and copies of one picture in the same, whatever their labels. Copies of a picture that was trained on go to neither.
    """
    frame = cases.predictions.frame
    trained = frame["split"] == "train"
    free = cases.where(~frame["id"].isin(frame["id"][trained].dropna()).to_numpy(dtype=bool) & ~trained.to_numpy(dtype=bool))
    once = frame[free.rows].drop_duplicates("id")
    first: list[str] = []
    for _, alike in once.groupby("label"):
        first += sorted(alike["id"], key=lambda digest: hashlib.sha256(str(digest).encode()).hexdigest())[::2]
    chosen = frame["id"].isin(first).to_numpy(dtype=bool)
    return {CHOSEN_ON: free.where(chosen), REPORTED_ON: free.where(~chosen)}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
