"""What stands in the journal: one entry a decision, and the text that its hash is taken over."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import sys
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.predictions import reaches

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

GENESIS = "0" * 64
"""What stands for the hash of the entry before the first one."""
VERDICTS = ("pass", "reject", "review")
THRESHOLD_BY = ("model", "cost", "escape", "overkill", "hand", "fallback")
"""How a threshold is found: it came with the model, has the lowest cost, keeps a ceiling of the escape or overkill
rate, was set by hand, or stands in because none could be chosen."""
MAX_CLASSES = 1000
LENGTHS = {
    "user": 200, "model_name": 1000, "image_name": 4096, "set_name": 1000, "label": 500, "overruled": 500,
    "reason": 10_000,
    "map_method": 200, "chosen_on": 1000,
}  # fmt: skip
"""The most characters that a text may have."""
OPTIONAL = ("label", "overruled", "map_digest", "map_method", "chosen_on")
DIGESTS = ("model", "image", "map_digest")
DIGEST = re.compile("[0-9a-f]{64}")
ENDS = ("review_from", "review_to")
NUMBERS = {
    "review_from": 1.0, "review_to": 1 + 2**-23, "coverage": 1.0, "ceiling": 1.0, "prevalence": 1.0,
    "escape_cost": sys.float_info.max, "overkill_cost": sys.float_info.max,
}  # fmt: skip
"""The greatest value of each optional number; the first score above 1 rejects nothing, in the scores' precision."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """One decision as it is handed to the journal: all that it takes to come to the same verdict again.

    A score from `review_to` on is rejected, one below `review_from` passes, and what lies between is for review. A pass
    of a part whose label is one of `positive` is an escape, and a rejection of one whose label is another class of the
    model is an overkill.

    Attributes:
        user: Who decided.
        model: Digest of the model, SHA-256 in hex.
        model_name: How the model is called.
        image: SHA-256 of the bytes of the image's file, in hex.
        image_name: The image's name in its set.
        set_name: How the set is called.
        label: Ground truth, where known.
        positive: The classes that count as defect.
        threshold: Score from which a part is called defective, 0 .. 1.
        score: What the model gave, 0 .. 1.
        verdict: What the machine says: "pass", "reject" or "review"; it must follow from the score.
        threshold_by: One of `THRESHOLD_BY`.
        review_from: Where review begins, at most the threshold; the threshold where missing.
        review_to: Where review ends, at least the threshold, and just above 1 where nothing is rejected; the threshold
            where missing.
        coverage: Target of the review band for each class, between 0 and 1; None where there is no band.
        chosen_on: What the images are called that threshold or band were found on; None where neither was found on any.
        ceiling: Of the escape or overkill rate that the threshold keeps; None for other ways.
        escape_cost: Of passing one defect; None where the threshold does not follow from costs.
        overkill_cost: Of rejecting one good part; likewise.
        prevalence: Share of defects on the line that costs were computed for; None where it is that of the images.
        label_known: Whether the label is a class of the model, so that the verdict can be held against it; where
            missing, whether there is one.
        overruled: None where the person agrees, else the class that they say it is.
        reason: Why; needed where overruled.
        map_digest: `map_digest` of the map that was shown, or None where none was.
        map_method: The method of that map.

    Raises:
        InputError: A value is missing, too long or out of its range; the message names it.
    """

    user: str
    model: str
    model_name: str
    image: str
    image_name: str
    set_name: str
    label: str | None = None
    positive: tuple[str, ...]
    threshold: float
    score: float
    verdict: str
    threshold_by: str | None = None
    review_from: float | None = None
    review_to: float | None = None
    coverage: float | None = None
    chosen_on: str | None = None
    ceiling: float | None = None
    escape_cost: float | None = None
    overkill_cost: float | None = None
    prevalence: float | None = None
    label_known: bool | None = None
    overruled: str | None = None
    reason: str = ""
    map_digest: str | None = None
    map_method: str | None = None

    def __post_init__(self) -> None:
        classes = (self.positive,) if isinstance(self.positive, str) else tuple(self.positive)
        object.__setattr__(self, "positive", classes)
        for name in ("threshold", "score"):
            object.__setattr__(self, name, _number(name, getattr(self, name), 1))
        _complete(self)
        _check_texts(self)
        if not self.user.strip():
            raise InputError("The decision names nobody who made it: fill in the user.")
        if self.verdict not in VERDICTS:
            raise InputError(f"The verdict {self.verdict!r} is not known: use {', '.join(VERDICTS)}.")
        _check_rule(self)
        if self.overruled is not None and not self.overruled.strip():
            raise InputError("The decision is overruled, but to no class: name the class that it is, or agree.")
        if self.overruled is not None and not self.reason.strip():
            raise InputError(f"The decision is overruled to {self.overruled!r} without a reason: write down why.")
        if (self.map_digest is None) != (self.map_method is None):
            raise InputError("The map that was shown is named by half: give its digest and its method, or neither.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry(Draft):
    """One decision as it stands in the journal; read as it was found, whatever it says.

    In an entry of a release that did not write them, the fields of `ADDED` are None.

    Attributes:
        number: From 1, without gaps.
        time: When it was written: UTC, ISO 8601 with microseconds.
        previous: The hash of the entry before, `GENESIS` for the first.
        hash: SHA-256, in hex, of `canonical`.
    """

    number: int
    time: str
    previous: str
    hash: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "positive", tuple(self.positive))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chained:
    """What a record that is no decision has beside what was said, as it stands in the journal; read as it was found,
    whatever it says.

    Attributes:
        number: From 1, without gaps.
        time: When it was written: UTC, ISO 8601 with microseconds.
        previous: The hash of the entry before.
        hash: SHA-256, in hex, of `notes.text_of`.
    """

    threshold_by: ClassVar[None] = None
    number: int
    time: str
    previous: str
    hash: str

    def __post_init__(self) -> None:
        pass


SEALED = frozenset(field.name for field in dataclasses.fields(Entry)) - {"hash"}
"""The fields that the hash is taken over."""
ADDED = frozenset({
    "threshold_by", "review_from", "review_to", "coverage", "chosen_on", "ceiling", "escape_cost", "overkill_cost",
    "prevalence",
    "label_known",
})  # fmt: skip
"""Those that entries of the first release do not have."""


def sealed_fields(threshold_by: object) -> frozenset[str]:
    """The fields that an entry's hash covers: `threshold_by` is None where a release without `ADDED` wrote it."""
    return SEALED - ADDED if threshold_by is None else SEALED


def canonical(entry: Entry) -> str:
    """The one text of an entry that its hash is taken over: JSON of all fields but the hash, and of no `ADDED` where it
    has none.

    Names are sorted, nothing stands between the parts, all beyond ASCII is escaped, and numbers are the shortest that
    read back to the same double: `json.dumps(fields, sort_keys=True, separators=(",", ":"))` in Python.
    """
    return dump({name: getattr(entry, name) for name in sealed_fields(entry.threshold_by)})


def dump(fields: object) -> str:
    """JSON in the form that hashes are taken over."""
    return json.dumps(fields, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))


def digest_of(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def seal(draft: DataclassInstance, number: int, time: str, previous: str) -> tuple[str, str]:
    """The canonical text of a draft in its place in the chain, and its hash.

    Args:
        draft: The decision, or the note.
        number: From 1.
        time: UTC, ISO 8601 with microseconds.
        previous: The hash of the entry before, `GENESIS` for the first.
    """
    body = dump({**dataclasses.asdict(draft), "number": number, "time": time, "previous": previous})
    return body, digest_of(body)


def entry_from(body: str, digest: str) -> Entry:
    """The entry that a canonical text (`body`) holds, with its hash (`digest`).

    Raises:
        InputError: The text holds none: somebody changed it.
    """
    try:
        return Entry(**json.loads(body), hash=digest)
    except (TypeError, ValueError, RecursionError):
        raise InputError(f"An entry was changed and cannot be read ({body!r}): run workbench journal verify.") from None


def map_digest(values: NDArray[np.floating]) -> str:
    """SHA-256, in hex, of a map's values as little-endian float32 in the order of the array: those of an
    `attribution.npz`.

    Args:
        values: The map, of any shape; (C, H, W) for an attribution.
    """
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f4").tobytes()).hexdigest()


def _number(name: str, value: object, most: float) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= most:
        raise InputError(f"The {name} {value!r} is not a number from 0 to {most:.4g}: a decision needs one.")
    return number


def _complete(draft: Draft) -> None:
    """Fill in what is missing, and turn numbers of any kind into Python's own."""
    for name, most in NUMBERS.items():
        value = getattr(draft, name)
        value = draft.threshold if value is None and name in ENDS else value
        if value is not None:
            object.__setattr__(draft, name, _number(name, value, most))
    label_known = draft.label is not None if draft.label_known is None else bool(draft.label_known)
    object.__setattr__(draft, "label_known", label_known)


def _check_rule(draft: Draft) -> None:
    """Refuse a verdict that does not follow from the score, and a threshold without its origin."""
    low, high = draft.review_from, draft.review_to
    if low is None or high is None or not low <= draft.threshold <= high:
        raise InputError(
            f"The review band from {low} to {high} does not hold the threshold {draft.threshold}: correct its ends."
        )
    if draft.coverage is None and low != high:
        raise InputError("The decision has a review band but no coverage: give the target that the band was made for.")
    expected = "reject" if reaches(draft.score, high) else "review" if reaches(draft.score, low) else "pass"
    if draft.verdict != expected:
        raise InputError(
            f"The verdict {draft.verdict!r} does not follow from the score {draft.score}: that is {expected!r}."
        )
    by = draft.threshold_by
    if by not in THRESHOLD_BY:
        raise InputError(f"How the threshold was found, {by!r}, is not known: say one of {', '.join(THRESHOLD_BY)}.")
    needs = {"cost": ("escape_cost", "overkill_cost"), "escape": ("ceiling",), "overkill": ("ceiling",)}.get(by, ())
    for name in (*needs, *(("chosen_on",) if needs or draft.coverage is not None else ())):
        if getattr(draft, name) is None:
            raise InputError(f"The decision lacks its {name}: a threshold by {by} needs it.")
    if draft.label_known and draft.label is None:
        raise InputError("The decision has no label, but says that the model knows it: give the label.")


def _check_texts(draft: Draft) -> None:
    if not 0 < len(draft.positive) <= MAX_CLASSES:
        raise InputError(
            f"{len(draft.positive):,} classes count as defect: name one at least and {MAX_CLASSES:,} at most."
        )
    texts = [(name, getattr(draft, name), most) for name, most in LENGTHS.items()]
    for name, text, most in (*texts, *(("positive class", each, LENGTHS["label"]) for each in draft.positive)):
        if not (isinstance(text, str) or (text is None and name in OPTIONAL)):
            raise InputError(f"The {name} {text!r} is not a text: write it as one.")
        if text is not None and len(text) > most:
            raise InputError(f"The {name} has {len(text):,} characters, over the limit of {most:,}: shorten it.")
    for name in DIGESTS:
        digest = getattr(draft, name)
        if not (digest is None and name in OPTIONAL) and not (isinstance(digest, str) and DIGEST.fullmatch(digest)):
            raise InputError(
                f"The {name} {digest!r} is not a SHA-256 in hex: give the digest, 64 characters of 0-9 and a-f."
            )
