"""Which images a model learned from, and which it never saw: what a gap between the two can be read from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Cases, Predictions, judgeable
from workbench.reliability.training_record import DIGITS, TrainingRecord
from workbench.stats import units_or_cases

TEST, NEVER_SEEN, VALIDATION = HELD = ("test", "never seen", "validation")
"""Images that a model did not learn from, those first that chose nothing; `NEVER_SEEN` are of no such split, but by the
record of the training it saw none of them."""
PLACES = {TEST: "the test split", NEVER_SEEN: "those that it never saw", VALIDATION: "the validation split"}
Known = Literal["recorded", "stated", "elsewhere", "none"]


@dataclasses.dataclass(frozen=True, eq=False)
class Sides:
    """M images that can be judged, by what the model has to do with them.

    Attributes:
        cases: The images.
        units: (M,) the independent unit of each.
        trained: (M,) whether the model learned from it.
        held: For each of `HELD`, (M,) whether it is one of these and neither it nor another image of its unit trained.
        shared: (M,) whether it did not train, but another image of its unit, or a copy, did.
        known: How it is known: "recorded" beside the model, "stated" by the set's training split alone; "elsewhere"
            where the record names other images only, "none" where the set has no training split either.
    """

    cases: Cases
    units: NDArray[np.intp]
    trained: NDArray[np.bool_]
    held: Mapping[str, NDArray[np.bool_]]
    shared: NDArray[np.bool_]
    known: Known


def sides_of(predictions: Predictions, record: TrainingRecord | None = None) -> Sides:
    """The two sides: by the record of the training where there is one, else by the splits of the set.

    Args:
        predictions: What the model says of a set.
        record: What is known of the model's training.
    """
    cases = Cases(predictions, judgeable(predictions))
    frame = predictions.frame.iloc[cases.rows]
    split = frame["split"].where(frame["split"].notna(), "").to_numpy(str)
    ids = frame["id"].where(frame["id"].notna(), frame["name"]).to_numpy(str)
    units = units_or_cases(cases.units, len(cases))
    if record is None or record.trained_on is None:
        trained = split == "train"
        known: Known = "stated" if trained.any() else "none"
        sort = split
    else:
        short = [digest[:DIGITS] for digest in ids]
        trained, chosen = (
            np.array([d in those for d in short], bool) for those in (record.trained_on, record.chosen_on)
        )
        known = "recorded" if trained.any() else "elsewhere"
        sort = np.where(chosen, VALIDATION, np.where(np.isin(split, (TEST, VALIDATION)), split, NEVER_SEEN))
    seen = trained | np.isin(ids, ids[trained]) | np.isin(units, units[trained])
    held = {name: (sort == name) & ~seen for name in HELD}
    return Sides(cases, units, trained, held, np.isin(sort, HELD) & seen & ~trained, known)
