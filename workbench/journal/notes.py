"""Notes in the journal: what a person says of a label, or of two images being one part, outside of any decision."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from workbench.errors import InputError
from workbench.journal.entries import DIGEST, LENGTHS, Chained, Entry, canonical, dump, entry_from, sealed_fields
from workbench.journal.rulings import RULED, RULING_SEALED, RulingEntry

SAID: Mapping[str, tuple[str, ...]] = {
    "label": ("confirmed", "changed", "doubtful", "withdrawn"),
    "pair": ("same part", "not the same", "withdrawn"),
}
"""What a note may say, by what it is about. "withdrawn" takes back what was said before."""
LIMITS: Mapping[str, int] = LENGTHS | {
    "second_name": LENGTHS["image_name"], "to": LENGTHS["label"], "second_label": LENGTHS["label"],
}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Note:
    """What a person says of the label of an image, or of two images, as it is handed to the journal.

    Attributes:
        about: "label", or "pair".
        user: Who says so.
        set_name: How the set is called.
        image: SHA-256 of the bytes of the image's file, in hex.
        image_name: The image's name in its set.
        label: Its label as the set has it, where there is one.
        said: One of `SAID`.
        to: The class that it is, where its label is "changed"; None else.
        second: Of a pair, the SHA-256 of the other image; None else.
        second_name: Of a pair, the other's name.
        second_label: Of a pair, the other's label, where there is one.
        reason: Why, or what it was said on.

    Raises:
        InputError: A value is missing, too long or contradicts another; the message names it.
    """

    about: str
    user: str
    set_name: str
    image: str
    image_name: str
    label: str | None = None
    said: str
    to: str | None = None
    second: str | None = None
    second_name: str | None = None
    second_label: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.about not in SAID:
            raise InputError(f"The note is about {self.about!r}: a note is about one of {', '.join(SAID)}.")
        if self.said not in SAID[self.about]:
            raise InputError(f"A {self.about} cannot be {self.said!r}: say one of {', '.join(SAID[self.about])}.")
        _check_texts(self)
        if not self.user.strip():
            raise InputError("The note names nobody who made it: fill in the user.")
        if (self.said == "changed") != (self.to is not None):
            raise InputError("A label is changed to a class, and only then has one: give both, or neither.")
        if self.to is not None and (not self.to.strip() or self.to == self.label):
            raise InputError(f"The label {self.label!r} is changed to {self.to!r}: name another class, or confirm it.")
        if (self.about == "pair") != (self.second is not None and self.second_name is not None):
            raise InputError("A pair has two images, and a label one: give digest and name of the second, or neither.")
        if self.second == self.image:
            raise InputError("Both images of the pair hold the same bytes: they cannot be told apart or joined.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoteEntry(Chained, Note):
    """A note as it stands in the journal; read as it was found, whatever it says."""

    @property
    def pair(self) -> tuple[str, str]:
        """The digests of both images of a pair, in alphabetical order."""
        first, second = sorted((str(self.image), str(self.second)))
        return first, second


Record: TypeAlias = Entry | NoteEntry | RulingEntry
"""Whatever stands in a journal: a decision, a note, or a ruling."""
NOTE_SEALED = frozenset(field.name for field in dataclasses.fields(NoteEntry)) - {"hash"}


def text_of(record: Record) -> str:
    """The one text of a record that its hash is taken over: `canonical`, of a note or ruling too."""
    if not isinstance(record, Entry):
        sealed = NOTE_SEALED if isinstance(record, NoteEntry) else RULING_SEALED
        return dump({name: getattr(record, name) for name in sealed})
    return canonical(record)


def sealed_names(fields: Mapping[str, object]) -> frozenset[str]:
    """The names that a record with these fields must have, no more and no fewer."""
    if "about" in fields:
        return RULING_SEALED if fields["about"] in RULED else NOTE_SEALED
    return sealed_fields(fields.get("threshold_by"))


def record_from(body: str, digest: str) -> Record:
    """The record that a canonical text (`body`) holds, with its hash (`digest`). Errors as `entry_from`."""
    try:
        fields = json.loads(body)
        if "about" not in fields:
            return entry_from(body, digest)
        return (RulingEntry if fields["about"] in RULED else NoteEntry)(**fields, hash=digest)
    except (TypeError, ValueError, RecursionError):
        return entry_from(body, digest)


def standing_labels(notes: Iterable[NoteEntry]) -> dict[str, NoteEntry]:
    """The newest note on the label of each image by its digest, of notes by rising number, but those taken back."""
    newest = {str(note.image): note for note in notes if note.about == "label"}
    return {image: note for image, note in newest.items() if note.said != "withdrawn"}


def standing_pairs(notes: Iterable[NoteEntry]) -> dict[tuple[str, str], NoteEntry]:
    """The newest note on each pair by its digests in alphabetical order, of notes by rising number, but those taken
    back."""
    newest = {note.pair: note for note in notes if note.about == "pair"}
    return {pair: note for pair, note in newest.items() if note.said != "withdrawn"}


def _check_texts(note: Note) -> None:
    optional = ("label", "to", "second", "second_name", "second_label")
    for field in dataclasses.fields(note):
        name, text = field.name, getattr(note, field.name)
        if text is None and name in optional:
            continue
        if not isinstance(text, str):
            raise InputError(f"The {name} {text!r} is not a text: write it as one.")
        if len(text) > (most := LIMITS.get(name, 64)):
            raise InputError(f"The {name} has {len(text):,} characters, over the limit of {most:,}: shorten it.")
        if name in ("image", "second") and not DIGEST.fullmatch(text):
            raise InputError(
                f"The {name} {text!r} is not a SHA-256 in hex: give the digest, 64 characters of 0-9 and a-f."
            )
