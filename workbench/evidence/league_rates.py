"""How often a league is right, as measured on networks whose reasons are known and shipped beside the code."""

from __future__ import annotations

import dataclasses
from functools import cache

from workbench.catalog import of_version, shared
from workbench.files import KINDS
from workbench.stats import Rate, wilson

LEAGUE_ERRORS = "league-errors.json"
"""Written by `tests/benchmarks/bench_league.py`: what a league said of each network, and whether that is true."""


@dataclasses.dataclass(frozen=True)
class LeagueErrors:
    """How often a league is right.

    Attributes:
        right: Of networks that provably read one place, those for which a method was put forward that is one of the two
            whose maps lie there most.
        faked: The same of such networks whose gradients were faked.
        silent: Of networks with random weights, those for which none was put forward.
    """

    right: Rate
    faked: Rate
    silent: Rate


def league_version() -> list[int]:
    """The versions of the computations that the rates hold for."""
    return [KINDS[kind].version for kind in ("league", "league round")]


@cache
def league_errors() -> LeagueErrors | None:
    """The measured rates; None where none were measured for this version of the league."""
    table = of_version(shared(LEAGUE_ERRORS), league_version())
    if table is None:
        return None
    rates = []
    for kinds in (("planted",), ("faked",), ("fresh", "redrawn")):
        right = [one["right"] for one in table["networks"] if one["kind"] in kinds]
        rates.append(wilson(sum(right), len(right)))
    return LeagueErrors(*rates)


def errors_sentence(errors: LeagueErrors | None) -> str:
    """How often a league is right, as words."""
    if errors is None:
        return "How often a league is right was not measured for this version of it."
    return (
        "How often a league is right: of small networks that provably read one place, it put one of the two methods"
        f" forward whose maps lie there most in {_counted(errors.right)}, and where their gradients were faked in"
        f" {_counted(errors.faked)}; of networks with random weights it put none forward in"
        f" {_counted(errors.silent)}. Of networks as large as those of photographs it is not known."
    )


def _counted(rate: Rate) -> str:
    low, high = (100 * float(end or 0) for end in (rate.low, rate.high))
    return f"{rate.count} of {rate.support} (95 % interval {low:.0f} to {high:.0f} %)"
