"""Is the model fit for use: twelve checks, what each came to, and one headline over them."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Literal

from workbench.catalog import Criteria
from workbench.files import CheckResult, Outcome

Status = Literal["ok", "watch", "fail", "not yet known"]
Tone = Literal["good", "bad", "doubt"]


@dataclasses.dataclass(frozen=True)
class Check:
    """One of the twelve questions.

    Attributes:
        name: What it is called in files and in `workbench.toml`.
        title: What it is called on the screen.
        page: The stem of the file in pages/ that shows what lies behind it.
        anchor: Of the section there, "" where the page itself is meant.
    """

    name: str
    title: str
    page: str
    anchor: str = ""


CHECKS: tuple[Check, ...] = (
    Check("leaks", "Leaks between splits", "data", "leaks"),
    Check("labels", "Label issues", "data", "labels"),
    Check("support", "Support of the set", "data", "support"),
    Check("worst group", "Worst class and group", "bias", "for-whom"),
    Check("shortcut", "Shortcuts", "bias", "where-it-looks"),
    Check("maps", "Evidence of maps", "explain"),
    Check("fit", "Fit", "reliability", "fit"),
    Check("calibration", "Calibration", "reliability", "calibration"),
    Check("corruption", "Corruption", "reliability", "corruption"),
    Check("drift", "Drift", "reliability", "drift"),
    Check("provenance", "Provenance", "overview"),
    Check("overruled", "Decisions overruled", "journal"),
)
"""All of them, in the order that they are shown in."""
STATUSES: Mapping[Outcome, Status] = {"fail": "fail", "warn": "watch", "unknown": "not yet known", "ok": "ok"}
"""What the verdict of a result means for its check, the gravest first."""


@dataclasses.dataclass(frozen=True)
class Acceptance:
    """A finding that a person accepts, as the journal holds it.

    Attributes:
        name: Who accepts it.
        reason: Why.
        until: The last day that it holds.
        entry: The number of the entry in the journal.
    """

    name: str
    reason: str
    until: datetime.date
    entry: int


@dataclasses.dataclass(frozen=True)
class Standing:
    """What one check came to.

    Attributes:
        check: The check.
        status: "ok" only where all of it was looked for and nothing was found.
        result: The gravest result, whose sentence is shown; None where nobody looked.
        results: All of them.
        criterion: What it is held against, in words; "" where nothing is set.
        accepted: The acceptance that holds for this very finding; None where there is none.
    """

    check: Check
    status: Status
    result: CheckResult | None
    results: tuple[CheckResult, ...]
    criterion: str = ""
    accepted: Acceptance | None = None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """All twelve, and what they come to.

    Attributes:
        standings: In the order of `CHECKS`.
        headline: In one sentence or a few.
        tone: "good" only where every check is ok, or its finding is accepted.
    """

    standings: tuple[Standing, ...]
    headline: str
    tone: Tone


def judge(
    results: Mapping[str, Sequence[CheckResult]], criteria: Criteria, accepted: Mapping[str, Acceptance]
) -> Verdict:
    """The verdict.

    Args:
        results: What is known, by the name of the check; none where nobody looked.
        criteria: What figures are held against.
        accepted: What people accept, by the name of the check.
    """
    standings = tuple(
        _standing(check, tuple(results.get(check.name, ())), accepted.get(check.name)) for check in CHECKS
    )
    return Verdict(standings, *_headline(standings))


def _standing(check: Check, results: tuple[CheckResult, ...], accepted: Acceptance | None) -> Standing:
    if not results:
        return Standing(check, "not yet known", None, ())
    gravest = min(results, key=lambda result: tuple(STATUSES).index(result.verdict))
    status = STATUSES[gravest.verdict]
    return Standing(check, status, gravest, results, accepted=accepted if status in ("fail", "watch") else None)


def _headline(standings: Sequence[Standing]) -> tuple[str, Tone]:
    total = len(standings)
    open_ones = [each for each in standings if each.accepted is None]
    failing = [each for each in open_ones if each.status == "fail"]
    watched = sum(each.status == "watch" for each in open_ones)
    unknown = sum(each.status == "not yet known" for each in standings)
    parts = [f"{watched} to watch"] if watched else []
    parts += [f"{unknown} not yet known"] if unknown else []
    if failing:
        counts = ", ".join([f"{len(failing)} of {total} checks fail", *parts])
        return f"Not fit for use as it is: {counts}.", "bad"
    if parts:
        return f"Not shown to be fit for use: of {total} checks {', '.join(parts)}.", "doubt"
    return f"Fit for use by all {total} checks.", "good"
