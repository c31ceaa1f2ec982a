"""Do maps help: the same inspectors on the same parts, with maps and without."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.agreement.ratings import PERSON, Ratings
from workbench.agreement.study_plan import NO_MAPS, WITH_MAPS
from workbench.stats import Rate, mcnemar_of_units, mean_of, paired_difference_of_units

if TYPE_CHECKING:
    import pandas as pd

EVERYBODY = "all inspectors"


@dataclasses.dataclass(frozen=True)
class Contrast:
    """Decisions with maps less those without, of the same inspector on the same part in the same trial.

    All intervals and tests count parts, and hold for these inspectors: of others they say nothing.

    Attributes:
        name: Whose, or `EVERYBODY`.
        inspectors: How many they are.
        parts: On how many parts.
        right: Difference in the share of right decisions, above 0 where maps help.
        p_value: The chance of so large a one if maps changed nothing: McNemar's test, parts as units.
        miss: Difference in the miss rate, below 0 where maps help.
        false_alarm: Difference in the false-alarm rate, likewise.
        changed: Share of the decisions that are different with a map.
        seconds: Mean difference in the time of a decision, in seconds.
        order: Second look at a part less the first one, in the share of right decisions, whatever the arm: what was
            learned or remembered between them. Nothing where sessions are not known.
        order_p_value: Its test.
        balanced: The share of pairs in which the part was seen without a map first; None where that is not known.
    """

    name: str
    inspectors: int
    parts: int
    right: Rate
    p_value: float
    miss: Rate
    false_alarm: Rate
    changed: float
    seconds: Rate
    order: Rate
    order_p_value: float
    balanced: float | None


def contrasts(ratings: Ratings) -> tuple[Contrast, ...]:
    """That of all inspectors, then of each; none where nobody decided in both arms on parts with a reference."""
    frame = ratings.frame
    people = frame[(frame["kind"] == PERSON)].dropna(subset=["defect"])
    sides = (people[people["arm"] == arm] for arm in (WITH_MAPS, NO_MAPS))
    keys = ["inspector", "part", "trial"]
    with_maps, without = sides
    pairs = with_maps.merge(without, on=keys, suffixes=("", " without"))
    if pairs.empty:
        return ()
    names = list(dict.fromkeys(pairs["inspector"]))
    each = [_contrast(pairs[pairs["inspector"] == name], name) for name in names]
    return (_contrast(pairs, EVERYBODY), *each) if len(names) > 1 else tuple(each)


def _contrast(pairs: pd.DataFrame, name: str) -> Contrast:
    units = np.unique(pairs["part"].to_numpy(str), return_inverse=True)[1].astype(np.intp)
    defect = pairs["defect"].to_numpy(bool)
    rejects, before = (pairs[column].to_numpy(bool) for column in ("rejects", "rejects without"))
    right, right_before = rejects == defect, before == defect
    sessions, session_before = (pairs[column].to_numpy(float) for column in ("session", "session without"))
    known = sessions != session_before
    known &= np.isfinite(sessions) & np.isfinite(session_before)
    later = sessions > session_before
    second = np.where(later, right, right_before)[known]
    first = np.where(later, right_before, right)[known]
    times = (pairs["seconds"] - pairs["seconds without"]).to_numpy(float)
    timed = np.isfinite(times)
    return Contrast(
        name,
        int(pairs["inspector"].nunique()),
        int(pairs["part"].nunique()),
        paired_difference_of_units(right, right_before, units),
        mcnemar_of_units(right, right_before, units),
        _difference(~rejects, ~before, units, defect),
        _difference(rejects, before, units, ~defect),
        float((rejects != before).mean()),
        mean_of(times[timed], units=units[timed]),
        paired_difference_of_units(second, first, units[known]),
        mcnemar_of_units(second, first, units[known]),
        float(later[known].mean()) if known.any() else None,
    )


def _difference(
    first: NDArray[np.bool_], second: NDArray[np.bool_], units: NDArray[np.intp], among: NDArray[np.bool_]
) -> Rate:
    return paired_difference_of_units(first[among], second[among], units[among])
