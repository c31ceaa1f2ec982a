"""The images of a defect decision: labelled, in classes that are defects or not, and usable for the threshold."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from workbench.predictions import FAMILY, GROUP, Cases, Predictions, defect_classes, judgeable, units_of
from workbench.stats import units_or_cases

if TYPE_CHECKING:
    import pandas as pd

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
    go to neither. Where images come in units, those are dealt whole, the largest first, each to the half that has less
    of its classes; units of which any image was trained on go to neither.
    """
    frame, joined = cases.predictions.frame, cases.joined_by or (GROUP, FAMILY)
    marks = (*(joined if cases.units is not None else ()), "copies")
    units = units_or_cases(units_of(frame.assign(copies=frame["id"]), *marks), len(frame))
    unseen = cases.where(~np.isin(units, units[(frame["split"] == "train").to_numpy(dtype=bool)]))
    distinct = frame.iloc[unseen.rows].assign(unit=units[unseen.rows]).drop_duplicates("id")
    first = _every_other(distinct) if distinct["unit"].is_unique else _by_unit(distinct)
    choosing = np.isin(units, first)
    return {CHOSEN_ON: unseen.where(choosing), REPORTED_ON: unseen.where(~choosing)}


def _every_other(distinct: pd.DataFrame) -> list[int]:
    """Every other unit of each class, of images that are units of their own."""
    first: list[int] = []
    for _, group in distinct.groupby("label"):
        first += [unit for _, unit in sorted(zip(map(_digest, group["id"]), group["unit"], strict=True))][::2]
    return first


def _by_unit(distinct: pd.DataFrame) -> list[int]:
    """The units of one half, so that both have about as much of each class."""
    import pandas as pd

    counts = pd.crosstab(distinct["unit"], distinct["label"])
    digests = distinct.groupby("unit")["id"].agg(lambda ids: min(map(_digest, ids)))
    sizes = counts.sum(axis=1).to_dict()
    order = sorted(counts.index, key=lambda unit: (-sizes[unit], digests[unit]))
    shares = (counts / counts.sum()).loc[order].to_numpy()
    ahead, first = np.zeros(shares.shape[1]), []
    for unit, share in zip(order, shares, strict=True):
        side = 1 if ahead @ share <= 0 else -1
        ahead += side * share
        first += [unit] if side > 0 else []
    return first


def _digest(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()
