"""What a cue costs at the working threshold: defects that pass, and good parts that are rejected, with and without."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from workbench.cues.cue_findings import Finding, Search
from workbench.cues.transplant import Turned
from workbench.stats import Rate, share

Mistake = Literal["escape", "overkill"]
Edit = Literal["put on", "taken away"]


@dataclasses.dataclass(frozen=True)
class Cost:
    """How often a mistake is made among the images that were tried.

    Attributes:
        mistake: "escape", of images labelled with a defect, or "overkill", of images labelled good.
        edit: What was done to them.
        before: The share of mistakes in the images as they are, by unit.
        after: The same after the edit.
        decoys: The same after its decoy.
    """

    mistake: Mistake
    edit: Edit
    before: Rate
    after: Rate
    decoys: Rate


def costs_of(search: Search, finding: Finding) -> list[Cost]:
    """What a cue costs, as far as labels say; empty where no class is known to be without a defect, or no label is."""
    if search.good is None:
        return []
    ways: list[tuple[Edit, Turned | None]] = [
        ("put on", finding.transplant.put),
        ("taken away", finding.transplant.taken),
    ]
    found = [_cost(search, way, edit, mistake) for edit, way in ways if way for mistake in ("escape", "overkill")]
    return [cost for cost in found if cost is not None]


def _cost(search: Search, way: Turned, edit: Edit, mistake: Mistake) -> Cost | None:
    frame = way.frame[way.frame["label"].isin(search.class_names)]
    frame = frame[(frame["label"] == search.good) == (mistake == "overkill")]
    if frame.empty:
        return None
    units = frame["unit"].to_numpy(np.intp)
    shares = [
        share((frame[column] == search.good).to_numpy(bool) == (mistake == "escape"), units)
        for column in ("called", "to", "decoy to")
    ]
    return Cost(mistake, edit, *shares)
