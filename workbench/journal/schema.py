"""What an SQLite file must have to be a journal, and the questions that are put to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from workbench.journal.entries import dump
from workbench.journal.proof import Head

APPLICATION, DECISIONS, WITH_NOTES, SCHEMA = 0x57424A4C, 2, 3, 4
"""What marks an SQLite file as a journal ("WBJL"), and the release of its content: 1 had entries without `ADDED`, 2 had
decisions alone, 3 has notes too, 4 rulings."""
IS_NOTE = "instr(body, '\"about\":') > 0"
"""Holds for notes and rulings alone: quotes inside of texts are escaped, so this stands nowhere else."""
RULES = {
    "entries": "CREATE TABLE entries (number INTEGER PRIMARY KEY, body TEXT NOT NULL, hash TEXT NOT NULL)",
    "by_image": (
        "CREATE INDEX by_image ON entries (json_extract(body, '$.model'), json_extract(body, '$.image'), number)"
    ),
    "only_at_the_end": (
        "CREATE TRIGGER only_at_the_end BEFORE INSERT ON entries"
        " WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM entries)"
        " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    ),
    "no_update": (
        "CREATE TRIGGER no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    ),
    "no_delete": (
        "CREATE TRIGGER no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    ),
}
LAST = "SELECT number, hash FROM entries ORDER BY number DESC LIMIT 1"


def filters(model: str | None, image: str | None, user: str | None, overruled: bool) -> tuple[str, list[object]]:
    """Further conditions, each after an AND, and their values: of the entries of one model, image and user, each where
    given, and of overruled ones alone."""
    parts: list[str] = []
    values: list[object] = []
    for name, value in (("model", model), ("image", image)):
        if value is not None:
            parts.append(f"json_extract(body, '$.{name}') = ?")
            values.append(plain(value))
    if user is not None:
        # Quotes inside of texts are escaped, so this stands nowhere else; json_extract would end a name at a NUL.
        parts.append("instr(body, ?) > 0")
        values.append(f'"user":{dump(user)}')
    if overruled:
        parts.append("json_extract(body, '$.overruled') IS NOT NULL")
    return "".join(f" AND {part}" for part in parts), values


def plain(text: str) -> str:
    """A digest to look for; half a pair of surrogates, which the driver would refuse, is in none."""
    return text.encode("utf-8", "replace").decode()


def last_entry(db: sqlite3.Connection) -> Head:
    """The end of the chain as the file has it."""
    return Head(*(db.execute(LAST).fetchone() or ()))


def rule_problems(db: sqlite3.Connection) -> Iterator[str]:
    """Sentences on a file whose tables, triggers or pages are not those that a journal has."""
    rules = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    for name in sorted(RULES.keys() | rules.keys()):
        if rules.get(name) != RULES.get(name):
            what = "is missing" if name not in rules else "was inserted" if name not in RULES else "was changed"
            yield f"The rules that keep the journal append-only are not its own: {name} {what}."
    for (fault,) in db.execute("PRAGMA integrity_check(10)"):
        if fault != "ok":
            yield f"The file is damaged ({fault}): restore it from a copy."
