"""Whether a journal is as it was written: what is wrong with its chain, and what its head file and a kept digest add."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from workbench.journal.entries import GENESIS, digest_of, dumped, sealed_fields


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
        covered: The number of the entry whose hash is the digest that was expected: up to it, nothing was changed since that was noted.
            None where none was expected or no entry has it.
        problems: A sentence for each thing that is wrong, with the entry's number.
    """

    sound: bool
    count: int
    head: str
    first: str | None
    last: str | None
    covered: int | None
    problems: tuple[str, ...]


def read_head(path: Path) -> Head | None:
    """What a head file notes; None where there is no file, and a count of -1 where it is damaged."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        return Head(int(noted["count"]), str(noted["hash"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return Head(-1, "")


def write_head(path: Path, head: Head) -> None:
    """Put a head file in place at one stroke: whoever reads it sees the old one or the new one."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(head)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def chain_problems(rows: Iterable[tuple[int, str, str]]) -> Iterator[str]:
    """Sentences on what is wrong with a chain.

    Args:
        rows: Number, canonical text and hash of each entry, by rising number.
    """
    due, links, shift = 1, {GENESIS}, 0
    for number, body, digest in rows:
        if number < 1:
            yield f"Entry {number} was put in from outside: the journal begins with entry 1."
            continue
        if gap := number - due:
            yield (
                f"Entry {due} is missing: it was removed." if gap == 1 else f"Entries {due} to {number - 1} are missing: they were removed."
            )
        fields, own = _fields(body), digest_of(body) if isinstance(body, str) else ""
        moved = fields["number"] - number if fields else 0
        if own != digest or fields is None:
            yield f"Entry {number} was changed: what it says does not fit its hash."
        elif moved and moved != shift:
            yield f"Entry {number} calls itself entry {fields['number']}: entries were put in, removed, reordered or renumbered here."
        elif not moved and not gap and not shift and fields["previous"] not in links:
            before = f"entry {number - 1}" if number > 1 else "the beginning"
            yield f"Entry {number} does not follow on {before}: one of the two was rewritten, exchanged or put in from outside."
        due, links, shift = number + 1, {digest, own}, moved


def head_problems(noted: Head | None, hashes: Mapping[int, str]) -> Iterator[str]:
    """Sentences on what the head file notes and a journal does not hold, whose entries have these hashes by number."""
    end = max(hashes, default=0)
    if noted is None:
        if hashes:
            yield "The head file is missing, so nobody can tell whether the last entries were removed: keep it beside the journal."
    elif noted.count < 0:
        yield "The head file is damaged, so nobody can tell whether the last entries were removed: look who changed it."
    elif noted.count > end:
        yield f"The last entries were removed: the journal ends with entry {end}, and its head file notes {noted.count:,} entries."
    elif noted.hash != (hashes.get(noted.count) if noted.count else GENESIS):
        yield f"Entry {noted.count} is not the one that the head file notes: it was removed, rewritten or exchanged."


def time_of(body: object) -> str | None:
    """When the entry with this canonical text was written; None where it is not one."""
    fields = _fields(body)
    return str(fields["time"]) if fields else None


def _fields(body: object) -> dict | None:
    """What a canonical text holds; None where it is not one, in every detail."""
    try:
        fields = json.loads(body)  # type: ignore[arg-type]
        named = fields.keys() == sealed_fields(fields.get("threshold_by"))
        exact = named and isinstance(fields["number"], int) and dumped(fields) == body
    except (AttributeError, TypeError, ValueError, RecursionError):
        return None
    return fields if exact else None
