"""Notes on labels and pairs stand in the same chain as decisions; what was taken back does not count."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import sqlite3
from contextlib import closing

import pytest
from decisions import digest, draft, overruled

from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem, ImageSet
from workbench.journal import Journal, Note, NoteEntry, relabel, to_csv, to_json
from workbench.journal.entries import digest_of, dump


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.sqlite")


def label(said="doubtful", image="a", **changes):
    to = "bad" if said == "changed" else None
    fields = {"about": "label", "user": "Ada", "set_name": "cells", "label": "good", "said": said, "to": to}
    fields |= {"image": digest(image), "image_name": f"{image}.png"}
    return Note(**fields | changes)


def pair(said="not the same", first="a", second="b", **changes):
    return label(
        said, first, about="pair", second=digest(second), second_name=f"{second}.png", second_label="bad", **changes
    )


def release_of(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def test_notes_are_sealed_in_the_chain_with_decisions(journal):
    decision = journal.append(draft())
    assert release_of(journal.path) == 2, "an older release can read a journal of decisions alone"
    note = journal.append(label(reason='"about":"label" and \ud800'))
    after = journal.append(draft())
    assert (note.previous, after.previous) == (decision.hash, note.hash)
    assert journal.records() == (decision, note, after)
    assert journal.entries() == (decision, after)
    assert journal.records(notes=True) == (note,)
    assert (journal.count(), journal.count_records(), journal.count_records(notes=True)) == (2, 3, 1)
    assert (journal.verify().problems, journal.verify().count) == ((), 3)
    assert release_of(journal.path) == 3, "an older release, which cannot read notes, says that it is too old"
    assert journal.latest(digest("model"), [digest("a")]) == {}


def test_a_decision_whose_text_speaks_of_a_note_stays_a_decision(journal):
    decision = journal.append(draft(reason='{"about":"label"}', user="about", image_name='"about":'))
    assert journal.entries() == (decision,)
    assert journal.records(notes=True) == ()


def test_the_newest_note_on_an_image_counts_until_it_is_taken_back(journal):
    for note in (label("changed"), label("confirmed", "b"), label("doubtful"), label("changed", "c"),
                 label("withdrawn", "c"), pair()):  # fmt: skip
        journal.append(note)
    standing = journal.label_decisions()
    assert {image: note.said for image, note in standing.items()} == {
        digest("a"): "doubtful",
        digest("b"): "confirmed",
    }


def test_a_pair_is_one_pair_whichever_image_comes_first(journal):
    for note in (pair(), pair("not the same", "c", "d"), pair("same part", "d", "c"), pair("not the same", "e", "f"),
                 pair("withdrawn", "f", "e"), pair("not the same", "f", "e")):  # fmt: skip
        journal.append(note)
    assert journal.pairs_apart() == {tuple(sorted(map(digest, names))) for names in ("ab", "ef")}
    assert {note.said for note in journal.pair_decisions().values()} == {"not the same", "same part"}


def test_a_changed_note_is_found(journal):
    journal.append(label("confirmed"))
    journal.append(pair())
    for number, changes in ((1, {"said": "doubtful"}), (2, {"second_name": "z.png"})):
        with closing(sqlite3.connect(journal.path, isolation_level=None)) as db:
            db.execute("DROP TRIGGER IF EXISTS no_update")
            (body,) = db.execute("SELECT body FROM entries WHERE number = ?", (number,)).fetchone()
            db.execute("UPDATE entries SET body = ? WHERE number = ?", (dump(json.loads(body) | changes), number))
            assert f"Entry {number} was changed" in " ".join(journal.verify().problems)
            db.execute("UPDATE entries SET body = ? WHERE number = ?", (body, number))


@pytest.mark.parametrize("change", [{"extra": 1}, {"about": None}], ids=["one field more", "no longer a note"])
def test_a_note_has_its_fields_and_no_others(journal, change):
    journal.append(label())
    fields = {
        name: value for name, value in (json.loads(_body(journal)) | change).items() if (name, value) != ("about", None)
    }
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as db:
        db.execute("DROP TRIGGER no_update")
        db.execute("UPDATE entries SET body = ?, hash = ?", (dump(fields), digest_of(dump(fields))))
    assert "Entry 1 was changed" in " ".join(journal.verify().problems)


def _body(journal):
    with closing(sqlite3.connect(journal.path)) as db:
        return db.execute("SELECT body FROM entries").fetchone()[0]


def test_exports_carry_notes_and_the_chain_checks_itself(journal):
    for entry in (draft(), label("changed", reason="a scratch"), pair()):
        journal.append(entry)
    before = "0" * 64
    rows = json.loads(to_json(journal.records()))["entries"]
    for row in rows:
        body = json.dumps(row["entry"], sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(body.encode()).hexdigest() == row["hash"]
        assert row["entry"]["previous"] == before
        before = row["hash"]
    assert before == journal.head().hash
    table = list(csv.DictReader(io.StringIO(to_csv(journal.records()), newline="")))
    assert [(row["about"], row["said"], row["to"], row["second_name"]) for row in table] == [
        ("", "", "", ""),
        ("label", "changed", "bad", ""),
        ("pair", "not the same", "", "b.png"),
    ]
    assert [row["verdict"] for row in table] == ["reject", "", ""]


def test_changed_labels_are_labels_to_train_with_until_they_are_taken_back(journal):
    images = ImageSet(
        "cells",
        tuple(ImageItem(f"{n}.png", BytesSource(n.encode()), label="good", split="train") for n in "abc"),
    )  # fmt: skip
    for name, said in (("a", "changed"), ("b", "changed"), ("b", "withdrawn"), ("c", "doubtful")):
        journal.append(label(said, image=name))
    rows = list(csv.DictReader(io.StringIO(relabel(images, journal.records()))))
    assert [(row["label"], row["overruled"]) for row in rows] == [("bad", "yes"), ("good", "no"), ("good", "no")]
    journal.append(overruled("good", image=images.items[0].id, image_name="a.png"))
    assert next(csv.DictReader(io.StringIO(relabel(images, journal.records()))))["label"] == "good"


WRONG = {
    "nobody": (lambda: label(user=" "), "names nobody"),
    "about nothing": (lambda: label(about="mask"), "about 'mask'"),
    "said of no label": (lambda: label("not the same"), "cannot be 'not the same'"),
    "changed to nothing": (lambda: label("changed", to=None), "changed to a class"),
    "confirmed to a class": (lambda: label("confirmed", to="bad"), "changed to a class"),
    "changed to itself": (lambda: label("changed", to="good"), "name another class"),
    "a pair of one": (lambda: label("same part", about="pair"), "A pair has two images"),
    "a label of two": (lambda: label(second=digest("b"), second_name="b"), "A pair has two images"),
    "the same bytes": (lambda: pair(second="a"), "the same bytes"),
    "no digest": (lambda: dataclasses.replace(label(), image="a.png"), "not a SHA-256"),
    "no text": (lambda: label(reason=5), "is not a text"),
    "too long": (lambda: label(reason="x" * 10_001), "10,001 characters"),
}


@pytest.mark.parametrize(("make", "says"), WRONG.values(), ids=WRONG)
def test_a_note_that_cannot_be_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_what_stands_in_a_file_is_read_as_it_is():
    note = NoteEntry(about="x", user="", set_name="", image="", image_name="", said="y", number=1, time="", previous="",
                     hash="")  # fmt: skip
    assert note.said == "y"
