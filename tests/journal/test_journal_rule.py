"""A verdict can be derived from its entry alone, in the file and in every export; entries of older releases stand as
they were."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing

import pytest
from decisions import BAND, draft, overruled

from workbench.errors import InputError
from workbench.journal import store as inner
from workbench.journal.entries import canonical, digest_of, dump
from workbench.journal.export import to_csv, to_json
from workbench.journal.store import Journal

DIGESTS = {
    "image": "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d",
    "map": "60be9861750facbfad8758254a2f76c0cfe78d54459a3bc187d49b1401fcd8e8",
    "model": "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4",
}
HASHES = (
    "07a0335e133216b12d4089263e128d247ce76053899a0452efd5498e66e8b3bb",
    "8f376488fad31976a4b94fd13e3673e827abbf6ea4dc46dcb6c0d78dc4a1dacd",
)
FIRST_RELEASE = (  # as it wrote them, byte for byte
    (
        f'{{"image":"{DIGESTS["image"]}","image_name":"cell0001.png","label":"defective","map_digest":"{DIGESTS["map"]}",'
        f'"map_method":"integrated_gradients","model":"{DIGESTS["model"]}","model_name":"Solar'
        ' cells","number":1,"overruled":null,'
        f'"positive":["defective"],"previous":"{"0" * 64}","reason":"","score":0.55,"set_name":"elpv","threshold":0.41,'
        '"time":"2026-11-26T06:54:13.657269+00:00","user":"Ada","verdict":"review"}'
    ),
    (
        f'{{"image":"{DIGESTS["image"]}","image_name":"cell0001.png","label":null,"map_digest":null,"map_method":null,'
        f'"model":"{DIGESTS["model"]}","model_name":"Solar'
        ' cells","number":2,"overruled":"functional","positive":["crack","hole"],'
        f'"previous":"{HASHES[0]}","reason":"a \\u27c2'
        ' reflection","score":0.30000000000000004,"set_name":"elpv","threshold":0.41,'
        '"time":"2026-11-26T06:54:13.712790+00:00","user":"Ada","verdict":"pass"}'
    ),
)


@pytest.fixture
def older(tmp_path):
    """A journal of two entries as the first release left it."""
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        for rule in inner.RULES.values():
            db.execute(rule)
        db.execute(f"PRAGMA application_id={inner.APPLICATION}")
        db.execute("PRAGMA user_version=1")
        db.executemany("INSERT INTO entries VALUES (?, ?, ?)", zip((1, 2), FIRST_RELEASE, HASHES, strict=True))
    path.with_name("journal.sqlite.head").write_text(json.dumps({"count": 2, "hash": HASHES[1]}))
    return path


def release_of(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def test_entries_of_the_first_release_stay_valid_and_can_be_handed_on(older):
    journal = Journal(older, create=False)
    found = journal.verify(HASHES[0])
    assert (found.problems, found.count, found.head, found.covered) == ((), 2, HASHES[1], 1)
    first, second = journal.entries()
    assert (canonical(first), canonical(second)) == FIRST_RELEASE
    assert (second.reason, second.positive, second.threshold_by, second.review_to) == (
        "a ⟂ reflection",
        ("crack", "hole"),
        None,
        None,
    )
    assert [
        json.dumps(row["entry"], sort_keys=True, separators=(",", ":"))
        for row in json.loads(to_json((first, second)))["entries"]
    ] == [*FIRST_RELEASE]
    assert [row["threshold_by"] for row in csv.DictReader(io.StringIO(to_csv((first, second))))] == ["", ""]
    assert release_of(older) == 1, "reading changes nothing"


def test_new_entries_follow_on_those_of_the_first_release(older):
    journal = Journal(older)
    entry = journal.append(draft())
    assert (entry.number, entry.previous) == (3, HASHES[1])
    assert journal.verify(HASHES[1]).covered == 2
    assert journal.verify().problems == ()
    assert release_of(older) == 2, "an older release, which cannot read it, says that it is too old"


def test_an_older_entry_cannot_be_dressed_as_a_newer_one_nor_the_other_way_round(older):
    journal = Journal(older)
    journal.append(draft())
    newer = json.loads(canonical(journal.entries()[2]))
    del newer["coverage"]
    for number, fields in ((1, json.loads(FIRST_RELEASE[0]) | {"threshold_by": None}), (3, newer)):
        body = dump(fields)
        with closing(sqlite3.connect(older, isolation_level=None)) as db:
            db.execute("DROP TRIGGER IF EXISTS no_update")
            before = db.execute("SELECT body, hash FROM entries WHERE number = ?", (number,)).fetchone()
            db.execute("UPDATE entries SET body = ?, hash = ? WHERE number = ?", (body, digest_of(body), number))
            assert any(f"Entry {number} was changed" in problem for problem in journal.verify().problems)
            db.execute("UPDATE entries SET body = ?, hash = ? WHERE number = ?", (*before, number))


def derived(fields):
    """What became of a part, from the entry alone: right, escape, overkill or review, or None where no label says."""
    if fields["score"] >= fields["review_to"]:
        verdict = "reject"
    elif fields["score"] < fields["review_from"]:
        verdict = "pass"
    else:
        return "review", "review"
    if not fields["label_known"]:
        return verdict, None
    bad = fields["label"] in fields["positive"]
    return verdict, {("pass", True): "escape", ("reject", False): "overkill"}.get((verdict, bad), "right")


CASES = {
    "a rejected defect": ({}, ("reject", "right")),
    "a defect at its threshold": ({"score": 0.41}, ("reject", "right")),
    "an escape": ({"score": 0.3}, ("pass", "escape")),
    "an overkill": ({"label": "functional"}, ("reject", "overkill")),
    "a good part": ({"label": "functional", "score": 0.1}, ("pass", "right")),
    "a review": ({"verdict": "review"}, ("review", "review")),
    "the lower end of a band": ({"verdict": "review", "score": 0.2}, ("review", "review")),
    "the upper end of a band": (BAND | {"score": 0.98}, ("reject", "right")),
    "no label": ({"label": None}, ("reject", None)),
    "a label of no class": ({"label": "odd", "label_known": False}, ("reject", None)),
}


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES)
def test_a_verdict_is_derived_from_its_entry_alone(tmp_path, changes, expected):
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append(draft(**changes))
    entries = journal.entries()
    (whole,) = json.loads(to_json(entries))["entries"]
    (row,) = csv.DictReader(io.StringIO(to_csv(entries), newline=""))
    numbers = {name: float(row[name]) for name in ("score", "review_from", "review_to")}
    table = row | numbers | {"positive": row["positive"].split("; "), "label_known": row["label_known"] == "True"}
    for fields in (whole["entry"], table):
        assert (fields["verdict"], derived(fields)[1]) == expected
        assert derived(fields)[0] == fields["verdict"]


def test_how_a_threshold_was_chosen_stands_in_the_exports_too(tmp_path):
    given = {
        "threshold_by": "cost",
        "chosen_on": "choosing half",
        "escape_cost": 40,
        "overkill_cost": 3.5,
        "prevalence": 0.002,
    }
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append(overruled(**given))
    journal.append(
        draft(
            **BAND
            | {
                "threshold_by": "escape",
                "ceiling": 0.05,
                "coverage": 0.9,
                "review_from": 0.1,
                "review_to": 1 + 2**-52,
            }
        )
    )
    entries = journal.entries()
    rows = list(csv.DictReader(io.StringIO(to_csv(entries), newline="")))
    first, second = (row["entry"] for row in json.loads(to_json(entries))["entries"])
    assert {name: first[name] for name in given} == given
    assert {name: rows[0][name] for name in given} == {
        "threshold_by": "cost", "chosen_on": "choosing half", "escape_cost": "40.0", "overkill_cost": "3.5",
        "prevalence": "0.002",
    }  # fmt: skip
    assert (second["ceiling"], second["coverage"], second["review_from"], second["review_to"]) == (
        0.05,
        0.9,
        0.1,
        1 + 2**-52,
    )
    assert second["verdict"] == "review"
    assert float(rows[1]["review_to"]) == 1 + 2**-52
    assert journal.verify().sound


def test_a_wrong_verdict_is_never_written(tmp_path):
    with pytest.raises(InputError, match="does not follow"):
        draft(score=0.5, threshold=0.5, verdict="pass")
    assert draft(score=0.5, threshold=0.5, verdict="reject").review_to == 0.5
