"""No empty success: what a kept digest vouches for, what 64 zeros are, and what is said of a clock that was set
back."""

from __future__ import annotations

import datetime
import json
import sqlite3
from contextlib import closing

import pytest
from decisions import digest, draft

from workbench import cli
from workbench.journal import store as inner
from workbench.journal.entries import GENESIS, digest_of, dump
from workbench.journal.proof import kept_digest
from workbench.journal.store import Journal


@pytest.fixture
def journal(tmp_path):
    """A journal of six entries."""
    made = Journal(tmp_path / "journal.sqlite")
    for i in range(6):
        made.append(draft(image=digest(f"image {i}")))
    return made


def edit(journal, *statements):
    """Write into the file past its triggers, which are put back."""
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as db:
        rules = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in rules:
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(*statement)
        for _, sql in rules:
            db.execute(sql)


def dated(journal, times):
    """Write the journal anew with these times, every hash right."""
    with closing(sqlite3.connect(journal.path)) as db:
        bodies = [json.loads(body) for (body,) in db.execute("SELECT body FROM entries ORDER BY number")]
    before, statements = GENESIS, []
    for fields, time in zip(bodies, times, strict=True):
        body = dump(fields | {"time": time, "previous": before})
        before = digest_of(body)
        statements.append(("UPDATE entries SET body = ?, hash = ? WHERE number = ?", (body, before, fields["number"])))
    edit(journal, *statements)
    journal.path.with_name("journal.sqlite.head").write_text(json.dumps({"count": len(times), "hash": before}))


@pytest.mark.parametrize("zeros", [GENESIS, f"  {GENESIS}\n", " ".join("0" * 64)])
def test_64_zeros_vouch_for_nothing(journal, refusal, zeros):
    assert "digest of no entry" in refusal(lambda: journal.verify(zeros))
    assert "digest of no entry" in refusal(lambda: Journal(journal.path.with_name("new.sqlite")).verify(zeros))


@pytest.mark.parametrize(
    "bad", ["", "  ", "abc", "0" * 63, "0" * 65, "x" * 64, "０" * 64, digest("a")[:-1] + "g"], ids=ascii
)
def test_what_cannot_be_a_digest_is_refused_whatever_it_looks_like(journal, refusal, bad):
    assert "is not a SHA-256" in refusal(lambda: journal.verify(bad))


def test_a_digest_may_have_been_broken_into_lines_on_its_way(journal):
    kept = journal.entries()[3].hash
    assert kept_digest(f" {kept[:30].upper()}\r\n\t{kept[30:]} ") == kept
    assert journal.verify(f"{kept[:40]}\n{kept[40:]}").covered == 4


def test_a_digest_vouches_for_nothing_once_an_entry_before_it_was_changed(journal):
    """The hash still stands beside entry 4, but no longer follows from what is written up to there."""
    kept = journal.entries()[3].hash
    assert journal.verify(kept).covered == 4
    edit(journal, ("UPDATE entries SET body = replace(body, '0.93', '0.94') WHERE number = 2", ()))
    found = journal.verify(kept)
    assert (found.sound, found.covered) == (False, None)
    assert journal.verify(journal.head().hash).covered is None


def test_a_digest_vouches_for_what_came_before_a_change(journal):
    kept = journal.entries()[3].hash
    edit(journal, ("UPDATE entries SET body = replace(body, '0.93', '0.94') WHERE number = 5", ()))
    found = journal.verify(kept)
    assert (found.sound, found.covered) == (False, 4)


def test_an_entry_put_in_with_the_digest_that_was_kept_vouches_for_nothing(journal):
    kept = digest("kept elsewhere")
    edit(journal, ("INSERT INTO entries VALUES (0, '{}', ?)", (kept,)))
    assert journal.verify(kept).covered is None
    assert not journal.verify(kept).sound


TIMES = [f"2026-03-0{day}T08:00:00.000000+00:00" for day in range(1, 7)]


def test_a_clock_that_was_set_back_is_told_and_no_tampering(journal, capsys):
    dated(journal, [*TIMES[:3], TIMES[0], TIMES[4], TIMES[3]])
    found = journal.verify()
    assert (found.sound, found.problems) == (True, ())
    (note,) = found.notes
    assert note.startswith(
        "Entry 4 has an earlier time than entry 3 (2026-03-01T08:00:00 after 2026-03-03T08:00:00 UTC): the clock was "
    )
    assert "The same holds of 1 more." in note
    with pytest.raises(SystemExit) as ended:
        cli.main(["journal", "verify", "--journal", str(journal.path)])
    said = capsys.readouterr().out.splitlines()
    assert (ended.value.code, said[0]) == (0, f"Note: {note}")
    assert said[1].startswith("6 entries, sound, head")


def test_times_that_rise_or_stand_still_are_worth_no_note(journal):
    dated(journal, [TIMES[0], TIMES[0], *TIMES[2:]])
    assert journal.verify().notes == ()


def test_a_time_in_the_future_is_told(journal):
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)
    dated(journal, [*TIMES[:5], later.isoformat(timespec="microseconds")])
    (note,) = journal.verify().notes
    assert note.startswith("Entry 6 has a time in the future")
    dated(journal, [*TIMES[:4], "yesterday", "2026-03-06"])
    assert journal.verify().notes == ()


def test_a_journal_that_is_held_by_another_is_not_called_damaged(journal, refusal, monkeypatch):
    monkeypatch.setattr(inner, "WAIT", 0.1)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        for call in (journal.verify, journal.entries, journal.head, lambda: Journal(journal.path)):
            assert "in use by another program" in refusal(call)
    assert journal.verify().sound


def test_what_is_handed_on_of_a_journal_that_is_not_sound_says_so(journal, capsys, monkeypatch):
    edit(journal, ("UPDATE entries SET body = replace(body, '0.93', '0.94') WHERE number = 5", ()))
    out = journal.path.with_name("out.csv")
    with pytest.raises(SystemExit) as ended:
        cli.main(["journal", "export", "--journal", str(journal.path), "--out", str(out)])
    assert ended.value.code == 0
    assert (
        capsys.readouterr().err == "The journal is not sound, 1 thing is wrong with it: run workbench journal verify\n"
    )
