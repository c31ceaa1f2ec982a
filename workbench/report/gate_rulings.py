"""What a rule of a gate comes to: shown to hold, shown to be broken, or not enough to tell, by one-sided bounds.

A gate passes where each of its rules is shown to hold, at the level of one of them: for a model that breaks any rule
the chance to pass is at most one less the level, whatever the others are (the intersection-union test, Berger 1982,
"Multiparameter hypothesis testing and acceptance sampling"). It fails where any of them is shown to be broken, for
which that chance is shared among the rules (Bonferroni): a model that keeps to all of them fails as seldom. Between the
two lies what the images are too few to tell, and that never passes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import percent
from workbench.stats import FEW_UNITS, Rate, mean_of, paired_difference_of_units, upper_along

GateOutcome = Literal["pass", "fail", "not enough"]
Flags = NDArray[np.bool_]
Units = NDArray[np.intp] | None

OUTCOMES: dict[GateOutcome, str] = {
    "pass": "shown to hold",
    "fail": "shown to be broken",
    "not enough": "not enough to tell",
}
"""The outcomes of a rule, in words."""


@dataclasses.dataclass(frozen=True)
class Levels:
    """With which confidence one-sided bounds hold.

    Attributes:
        passing: Of a bound that must keep to a criterion for a rule to pass.
        failing: Of one that must lie beyond it for a rule to fail.
    """

    passing: float
    failing: float

    @classmethod
    def shared(cls, level: float, rules: int) -> Levels:
        """Those of a gate of so many rules, at a level together."""
        return cls(level, 1 - (1 - level) / max(rules, 1))

    def among(self, count: int) -> Levels:
        """Those of each of so many questions that one rule puts: all must hold, and any can break it."""
        return Levels(self.passing, 1 - (1 - self.failing) / max(count, 1))


@dataclasses.dataclass(frozen=True)
class Bounds:
    """A figure that is to be small.

    Attributes:
        value: The estimate.
        least: The figure is at least that, with the confidence that a failure needs.
        most: It is at most that, with the confidence that a pass needs.
        support: Images that it rests on.
        units: In how many independent units they come; None where each is taken as one.
        count: How many of them are hits; None where it is no share.
    """

    value: float
    least: float
    most: float
    support: int
    units: int | None = None
    count: int | None = None

    @property
    def few(self) -> bool:
        """Whether the units are too few for bounds of means and differences to be trusted."""
        return (self.support if self.units is None else self.units) < FEW_UNITS

    @property
    def rests_on(self) -> str:
        """As in "120 images in 40 units"."""
        images = "1 image" if self.support == 1 else f"{self.support:,} images"
        return images if self.units in (None, self.support) else f"{images} in {self.units:,} units"


@dataclasses.dataclass(frozen=True)
class Ruling:
    """What one question of a gate comes to.

    Attributes:
        rule: Its name, as in "escapes: ceiling".
        outcome: "pass" only where the rule is shown to hold; "fail" where it is shown to be broken; "not enough" where
            neither is.
        sentence: The finding with figure, bound, criterion and support.
        figure: The estimate; None where there is none.
        least: Its lower bound, with the confidence that a failure needs; None likewise.
        most: Its upper bound, with the confidence that a pass needs; None likewise.
        criterion: The most that it may be; None where no number is asked for.
        support: Images that it rests on.
        units: In how many independent units they come; None where each is taken as one.
        images: Images to look at, by name.
    """

    rule: str
    outcome: GateOutcome
    sentence: str
    figure: float | None = None
    least: float | None = None
    most: float | None = None
    criterion: float | None = None
    support: int = 0
    units: int | None = None
    images: tuple[str, ...] = ()


def untold(rule: str, sentence: str, criterion: float | None = None, support: int = 0) -> Ruling:
    """A rule of which nothing can be told, for the reason that the sentence gives."""
    return Ruling(rule, "not enough", sentence, criterion=criterion, support=support)


def outcome_of(bounds: Bounds, criterion: float) -> GateOutcome:
    """Whether a figure is shown to keep to a criterion, shown to be beyond it, or neither."""
    if bounds.most <= criterion:
        return "pass"
    return "fail" if bounds.least > criterion else "not enough"


def ruled(
    rule: str, what: str, bounds: Bounds, criterion: float, levels: Levels, form: Callable[[float], str] = percent
) -> Ruling:
    """The ruling on a figure that may be at most a criterion.

    Args:
        rule: Its name.
        what: What the figure is, in words, as in "Defects that pass".
        bounds: The figure.
        criterion: The most that it may be.
        levels: With which confidence the bounds hold.
        form: How a figure is written.
    """
    outcome = outcome_of(bounds, criterion)
    bound = f"at most {form(bounds.most)} ({_confidence(levels.passing)})" if np.isfinite(bounds.most) else "no bound"
    if outcome == "fail":
        bound = f"at least {form(bounds.least)} ({_confidence(levels.failing)})"
    counted = "" if bounds.count is None else f"{bounds.count:,} of "
    sentence = (
        f"{what}: {form(bounds.value)} ({counted}{bounds.rests_on}), {bound}; allowed are {form(criterion)}:"
        f" {OUTCOMES[outcome]}."
    )
    return Ruling(
        rule, outcome, sentence, bounds.value, bounds.least, bounds.most, criterion, bounds.support, bounds.units
    )


def points(value: float) -> str:
    """A difference of shares, as in "2.5 points"."""
    return f"{100 * value:.1f} points"


def decimals(value: float) -> str:
    """A figure without a unit, as in "0.123"."""
    return f"{value:.3f}"


def _confidence(level: float) -> str:
    return f"{100 * level:.3g} % confidence"


def share_bounds(hits: Flags, units: Units, levels: Levels) -> Bounds:
    """The bounds of a share of M cases, M at least 1: those of Clopper and Pearson 1934, by unit as `upper_along`.

    Args:
        hits: (M,) which are hits.
        units: (M,) the unit of each; each is one of its own where missing.
        levels: With which confidence they hold.
    """
    count, support = int(hits.sum()), len(hits)

    def upper(flags: Flags, level: float) -> float:
        ordered = None if units is None else units[np.argsort(~flags, kind="stable")]
        return float(upper_along(ordered, [int(flags.sum())], support, level)[0])

    most, least = upper(hits, levels.passing), 1 - upper(~hits, levels.failing)
    return Bounds(count / support, least, most, support, _number(units), count)


def change_bounds(now: Flags, before: Flags, units: Units, levels: Levels) -> Bounds:
    """The bounds of a share less that of before, of the same M cases, M at least 1: those of
    `paired_difference_of_units`.

    Args:
        now: (M,) which are hits now.
        before: (M,) which were.
        units: (M,) the unit of each; each is one of its own where missing.
        levels: With which confidence they hold.
    """
    return _ends(lambda level: paired_difference_of_units(now, before, units, level), len(now), units, levels)


def mean_bounds(values: NDArray[np.float64], units: Units, levels: Levels) -> Bounds:
    """The bounds of a mean of M values, M at least 1, by unit as `mean_of`. Arguments as for `change_bounds`."""
    return _ends(lambda level: mean_of(values, level, units), len(values), units, levels)


def _ends(rate_at: Callable[[float], Rate], support: int, units: Units, levels: Levels) -> Bounds:
    """The one-sided bounds that the ends of two-sided intervals are."""
    narrow, wide = rate_at(2 * levels.passing - 1), rate_at(2 * levels.failing - 1)
    most = np.inf if narrow.high is None or np.isnan(narrow.high) else narrow.high
    least = -np.inf if wide.low is None or np.isnan(wide.low) else wide.low
    return Bounds(float(narrow.value or 0), float(least), float(most), support, _number(units))


def _number(units: Units) -> int | None:
    return None if units is None else len(np.unique(units))
