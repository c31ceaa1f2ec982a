"""How often the search errs, measured on models whose cues are known, and shipped beside the code that was measured."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from workbench.bias import interval
from workbench.catalog import of_version, shared
from workbench.cues.cue import CUE_KINDS, Kind
from workbench.files import KINDS, CheckResult, Outcome
from workbench.stats import FEW_UNITS, Rate, share

SEARCH_ERRORS = "cue-errors.json"
"""Written by `tests/benchmarks/bench_cues.py`: what the search said of each held-out model."""
MOST_ACCUSED = 0.05
"""The share of sound models that a search may accuse."""
BEYOND = "On other images and networks it may err more often or less."
UNMEASURED = "How often this search errs was not measured for this version of it."


@dataclasses.dataclass(frozen=True)
class SearchErrors:
    """How often a search errs on models of which it is known what they go by; intervals allow for models that share a
    network and a set.

    Attributes:
        images: On what images, in words.
        pretrained: Whether the models learned from ImageNet first, so that only their last stage is of these images.
        accused: Of sound models, those that it accuses of any cue.
        found: Of models that go by a planted cue, those that it accuses of the class that the cue leads to.
        named: Of the same, those of which its first accusation says rightly what the cue is.
        falsely: How many sound models it accuses of each kind of cue.
        unnamed: For each family of planted cues, as "blur", how many are not found or named wrongly, of how many.
        sound: The share of its test images on which a model must be right to be counted as sound.
        decides: The share of decisions that putting a planted cue on turns in each model that is counted.
    """

    images: str
    pretrained: bool
    accused: Rate
    found: Rate
    named: Rate
    falsely: Mapping[Kind, int]
    unnamed: Mapping[str, tuple[int, int]]
    sound: float
    decides: float


def search_errors() -> list[SearchErrors]:
    """The measured error rates of this version of the search, for each sort of images; none where none were."""
    table = _measured()
    if table is None:
        return []
    return [_errors(table, images) for images in dict.fromkeys(one["images"] for one in table["models"])]


def _errors(table: Mapping[str, Any], images: str) -> SearchErrors:
    models = [one for one in table["models"] if one["images"] == images]
    sound, planted = ([one for one in models if one["planted"] == which] for which in (False, True))
    falsely = Counter(kind for one in sound for kind in one["by"])
    many = Counter(one["family"] for one in planted)
    wrong = Counter(one["family"] for one in planted if not one["named"])
    return SearchErrors(
        images,
        all(one["net"] == "pretrained" for one in models),
        _rate(sound, "accused"),
        _rate(planted, "found"),
        _rate(planted, "named"),
        {kind: falsely[kind] for kind in CUE_KINDS if falsely[kind]},
        {family: (wrong[family], many[family]) for family in many if wrong[family]},
        float(table["sound"]),
        float(table["decides"]),
    )


@cache
def _measured() -> Mapping[str, Any] | None:
    """What was said of each model; None where that is missing or of another version of the search."""
    return of_version(shared(SEARCH_ERRORS), KINDS["shortcuts"].version)


def _rate(models: Sequence[Mapping[str, Any]], key: str) -> Rate:
    return share([one[key] for one in models], np.array([one["seed"] for one in models], np.intp))


def error_words() -> str:
    """How often the search errs, and how, in sentences without markup."""
    told = [_told(rates) for rates in search_errors() if rates.accused.support]
    return f"How often this search errs. {' '.join(told)} {BEYOND}" if told else UNMEASURED


def _told(rates: SearchErrors) -> str:
    seeds, planted = rates.accused.groups or 0, rates.found.support
    found = (
        f"of {planted:,} with a planted cue that turns at least {100 * rates.decides:.0f} % of decisions it found"
        f" {_counted(rates.found)}, and named {_counted(rates.named)}, rightly."
    )
    networks = "ImageNet networks, their last stage trained" if rates.pretrained else "Small networks trained"
    parts = [
        f"{networks} on {rates.images}: of {rates.accused.support:,} sound held-out models (from {seeds:,}"
        f" seed{'s' * (seeds != 1)}) it accused {_counted(rates.accused)};"
        f" {found if planted else 'how many planted cues it finds was not measured.'}"
    ]
    if rates.falsely:
        kinds = (f"{CUE_KINDS[kind]} ({many:,})" for kind, many in rates.falsely.items())
        parts.append(f"Falsely accused: {', '.join(kinds)}.")
    if rates.unnamed:
        families = (f"{family} ({wrong:,} of {many:,})" for family, (wrong, many) in rates.unnamed.items())
        parts.append(f"Missed or named wrongly: {', '.join(families)}.")
    if seeds < FEW_UNITS:
        parts.append("Models of one seed are alike: of so few seeds no interval can be trusted.")
    return " ".join(parts)


def _counted(rate: Rate) -> str:
    return f"{rate.count:,}, or {interval(rate)}"


def errors_results() -> list[CheckResult]:
    """How often the search errs on each sort of images, as findings: "ok" only where the interval says that it accuses
    at most `MOST_ACCUSED` of sound models, "warn" where it says that it accuses more, and neither where too few seeds
    make it."""
    name = "how often this search errs"
    results: list[CheckResult] = []
    for rates in search_errors():
        accused = rates.accused
        low, high = (None, None) if (accused.groups or 0) < FEW_UNITS else (accused.low, accused.high)
        verdict: Outcome = "unknown"
        if high is not None and high <= MOST_ACCUSED:
            verdict = "ok"
        elif low is not None and low > MOST_ACCUSED:
            verdict = "warn"
        figures = accused.value, accused.low, accused.high, MOST_ACCUSED, accused.support
        results.append(CheckResult(f"{name}: {rates.images}" if results else name, verdict, _told(rates), *figures))
    return results or [CheckResult(name, "unknown", UNMEASURED, None, None, None, MOST_ACCUSED, 0)]
