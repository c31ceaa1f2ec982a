"""Is the model fit for use: twelve checks, what each came to, and one headline over them."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from workbench.catalog import Criteria
from workbench.files import CheckResult, Outcome
from workbench.predictions import Fitness
from workbench.report.criteria import criterion_words, held
from workbench.texts import shortened

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

LONGEST_SENTENCE, MOST_REASONS = 300, 4
"""Characters of a sentence in the headline, and how many stand there."""
_SENTENCES = re.compile(r"(?<=[.!?]) +(?=[A-Z])")


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
        criterion: What it is held against, in words.
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
        tone: "bad" where a check fails and that is not accepted; "good" only where every check is ok.
    """

    standings: tuple[Standing, ...]
    headline: str
    tone: Tone


def judge(
    results: Mapping[str, Sequence[CheckResult]],
    criteria: Criteria,
    accepted: Mapping[str, Acceptance],
    *,
    limits: Fitness | None = None,
) -> Verdict:
    """The verdict.

    Args:
        results: What is known, by the name of the check; none where nobody looked.
        criteria: What figures are held against.
        accepted: What people accept, by the name of the check.
        limits: Whether the model keeps the limits that are set for its mistakes; the headline then says so too.

    Example:
        >>> from workbench.catalog import Criteria
        >>> judge({}, Criteria(), {}).headline
        'Not shown to be fit for use: of 12 checks 12 are not yet known.'
    """
    standings = tuple(
        _standing(check, held(check.name, results.get(check.name, ()), criteria), criteria, accepted.get(check.name))
        for check in CHECKS
    )
    return Verdict(standings, *_headline(standings, limits))


def accepted_words(accepted: Acceptance) -> str:
    """Who accepts a finding, until when and why, in a sentence."""
    until = accepted.until.isoformat()
    return f"Accepted by {accepted.name} until {until} (entry {accepted.entry} of the journal): {accepted.reason}"


def gravest(results: Sequence[CheckResult]) -> CheckResult:
    """The gravest of some results, the first of those; at least one."""
    return min(results, key=lambda result: tuple(STATUSES).index(result.verdict))


def first_sentence(text: str, most: int = LONGEST_SENTENCE) -> str:
    """The first sentence of a finding, shortened."""
    return shortened(_SENTENCES.split(text, maxsplit=1)[0], most)


def _standing(
    check: Check, results: tuple[CheckResult, ...], criteria: Criteria, accepted: Acceptance | None
) -> Standing:
    words = criterion_words(check.name, criteria)
    if not results:
        return Standing(check, "not yet known", None, (), words)
    worst = gravest(results)
    status = STATUSES[worst.verdict]
    return Standing(check, status, worst, results, words, accepted if status in ("fail", "watch") else None)


def _headline(standings: Sequence[Standing], limits: Fitness | None) -> tuple[str, Tone]:
    """What all of it comes to. What is accepted neither fails nor asks for a look, and keeps all from being good
    without a word."""
    total = len(standings)
    open_ones = [each for each in standings if each.accepted is None]
    failing = [each for each in open_ones if each.status == "fail"]
    parts = [
        (sum(each.status == "watch" for each in open_ones), "to watch", "to watch"),
        (sum(each.status == "not yet known" for each in standings), "is not yet known", "are not yet known"),
        (total - len(open_ones), "is accepted as it is", "are accepted as they are"),
    ]
    counts = ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in parts if count)
    beyond = limits is not None and limits.tone == "bad"
    if failing or beyond:
        lead = f"{len(failing)} of {total} checks {'fails' if len(failing) == 1 else 'fail'}" if failing else ""
        said = [lead, f"of {total} checks {counts}" if counts and not failing else counts]
        reasons = [first_sentence(each.result.sentence) for each in failing if each.result is not None]
        mistakes = [] if limits is None else [limits.verdict]
        lines = [f"Not fit for use as it is: {', '.join(filter(None, said)) or 'a limit is not kept'}."]
        return " ".join([*lines, *mistakes, *reasons[:MOST_REASONS]]), "bad"
    tail = "" if limits is None else f" {limits.verdict}"
    if any(count for count, _, _ in parts[:2]):
        return f"Not shown to be fit for use: of {total} checks {counts}.{tail}", "doubt"
    if limits is not None and limits.tone != "good":
        return f"Not shown to be fit for use, though none of {total} checks is open.{tail}", "doubt"
    if counts:
        return f"Fit for use by the criteria, with what is accepted: of {total} checks {counts}.{tail}", "doubt"
    return f"Fit for use by the criteria of all {total} checks.{tail}", "good"
