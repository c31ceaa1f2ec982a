"""Choose a threshold, on images that it is not reported on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from workbench.defects.halves import CHOSEN_ON
from workbench.defects.operating import Costs, points_of
from workbench.errors import InputError
from workbench.predictions import Cases
from workbench.stats import upper_bound

if TYPE_CHECKING:
    import pandas as pd

WAYS: Mapping[str, str] = MappingProxyType(
    {
        "cost": "the lowest cost",
        "escape": "the fewest rejected good parts with an escape rate under a ceiling",
        "overkill": "the fewest escapes with an overkill rate under a ceiling",
    }
)
"""What a threshold can be chosen for."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """A threshold and why it was chosen.

    Attributes:
        threshold: From this score on a part is rejected.
        way: One of `WAYS`.
        reason: One sentence.
    """

    threshold: float
    way: str
    reason: str


def choose(
    cases: Cases,
    way: str = "cost",
    *,
    split: str = CHOSEN_ON,
    ceiling: float | None = None,
    costs: Costs | None = None,
    level: float = 0.95,
    points: pd.DataFrame | None = None,
) -> Choice:
    """Choose a threshold.

    A ceiling holds for the rate's upper bound, not for its estimate: the exact one of Clopper and Pearson 1934,
    one-sided. As the rate only rises or only falls with the threshold, no correction for having looked at all of them
    is needed (Bates et al. 2021, "Distribution-free, risk-controlling prediction sets").

    Args:
        cases: The images to choose on.
        way: One of `WAYS`.
        split: What these images are; the test split is refused.
        ceiling: Of the escape or the overkill rate, between 0 and 1.
        costs: What mistakes cost, for the way "cost".
        level: With which confidence a ceiling holds.
        points: The operating points of the cases, where they are there already.

    Raises:
        InputError: The images are those that the result is reported on, they lack defects or good parts, or are too few
            for the ceiling.
    """
    if split != CHOSEN_ON:
        raise InputError(
            f"A threshold is not chosen on the {split} split: it would look better there than it is on new parts. "
            f"Choose it on the {CHOSEN_ON} split."
        )
    if not cases.defects or not cases.good:
        kind = "good parts" if cases.defects else "defects"
        raise InputError(
            f"No threshold can be chosen without {kind} among the labelled images: add some to the {split} split."
        )
    table = points_of(cases, costs) if points is None else points
    if way == "cost":
        return _cheapest(table)
    if way not in WAYS:
        raise InputError(f"A threshold is not chosen by {way!r}: choose {', '.join(WAYS)}.")
    if ceiling is None or not 0 < ceiling < 1:
        raise InputError(f"Choosing by the {way} rate needs a ceiling between 0 and 1: give one.")
    return _under(table, way, ceiling, level)


def _cheapest(table: pd.DataFrame) -> Choice:
    """Of equally cheap thresholds the one that can move the furthest without another decision."""
    candidates = table[table["width"] > 0]
    most = candidates["cost"].min() * (1 + 1e-9)  # the same costs are rounded differently, in whatever unit they are
    best = candidates[candidates["cost"] <= most]
    row = best.loc[best["width"].idxmax()]
    low, high = row["cost low"], row["cost high"]
    reason = f"It has the lowest cost a part: {row['cost']:.3g} (95 % interval {low:.3g} to {high:.3g})."
    if candidates["cost"].max() <= most:
        reason = (
            f"All thresholds cost the same, {row['cost']:.3g} a part: it lies in the middle of the widest gap between"
            " scores."
        )
    return Choice(float(row["threshold"]), "cost", reason)


def _under(table: pd.DataFrame, way: str, ceiling: float, level: float) -> Choice:
    column, support = (
        ("escapes", int(table["defects"].iloc[0])) if way == "escape" else ("overkill", int(table["good"].iloc[0]))
    )
    most = _most_mistakes(support, ceiling, level)
    if most is None:
        needed = math.ceil(math.log(1 - level) / math.log1p(-ceiling) - 1e-9)
        raise InputError(
            f"With {support:,} {'defects' if way == 'escape' else 'good parts'} no threshold can be shown to keep the"
            f" {way} rate under {_percent(ceiling)}: even without a single mistake among them it could be"
            f" {_percent(float(upper_bound(0, support, level)))}. At least {needed:,} are needed, or a higher ceiling."
        )
    candidates = table[table[column] <= most]
    if candidates.empty:  # of the good parts alone, for a threshold of 0 passes no defect
        raise InputError(
            f"No threshold keeps the overkill rate under {_percent(ceiling)}: {table[column].min():,} of {support:,}"
            " good parts score exactly 1 and are always rejected. Choose a higher ceiling, or train the model further."
        )
    row = candidates.iloc[-1] if way == "escape" else candidates.iloc[0]
    count = int(row[column])
    name = "escape rate" if way == "escape" else "overkill rate"
    reason = (
        f"It is the {'highest' if way == 'escape' else 'lowest'} threshold whose {name} is under {_percent(ceiling)}"
        f" with {_percent(level)} confidence: {count:,} of {support:,}, so at most"
        f" {_percent(float(upper_bound(count, support, level)))}."
    )
    return Choice(float(row["threshold"]), way, reason)


def _most_mistakes(support: int, ceiling: float, level: float) -> int | None:
    """How many mistakes leave the rate's upper bound under the ceiling; None where not even 0 do."""
    under = np.flatnonzero(upper_bound(np.arange(support), support, level) <= ceiling)
    return int(under[-1]) if len(under) else None


def _percent(share: float) -> str:
    """A share in three digits, however small: a ceiling of 0.04 % must not read as none."""
    return f"{100 * share:.3g}%"
