"""What each check is held against: criteria on bounds, never on estimates."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from workbench.catalog import Criteria
from workbench.files import CheckResult, Outcome


@dataclasses.dataclass(frozen=True)
class Criterion:
    """How a number of `Criteria` is applied.

    Attributes:
        results: Pattern of the names of the results that it is held against.
        words: What it asks, with {limit} in them.
        of: What is held: the "interval" of the figure, the "figure" where all cases are counted and none is drawn, or
            the "support".
        over: What a result comes to that is surely over: "fail", "warn" where it shows no fault of the model, or "own"
            where its own test decides.
    """

    results: str
    words: str
    of: Literal["interval", "figure", "support"] = "interval"
    over: Literal["fail", "warn", "own"] = "fail"


HELD_TO: Mapping[str, Criterion] = {
    "leaks": Criterion(
        "(leaks|groups) test-.*",
        "At most {limit} test images share a part or a group with training or validation images.",
        "support",
        "own",
    ),
    "labels": Criterion("label issues", "At most {limit} of the judged labels are suspected.", "figure", "warn"),
    "support": Criterion(
        "support ceiling",
        "The test split is large enough to prove, without a mistake, a rate of mistakes of at most {limit}.",
        "figure",
        "warn",
    ),
    "worst group": Criterion("gap: .*", "No two classes or groups are more than {limit} apart."),
    "maps": Criterion("maps", "At most {limit} of the maps fail their checks."),
    "fit": Criterion("fit memorised", "At most {limit} fewer are right among images that it never saw."),
    "calibration": Criterion("calibration", "A calibration error of at most {limit}."),
    "corruption": Criterion(
        "corruption: .*",
        "At most {limit} of what is caught turns at any severity, and mistakes do not rise beyond chance at severities"
        " that nobody may notice.",
        over="own",
    ),
    "overruled": Criterion("overruled", "At most {limit} of the decisions are overruled."),
}
"""By the name of the check. They hold for the bound that makes the promise: for the 95 % interval's upper end."""
FIXED: Mapping[str, str] = {
    "shortcut": "No shortcut is proven, and nothing that was searched for is left open.",
    "drift": "No difference from the images it was made for is proven.",
    "provenance": "Model, preprocessing and images are those that were recorded.",
}
"""What the other checks are held against, which no number says."""


def criterion_words(name: str, criteria: Criteria) -> str:
    """What the check `name` is held against, in a sentence."""
    if name in FIXED:
        return FIXED[name]
    limit = _limit(name, criteria)
    return HELD_TO[name].words.format(limit=f"{limit:,}" if isinstance(limit, int) else f"{100 * limit:.3g} %")


def held(name: str, results: Sequence[CheckResult], criteria: Criteria) -> tuple[CheckResult, ...]:
    """The results of a check with the verdicts that the criteria give them.

    Where a figure is surely within the criterion its result is "ok", but where its own test fails for another reason
    than the figure; where it is surely over, what `Criterion.over` says. Where the interval tells neither, a result
    that was "ok" cannot be told, and a failing one asks for a look. A result that could not be told stays so, whatever
    the criterion.

    Args:
        name: Of the check.
        results: What is known.
        criteria: What it is held against.
    """
    if name not in HELD_TO:
        return tuple(results)
    criterion, limit = HELD_TO[name], _limit(name, criteria)
    pattern = re.compile(criterion.results)
    return tuple(_held(each, criterion, limit) if pattern.fullmatch(each.check) else each for each in results)


def criteria_text(criteria: Criteria) -> str:
    """The criteria as one text, the same for the same criteria."""
    return json.dumps(criteria.model_dump(), sort_keys=True)


def criteria_digest(criteria: Criteria) -> str:
    """SHA-256 of `criteria_text`, in hex."""
    return hashlib.sha256(criteria_text(criteria).encode()).hexdigest()


def _limit(name: str, criteria: Criteria) -> int | float:
    limit: int | float = getattr(criteria, name.replace(" ", "_"))
    return limit


def _held(result: CheckResult, criterion: Criterion, limit: float) -> CheckResult:
    ends = _ends(result, criterion)
    if result.verdict == "unknown" or ends is None:
        return result
    low, high = ends
    verdict: Outcome
    if high <= limit:
        verdict = "fail" if result.verdict == "fail" and (criterion.of, criterion.over) == ("interval", "own") else "ok"
    elif criterion.over == "own":
        verdict = "unknown" if result.verdict == "ok" else result.verdict
    elif low > limit:
        verdict = criterion.over
    else:
        verdict = "unknown" if result.verdict == "ok" else "warn"
    threshold = result.threshold if criterion.of == "support" else limit
    return dataclasses.replace(result, verdict=verdict, threshold=threshold)


def _ends(result: CheckResult, criterion: Criterion) -> tuple[float, float] | None:
    """Between what the held quantity surely lies; None where it is not known."""
    if criterion.of == "support":
        return float(result.support), float(result.support)
    if criterion.of == "figure":
        return None if result.figure is None else (result.figure, result.figure)
    return None if result.low is None or result.high is None else (result.low, result.high)
