"""How often the search errs, measured on models whose cues are known, and shipped beside the code that was measured."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from workbench.bias import interval
from workbench.catalog import shared
from workbench.files import KINDS, CheckResult, Outcome
from workbench.stats import FEW_UNITS, Rate, share

SEARCH_ERRORS = "cue-errors.json"
"""Written by `tests/benchmarks/bench_cues.py`: what the search said of each held-out model."""
MOST_ACCUSED = 0.05
"""The share of sound models that a search may accuse."""
UNMEASURED = "How often this search errs was not measured for this version of it."


@dataclasses.dataclass(frozen=True)
class SearchErrors:
    """How often a search errs on models of which it is known what they go by; intervals allow for models that share a
    network and a set.

    Attributes:
        accused: Of sound models, those that it accuses of any cue.
        found: Of models that go by a planted cue, those that it accuses of the class that the cue leads to.
        named: Of the same, those of which its first accusation says rightly what the cue is.
        sound: The share of its test images on which a model must be right to be counted as sound.
        decides: The share of decisions that putting a planted cue on turns in each model that is counted.
        images: On what images, in words.
    """

    accused: Rate
    found: Rate
    named: Rate
    sound: float
    decides: float
    images: str


def search_errors(family: str | None = None) -> SearchErrors | None:
    """The measured error rates of the search.

    Args:
        family: Of one family of planted cues, as "blur"; of all where missing.

    Returns:
        The rates, or None where none were measured for this version of the search.
    """
    table = _measured()
    if table is None:
        return None
    models = [one for one in table["models"] if family in (None, one["family"])]
    sound = [one for one in models if not one["planted"]]
    planted = [one for one in models if one["planted"]]
    return SearchErrors(
        _rate(sound, "accused"),
        _rate(planted, "found"),
        _rate(planted, "named"),
        float(table["sound"]),
        float(table["decides"]),
        str(table["images"]),
    )


@cache
def _measured() -> Mapping[str, Any] | None:
    """What was said of each model; None where that is missing or of another version of the search."""
    path = shared(SEARCH_ERRORS)
    if not path.exists():
        return None
    table: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table if table["version"] == KINDS["shortcuts"].version else None


def _rate(models: Sequence[Mapping[str, Any]], key: str) -> Rate:
    return share([one[key] for one in models], np.array([one["seed"] for one in models], np.intp))


def error_words() -> str:
    """How often the search errs, in sentences without markup."""
    rates = search_errors()
    if rates is None or not rates.accused.support:
        return UNMEASURED
    seeds, planted = rates.accused.groups or 0, rates.found.support
    found = (
        f"of {planted:,} with a planted cue that turns at least {100 * rates.decides:.0f} % of decisions it found"
        f" {_counted(rates.found)}, and named {_counted(rates.named)}, rightly."
    )
    few = " Models of one seed are alike: of so few seeds no interval can be trusted." if seeds < FEW_UNITS else ""
    return (
        f"How often this search errs: of {rates.accused.support:,} sound held-out models (small networks on"
        f" {rates.images}, from {seeds:,} seed{'s' * (seeds != 1)}) it accused {_counted(rates.accused)};"
        f" {found if planted else 'how many planted cues it finds was not measured.'}{few}"
    )


def _counted(rate: Rate) -> str:
    return f"{rate.count:,}, or {interval(rate)}"


def errors_result() -> CheckResult:
    """How often the search errs, as a finding: "ok" only where the interval says that it accuses at most `MOST_ACCUSED`
    of sound models, "warn" where it says that it accuses more, and neither where too few seeds make it."""
    rates = search_errors()
    accused = rates.accused if rates else Rate(None, None, None, 0, 0)
    low, high = (None, None) if (accused.groups or 0) < FEW_UNITS else (accused.low, accused.high)
    verdict: Outcome = "unknown"
    if high is not None and high <= MOST_ACCUSED:
        verdict = "ok"
    elif low is not None and low > MOST_ACCUSED:
        verdict = "warn"
    name = "how often this search errs"
    figures = accused.value, accused.low, accused.high, MOST_ACCUSED, accused.support
    return CheckResult(name, verdict, error_words(), *figures)
