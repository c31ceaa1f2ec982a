"""One decision and its entry in the journal: whatever fails leaves the rest standing, and what was typed is written."""

import dataclasses
import io
import json
import sqlite3

import numpy as np
import pytest
from inspected import DECIDE, REFUSED, at_threshold, image, image_set, mixed, says, scored, told, write
from PIL import Image

from workbench.defects.halves import cases_of, of_split
from workbench.defects.review_band import band
from workbench.errors import InputError
from workbench.images.item import BytesSource
from workbench.journal.export import to_json
from workbench.journal.store import Journal
from workbench.ui import cache, choice, results
from workbench.ui.defects import record

pytest_plugins = ["inspected"]


# Decisions


def test_a_method_that_refuses_leaves_image_and_form(defects):
    at = defects(mixed(), **DECIDE).sound()
    assert REFUSED in at.said()
    assert [e.value for e in at.subheader][-1] == "Your verdict"
    assert {"**Photograph**", "**Regions**"} <= {m.value for m in at.markdown}
    assert "there is no region" not in told(at)
    assert at.text_area


def test_a_method_that_is_stopped_leaves_image_and_form(defects, monkeypatch):
    at = defects(mixed(), **DECIDE).sound()
    monkeypatch.setattr(results, "attribution", lambda *_: None)
    at.run().sound()
    assert at.text_area
    assert "there is no region" not in told(at)


def test_a_file_that_was_written_over_is_not_judged_by_its_old_score(defects, monkeypatch):
    at = defects(mixed(), **DECIDE).sound()
    made = choice.images(None)
    other = [dataclasses.replace(item, source=BytesSource(image("red"))) for item in made.items]
    monkeypatch.setattr(choice, "images", lambda model: dataclasses.replace(made, items=tuple(other)))
    at.run()
    (error,) = at.error
    assert "was overwritten after its prediction" in at.unescaped(error.value)
    assert not at.text_area
    assert not at.exception


def mask(size, kind="PNG"):
    buffer = io.BytesIO()
    Image.new("L", size, 255).save(buffer, kind)
    return BytesSource(buffer.getvalue())


@pytest.mark.parametrize(
    ("damaged", "said"),
    [(BytesSource(b"no image"), "mask of 0.png"), (mask((9, 9)), "9 x 9 pixels"), (mask((24, 16)), "")],
)
def test_a_damaged_mask_leaves_the_decision(defects, damaged, said):
    at = defects(
        scored(["bad", "good"] * 3, [0.1, 0.3] * 3), {0: damaged}, view="decisions", queue="all", image="0.png"
    ).sound()
    assert said in told(at)
    assert ("No ground-truth mask" in told(at)) == bool(said)
    assert at.text_area


# The journal


@pytest.fixture(params=["folder", "text", "newer"])
def unfit(request, tmp_path, monkeypatch):
    """A journal that cannot be opened."""
    path = tmp_path / "journal.sqlite"
    if request.param == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"Dear diary, " * 500 if request.param == "text" else b"\0" * 4096)
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(path))
    return path


def test_a_journal_that_cannot_be_opened_leaves_the_rest(defects, unfit):
    at = defects(mixed(), **DECIDE)
    assert not at.exception
    (error,) = at.error
    assert unfit.name in at.unescaped(error.value)
    assert at.thumbnails()
    assert any("margin to the threshold" in m.value for m in at.markdown)
    assert not at.text_area
    defects(mixed()).sound()


def test_an_entry_that_is_refused_loses_nothing_that_was_typed(defects, journal):
    at = defects(mixed(), **DECIDE).sound()
    at.text_input[-1].set_value("Quinn")
    says(at).select("It is good")
    write(at)
    assert "without a reason" in at.unescaped(at.error[0].value)
    assert (at.text_input[-1].value, says(at).value) == ("Quinn", "It is good")
    at.text_area[0].set_value("a shadow")
    at.text_input[-1].set_value("  ")
    write(at)
    assert "names nobody" in at.unescaped(at.error[0].value)
    assert (at.text_area[0].value, says(at).value) == ("a shadow", "It is good")
    at.text_input[-1].set_value("Quinn")
    write(at).sound()
    (entry,) = Journal(journal).entries()
    assert (entry.user, entry.overruled, entry.reason, entry.verdict) == ("Quinn", "good", "a shadow", "reject")
    assert entry.threshold == pytest.approx(at_threshold(at), abs=5e-5)
    assert entry.map_digest is None


def test_what_was_written_is_told_and_not_written_twice(defects, journal):
    at = defects(mixed(), **DECIDE).sound()
    at.text_input[-1].set_value("Quinn")
    at.text_area[0].set_value("as I see it")
    write(at).sound()
    assert "Entry 1, " in told(at)
    assert "Quinn: reject at" in told(at)
    assert (at.text_input[-1].value, at.text_area[0].value) == ("Quinn", "")
    assert any("Entry 1 recorded" in t.value for t in at.toast)
    assert not at.run().sound().toast


def test_a_full_disk_is_one_sentence_and_keeps_what_was_typed(defects, journal, monkeypatch):
    def full(self, draft):
        raise InputError("The disk is full, so nothing was written: make space and try again.")

    at = defects(mixed(), **DECIDE).sound()
    monkeypatch.setattr(Journal, "append", full)
    at.text_input[-1].set_value("Quinn")
    at.text_area[0].set_value("as I see it")
    write(at)
    assert "disk is full" in at.unescaped(at.error[0].value)
    assert at.text_area[0].value == "as I see it"


def test_two_visitors_write_into_one_chain(defects, journal):
    one, other = (defects(mixed(), **DECIDE).sound() for _ in range(2))
    for number, at in enumerate((one, other, one)):
        at.text_input[-1].set_value(f"visitor {number % 2}")
        write(at).sound()
    assert [e.user for e in Journal(journal).entries()] == ["visitor 0", "visitor 1", "visitor 0"]
    assert Journal(journal).verify().sound
    assert "Entry 3, " in told(other.run().sound())


def test_the_journal_of_an_upload_stays_in_its_session(defects, visit, journal):
    found = mixed()
    mine, other = (defects(found, **DECIDE).sound() for _ in range(2))
    mine.session_state["own sets"] = {"Your parts.zip": image_set(found)[0]}
    mine.run().selectbox(key="set").select("Your parts.zip").run().sound()
    assert "the entry goes into a journal of this session" in told(mine)
    mine.text_input[-1].set_value("Quinn")
    write(mine).sound()
    assert "Entry 1, " in told(mine)
    assert "Entry 1, " not in told(other.run().sound())
    assert not journal.exists() or Journal(journal).count() == 0
    third = visit("journal").sound("Journal")
    assert any("No decisions yet" in text for text in third.said())
    mine.switch_page("../pages/journal.py")
    mine.run().sound("Journal")
    assert any("Sound: 1 entry" in s.value for s in mine.success)
    assert not any("sqlite" in c.value for c in mine.caption)


def test_a_verdict_that_somebody_changed_in_the_journal_ends_in_a_sentence(defects, journal):
    at = defects(mixed(), **DECIDE).sound()
    at.text_input[-1].set_value("Quinn")
    write(at).sound()
    for body in ('{"number": 1}', "null", '{"threshold": "much"'):
        with sqlite3.connect(journal) as db:
            db.execute("DROP TRIGGER IF EXISTS no_update")
            db.execute("DROP INDEX IF EXISTS by_image")
            db.execute("UPDATE entries SET body = ?", (body,))
        cache.shelf("latest entries")._kept.clear()
        at.run()
        assert not at.exception
        assert all("went wrong" not in e.value for e in at.error)
        assert any("margin to the threshold" in m.value for m in at.markdown)


# Where others reach the server


def test_where_others_reach_the_server_no_form_is_offered_and_no_callback_writes(defects, journal, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOSTS", "inspection.example.com")
    handed = []
    monkeypatch.setattr(record, "form", lambda *given: handed.append(given))
    defects(mixed(), **DECIDE).sound()
    scope, setting, item, decided, shown = handed[-1]
    with pytest.raises(InputError, match="without a login"):
        record.write(scope, setting, item, decided, shown, {"user": "Quinn", "overruled": None, "reason": ""})
    assert not journal.exists()


def test_where_others_reach_the_server_it_is_said_why(defects, journal, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOSTS", "inspection.example.com")
    at = defects(mixed(), **DECIDE).sound()
    assert [text for text in at.said() if "without a login" in text] == [record.SHUT]
    assert not at.text_area
    assert not [b for b in at.button if "journal" in b.label]
    assert not journal.exists()


# What the entry holds


def derived(fields):
    """What became of a part, from the fields of its entry alone: right, escape, overkill or review; None where no label
    says."""
    if fields["review_from"] <= fields["score"] < fields["review_to"]:
        return "review"
    if not fields["label_known"]:
        return None
    rejected, bad = fields["score"] >= fields["review_to"], fields["label"] in fields["positive"]
    return "right" if rejected == bad else "overkill" if rejected else "escape"


RULES = {
    "by hand": {"choose": "hand", "threshold": "0.4"},
    "by cost with a band": {"choose": "cost", "review": "95", "escape_cost": "40.0", "prior": "2.5"},
    "under a ceiling": {"choose": "escape", "ceiling": "20.0", "review": "90"},
    "under a ceiling that cannot be kept": {"choose": "overkill", "ceiling": "0.01"},
    "the model's own": {"review": "99"},
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("queue", ["escapes", "overkill", "near", "all"])
def test_the_verdict_on_the_page_is_derived_from_the_entry_alone(defects, journal, rule, queue):
    rng = np.random.default_rng(0)
    labels = rng.choice(["functional", "functional", "defective"], 400)
    scores = np.where(labels == "defective", rng.beta(4, 2, 400), rng.beta(2, 5, 400))
    splits = rng.choice(["train", "validation", "test", "test"], 400)
    found = scored(labels, scores, splits, classes=("functional", "defective"), positive="defective")
    at = defects(found, view="decisions", queue=queue, on="test", **rule).sound()
    if not at.text_input:
        assert queue in ("escapes", "overkill")
        return
    at.text_input[-1].set_value("Quinn")
    write(at).sound()
    (row,) = json.loads(to_json(Journal(journal).entries()))["entries"]
    fields, chips = row["entry"], next(m.value for m in at.markdown if "margin to the threshold" in m.value)
    kinds = {"[escape]": "escape", "[overkill]": "overkill", "for review": "review"}
    shown = next((kind for words, kind in kinds.items() if words in chips), "right")
    assert derived(fields) == shown
    assert {"escapes": "escape", "overkill": "overkill"}.get(queue, shown) == shown
    given = {"choose": "model"} | rule
    way = "fallback" if given.get("ceiling") == "0.01" else given["choose"]
    assert (fields["threshold_by"], fields["coverage"]) == (
        way,
        int(given["review"]) / 100 if "review" in given else None,
    )
    looked = way in ("cost", "escape", "overkill") or "review" in given
    assert fields["chosen_on"] == ("validation split" if looked else None)
    assert fields["ceiling"] == (0.2 if way == "escape" else None)
    assert (fields["escape_cost"], fields["overkill_cost"], fields["prevalence"]) == (
        (40, 1, 0.025) if way == "cost" else (None,) * 3
    )
    cases = of_split(cases_of(found), "validation")
    low, high = (band(cases, fields["threshold"], fields["coverage"]).__dict__[end] for end in ("low", "high"))
    assert (fields["review_from"], fields["review_to"]) == (low, high)
