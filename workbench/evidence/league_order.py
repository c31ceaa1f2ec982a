"""What a league comes to: each method's lead with its interval, whom chance explains, and who cannot be told apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.attribution import METHODS
from workbench.evidence.entrants import Entrant
from workbench.stats import FEW_UNITS, SIGNIFICANT, Rate, holm, mean_of, student

if TYPE_CHECKING:
    import pandas as pd

COMPLETE = 0.9
"""Share of the decisions of which a method must have a map to be ranked."""
TURNING = 0.1
"""Share of the decisions that must turn for at least something that is removed: else no place decides."""
REDRAWN = 19
"""Copies of the model with random weights that it is compared with: the fewest among which the best has a p-value of
5 %."""
FLAT_BELOW, NEARLY = 0.5, 0.9
"""Of the largest lead: what gradients at the image must carry not to be misleading, and what is nearly as much."""
Verdict = Literal["too few", "nothing to explain", "none", "best"]


@dataclasses.dataclass(frozen=True, eq=False)
class League:
    """The maps of a league.

    Attributes:
        frame: A row for each decision and entrant: name, label, predicted, explained, unit (-1 where units are not
            known), entrant (its title), lead and chance (as shares of the range of the score), seconds, passes, turns
            (whether the decision turned for anything that was removed) and error (empty where there is a map).
        entrants: Who entered.
        images: How many images the decisions are drawn from.
        split: Whether those are of the test split.
        by_chance: The chance of decisions that agree with the labels as well, if they had nothing to do with them; None
            where fewer than two labels are known.
    """

    frame: pd.DataFrame
    entrants: tuple[Entrant, ...]
    images: int
    split: bool
    by_chance: float | None
    by_random: float | None

    @property
    def unrelated(self) -> bool:
        """Whether the decisions agree with the labels no better than such decisions, or such a copy, do."""
        return any(p is not None and p > SIGNIFICANT for p in (self.by_chance, self.by_random))


@dataclasses.dataclass(frozen=True)
class Standing:
    """One entrant.

    Attributes:
        entrant: The method with its settings.
        lead: By how much the places that it marks most carry more of the score than those it marks least, as a share of
            the score's range, with its interval.
        chance: The same of its maps moved elsewhere.
        p_chance: The one-sided p-value for a lead no larger than that, or none at all, corrected for the number of
            entrants (Holm).
        behind: By how much its lead falls short of the largest one, of the same decisions; None for that one.
        p_behind: The one-sided p-value for not being behind it, times the number of rivals; None likewise.
        seconds: Median of a map.
        passes: Median of the evaluations of a map.
    """

    entrant: Entrant
    lead: Rate
    chance: float
    p_chance: float
    behind: Rate | None
    p_behind: float | None
    seconds: float
    passes: int

    @property
    def beats_chance(self) -> bool:
        """Whether chance would not give so large a lead."""
        return self.p_chance <= SIGNIFICANT

    @property
    def told_apart(self) -> bool:
        """Whether it is behind the best by more than chance would explain."""
        return self.p_behind is not None and self.p_behind <= SIGNIFICANT


@dataclasses.dataclass(frozen=True)
class Standings:
    """The order of a league.

    Attributes:
        rows: Those that beat chance first, of these the largest lead.
        decisions: On how many decisions it rests.
        turned: How many of them turn for anything that is removed.
        outcome: "too few" units, "nothing to explain" (the decisions turn for nothing that is removed, or have nothing
            to do with the labels), "none" beats chance, or "best".
        incomplete: Entrants without a map of `COMPLETE` of the decisions: how many they lack, and why, by their titles.
    """

    rows: tuple[Standing, ...]
    decisions: int
    units: int | None
    turned: int
    outcome: Verdict
    incomplete: Mapping[str, str]

    @property
    def as_good(self) -> tuple[Standing, ...]:
        """Those that cannot be told from the first row."""
        return tuple(row for row in self.rows[1:] if not row.told_apart)

    @property
    def tied(self) -> tuple[Standing, ...]:
        """The first row and those that beat chance and cannot be told from it; none where no method is put forward."""
        if self.outcome != "best":
            return ()
        return (self.rows[0], *(row for row in self.as_good if row.beats_chance))

    @property
    def misled(self) -> bool:
        """Whether gradients at the image mislead: none of their maps carries `FLAT_BELOW` of the largest lead.

        So it is where they are flat or noisy, and where they were faked (Anders et al. 2020). Methods that sum them up
        along a path, or over a layer, lean on the same gradients.
        """
        at_image = [
            row.lead.value or 0.0
            for row in self.rows
            if METHODS[row.entrant.method].family == "gradient" and not METHODS[row.entrant.method].complete
        ]
        return bool(at_image) and self.outcome == "best" and max(at_image) < FLAT_BELOW * (self.rows[0].lead.value or 0)

    @property
    def best(self) -> Standing | None:
        """The method that is put forward; None where that cannot be said.

        Of those that cannot be told apart by their order, it is the first whose values sum up to the change of the
        score (completeness, Sundararajan et al. 2017), which the league has checked of each map: they say how much,
        where others only say where. Where gradients mislead, it is the cheapest of those that ask the model alone and
        carry at least `NEARLY` of the largest lead: order does not see what a misled map marks beside the place.
        """
        if self.misled and (alone := self._alone):
            return alone
        complete = (row for row in self.tied if METHODS[row.entrant.method].complete)
        return next(complete, None) or next(iter(self.tied), None)

    @property
    def single(self) -> bool:
        """Whether one method is told from all others, and put forward."""
        return self.best is not None and self.best is self.rows[0] and not self.as_good

    @property
    def _alone(self) -> Standing | None:
        """The cheapest of the methods that take no gradient and are nearly as good as the first."""
        least = NEARLY * float(self.rows[0].lead.value or 0)
        rows = [
            row
            for row in self.rows
            if METHODS[row.entrant.method].family == "perturbation"
            and row.beats_chance
            and float(row.lead.value or 0) >= least
        ]
        return min(rows, key=lambda row: METHODS[row.entrant.method].cost, default=None)


def standings(result: League) -> Standings:
    """Rank a league on the decisions of which all ranked entrants have a map.

    Means have Student's interval over units. Chance explains a lead unless both the lead, and what it is beyond that of
    the same map moved elsewhere, are above zero. With 95 % confidence the method that is truly best is the first or one
    of `as_good`: it is left out only where a rival leads by more than chance allows for as many rivals (subset
    selection, Gupta 1965, "On some multiple decision (selection and ranking) rules").
    """
    frame, lacking = result.frame, {}
    total, pairs = frame["name"].nunique(), dict(zip((e.title for e in result.entrants), result.entrants, strict=True))
    for title, part in frame[frame["error"] != ""].groupby("entrant"):
        if len(part) > (1 - COMPLETE) * total:
            lacking[str(title)] = f"no map of {len(part)} of {total} decisions: {part['error'].iloc[0]}"
    ranked = frame[~frame["entrant"].isin(set(lacking))]
    whole = ranked.groupby("name")["error"].transform(lambda errors: (errors == "").all())
    ranked = ranked[whole.astype(bool)]
    wide = {name: ranked.pivot(index="name", columns="entrant", values=name) for name in ("lead", "chance")}
    decisions = ranked.drop_duplicates("name").set_index("name").loc[wide["lead"].index]
    known = len(decisions) > 0 and bool((decisions["unit"] >= 0).all())
    units = decisions["unit"].to_numpy(np.intp) if known else None
    count = len(decisions) if units is None else len(np.unique(units))
    turned = int(decisions["turns"].sum())
    rows = _ranked(ranked, wide, units, pairs) if len(decisions) > 1 else ()
    outcome: Verdict = "best" if rows and rows[0].beats_chance else "none"
    if turned < TURNING * len(decisions) or result.unrelated:
        outcome = "nothing to explain"
    if count < FEW_UNITS or not rows:
        outcome = "too few"
    return Standings(rows, len(decisions), None if units is None else count, turned, outcome, lacking)


def _ranked(
    ranked: pd.DataFrame,
    wide: Mapping[str, pd.DataFrame],
    units: NDArray[np.intp] | None,
    entrants: Mapping[str, Entrant],
) -> tuple[Standing, ...]:
    titles = wide["lead"].columns.tolist()
    leads, chances = (wide[name].to_numpy(np.float64) for name in ("lead", "chance"))
    by_chance = holm(
        [
            max(_above(mean_of(own, units=units)), _above(mean_of(own - moved, units=units)))
            for own, moved in zip(leads.T, chances.T, strict=True)
        ]
    )
    order = np.lexsort((-leads.mean(0), np.array(by_chance) > SIGNIFICANT))
    best, rows = int(order[0]), []
    for at in order.tolist():
        part = ranked[ranked["entrant"] == titles[at]]
        behind = None if at == best else mean_of(leads[:, best] - leads[:, at], units=units)
        rows.append(
            Standing(
                entrants[titles[at]],
                mean_of(leads[:, at], units=units),
                float(chances[:, at].mean()),
                float(by_chance[at]),
                behind,
                None if behind is None else min(_above(behind) * (len(titles) - 1), 1.0),
                float(part["seconds"].median()),
                int(part["passes"].median()),
            )
        )
    return tuple(rows)


def _apart(rate: Rate) -> float:
    """The two-sided p-value for a mean of zero, of the test that its interval belongs to."""
    from scipy.special import stdtr

    value, high, groups = float(rate.value or 0), float(rate.high or 0), rate.groups or rate.support
    error = (high - value) / student(0.95, groups - 1) if groups > 1 else np.nan
    if not error > 0:  # all are equal, or one unit alone
        return 1.0 if value == 0 or np.isnan(error) else 0.0
    return float(2 * stdtr(groups - 1, -abs(value) / error))


def _above(rate: Rate) -> float:
    """The one-sided p-value for a mean of no more than zero."""
    half = _apart(rate) / 2
    return half if float(rate.value or 0) > 0 else 1 - half
