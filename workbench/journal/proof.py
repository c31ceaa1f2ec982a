"""Whether a journal is as it was written: faults of its chain, its head file, and a digest kept elsewhere."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from workbench.errors import InputError
from workbench.journal.entries import DIGEST, GENESIS, digest_of, dump
from workbench.journal.notes import sealed_names

SKEW = datetime.timedelta(minutes=5)
"""How far the clocks of two machines may be apart."""
LONGEST_HEAD = 4096
"""Characters of a head file."""


@dataclasses.dataclass(frozen=True)
class Head:
    """The end of a chain: the number of its last entry, and that entry's hash."""

    count: int = 0
    hash: str = GENESIS


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a look at the whole journal found.

    Attributes:
        sound: Whether nothing is wrong.
        count: Entries that it holds.
        head: The hash of the last one: write it down elsewhere, and `expect` can hold the journal against it later.
        first: Time of the first entry, None in an empty journal.
        last: Time of the last entry.
        covered: The number of the entry whose hash is the digest that was expected: up to it, nothing was changed since
            that was noted. None where none was expected, no entry has it, or something is wrong before it.
        problems: A sentence for each thing that is wrong, with the entry's number.
        notes: Sentences on what is no sign of tampering but worth knowing, as that the clock was set back.
    """

    sound: bool
    count: int
    head: str
    first: str | None
    last: str | None
    covered: int | None
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_head(path: Path) -> Head | None:
    """What a head file notes; None where there is no file, and a count of -1 where it is damaged."""
    try:
        with path.open(encoding="utf-8") as file:
            fields = json.loads(file.read(LONGEST_HEAD))
        return Head(int(fields["count"]), str(fields["hash"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Head(-1, "")


def write_head(path: Path, head: Head) -> None:
    """Put a head file in place at one stroke: whoever reads it sees the old one or the new one."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(head)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@dataclasses.dataclass
class Walk:
    """What was found on the way along a chain, so far.

    Attributes:
        hashes: The hash that stands beside each entry, by its number.
        times: When each was written, where that can be read.
        faults: What is wrong, as sentences, each with the number of the entry that it shows at.
    """

    hashes: dict[int, str] = dataclasses.field(default_factory=dict)
    times: dict[int, str] = dataclasses.field(default_factory=dict)
    faults: list[tuple[int, str]] = dataclasses.field(default_factory=list)

    def along(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Go on with these rows: number, canonical text and hash of each entry, by rising number from the first."""
        due, links, shift = 1, {GENESIS}, 0
        for number, body, digest in rows:
            self.hashes[number] = digest
            if number < 1:
                self.faults.append((number, f"Entry {number} was inserted: the journal begins with entry 1."))
                continue
            if gap := number - due:
                self.faults.append((due, f"{_missing(due, number)} removed."))
            fields, own = _fields(body), digest_of(body) if isinstance(body, str) else ""
            moved = fields["number"] - number if fields else 0
            if fields:
                self.times[number] = str(fields["time"])
            if own != digest or fields is None:
                self.faults.append((number, f"Entry {number} was changed: its content does not match its hash."))
            elif moved and moved != shift:
                fault = (
                    f"Entry {number} calls itself entry {fields['number']}: entries were put in, removed, reordered or"
                    " renumbered here."
                )
                self.faults.append((number, fault))
            elif not moved and not gap and not shift and fields["previous"] not in links:
                before = f"entry {number - 1}" if number > 1 else "the beginning"
                fault = (
                    f"Entry {number} does not follow on {before}: one of the two was rewritten, replaced or inserted."
                )
                self.faults.append((number, fault))
            due, links, shift = number + 1, {digest, own}, moved

    def covered(self, expect: str | None) -> int | None:
        """The number of the entry that has this hash, where nothing is wrong up to it."""
        number = next((number for number, digest in self.hashes.items() if digest == expect), None)
        return None if number is None or any(at <= number for at, _ in self.faults) else number


def _missing(first: int, number: int) -> str:
    if number - first == 1:
        return f"Entry {first} is missing: it was"
    return f"Entries {first} to {number - 1} are missing: they were"


def kept_digest(text: str) -> str:
    """A digest that somebody kept, without the spaces and line ends that it got on the way.

    Raises:
        InputError: It cannot be the digest of an entry.
    """
    digest = "".join(text.split()).lower()
    if not DIGEST.fullmatch(digest):
        raise InputError(
            f"The digest {digest[:80]!r} is not a SHA-256 in hex: give all 64 characters, 0 to 9 and a to f."
        )
    if digest == GENESIS:
        raise InputError(
            "64 zeros are the digest of no entry: they stand before the first entry of every journal, so they prove"
            " nothing. Give the digest of an entry that you kept."
        )
    return digest


def clock_notes(times: Mapping[int, str], now: datetime.datetime) -> Iterator[str]:
    """Sentences on entries whose times cannot all be right: no sign of tampering, for the chain keeps the order by
    itself.

    Args:
        times: When each entry says it was written, by rising number.
        now: The time now, UTC.
    """
    before: tuple[int, datetime.datetime] | None = None
    back: list[tuple[int, int]] = []
    for number, text in times.items():
        at = _moment(text)
        if at is None:
            continue
        if before is not None and at < before[1]:
            back.append((number, before[0]))
        before = number, at
    if back:
        number, earlier = back[0]
        more = f" The same holds of {len(back) - 1:,} more." if len(back) > 1 else ""
        yield (
            f"Entry {number} has an earlier time than entry {earlier} ({times[number][:19]} after {times[earlier][:19]}"
            f" UTC): the clock was set back between them, or one of the two ran wrong.{more} The order of the entries"
            " still holds."
        )
    if before is not None and before[1] - now > SKEW:
        yield (
            f"Entry {before[0]} has a time in the future ({times[before[0]][:19]} UTC): the clock of this machine is"
            " slow, or that one was fast. The order of the entries still holds."
        )


def _moment(text: str) -> datetime.datetime | None:
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=datetime.UTC)


def head_problems(head: Head | None, hashes: Mapping[int, str]) -> Iterator[str]:
    """Sentences on what the head file notes and a journal does not hold, whose entries have these hashes by number."""
    end = max(hashes, default=0)
    if head is None:
        if hashes:
            yield (
                "The head file is missing, so a removal of the last entries cannot be detected: keep it beside the"
                " journal."
            )
    elif head.count < 0:
        yield "The head file is damaged, so a removal of the last entries cannot be detected: find out who changed it."
    elif head.count > end:
        yield (
            f"The last entries were removed: the journal ends with entry {end}, and its head file notes {head.count:,}"
            " entries."
        )
    elif head.hash != (hashes.get(head.count) if head.count else GENESIS):
        yield f"Entry {head.count} is not the one that the head file notes: it was removed, rewritten or replaced."


def _fields(body: object) -> dict | None:
    """What a canonical text holds; None where it is not one, in every detail."""
    try:
        fields = json.loads(body)  # type: ignore[arg-type]
        named = fields.keys() == sealed_names(fields)
        exact = named and isinstance(fields["number"], int) and dump(fields) == body
    except (AttributeError, TypeError, ValueError, RecursionError):
        return None
    return fields if exact else None
