"""Rulings in the journal: findings that a person accepts, and the criteria that a verdict is held against."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping

from workbench.errors import InputError
from workbench.journal.entries import DIGEST, LENGTHS, Chained

RULED: Mapping[str, tuple[str, ...]] = {"finding": ("accepted", "withdrawn"), "criteria": ("set",)}
"""What a ruling may say, by what it is about. "withdrawn" takes an acceptance back."""
RULING_LIMITS: Mapping[str, int] = {
    "user": LENGTHS["user"], "model_name": LENGTHS["model_name"], "set_name": LENGTHS["set_name"],
    "subject": LENGTHS["label"], "text": LENGTHS["reason"], "reason": LENGTHS["reason"],
}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ruling:
    """What a person rules on a finding, or which criteria count, as it is handed to the journal.

    Attributes:
        about: "finding", or "criteria".
        user: Who rules so.
        model: Digest of the model, SHA-256 in hex.
        model_name: How it is called.
        set_name: How the image set is called.
        subject: The name of the check; "criteria" for those.
        digest: SHA-256, in hex, of what the finding rests on, or of the criteria.
        said: One of `RULED`.
        text: The finding, or the criteria, as they were when it was ruled.
        until: The last day that an acceptance holds, as 2030-12-31; None elsewhere.
        reason: Why; needed for an acceptance.

    Raises:
        InputError: A value is missing, too long or contradicts another; the message names it.
    """

    about: str
    user: str
    model: str
    model_name: str
    set_name: str
    subject: str
    digest: str
    said: str
    text: str
    until: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.about not in RULED:
            raise InputError(f"The ruling is about {self.about!r}: a ruling is about one of {', '.join(RULED)}.")
        if self.said not in RULED[self.about]:
            raise InputError(f"A {self.about} cannot be {self.said!r}: say one of {', '.join(RULED[self.about])}.")
        _check_texts(self)
        if not self.user.strip():
            raise InputError("The ruling names nobody who made it: fill in the name.")
        if self.said == "accepted":
            if not self.reason.strip():
                raise InputError("The finding is accepted without a reason: write down why.")
            if day_of(self.until) is None:
                raise InputError(f"The finding is accepted until {self.until!r}: give a day, as 2030-12-31.")
        elif self.until is not None:
            raise InputError("Only an acceptance ends on a day: leave it out.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RulingEntry(Chained, Ruling):
    """A ruling as it stands in the journal; read as it was found, whatever it says."""


RULING_SEALED = frozenset(field.name for field in dataclasses.fields(RulingEntry)) - {"hash"}
"""The fields that the hash is taken over."""


def day_of(text: object) -> datetime.date | None:
    """The day that a text as 2030-12-31 stands for; None where it is none."""
    if not isinstance(text, str) or len(text) != len("2030-12-31"):
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def standing_acceptances(
    rulings: Iterable[RulingEntry], model: str, set_name: str, today: datetime.date
) -> dict[tuple[str, str], RulingEntry]:
    """The newest acceptance of each finding of a model and a set, by check and digest: of rulings by rising number, but
    those taken back, and those whose last day is over."""
    own = [each for each in rulings if each.about == "finding" and (each.model, each.set_name) == (model, set_name)]
    newest = {(str(each.subject), str(each.digest)): each for each in own}
    return {
        place: each
        for place, each in newest.items()
        if each.said == "accepted" and (day := day_of(each.until)) is not None and day >= today
    }


def _check_texts(ruling: Ruling) -> None:
    for field in dataclasses.fields(ruling):
        name, text = field.name, getattr(ruling, field.name)
        if text is None and name == "until":
            continue
        if not isinstance(text, str):
            raise InputError(f"The {name} {text!r} is not a text: write it as one.")
        if len(text) > (most := RULING_LIMITS.get(name, 64)):
            raise InputError(f"The {name} has {len(text):,} characters, over the limit of {most:,}: shorten it.")
        if name in ("model", "digest") and not DIGEST.fullmatch(text):
            raise InputError(
                f"The {name} {text!r} is not a SHA-256 in hex: give the digest, 64 characters of 0-9 and a-f."
            )
