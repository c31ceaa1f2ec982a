"""The decision journal: what goes in comes out, in pages and by image; what cannot be a journal is refused."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from functools import partial

import numpy as np
import pytest
from decisions import digest, draft, overruled

from workbench.files.folders import data_folder
from workbench.journal import store as inner
from workbench.journal.entries import GENESIS, Draft, Entry, canonical, map_digest
from workbench.journal.store import Journal, journal_path

NASTY = (
    "line\nbreak, \"quotes\", 'more', \\ back; é ß 日本",
    "\N{FACTORY}\N{ZERO WIDTH JOINER}\N{WRENCH} \N{RIGHT-TO-LEFT OVERRIDE}txt",
    "half a pair \ud800 and \udfff",
    "nothing\x00after \x1b[31m",
    "'); DROP TABLE entries; --",
)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.sqlite")


def test_an_entry_comes_back_as_it_was_written(journal):
    before = datetime.datetime.now(datetime.UTC)
    written = journal.append(overruled(score=0.1 + 0.2, threshold=np.float32(0.7)))
    (read,) = journal.entries()
    assert read == written
    assert (read.number, read.previous) == (1, GENESIS)
    assert (read.score, read.threshold) == (0.30000000000000004, float(np.float32(0.7)))
    assert read.positive == ("defective",)
    assert before <= datetime.datetime.fromisoformat(read.time) <= datetime.datetime.now(datetime.UTC)
    assert len(read.time) == len("2026-01-01T00:00:00.000000+00:00")


def test_the_hash_is_that_of_the_canonical_text_and_of_the_entry_before(journal):
    first, second = journal.append(draft()), journal.append(overruled())
    assert second.previous == first.hash
    for entry in (first, second):
        assert hashlib.sha256(canonical(entry).encode("ascii")).hexdigest() == entry.hash
        names = {name for name in Entry.__dataclass_fields__ if name != "hash"}
        assert json.loads(canonical(entry)).keys() == names, "every field is under the hash"


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_any_text_survives(journal, text):
    journal.append(draft(user="somebody else"))
    written = journal.append(overruled(reason=text, user=text, to=text, image_name=text, positive=(text, "b")))
    (read,) = journal.entries(user=text)
    assert read == written
    assert (read.reason, read.user, read.overruled, read.image_name, read.positive) == (
        text,
        text,
        text,
        text,
        (text, "b"),
    )
    assert journal.count(user=text) == 1
    assert journal.verify().sound


@pytest.mark.parametrize("value", [0, 1, 5e-324, 0.1, 1 / 3, 1 - 2**-53, np.float64(0.1), np.float32(0.1)], ids=repr)
def test_every_double_survives_exactly(journal, value):
    journal.append(draft(score=value, threshold=value))
    (read,) = journal.entries()
    assert read.score.hex() == read.threshold.hex() == float(value).hex()
    assert journal.verify().sound


BAD = {
    "nobody": ({"user": " "}, "names nobody"),
    "no text": ({"user": 5}, "The user 5 is not a text"),
    "a long name": ({"user": "x" * 201}, "The user has 201 characters"),
    "a long reason": ({"reason": "x" * 10_001}, "The reason has 10,001 characters"),
    "a score over 1": ({"score": 1.1}, "The score 1.1"),
    "no score": ({"score": float("nan")}, "The score nan"),
    "an endless threshold": ({"threshold": float("inf")}, "The threshold inf"),
    "a threshold below 0": ({"threshold": -0.1}, "The threshold -0.1"),
    "no number": ({"threshold": None}, "The threshold None"),
    "an unknown verdict": ({"verdict": "maybe"}, "'maybe'"),
    "no reason": ({"overruled": "good", "reason": " "}, "without a reason"),
    "overruled to nothing": ({"overruled": "", "reason": "why"}, "to no class"),
    "no positive class": ({"positive": ()}, "0 classes"),
    "too many": ({"positive": ("x",) * 1001}, "1,001 classes"),
    "a class that is none": ({"positive": (None,)}, "The positive class None"),
    "a long class": ({"positive": ("x" * 501,)}, "The positive class has 501"),
    "no digest": ({"image": "cell0001.png"}, "The image 'cell0001.png' is not a SHA-256"),
    "no model": ({"model": None}, "The model None"),
    "half a map": ({"map_digest": None}, "by half"),
    "a short digest": ({"map_digest": "abc"}, "The map_digest 'abc'"),
    "a verdict that does not follow": (
        {"verdict": "pass", "threshold": 0.41},
        "'pass' does not follow from the score 0.93",
    ),
    "a review without a band": ({"verdict": "review", "review_from": None, "review_to": None}, "that is 'reject'"),
    "a band beside its threshold": ({"review_from": 0.5}, "does not hold the threshold 0.41"),
    "a band for no target": ({"review_from": 0.2, "review_to": 0.5}, "no coverage"),
    "an end of a band that is none": ({"review_to": 1.1}, "The review_to 1.1"),
    "a threshold from nowhere": ({"threshold_by": None}, "How the threshold was found, None"),
    "costs that are not told": (
        {"threshold_by": "cost", "chosen_on": "x", "escape_cost": 1},
        "lacks its overkill_cost",
    ),
    "a ceiling that is not told": ({"threshold_by": "escape", "chosen_on": "x"}, "lacks its ceiling"),
    "images that are not told": ({"threshold_by": "overkill", "ceiling": 0.1}, "lacks its chosen_on"),
    "an endless cost": ({"escape_cost": float("inf")}, "The escape_cost inf"),
    "a label that is known and not told": ({"label": None, "label_known": True}, "no label"),
}


@pytest.mark.parametrize(("changes", "says"), BAD.values(), ids=BAD)
def test_a_decision_that_cannot_be_is_refused(refusal, changes, says):
    assert says in refusal(lambda: draft(**changes))


def test_one_positive_class_may_come_as_a_text():
    assert draft(positive="crack").positive == ("crack",)


@pytest.fixture
def twenty(journal):
    """Twenty entries: two users and two models in turn, five images, every third one overruled."""
    for i in range(20):
        make = partial(overruled, reason=f"reason {i}") if i % 3 == 0 else draft
        journal.append(make(user=("Ada", "Zoë")[i % 2], model=digest(f"model {i % 2}"), image=digest(f"image {i % 5}")))
    return journal


def test_pages_cover_everything_once_in_both_directions(twenty):
    for newest_first in (False, True):
        pages = [twenty.entries(limit=6, offset=start, newest_first=newest_first) for start in range(0, 24, 6)]
        assert [len(page) for page in pages] == [6, 6, 6, 2]
        numbers = [entry.number for page in pages for entry in page]
        assert numbers == sorted(range(1, 21), reverse=newest_first)


FILTERS = {
    "model": ({"model": digest("model 1")}, lambda i: i % 2 == 1),
    "image": ({"image": digest("image 3")}, lambda i: i % 5 == 3),
    "user": ({"user": "Zoë"}, lambda i: i % 2 == 1),
    "overruled": ({"overruled": True}, lambda i: i % 3 == 0),
    "all": (
        {"model": digest("model 0"), "image": digest("image 1"), "user": "Ada", "overruled": True},
        lambda i: i == 6,
    ),
    "nobody": ({"user": "nobody"}, lambda i: False),
}


@pytest.mark.parametrize(("chosen", "belongs"), FILTERS.values(), ids=FILTERS)
def test_filters(twenty, chosen, belongs):
    expected = [i + 1 for i in range(20) if belongs(i)]
    assert [entry.number for entry in twenty.entries(**chosen)] == expected
    assert twenty.count(**chosen) == len(expected)
    assert twenty.count() == 20


def test_the_newest_entry_of_each_image_for_one_model(twenty):
    images = [digest(f"image {i}") for i in (0, 3, 7)]
    found = twenty.latest(digest("model 0"), images)
    assert {image: entry.number for image, entry in found.items()} == {images[0]: 11, images[1]: 19}
    assert found[images[1]] == twenty.entries()[18]
    assert twenty.latest(digest("model 0"), []) == twenty.latest(digest("another"), images) == {}


def test_the_head_is_the_last_entry(journal):
    assert (journal.head().count, journal.head().hash) == (0, GENESIS)
    entry = journal.append(draft())
    assert (journal.head().count, journal.head().hash) == (1, entry.hash)


def test_it_is_kept_in_the_journal_mode_and_with_the_care_that_it_promises(journal):
    journal.append(draft())
    with journal._connection() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)


CHANGES = {
    "update": "UPDATE entries SET body = '{}' WHERE number = 1",
    "delete": "DELETE FROM entries WHERE number = 2",
    "replace": "INSERT OR REPLACE INTO entries VALUES (1, '{}', 'x')",
    "a gap": "INSERT INTO entries VALUES (9, '{}', 'x')",
    "no number": "INSERT INTO entries (body, hash) VALUES ('{}', 'x')",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_file_itself_refuses_changes(journal, change):
    journal.append(draft())
    journal.append(draft())
    with closing(sqlite3.connect(journal.path)) as db, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(change)
    assert journal.verify().sound


def test_threads_may_share_a_journal(journal):
    threads = [threading.Thread(target=lambda: [journal.append(draft()) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = journal.verify()
    assert (found.sound, found.count) == (True, 80)


def test_where_it_lies(monkeypatch, tmp_path):
    assert journal_path().parts[-1] == "journal.sqlite"
    assert str(journal_path()) == os.environ["WORKBENCH_JOURNAL"], "tests must not write into the user's own"
    monkeypatch.delenv("WORKBENCH_JOURNAL")
    assert journal_path() == data_folder() / "journal.sqlite"


def test_folders_above_are_made_and_odd_names_are_fine(tmp_path):
    path = tmp_path / "a new" / "folder 100%?#" / "jöurnal?mode=ro#x.sqlite"
    Journal(path).append(draft())
    assert path.is_file()
    assert Journal(str(path), create=False).count() == 1


def test_a_link_and_its_file_are_one_journal(journal, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.sqlite").symlink_to(journal.path)
    Journal(tmp_path / "elsewhere" / "link.sqlite").append(draft())
    assert journal.verify().count == 1
    assert [p.name for p in (tmp_path / "elsewhere").iterdir()] == ["link.sqlite"]


def test_a_missing_journal_is_not_made_where_that_is_not_wanted(tmp_path, refusal):
    assert "no journal at" in refusal(lambda: Journal(tmp_path / "x.sqlite", create=False))
    (tmp_path / "x.sqlite").touch()
    assert "empty file" in refusal(lambda: Journal(tmp_path / "x.sqlite", create=False))
    assert [p.name for p in tmp_path.iterdir()] == ["x.sqlite"]


def _foreign(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE entries (number INTEGER, body TEXT, hash TEXT)")


def _newer(path):
    Journal(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 5")


def _cut(path):
    journal = Journal(path)
    for _ in range(30):
        journal.append(draft())
    path.write_bytes(path.read_bytes()[:5000])


STRANGE = {
    "an image": (lambda path: path.write_bytes(b"\x89PNG" * 1000), "is not a journal, or is damaged"),
    "a text": (lambda path: path.write_text("number,time\n"), "is not a journal, or is damaged"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "another program's": (_foreign, "a database of another program"),
    "a newer release's": (_newer, "newer release"),
    "cut off": (_cut, "is damaged"),
}


@pytest.mark.parametrize(("make", "says"), STRANGE.values(), ids=STRANGE)
def test_what_is_no_journal_is_refused_and_left_as_it_is(tmp_path, refusal, make, says):
    path = tmp_path / "x.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    assert says in refusal(lambda: Journal(path))
    assert (path.read_bytes() if path.is_file() else None) == before


@pytest.mark.parametrize(
    "bad", ["a\0b", "\ud800", "x" * 5000, "~nobody-here/x"], ids=["NUL", "half a pair", "long", "user"]
)
def test_a_path_that_cannot_be_is_refused(refusal, bad):
    refusal(lambda: Journal(bad))


def test_a_folder_that_cannot_be_made_is_refused(refusal, write_image):
    assert "cannot be written to" in refusal(lambda: Journal(write_image("x.png") / "journal.sqlite"))


def test_a_folder_that_may_only_be_read_is_refused(journal, refusal):
    journal.append(draft())
    journal.path.parent.chmod(0o500)
    try:
        if os.access(journal.path.parent, os.W_OK):
            pytest.skip("this user may write anywhere")
        assert Journal(journal.path).verify().count == 1
        assert "cannot be written to" in refusal(lambda: Journal(journal.path.with_name("new.sqlite")))
        assert "cannot be written to" in refusal(lambda: journal.append(draft()))
    finally:
        journal.path.parent.chmod(0o700)
    assert journal.append(draft()).number == 2


def test_a_journal_that_is_gone_is_not_made_anew_behind_ones_back(journal, refusal):
    journal.append(draft())
    shutil.rmtree(journal.path.parent)
    assert "cannot be written to" in refusal(lambda: journal.append(draft()))
    refusal(journal.entries)


def test_a_writer_who_does_not_finish_is_told_of(journal, refusal, monkeypatch):
    monkeypatch.setattr(inner, "WAIT", 0.1)
    journal.append(draft())
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "in use by another program" in refusal(lambda: journal.append(draft()))
        assert journal.count() == 1, "readers need not wait"
    assert journal.append(draft()).number == 2


def test_the_digest_of_a_map_is_that_of_its_float32_values():
    values = np.arange(12.0).reshape(3, 2, 2)
    expected = hashlib.sha256(np.arange(12, dtype="<f4").tobytes()).hexdigest()
    assert map_digest(values) == map_digest(values.astype(np.float32)) == expected
    assert map_digest(np.asfortranarray(values)) == expected
    assert map_digest(values.astype(">f4")) == expected
    assert map_digest(values + 1) != expected
    assert isinstance(draft(map_digest=expected), Draft)
