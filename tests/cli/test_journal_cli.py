"""`workbench journal`: what it says of a journal, what it writes, and how it refuses."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
from contextlib import closing

import pytest
from decisions import digest, draft, overruled

from workbench import cli
from workbench.journal.store import Journal
from workbench.sets.layouts import load_images


@pytest.fixture
def place(tmp_path, monkeypatch, write_image):
    """A working folder with a set of four images and a journal of three entries, the second of which overrules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "kept" / "journal.sqlite"))
    monkeypatch.delenv(cli.TRACEBACK_VARIABLE, raising=False)
    for i in range(4):
        write_image(f"set/{('good', 'bad')[i % 2]}/{i}.png", colour=(i * 50, 0, 0))
    images = load_images("set")
    journal = Journal(tmp_path / "kept" / "journal.sqlite")
    for make, name in ((draft, "bad/1.png"), (overruled, "bad/3.png"), (draft, "good/0.png")):
        changes = {"to": "good"} if make is overruled else {}
        journal.append(make(image=images.by_name[name].id, image_name=name, positive="bad", **changes))
    return tmp_path


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["journal", *arguments])
    return int(ended.value.code)


def journal_of(place):
    return Journal(place / "kept" / "journal.sqlite")


def edit(place, statement):
    with closing(sqlite3.connect(place / "kept" / "journal.sqlite", isolation_level=None)) as db:
        (rule,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'no_delete'").fetchone()
        db.execute("DROP TRIGGER no_delete")
        db.execute(statement)
        db.execute(rule)


def test_a_sound_journal_is_told_in_one_line(place, capsys):
    entries = journal_of(place).entries()
    assert call("verify") == 0
    expected = f"3 entries, sound, head {entries[-1].hash}, from {entries[0].time} to {entries[-1].time}\n"
    assert capsys.readouterr().out == expected


def test_an_empty_one_too(place, capsys):
    Journal(place / "new.sqlite")
    assert call("verify", "--journal", "new.sqlite") == 0
    assert capsys.readouterr().out == "0 entries, sound: there is nothing to keep a digest of yet\n"


def test_a_digest_that_was_kept_elsewhere(place, capsys):
    kept = journal_of(place).entries()[1].hash
    assert call("verify", "--expect", kept) == 0
    assert capsys.readouterr().out.splitlines()[1] == "The digest that was expected is the head after 2 of them"
    assert call("verify", "--expect", digest("something else")) == 1
    assert "No entry has the digest" in capsys.readouterr().out


def test_each_problem_is_a_line_and_the_exit_code_is_1(place, capsys):
    edit(place, "DELETE FROM entries WHERE number IN (1, 3)")
    assert call("verify") == 1
    said = capsys.readouterr()
    assert [line[:21] for line in said.out.splitlines()] == ["Entry 1 is missing: i", "The last entries were"]
    assert (said.err, "sound" in said.out) == ("", False)


def test_it_writes_a_table(place, capsys):
    assert call("export", "--out", "new/journal.csv") == 0
    with (place / "new" / "journal.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["hash"] for row in rows] == [entry.hash for entry in journal_of(place).entries()]
    assert capsys.readouterr().out == "Wrote 3 entries to new/journal.csv\n"


def test_it_writes_a_chain_that_checks_itself(place):
    assert call("export", "--out", "journal.JSON", "--journal", str(place / "kept" / "journal.sqlite")) == 0
    text = (place / "journal.JSON").read_bytes()
    assert json.loads(text)["entries"][-1]["hash"] == journal_of(place).head().hash
    bodies = re.findall(rb'"entry":(\{.*\})\},?\n', text)
    assert [hashlib.sha256(body).hexdigest() for body in bodies] == [
        entry.hash for entry in journal_of(place).entries()
    ]


def test_it_writes_labels_to_train_with(place, capsys):
    assert call("labels", "--images", "set", "--out", "set/manifest.csv") == 0
    assert capsys.readouterr().out == "Wrote 4 images, 1 of them with an overruled label, to set/manifest.csv\n"
    labels = {item.name: item.label for item in load_images("set")}
    assert labels == {"bad/1.png": "bad", "bad/3.png": "good", "good/0.png": "good", "good/2.png": "good"}


def test_labels_away_from_their_set_say_where_they_belong(place, capsys):
    assert call("labels", "--images", "set", "--out", "elsewhere.csv") == 0
    assert "Its paths begin in set: put it there" in capsys.readouterr().out


def test_labels_never_replace_a_file(place, capsys):
    (place / "set" / "manifest.csv").write_text("image,label\nbad/1.png,bad\n")
    assert call("labels", "--images", "set", "--out", "set/manifest.csv") == cli.INPUT_ERROR
    assert "already there" in capsys.readouterr().err
    assert (place / "set" / "manifest.csv").read_text() == "image,label\nbad/1.png,bad\n"


BAD = {
    ("verify", "--journal", "nowhere.sqlite"): "There is no journal at",
    ("verify", "--journal", "set/bad/1.png"): "is not a journal",
    ("verify", "--expect", "abc"): "is not a SHA-256",
    ("export", "--out", "journal.xlsx"): "neither a .csv nor a .json",
    ("export", "--out", "set/bad/1.png/x.csv"): "cannot be used",
    ("export", "--out", "x.csv", "--journal", "nowhere.sqlite"): "There is no journal at",
    ("labels", "--images", "nowhere", "--out", "x.csv"): "'nowhere'",
    ("labels", "--images", "set", "--out", "x.parquet"): "is not a .csv",
    ("labels", "--out", "x.csv"): "--images",
    ("forget",): "forget",
}


@pytest.mark.parametrize(("arguments", "says"), BAD.items(), ids=str)
def test_bad_input_is_one_line_and_exit_code_2(place, capsys, arguments, says):
    assert call(*arguments) == cli.INPUT_ERROR
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert not (place / "nowhere.sqlite").exists()


def test_help_lists_what_there_is(place, capsys):
    assert call() == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("verify", "export", "labels"))
