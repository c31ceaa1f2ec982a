"""How well appraisers agree: each with themselves, with one another, and with the reference.

After the Automotive Industry Action Group's "Measurement systems analysis", 4th edition, chapter III, section C. Trials
of one part are not independent, so intervals count parts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.agreement.kappas import NO_KAPPA, Kappa, cohen, fleiss
from workbench.agreement.ratings import MACHINE, PERSON, Ratings
from workbench.agreement.study_plan import NO_MAPS
from workbench.stats import Rate, share, upper_bound

if TYPE_CHECKING:
    import pandas as pd

NO_RATE = Rate(None, None, None, 0, 0)


@dataclasses.dataclass(frozen=True)
class Appraiser:
    """One appraiser in one arm.

    Attributes:
        name: Who.
        kind: `PERSON` or `MACHINE`.
        arm: `NO_MAPS`, `WITH_MAPS`, or empty where it is not stated.
        trials: How often each part was decided at most.
        decisions: How many decisions there are.
        parts: On how many parts.
        incomplete: How many of these lack a trial; they count in neither `same` nor `effective`.
        defects: How many parts are defective; 0 without a reference.
        good: How many are good.
        same: Parts on which all trials agree, of those with all trials; nothing for a single trial.
        within: Fleiss' kappa of the trials.
        effective: Parts that were right in every trial (effectiveness), of those with all trials.
        right: Decisions that were right.
        miss: Decisions that passed a defective part, of those on defective parts.
        false_alarm: Decisions that rejected a good part, of those on good parts.
        reference: Cohen's kappa against the reference.
    """

    name: str
    kind: str
    arm: str
    trials: int
    decisions: int
    parts: int
    incomplete: int
    defects: int
    good: int
    same: Rate
    within: Kappa
    effective: Rate
    right: Rate
    miss: Rate
    false_alarm: Rate
    reference: Kappa


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """The appraisers of one arm together.

    Attributes:
        arm: Which.
        people: The inspectors.
        models: The model, where it was asked.
        pairs: Cohen's kappa of each two of both, by their names, decision beside decision of one part and trial.
        between: Fleiss' kappa of all decisions of all people.
        alike: Parts on which all people agree in all trials.
        effective: Parts on which all people are right in all trials.
    """

    arm: str
    people: tuple[Appraiser, ...]
    models: tuple[Appraiser, ...]
    pairs: Mapping[tuple[str, str], Kappa]
    between: Kappa
    alike: Rate
    effective: Rate

    @cached_property
    def appraisers(self) -> tuple[Appraiser, ...]:
        """People, then the model."""
        return (*self.people, *self.models)


def exact_share(hits: NDArray[np.bool_], level: float = 0.95) -> Rate:
    """A share of independent cases with the exact interval of Clopper and Pearson 1934, "The use of confidence or
    fiducial limits illustrated in the case of the binomial"."""
    count, size = int(hits.sum()), len(hits)
    if not size:
        return NO_RATE
    tail = (1 + level) / 2
    high = float(upper_bound([count], size, tail)[0])
    low = 1 - float(upper_bound([size - count], size, tail)[0])
    return Rate(count / size, low, high, count, size)


def share_of_parts(hits: NDArray[np.bool_], units: NDArray[np.intp]) -> Rate:
    """A share of decisions, (M,), on parts, (M,), with the interval of `share`, never narrower than `exact_share`: rare
    mistakes on few parts are missed by the former alone."""
    by_unit, exact = share(hits, units), exact_share(hits)
    if by_unit.low is None or by_unit.high is None or exact.low is None or exact.high is None:
        return by_unit
    return dataclasses.replace(by_unit, low=min(by_unit.low, exact.low), high=max(by_unit.high, exact.high))


def panel(ratings: Ratings, arm: str) -> Panel:
    """All figures of one arm. The model, which sees no maps, stands beside the people of any arm."""
    frame = ratings.frame
    rows = frame[(frame["arm"] == arm) & (frame["kind"] == PERSON)]
    people = tuple(
        appraiser(ratings.of(name, PERSON, arm), name, PERSON, arm) for name in ratings.appraisers(PERSON, arm)
    )
    stood = NO_MAPS if ratings.appraisers(MACHINE, NO_MAPS) else arm
    models = tuple(
        appraiser(ratings.of(name, MACHINE, stood), name, MACHINE, arm) for name in ratings.appraisers(MACHINE, stood)
    )
    seen = {(one.name, PERSON): ratings.of(one.name, PERSON, arm) for one in people}
    seen |= {(one.name, MACHINE): ratings.of(one.name, MACHINE, stood) for one in models}
    pairs = {(a[0], b[0]): _beside(seen[a], seen[b]) for a, b in combinations(seen, 2)}
    whole = _whole(rows, max((one.trials for one in people), default=0) * len(people))
    several = whole if len(people) > 1 else whole.iloc[:0]
    return Panel(
        arm,
        people,
        models,
        pairs,
        fleiss(_counts(rows)) if len(people) > 1 else NO_KAPPA,
        exact_share(_alike(several)),
        exact_share(_all_right(several)),
    )


def appraiser(rows: pd.DataFrame, name: str, kind: str, arm: str) -> Appraiser:
    """The figures of one appraiser, from their decisions."""
    trials = int(rows.groupby("part").size().max())
    whole = _whole(rows, trials)
    parts = int(rows["part"].nunique())
    known = rows.dropna(subset=["defect"])
    rejects, defect = known["rejects"].to_numpy(bool), known["defect"].to_numpy(bool)
    units = np.unique(known["part"].to_numpy(str), return_inverse=True)[1]
    of_part = known.groupby("part")["defect"].first().to_numpy(bool)
    return Appraiser(
        name,
        kind,
        arm,
        trials,
        len(rows),
        parts,
        parts - int(whole["part"].nunique()),
        int(of_part.sum()),
        int((~of_part).sum()),
        exact_share(_alike(whole)) if trials > 1 else NO_RATE,
        fleiss(_counts(rows)) if trials > 1 else NO_KAPPA,
        exact_share(_all_right(whole)),
        share_of_parts(rejects == defect, units),
        share_of_parts(~rejects[defect], units[defect]),
        share_of_parts(rejects[~defect], units[~defect]),
        cohen(rejects.astype(np.intp), defect.astype(np.intp), units),
    )


def _whole(rows: pd.DataFrame, decisions: int) -> pd.DataFrame:
    """The rows of the parts with so many decisions."""
    return rows[rows.groupby("part")["rejects"].transform("size") == decisions]


def _counts(rows: pd.DataFrame) -> NDArray[np.intp]:
    """How many decisions on each part pass and reject it, (N, 2)."""
    by_part = rows.groupby("part")["rejects"]
    rejected = by_part.sum().to_numpy(np.intp)
    return np.stack([by_part.size().to_numpy(np.intp) - rejected, rejected], 1)


def _alike(rows: pd.DataFrame) -> NDArray[np.bool_]:
    return (rows.groupby("part")["rejects"].nunique() == 1).to_numpy(bool)


def _all_right(rows: pd.DataFrame) -> NDArray[np.bool_]:
    known = rows.dropna(subset=["defect"])
    return (known["rejects"] == known["defect"].astype(bool)).groupby(known["part"]).all().to_numpy(bool)


def _beside(first: pd.DataFrame, second: pd.DataFrame) -> Kappa:
    """The kappa of two appraisers over what both decided: the same part in the same trial."""
    both = first.merge(second, on=["part", "trial"], suffixes=("", " of second"))
    units = np.unique(both["part"].to_numpy(str), return_inverse=True)[1]
    codes, others = (both[column].to_numpy(np.intp) for column in ("rejects", "rejects of second"))
    return cohen(codes, others, units)
