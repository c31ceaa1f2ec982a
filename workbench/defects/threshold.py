"""Choose a threshold, on images that it is not reported on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.defects.halves import CHOSEN_ON
from workbench.defects.operating import Costs, in_order, points_of, steps_of
from workbench.errors import InputError
from workbench.predictions import Cases, Independence
from workbench.stats import upper_along, upper_bound

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
MOST_TESTED = 200
"""So many thresholds are tested for a ceiling where images come in units."""


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

    Where images come in units, the bound is that of `upper_along`. It does not only rise with the mistakes, for they
    also show how alike images of a unit are, so thresholds are tested in an order given beforehand, from the safe end
    until the first that fails, or from half of the ceiling where that one holds.

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
    if way == "cost":
        return _cheapest(points_of(cases, costs) if points is None else points)
    if way not in WAYS:
        raise InputError(f"A threshold is not chosen by {way!r}: choose {', '.join(WAYS)}.")
    if ceiling is None or not 0 < ceiling < 1:
        raise InputError(f"Choosing by the {way} rate needs a ceiling between 0 and 1: give one.")
    return _under(steps_of(cases) if points is None else points, way, ceiling, level, cases)


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


def _under(table: pd.DataFrame, way: str, ceiling: float, level: float, cases: Cases) -> Choice:
    escape = way == "escape"
    column, among = ("escapes", cases.defect) if escape else ("overkill", ~cases.defect)
    support, units = int(among.sum()), in_order(cases, among, cases.scores if escape else -cases.scores)
    known = cases.of(among).independence
    parts = "defects" if escape else "good parts"
    most = _most_mistakes(support, ceiling, level)
    clear = 1.0 if most is None else float(upper_along(units, 0, support, level))
    tested = _tested(table[column].to_numpy(), most, known)
    bounds = upper_along(units, tested, support, level)
    last = _last_that_holds(bounds <= ceiling, int(np.searchsorted(tested, ceiling * support / 2, "right")) - 1)
    if most is None or (last is None and clear > ceiling):
        raise InputError(_too_few(support, parts, way, ceiling, level, known, units))
    if last is None:  # of the good parts alone, for a threshold of 0 passes no defect
        raise InputError(
            f"No threshold keeps the overkill rate under {_percent(ceiling)}: {table[column].min():,} of {support:,}"
            " good parts score exactly 1 and are always rejected. Choose a higher ceiling, or train the model further."
        )
    candidates = table[table[column] <= tested[last]]
    row = candidates.iloc[-1] if escape else candidates.iloc[0]
    count = int(row[column])
    reason = (
        f"It is the {'highest' if escape else 'lowest'} threshold whose {way} rate is under {_percent(ceiling)}"
        f" with {_percent(level)} confidence: {count:,} of {support:,}{known.origin}, so at most"
        f" {_percent(float(bounds[last]))}."
    )
    return Choice(float(row["threshold"]), way, reason)


def _tested(counts: NDArray[np.int64], most: int | None, known: Independence) -> NDArray[np.int64]:
    """The numbers of mistakes that are tested, in rising order: those that hold if all images are independent; where
    they are not, of very many only `MOST_TESTED`."""
    numbers = np.unique(counts[counts <= (-1 if most is None else most)])
    if not known.origin or len(numbers) <= MOST_TESTED:
        return numbers
    return numbers[np.linspace(0, len(numbers) - 1, MOST_TESTED).round().astype(np.intp)]


def _last_that_holds(holds: NDArray[np.bool_], start: int) -> int | None:
    """The last of those that hold one after the other, from `start` where it holds, or else from the first."""
    first = start if start > 0 and holds[start] else 0
    run = int(np.argmin(np.append(holds[first:], False)))
    return first + run - 1 if run else None


def _too_few(
    support: int,
    parts: str,
    way: str,
    ceiling: float,
    level: float,
    known: Independence,
    units: NDArray[np.intp] | None,
) -> str:
    needed = math.ceil(math.log(1 - level) / math.log1p(-ceiling) - 1e-9)
    clear = _percent(float(upper_along(units, 0, support, level)))
    says = (
        f"With {support:,} {parts}{known.origin} no threshold can be shown to keep the {way} rate under"
        f" {_percent(ceiling)}: even without a single mistake among them it could be {clear}."
    )
    if not known.origin:
        return f"{says} At least {needed:,} are needed, or a higher ceiling."
    return f"{says} {needed:,} {known.unit} without a mistake are enough, or a higher ceiling."


def _most_mistakes(support: int, ceiling: float, level: float) -> int | None:
    """How many mistakes leave the rate's upper bound under the ceiling; None where not even 0 do."""
    under = np.flatnonzero(upper_bound(np.arange(support), support, level) <= ceiling)
    return int(under[-1]) if len(under) else None


def _percent(share: float) -> str:
    """A share in three digits, however small: a ceiling of 0.04 % must not read as none."""
    return f"{100 * share:.3g}%"
