"""Whoever edits the journal is found, and the entry named: in the chain, at its end, and against a digest kept
elsewhere."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from decisions import digest, draft, overruled

from workbench.journal.entries import GENESIS, Entry, digest_of, dump
from workbench.journal.store import Journal

COUNT = 12


@pytest.fixture
def journal(tmp_path):
    """Twelve entries on twelve images; the fourth and the eighth are overruled."""
    journal = Journal(tmp_path / "journal.sqlite")
    for i in range(1, COUNT + 1):
        make = overruled if i % 4 == 0 and i < COUNT else draft
        journal.append(make(image=digest(f"image {i}"), score=i / 20, threshold=0.01))
    assert journal.verify().problems == ()
    return journal


def edit(journal, *statements, rules=True):
    """Write into the file past its triggers, which are put back unless `rules` is False."""
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(*((statement,) if isinstance(statement, str) else statement))
        for _, sql in triggers if rules else []:
            db.execute(sql)


def stored(journal, number):
    with closing(sqlite3.connect(journal.path)) as db:
        return db.execute("SELECT body, hash FROM entries WHERE number = ?", (number,)).fetchone()


def rewritten(journal, at, rehash=False, /, **changes):
    """The statement that changes fields of an entry, and perhaps its hash so that it fits again."""
    body, own = stored(journal, at)
    body = dump(json.loads(body) | changes)
    return "UPDATE entries SET body = ?, hash = ? WHERE number = ?", (body, digest_of(body) if rehash else own, at)


def problems(journal, expect=None):
    """What `verify` says, checked to be whole sentences and to go with its verdict."""
    found = journal.verify(expect)
    assert found.sound is (not found.problems)
    assert all(problem.endswith(".") and ":" in problem for problem in found.problems)
    return list(found.problems)


def only(journal, says, expect=None):
    """Check that there is one problem, and that it says so."""
    (problem,) = problems(journal, expect)
    assert says in problem, problem


CHANGES = {
    "number": 99, "time": "2020-01-01T00:00:00.000000+00:00", "user": "Eve", "model": "0" * 64, "model_name": "x",
    "image": "1" * 64,
    "image_name": "x", "set_name": "x", "label": "functional", "positive": ["functional"],
    "threshold": 0.41000000000000003,
    "score": 0.9, "verdict": "pass", "overruled": "broken", "reason": "none", "map_digest": None, "map_method": None,
    "previous": "a" * 64,
    "threshold_by": "model", "review_from": 0.3, "review_to": 0.5, "coverage": 0.9, "chosen_on": "x", "ceiling": 0.1,
    "escape_cost": 5.0,
    "overkill_cost": 5.0, "prevalence": 0.5, "label_known": False,
}  # fmt: skip


def test_every_field_is_tried():
    assert CHANGES.keys() == Entry.__dataclass_fields__.keys() - {"hash"}


@pytest.mark.parametrize("rehash", [False, True], ids=["hash as it was", "hash computed anew"])
@pytest.mark.parametrize("number", [1, 4, COUNT])
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_field_is_found_and_named(journal, name, number, rehash):
    edit(journal, rewritten(journal, number, rehash, **{name: CHANGES[name]}))
    said = problems(journal)
    assert said
    assert all(
        f"entry {number}" in p.lower() or f"entry {number + 1} does not follow on entry {number}" in p.lower()
        for p in said
    ), said
    if not rehash:
        assert said == [f"Entry {number} was changed: its content does not match its hash."]


def test_a_changed_hash_is_found(journal):
    edit(journal, f"UPDATE entries SET hash = '{'a' * 64}' WHERE number = 5")
    only(journal, "Entry 5 was changed")


NOT_ENTRIES = ["", "{", "null", "[1]", '{"number":5}', "x\ud7ff", b"\xff\xfe", 7]


@pytest.mark.parametrize("body", NOT_ENTRIES, ids=repr)
def test_what_is_no_entry_at_all_is_found(journal, body, refusal):
    own = digest_of(body) if isinstance(body, str) else "h"
    edit(journal, "DROP INDEX by_image", ("UPDATE entries SET body = ?, hash = ? WHERE number = 5", (body, own)))
    said = problems(journal)
    assert "Entry 5 was changed: its content does not match its hash." in said
    assert any("by_image is missing" in p for p in said)
    assert "run workbench journal verify" in refusal(journal.entries)


def test_the_same_fields_in_another_text_are_not_the_entry(journal):
    body = json.dumps(json.loads(stored(journal, COUNT)[0]), indent=1)
    edit(journal, ("UPDATE entries SET body = ?, hash = ? WHERE number = ?", (body, digest_of(body), COUNT)))
    assert f"Entry {COUNT} was changed: its content does not match its hash." in problems(journal)


def test_an_entry_removed_in_the_middle_is_found(journal):
    edit(journal, "DELETE FROM entries WHERE number = 5")
    only(journal, "Entry 5 is missing")


def test_several_removed_are_found(journal):
    edit(journal, "DELETE FROM entries WHERE number IN (1, 5, 6, 7)")
    assert [p[:28] for p in problems(journal)] == ["Entry 1 is missing: it was r", "Entries 5 to 7 are missing: "]


def test_the_gap_closed_by_renumbering_is_found(journal):
    edit(
        journal,
        "DELETE FROM entries WHERE number = 5",
        *(f"UPDATE entries SET number = {n - 1} WHERE number = {n}" for n in range(6, 13)),
    )
    said = problems(journal)
    assert said[0].startswith("Entry 5 calls itself entry 6")
    assert "its head file notes 12" in said[1]


def test_the_gap_closed_and_every_entry_renumbered_in_itself_is_found(journal):
    edit(journal, "DELETE FROM entries WHERE number = 5")
    for n in range(6, COUNT + 1):
        edit(
            journal,
            rewritten(journal, n, True, number=n - 1),
            f"UPDATE entries SET number = {n - 1} WHERE number = {n}",
        )
    assert problems(journal)[0].startswith("Entry 5 does not follow on entry 4")


@pytest.mark.parametrize("left", [11, 7, 1, 0])
def test_the_last_ones_removed_are_found(journal, left):
    edit(journal, f"DELETE FROM entries WHERE number > {left}")
    only(journal, f"the journal ends with entry {left}, and its head file notes 12 entries")


@pytest.mark.parametrize("pair", [(5, 6), (3, 9)])
def test_two_swapped_are_found(journal, pair):
    a, b = pair
    moves = ((a, -1), (b, a), (-1, b))
    edit(journal, *(f"UPDATE entries SET number = {new} WHERE number = {old}" for old, new in moves))
    said = problems(journal)
    assert [p.split(":")[0] for p in said] == [f"Entry {a} calls itself entry {b}", f"Entry {b} calls itself entry {a}"]


def test_one_put_in_is_found(journal):
    body, own = stored(journal, 5)
    forged = dump(json.loads(body) | {"verdict": "pass"})
    moves = [f"UPDATE entries SET number = {n + 1} WHERE number = {n}" for n in range(COUNT, 4, -1)]
    edit(journal, *moves, ("INSERT INTO entries VALUES (5, ?, ?)", (forged, digest_of(forged))))
    said = problems(journal)
    assert said[0].startswith("Entry 6 calls itself entry 5")
    assert "Entry 12 is not the one that the head file notes" in said[-1]
    assert own != digest_of(forged)


def test_one_put_in_before_the_first_is_found(journal):
    body, own = stored(journal, 1)
    edit(
        journal,
        ("INSERT INTO entries VALUES (0, ?, ?)", (body, own)),
        ("INSERT INTO entries VALUES (-3, ?, ?)", (body, own)),
    )
    assert [p.split(" was")[0] for p in problems(journal)] == ["Entry -3", "Entry 0"]


def test_all_renumbered_is_found(journal):
    edit(journal, "UPDATE entries SET number = -number", "UPDATE entries SET number = 100 - number")
    said = problems(journal)
    assert said[0].startswith("Entries 1 to 100 are missing")
    assert said[1].startswith("Entry 101 calls itself entry 1")


FORGED = {
    "no hash": (lambda body, last: (body, ""), "Entry 13 was changed"),
    "a wrong link": (lambda body, last: (body, digest_of(body)), "Entry 13 does not follow on entry 12"),
    "no entry": (lambda body, last: ("{}", digest_of("{}")), "Entry 13 was changed"),
}


@pytest.mark.parametrize(("forge", "says"), FORGED.values(), ids=FORGED)
def test_one_appended_past_the_chain_is_found(journal, forge, says):
    body = dump(json.loads(stored(journal, 3)[0]) | {"number": 13})
    edit(journal, ("INSERT INTO entries VALUES (13, ?, ?)", forge(body, stored(journal, 12)[1])))
    only(journal, says)
    journal.append(draft())
    only(journal, says)


def test_missing_rules_are_found(journal):
    edit(journal, rules=False)
    assert [p.split(": ")[1] for p in problems(journal)] == [
        f"{name} is missing." for name in ("no_delete", "no_update", "only_at_the_end")
    ]


def test_foreign_rules_are_found(journal):
    edit(journal, "CREATE TRIGGER quietly BEFORE INSERT ON entries BEGIN SELECT RAISE(IGNORE); END")
    only(journal, "quietly was inserted")


def rechained(journal, first, **changes):
    """Change an entry and compute every hash from there on anew: what somebody can do who knows how it works."""
    previous = stored(journal, first - 1)[1] if first > 1 else GENESIS
    for n in range(first, journal.head().count + 1):
        edit(journal, rewritten(journal, n, True, previous=previous, **(changes if n == first else {})))
        previous = stored(journal, n)[1]


def test_a_chain_computed_anew_shows_in_the_head_file(journal):
    rechained(journal, 5, verdict="pass")
    only(journal, "Entry 12 is not the one that the head file notes")


def test_a_chain_and_a_head_file_made_anew_show_only_against_a_digest_kept_elsewhere(journal):
    kept = journal.head().hash
    rechained(journal, 5, verdict="pass")
    head = journal.head()
    head_file(journal).write_text(json.dumps({"count": head.count, "hash": head.hash}))
    assert problems(journal) == [], "said so in the docstring: without a digest kept elsewhere, nobody can tell"
    only(journal, f"No entry has the digest {kept} that was expected", expect=kept)
    assert journal.verify(kept).covered is None


def head_file(journal):
    return journal.path.with_name("journal.sqlite.head")


def test_a_digest_kept_elsewhere_holds_as_the_journal_grows(journal):
    kept = journal.head().hash
    for _ in range(3):
        journal.append(draft())
    found = journal.verify(f" {kept.upper()}\n")
    assert (found.sound, found.count, found.covered) == (True, 15, 12)
    assert journal.verify().covered is None


@pytest.mark.parametrize("bad", ["", "abc", "x" * 64, "0" * 65])
def test_what_is_no_digest_is_refused(journal, refusal, bad):
    assert "is not a SHA-256" in refusal(lambda: journal.verify(bad))


def test_the_verdict_says_how_much_and_from_when(journal):
    found, entries = journal.verify(), journal.entries()
    assert (found.count, found.head) == (COUNT, entries[-1].hash)
    assert (found.first, found.last) == (entries[0].time, entries[-1].time)


def test_an_empty_journal_is_sound(tmp_path):
    found = Journal(tmp_path / "new.sqlite").verify()
    assert (found.sound, found.count, found.head, found.first, found.last) == (True, 0, GENESIS, None, None)


def test_a_tail_that_was_cut_stays_visible_when_decisions_go_on(journal):
    edit(journal, "DELETE FROM entries WHERE number > 9")
    for _ in range(2):
        Journal(journal.path).append(draft())
    only(journal, "ends with entry 11, and its head file notes 12")
    for _ in range(3):
        journal.append(draft())
    only(journal, "Entry 12 is not the one that the head file notes")


def test_a_journal_removed_as_a_whole_stays_visible(journal):
    for path in journal.path.parent.glob("journal.sqlite*"):
        if path != head_file(journal):
            path.unlink()
    anew = Journal(journal.path)
    only(anew, "ends with entry 0, and its head file notes 12")
    anew.append(draft())
    only(anew, "ends with entry 1, and its head file notes 12")


def test_a_head_file_that_lags_behind_is_no_problem_and_is_healed(journal):
    earlier = head_file(journal).read_bytes()
    journal.append(draft())
    journal.append(draft())
    head_file(journal).write_bytes(earlier)  # as if both processes had been killed before they wrote it
    assert problems(journal) == []
    journal.append(draft())
    assert json.loads(head_file(journal).read_text()) == {"count": 15, "hash": journal.head().hash}


def test_a_missing_head_file_is_told_and_not_made_anew(journal):
    head_file(journal).unlink()
    only(journal, "The head file is missing")
    Journal(journal.path).append(draft())
    only(journal, "The head file is missing")
    assert problems(journal, expect=journal.head().hash) == [], "the very end is known from elsewhere"
    assert any("missing" in p for p in problems(journal, expect=stored(journal, 5)[1]))


DAMAGED = [
    "",
    "{}",
    "[]",
    "null",
    '{"count": "x", "hash": 1}',
    '{"count": -1, "hash": ""}',
    "\xff",
    '{"count": 1e400, "hash": ""}',
]
DAMAGED += ["[" * 100_000, '{"count":' * 50_000, '{"count": ' + "9" * 5000 + ', "hash": ""}']


@pytest.mark.parametrize("text", DAMAGED, ids=lambda text: repr(text[:30]))
def test_a_damaged_head_file_is_told_and_kept(journal, text):
    head_file(journal).write_bytes(text.encode("latin-1"))
    journal.append(draft())
    only(journal, "The head file is damaged")
    assert head_file(journal).read_bytes() == text.encode("latin-1")


def test_a_copy_with_its_head_file_is_sound_elsewhere(journal, tmp_path):
    (tmp_path / "copy").mkdir()
    for name in ("journal.sqlite", "journal.sqlite.head"):
        shutil.copy(tmp_path / name, tmp_path / "copy" / name)
    assert sorted(p.name for p in tmp_path.glob("journal*")) == [
        "journal.sqlite",
        "journal.sqlite.head",
    ], "at rest it is these two files"
    assert problems(Journal(tmp_path / "copy" / "journal.sqlite")) == []


def test_bytes_overwritten_on_the_disk_are_found(journal):
    for i in range(60):
        journal.append(overruled(reason=f"{i} " * 300))
    data = bytearray(journal.path.read_bytes())
    for where in range(len(data) // 2, len(data) - 4096, 4096):
        broken = bytearray(data)
        broken[where : where + 4096] = bytes(4096)
        journal.path.write_bytes(broken)
        said = problems(journal)
        assert any("damaged" in p or "changed" in p or "missing" in p for p in said), where
