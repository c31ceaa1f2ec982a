"""Drift: whether new images are still those that a model was made for, held against how much lots differ anyway."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.reliability.drift_estimates import doubts_of, estimated_sides, measured_side, unjudged
from workbench.reliability.drift_foreign import Foreign, foreign_of
from workbench.reliability.drift_null import DEALS, deals_of
from workbench.reliability.drift_sides import DriftSide, asked_of, units_of_sides
from workbench.reliability.drift_tests import Progress, results_of_tests
from workbench.reliability.drift_time import over_time, time_column
from workbench.reliability.estimate import Estimates
from workbench.stats import Rate

if TYPE_CHECKING:
    import pandas as pd

DEALS_A_TEST = 40
"""Deals for each test, so that its p-value can survive the correction for all of them."""
MOST_COMPARED = 1500
"""Images of a side that are compared; of more a sample is."""


@dataclasses.dataclass(frozen=True, eq=False)
class Drift:
    """What differs between a reference and new images.

    Attributes:
        reference: What the reference is, in words.
        new: What the new images are.
        tests: A row a test: family, property, test, figure, critical (the figure from which on it would have been
            called drift), p, p adjusted, drift, effect (in words), meaning, value, low, high, reference, images, units.
        counts: Images compared: of the reference, and new.
        lots: Independent units of either side that took part in the tests.
        by_unit: Whether whole units were dealt; else each image was taken as independent.
        deals: How many deals each figure is held against, the observed one among them.
        unreadable: Images of either side that could not be read.
        same: Names of new images that are files of the reference: they are left out.
        reason: Why no verdict can be given; empty where one can.
        notes: What else must be known to read it: what was not compared, how lots were taken.
        domain: The AUC with which a linear classifier tells new from reference images; without a value where unknown.
        domain_by_lot: Whether it was tried on lots that it was not taught.
        foreign: Where the new images lie; None without an embedding.
        estimates: Of the accuracy, and of the share of defects among the images that pass.
        measured: The same where the new images have labels, and
        before: what the labels of the reference show of it.
        doubts: Why estimates are not to be trusted; empty where nothing speaks against them.
        unjudged: New images whose label is no class of the model, and those labels.
        embedded: What the embedding is of, in words.
        times: Figures over time; empty where no time is stated.
        time_from: Which column that is.
    """

    reference: str
    new: str
    tests: pd.DataFrame
    counts: tuple[int, int]
    lots: tuple[int, int]
    by_unit: bool
    deals: int
    unreadable: tuple[int, int]
    same: tuple[str, ...]
    reason: str
    notes: tuple[str, ...]
    domain: Rate
    domain_by_lot: bool
    foreign: Foreign | None
    estimates: Estimates
    measured: Mapping[str, Rate]
    before: Mapping[str, Rate]
    doubts: tuple[str, ...]
    unjudged: tuple[tuple[str, ...], tuple[str, ...]]
    embedded: str
    times: pd.DataFrame
    time_from: str

    @property
    def drifted(self) -> bool:
        """Whether any test found more than chance and the usual difference of lots explain."""
        return not self.reason and bool(self.tests["drift"].any())


def drift(
    reference: DriftSide,
    new: DriftSide,
    positive: Sequence[str] = (),
    *,
    together: bool = False,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Drift:
    """Hold new images against a reference.

    Each property is tested by dealing the images to both sides anew: whole lots where any are known, each image where
    nothing is. All tests are corrected together. New images that are files of the reference are left out.

    Args:
        reference: The images that the model was shown to work on; none that it was trained on.
        new: The new images.
        positive: The classes that are defects; none where that is not known.
        together: Whether both are parts of one set, in which a group or family of one name is the same one.
        seed: Of deals, folds and halves.
        on_progress: Called with how many tests are done, and of how many.

    Raises:
        InputError: Either side holds no image that can be read.
    """
    own = [side.readable for side in (reference, new)]
    if not own[0].any() or not own[1].any():
        raise InputError("No image of one side can be read: choose sets that hold images that can be.")
    copies = new.table["id"].isin(set(reference.table["id"][own[0]].dropna())).to_numpy(bool)
    first, second = reference.among(own[0]), new.among(own[1] & ~copies)
    same = tuple(new.table["name"][own[1] & copies])
    units, lot_note, lot_reason = units_of_sides(first, second, together)
    is_new = np.arange(len(first) + len(second)) >= len(first)
    asked, gaps = asked_of(first, second, positive)
    deals = deals_of(is_new, units, max(DEALS, DEALS_A_TEST * (len(asked) + 1)), seed)
    vectors = _together(first.vectors, second.vectors)
    reason = _all_same(same, len(second)) or lot_reason or deals.reason
    tests, domain, by_lot = results_of_tests(asked, vectors, is_new, units, deals, seed, on_progress)
    names, held = [*first.names, *second.names], len(second) > 0 and len(first) > 1
    foreign = foreign_of(vectors, is_new, units, names) if held and vectors is not None else None
    lots = (None, None) if units is None else (units[: len(first)], units[len(first) :])
    estimates = estimated_sides(first, second, lots, positive, seed)
    return Drift(
        reference.title,
        new.title,
        tests.assign(drift=False) if reason else tests,
        (len(first), len(second)),
        deals.lots,
        deals.by_unit,
        len(deals.new),
        (int((~own[0]).sum()), int((~own[1]).sum())),
        same,
        reason,
        tuple(note for note in (reference.note, new.note, lot_note, *gaps) if note),
        domain,
        by_lot,
        foreign,
        estimates,
        measured_side(second, lots[1], positive),
        measured_side(first, lots[0], positive),
        doubts_of((first, second), domain, foreign, estimates),
        unjudged(second),
        first.embedded,
        *_times((first, second), lots, positive),
    )


def _together(first: NDArray[np.floating] | None, second: NDArray[np.floating] | None) -> NDArray[np.floating] | None:
    """Both embeddings; None where either is missing, or one vector stands for all images, of which `asked_of` tells."""
    both = None if first is None or second is None else np.concatenate([first, second])
    return None if both is None or not np.ptp(both, axis=0).any() else both


def _all_same(same: tuple[str, ...], others: int) -> str:
    if same and not others:
        return f"All {len(same):,} new images are files of the reference itself: nothing new was compared."
    return ""


def _times(
    sides: tuple[DriftSide, DriftSide],
    lots: tuple[NDArray[np.intp] | None, NDArray[np.intp] | None],
    positive: Sequence[str],
) -> tuple[pd.DataFrame, str]:
    """Scores over time, of the new images or, where only the reference says when, of that; and from which column."""
    import pandas as pd

    for side, own in zip(reversed(sides), reversed(lots), strict=True):
        taken = None if side.measures is None or "taken" not in side.measures else side.measures["taken"]
        found = time_column(side.table, taken)
        frame = pd.DataFrame() if found is None else over_time(found[1], side.figures(positive), own)
        if found is not None and len(frame):
            return frame, f"{found[0]}, {side.title}"
    return pd.DataFrame(), ""
