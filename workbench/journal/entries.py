"""What stands in the journal: one entry a decision, and the text that its hash is taken over."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError

GENESIS = "0" * 64
"""What stands for the hash of the entry before the first one."""
VERDICTS = ("pass", "reject", "review")
MAX_CLASSES = 1000
LENGTHS = {
    "user": 200, "model_name": 1000, "image_name": 4096, "set_name": 1000, "label": 500, "overruled": 500, "reason": 10_000,
    "map_method": 200,
}  # fmt: skip
"""The most characters that a text may have."""
OPTIONAL = ("label", "overruled", "map_digest", "map_method")
DIGESTS = ("model", "image", "map_digest")
DIGEST = re.compile("[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """One decision as it is handed to the journal.

    Attributes:
        user: Who decided.
        model: Digest of the model, SHA-256 in hex.
        model_name: How the model is called.
        image: SHA-256 of the bytes of the picture's file, in hex.
        image_name: The picture's name in its set.
        set_name: How the set is called.
        label: Ground truth, where known.
        positive: The classes that count as defect.
        threshold: Score from which a part is called defective, 0 .. 1.
        score: What the model gave, 0 .. 1.
        verdict: What the machine says: "pass", "reject" or "review".
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
    overruled: str | None = None
    reason: str = ""
    map_digest: str | None = None
    map_method: str | None = None

    def __post_init__(self) -> None:
        classes = (self.positive,) if isinstance(self.positive, str) else tuple(self.positive)
        object.__setattr__(self, "positive", classes)
        for name in ("threshold", "score"):
            object.__setattr__(self, name, _share(name, getattr(self, name)))
        _check_texts(self)
        if not self.user.strip():
            raise InputError("The decision names nobody who made it: fill in the user.")
        if self.verdict not in VERDICTS:
            raise InputError(f"The verdict {self.verdict!r} is not known: use {', '.join(VERDICTS)}.")
        if self.overruled is not None and not self.overruled.strip():
            raise InputError("The decision is overruled, but to no class: name the class that it is, or agree.")
        if self.overruled is not None and not self.reason.strip():
            raise InputError(f"The decision is overruled to {self.overruled!r} without a reason: write down why.")
        if (self.map_digest is None) != (self.map_method is None):
            raise InputError("The map that was shown is named by half: give its digest and its method, or neither.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry(Draft):
    """One decision as it stands in the journal; read as it was found, whatever it says.

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


SEALED = frozenset(field.name for field in dataclasses.fields(Entry)) - {"hash"}
"""The fields that the hash is taken over."""


def canonical(entry: Entry) -> str:
    """The one text of an entry that its hash is taken over: JSON of all fields but the hash.

    Names are sorted, nothing stands between the parts, all beyond ASCII is escaped, and numbers are the shortest that read back to
    the same double: `json.dumps(fields, sort_keys=True, separators=(",", ":"))` in Python.
    """
    return dumped({name: getattr(entry, name) for name in SEALED})


def dumped(fields: object) -> str:
    """JSON in the form that hashes are taken over."""
    return json.dumps(fields, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))


def digest_of(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sealed(draft: Draft, number: int, time: str, previous: str) -> tuple[str, str]:
    """The canonical text of a draft in its place in the chain, and its hash."""
    body = dumped({**dataclasses.asdict(draft), "number": number, "time": time, "previous": previous})
    return body, digest_of(body)


def entry_from(body: str, digest: str) -> Entry:
    """The entry that a canonical text holds.

    Raises:
        InputError: The text holds none: somebody changed it.
    """
    try:
        return Entry(**json.loads(body), hash=digest)
    except (TypeError, ValueError, RecursionError):
        raise InputError(f"An entry was changed and cannot be read ({body!r}): run workbench journal verify.") from None


def map_digest(values: NDArray[np.floating]) -> str:
    """SHA-256, in hex, of a map's values as little-endian float32 in the order of the array: those of an `attribution.npz`.

    Args:
        values: The map, of any shape; (C, H, W) for an attribution.
    """
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f4").tobytes()).hexdigest()


def _share(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise InputError(f"The {name} {value!r} is not a number from 0 to 1: a decision needs one.")
    return number


def _check_texts(draft: Draft) -> None:
    if not 0 < len(draft.positive) <= MAX_CLASSES:
        raise InputError(f"{len(draft.positive):,} classes count as defect: name one at least and {MAX_CLASSES:,} at most.")
    texts = [(name, getattr(draft, name), most) for name, most in LENGTHS.items()]
    for name, text, most in (*texts, *(("positive class", each, LENGTHS["label"]) for each in draft.positive)):
        if not (isinstance(text, str) or (text is None and name in OPTIONAL)):
            raise InputError(f"The {name} {text!r} is not a text: write it as one.")
        if text is not None and len(text) > most:
            raise InputError(f"The {name} has {len(text):,} characters, over the limit of {most:,}: shorten it.")
    for name in DIGESTS:
        digest = getattr(draft, name)
        if not (digest is None and name in OPTIONAL) and not (isinstance(digest, str) and DIGEST.fullmatch(digest)):
            raise InputError(f"The {name} {digest!r} is not a SHA-256 in hex: give the digest, 64 characters of 0-9 and a-f.")
