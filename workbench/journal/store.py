"""The decision journal of a quality engineer: append-only, each entry chained to the one before.

An SQLite file in WAL mode. Each entry is stored as the very text that its hash is taken over, so that no way through a
column can change a digit. Every call opens the file for itself: a journal object holds nothing open, and threads may
share it.
"""

from __future__ import annotations

import datetime
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import overload

from workbench.catalog import stored_path
from workbench.errors import InputError
from workbench.files import JOURNAL_VARIABLE, data_folder
from workbench.journal.entries import GENESIS, Draft, Entry, dump, entry_from, seal
from workbench.journal.notes import Note, NoteEntry, Record, record_from, standing_labels, standing_pairs
from workbench.journal.proof import Head, Verdict, Walk, clock_notes, head_problems, kept_digest, read_head, write_head
from workbench.journal.refusals import DAMAGED, PRIMARY, UNWRITABLE, kind_of, refusal
from workbench.journal.rulings import Ruling, RulingEntry
from workbench.journal.schema import (
    APPLICATION,
    DECISIONS,
    IS_NOTE,
    LAST,
    RULES,
    SCHEMA,
    WITH_NOTES,
    filters,
    last_entry,
    plain,
    rule_problems,
)

WAIT = 10.0
"""Seconds to wait for another writer."""


def journal_path() -> Path:
    """Where the journal lies: WORKBENCH_JOURNAL, else the user's data folder, which unlike the cache is not swept."""
    setting = os.environ.get(JOURNAL_VARIABLE)
    return Path(setting) if setting else data_folder() / "journal.sqlite"


class Journal:
    """A journal on disk.

    Beside `NAME` lies `NAME.head`, which notes number and hash of the last entry after each one: see `verify`.

    Attributes:
        path: Its file, links followed.
        called: What messages call it.
    """

    def __init__(self, path: Path | str, *, create: bool = True, called: str | None = None) -> None:
        """Open a journal, or make it and the folders above it. One that is there can be read also where nothing can be
        written.

        Args:
            path: Its file.
            create: Whether to make one where there is none.
            called: What messages call it, for readers who need not know the path; the path where missing.

        Raises:
            InputError: There is none, the file is something else, is damaged or comes from a newer release, or cannot
                be read or made.
        """
        try:
            self.path = stored_path(str(path)).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a path that no system can hold
            raise InputError(f"{str(path)!r} is not a path that can be opened ({error}): correct it.") from None
        self.called = called or str(self.path)
        self._head_file = self.path.with_name(f"{self.path.name}.head")
        if self.path.is_dir():
            raise InputError(f"{self.called} is a folder, not a journal: name a file in it.")
        was_there = self.path.exists()
        if not was_there:
            if not create:
                raise InputError(
                    f"There is no journal at {self.called}: name the right file, or write a first decision into it."
                )
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise refusal(error, self.called, WAIT) from None
        with self._reading() if was_there else self._connection("rwc") as db:
            db.execute("BEGIN")  # one look: another process may be laying it out
            blank = self._is_blank(db)
            db.execute("ROLLBACK")
        if blank and not create:
            raise InputError(f"{self.called} is not a journal of the workbench but an empty file: name another one.")
        if blank:
            with self._connection("rwc") as db:
                self._lay_out(db)

    @overload
    def append(self, draft: Draft) -> Entry: ...

    @overload
    def append(self, draft: Note) -> NoteEntry: ...

    @overload
    def append(self, draft: Ruling) -> RulingEntry: ...

    def append(self, draft: Draft | Note | Ruling) -> Record:
        """Write something down; once this returns, it stays, whatever happens to process or machine.

        Raises:
            InputError: The disk is full, the file cannot be written to, or another program holds it for more than ten
                seconds. Nothing was written then.
        """
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            number, previous = db.execute(LAST).fetchone() or (0, GENESIS)
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
            body, digest = seal(draft, number + 1, now, previous)
            db.execute("INSERT INTO entries VALUES (?, ?, ?)", (number + 1, body, digest))
            # So that the older release, which cannot read this, says so
            needed = SCHEMA if isinstance(draft, Ruling) else WITH_NOTES if isinstance(draft, Note) else DECISIONS
            if db.execute("PRAGMA user_version").fetchone()[0] < needed:
                db.execute(f"PRAGMA user_version={needed}")
            db.execute("COMMIT")
            self._note_head(db)
        return record_from(body, digest)

    def entries(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        offset: int = 0,
        model: str | None = None,
        image: str | None = None,
        user: str | None = None,
        overruled: bool = False,
    ) -> tuple[Entry, ...]:
        """The decisions in their order, a page of them where `limit` is given.

        Args:
            newest_first: Reverse the order.
            limit: How many at most.
            offset: How many to leave out before.
            model: Only those of the model with this digest.
            image: Only those of the image with this digest.
            user: Only those of this user.
            overruled: Only those in which a person overruled the machine.
        """
        where, values = filters(model, image, user, overruled)
        return tuple(
            entry_from(*row) for row in self._rows(f"NOT {IS_NOTE}{where}", values, newest_first, limit, offset)
        )

    def records(
        self, *, newest_first: bool = False, limit: int | None = None, offset: int = 0, notes: bool = False
    ) -> tuple[Record, ...]:
        """All that stands in the journal, or notes and rulings alone; a page of them as of `entries`."""
        where = IS_NOTE if notes else "TRUE"
        return tuple(record_from(*row) for row in self._rows(where, (), newest_first, limit, offset))

    def label_decisions(self) -> dict[str, NoteEntry]:
        """What people say of labels and did not take back: the newest note on each image, by its digest."""
        return standing_labels(self._notes())

    def pair_decisions(self) -> dict[tuple[str, str], NoteEntry]:
        """What people say of pairs and did not take back: the newest note on each, by both digests in alphabetical
        order."""
        return standing_pairs(self._notes())

    def pairs_apart(self) -> frozenset[tuple[str, str]]:
        """The pairs, by both digests in alphabetical order, that a person told apart and did not take back."""
        return frozenset(pair for pair, note in self.pair_decisions().items() if note.said == "not the same")

    def rulings(self) -> tuple[RulingEntry, ...]:
        """What people ruled on findings and criteria, in their order."""
        return tuple(record for record in self.records(notes=True) if isinstance(record, RulingEntry))

    def _notes(self) -> Iterator[NoteEntry]:
        return (record for record in self.records(notes=True) if isinstance(record, NoteEntry))

    def _rows(
        self, where: str, values: Sequence[object], newest_first: bool, limit: int | None, offset: int
    ) -> list[tuple[str, str]]:
        order = "DESC" if newest_first else "ASC"
        query = f"SELECT body, hash FROM entries WHERE {where} ORDER BY number {order} LIMIT ? OFFSET ?"
        with self._reading() as db:
            return db.execute(query, (*values, -1 if limit is None else limit, offset)).fetchall()

    def count(
        self, *, model: str | None = None, image: str | None = None, user: str | None = None, overruled: bool = False
    ) -> int:
        """How many decisions there are, filtered as in `entries`."""
        where, values = filters(model, image, user, overruled)
        return self._number(f"NOT {IS_NOTE}{where}", values)

    def count_records(self, *, notes: bool = False) -> int:
        """How many entries there are, or notes and rulings alone."""
        return self._number(IS_NOTE if notes else "TRUE", ())

    def _number(self, where: str, values: Sequence[object]) -> int:
        with self._reading() as db:
            return int(db.execute(f"SELECT count(*) FROM entries WHERE {where}", values).fetchone()[0])

    def latest(self, model: str, images: Sequence[str]) -> dict[str, Entry]:
        """The newest entry of each image for one model, by the image's digest; images without one are left out."""
        image = "json_extract(body, '$.image')"
        query = (
            f"SELECT {image}, body, hash, max(number) FROM entries WHERE json_extract(body, '$.model') = ?"
            f" AND {image} IN (SELECT value FROM json_each(?)) GROUP BY {image}"
        )
        with self._reading() as db:
            rows = db.execute(query, (plain(model), dump(list(images)))).fetchall()
        return {name: entry_from(body, digest) for name, body, digest, _ in rows}

    def head(self) -> Head:
        """Number and hash of the last entry: what to keep elsewhere, to check the journal against later."""
        with self._reading() as db:
            return last_entry(db)

    def verify(self, expect: str | None = None) -> Verdict:
        """Read the whole journal and look for entries that were changed, removed, reordered or put in.

        Who knows how can rewrite any of this, so know what protects from what:

        - The *chain* shows a change by somebody who edits the file: each hash covers an entry and the hash before it.
          It shows nothing if someone recomputes all hashes from the change on, and not that the last entries were
          cut off.
        - The *head file* shows both, as it notes the end. It is written after the entry, so it may lag behind where a
          process was killed; what it lags is not protected until the next entry. Once the journal no longer holds what
          it notes, it is left as it is, so that the fault stays visible. It shows nothing to him who rewrites the file
          and the head file together.
        - A *digest kept elsewhere*, out of the reach of who can write here, shows that too: up to the entry that had it
          as its hash, everything is as it was on that day. What came after it rests on the other two.

        Nothing of this shows that an entry was true when it was written, or that its user is who they said.

        Args:
            expect: The hash of the last entry as it was noted at any earlier time.

        Raises:
            InputError: `expect` is no digest of an entry, or the file cannot be read.
        """
        expect = None if expect is None else kept_digest(expect)
        note = read_head(self._head_file)  # before the file: then it can lag behind, and never run ahead
        walk, problems = Walk(), list[str]()
        with self._reading() as db:
            db.execute("BEGIN")
            try:
                problems += rule_problems(db)
                walk.along(db.execute("SELECT number, body, hash FROM entries ORDER BY number"))
            except sqlite3.DatabaseError as error:
                if kind_of(error) not in DAMAGED:
                    raise
                last = _last(walk.hashes)
                walk.faults.append(
                    (last + 1, f"The file is damaged after entry {last} ({error}): restore it from a copy.")
                )
        problems += [fault for _, fault in walk.faults]
        end = _last(walk.hashes)
        head, covered = walk.hashes.get(end, GENESIS), walk.covered(expect)
        if note is not None or expect != head:
            problems += head_problems(note, walk.hashes)
        if expect is not None and expect not in walk.hashes.values():
            problems.append(
                f"No entry has the digest {expect} that was expected: the entries up to it were rewritten or removed"
                " since."
            )
        times = walk.times.get(min(walk.hashes, default=0)), walk.times.get(end)
        notes = tuple(clock_notes(walk.times, datetime.datetime.now(datetime.UTC)))
        return Verdict(not problems, len(walk.hashes), head, *times, covered, tuple(problems), notes)

    def _is_blank(self, db: sqlite3.Connection) -> bool:
        """Whether nothing was laid out yet; refuses what is no journal, or one of a newer release."""
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (schema,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application == 0 and tables == 0:
            return True
        if application != APPLICATION:
            raise InputError(
                f"{self.called} is not a journal of the workbench but a database of another program: name another file."
            )
        if schema > SCHEMA:
            raise InputError(
                f"{self.called} was written by a newer release of the workbench: update this one to read it."
            )
        return False

    def _lay_out(self, db: sqlite3.Connection) -> None:
        """Make the tables unless another process did, and a head file unless an earlier journal left one."""
        deadline = time.monotonic() + WAIT
        while True:  # SQLite does not wait by itself for this one
            try:
                (mode,) = db.execute("PRAGMA journal_mode=WAL").fetchone()
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & PRIMARY != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        if mode != "wal":
            raise InputError(
                f"{self.called} lies on a file system without shared memory: put the journal on a disk of this machine."
            )
        db.execute("BEGIN IMMEDIATE")
        if self._is_blank(db):
            for rule in RULES.values():
                db.execute(rule)
            db.execute(f"PRAGMA application_id={APPLICATION}")
            db.execute(f"PRAGMA user_version={DECISIONS}")
            try:
                if read_head(self._head_file) is None:
                    write_head(self._head_file, Head())
            except OSError as error:
                raise refusal(error, self.called, WAIT) from None
        db.execute("COMMIT")

    def _note_head(self, db: sqlite3.Connection) -> None:
        """Write the head file, under the lock of the journal, so that an older head never replaces a newer one.

        The entry stands by now: a head file that cannot be written lags behind until the next one. One that the journal
        does not hold, or that is gone, is evidence and stays as it is.
        """
        with suppress(sqlite3.Error, OSError):
            db.execute("BEGIN IMMEDIATE")
            head = read_head(self._head_file)
            same = "SELECT 1 FROM entries WHERE number = ? AND hash = ?"
            valid = head == Head() or (head and db.execute(same, (head.count, head.hash)).fetchone())
            if valid:
                write_head(self._head_file, last_entry(db))
            db.execute("ROLLBACK")

    @contextmanager
    def _connection(self, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        """A connection of one's own; what SQLite complains of becomes an InputError."""
        try:
            with closing(_connect(f"{self.path.as_uri()}?mode={mode}")) as db:
                db.execute("PRAGMA synchronous=FULL")
                db.execute("PRAGMA fullfsync=ON")
                yield db
        except sqlite3.Error as error:
            raise refusal(error, self.called, WAIT) from None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with, also where nothing can be written: on a full disk, or a read-only one."""
        try:
            with closing(self._readable()) as db:
                yield db
        except sqlite3.Error as error:
            raise refusal(error, self.called, WAIT, reading=True) from None

    def _readable(self) -> sqlite3.Connection:
        address = self.path.as_uri()
        try:
            db = _connect(f"{address}?mode=rw")
            try:
                # Here SQLite makes the files that it wants beside a journal
                db.execute("PRAGMA schema_version").fetchone()
            except sqlite3.Error:
                db.close()
                raise
            return db
        except sqlite3.OperationalError as error:
            if kind_of(error) not in UNWRITABLE:
                raise
        beside = self.path.with_name(f"{self.path.name}-wal")
        if not beside.exists() or not beside.stat().st_size:
            return _connect(f"{address}?mode=ro&immutable=1")
        # The last entries may stand in that file only
        db = _connect(f"{address}?mode=ro&vfs={'win32' if os.name == 'nt' else 'unix'}-none")
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        return db


def _connect(address: str) -> sqlite3.Connection:
    db = sqlite3.connect(address, uri=True, timeout=WAIT, isolation_level=None)
    db.text_factory = partial(str, encoding="utf-8", errors="replace")
    return db


def _last(hashes: Mapping[int, str]) -> int:
    """The number of the last entry, 0 where there is none."""
    return max(hashes, default=0)
