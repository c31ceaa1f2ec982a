"""Findings that a person accepts, and the criteria that are set, as the journal holds them."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.catalog import Criteria
from workbench.files import CheckResult
from workbench.report.checks import CHECKS, Acceptance, Standing, gravest
from workbench.report.criteria import criteria_digest, criteria_text, held

if TYPE_CHECKING:
    from workbench.journal import Ruling, RulingEntry

CRITERIA_SUBJECT = "criteria"
_DIGITS = 6
"""Significant digits by which a figure is told from another: what differs less is rounding between machines."""


@dataclasses.dataclass(frozen=True)
class CriteriaSet:
    """Since when the criteria that are in force are recorded.

    Attributes:
        sentence: It in words.
        known: Whether the journal holds these very criteria.
    """

    sentence: str
    known: bool


def finding_digest(name: str, results: Sequence[CheckResult]) -> str:
    """What an acceptance holds for: SHA-256, in hex, of the check and of all that fails or asks for a look in it, with
    figures, bounds and what they are held against.

    Args:
        name: Of the check.
        results: With the verdicts that the criteria give them.
    """
    rows = [
        [each.check, each.verdict, *map(_rounded, (each.figure, each.low, each.high, each.threshold)), each.support]
        for each in results
        if each.verdict in ("fail", "warn")
    ]
    return hashlib.sha256(json.dumps([name, sorted(rows, key=repr)]).encode()).hexdigest()


def accepted(
    rulings: Iterable[RulingEntry],
    results: Mapping[str, Sequence[CheckResult]],
    criteria: Criteria,
    model: str,
    set_name: str,
    today: datetime.date | None = None,
) -> dict[str, Acceptance]:
    """What people accept of these findings, by the name of the check: an acceptance holds for a model, a set and the
    very finding, until its last day.

    Args:
        rulings: Of the journal, by rising number.
        results: What is known, by the name of the check.
        criteria: What it is held against.
        model: Digest of the model.
        set_name: What the set is called.
        today: The day that counts, in UTC; today where missing.
    """
    from workbench.journal import day_of, standing_acceptances

    day = today or datetime.datetime.now(datetime.UTC).date()
    standing = standing_acceptances(rulings, model, set_name, day)
    found = {}
    for check in CHECKS:
        own = held(check.name, results.get(check.name, ()), criteria)
        ruling = standing.get((check.name, finding_digest(check.name, own)))
        until = None if ruling is None else day_of(ruling.until)
        if ruling is not None and until is not None:
            found[check.name] = Acceptance(str(ruling.user), str(ruling.reason), until, ruling.number)
    return found


def acceptance_draft(
    standing: Standing, *, user: str, reason: str, until: datetime.date, model: str, model_name: str, set_name: str
) -> Ruling:
    """The entry that accepts what a check found; with `until` in the past it would hold for nothing.

    Raises:
        InputError: A name or a reason is missing, the day is over, or there is nothing to accept.
    """
    from workbench.errors import InputError

    if standing.status not in ("fail", "watch"):
        raise InputError(f"{standing.check.title} has no finding to accept.")
    if until < datetime.datetime.now(datetime.UTC).date():
        raise InputError(f"{until.isoformat()} is over: name a day to come.")
    of = {"model": model, "model_name": model_name, "set_name": set_name}
    return _about(standing, said="accepted", user=user, reason=reason, until=until.isoformat(), **of)


def withdrawal_draft(
    standing: Standing, *, user: str, reason: str, model: str, model_name: str, set_name: str
) -> Ruling:
    """The entry that takes the acceptance of a finding back; the acceptance stays in the journal.

    Raises:
        InputError: A name is missing, or nobody accepts what the check found.
    """
    from workbench.errors import InputError

    if standing.accepted is None:
        raise InputError(f"Nobody accepts what {standing.check.title} found: there is nothing to take back.")
    of = {"model": model, "model_name": model_name, "set_name": set_name}
    return _about(standing, said="withdrawn", user=user, reason=reason, **of)


def _about(standing: Standing, **said: str) -> Ruling:
    """A ruling on the very finding of a check."""
    from workbench.journal import Ruling

    name, results = standing.check.name, standing.results
    text, digest = gravest(results).sentence, finding_digest(name, results)
    return Ruling(about="finding", subject=name, digest=digest, text=text, **said)


def criteria_draft(criteria: Criteria, *, user: str, reason: str, model: str, model_name: str, set_name: str) -> Ruling:
    """The entry that sets the criteria. Errors as `Ruling`."""
    from workbench.journal import Ruling

    return Ruling(
        about="criteria",
        user=user,
        model=model,
        model_name=model_name,
        set_name=set_name,
        subject=CRITERIA_SUBJECT,
        digest=criteria_digest(criteria),
        said="set",
        text=criteria_text(criteria),
        reason=reason,
    )


def criteria_set(
    rulings: Iterable[RulingEntry], criteria: Criteria, set_name: str, asked: str | None = None
) -> CriteriaSet:
    """Since when the criteria in force are recorded for a set, and what that shows.

    Args:
        rulings: Of the journal, by rising number.
        criteria: Those in force.
        set_name: What the set is called.
        asked: When a model was first asked about these images as far as is known, ISO 8601; None where it is not.
    """
    own = [each for each in rulings if each.about == "criteria" and each.set_name == set_name]
    if not own:
        how = "Whether they were fixed before the test split was opened cannot be known"
        return CriteriaSet(f"No criteria are recorded in the journal for this set. {how}.", False)
    last = own[-1]
    if last.digest != criteria_digest(criteria):
        text = (
            f"The criteria in force are not those that {last.user} recorded on {last.time[:10]} (entry {last.number})"
        )
        return CriteriaSet(f"{text}: they were changed since.", False)
    unbroken = own[next(i for i in range(len(own)) if all(each.digest == last.digest for each in own[i:]))]
    text = f"These criteria are recorded since {unbroken.time[:10]} by {unbroken.user} (entry {unbroken.number})"
    if len({each.digest for each in own}) > 1:
        text += "; others were recorded before"
    if asked is None:
        why = "When the test split was first opened is not recorded: whether that was before cannot be known."
        return CriteriaSet(f"{text}. {why}", True)
    if asked[:19] < unbroken.time[:19]:
        return CriteriaSet(f"{text}: after the model was asked about these images on {asked[:10]}.", True)
    return CriteriaSet(
        f"{text}, before the model was asked about these images here on {asked[:10]}; elsewhere it may have been.", True
    )


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.{_DIGITS}g}"
