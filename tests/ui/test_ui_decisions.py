"""One decision and its entry in the journal: whatever fails leaves the rest standing, and what was typed is written."""

import dataclasses
import io
import json
import sqlite3

import numpy as np
import pytest
from inspected import (
    DECIDE,
    REFUSED,
    asked,
    at_threshold,
    image,
    image_set,
    mixed,
    named,
    note,
    overrule,
    press,
    scored,
    steps,
    told,
)
from PIL import Image

from workbench.defects.halves import cases_of, of_split
from workbench.defects.review_band import band
from workbench.errors import InputError
from workbench.images.item import BytesSource
from workbench.journal.export import to_json
from workbench.journal.store import Journal
from workbench.ui import cache, choice, logbook, results
from workbench.ui.defects import record, review

pytest_plugins = ["inspected"]


# Decisions


def test_a_method_that_refuses_leaves_image_and_buttons(defects):
    at = named(defects(mixed(), **DECIDE).sound())
    assert REFUSED in at.said()
    assert "there is no region" not in told(at)
    assert offered(at)


def test_a_method_that_is_stopped_leaves_image_and_buttons(defects, monkeypatch):
    at = named(defects(mixed(), **DECIDE).sound())
    monkeypatch.setattr(results, "attribution", lambda *_: None)
    at.run().sound()
    assert offered(at)
    assert "there is no region" not in told(at)


def offered(at):
    """Whether a decision can be made."""
    return {"Agree", "Overrule"} <= {b.label.partition(":")[0] for b in at.button}


def test_a_file_that_was_written_over_is_not_judged_by_its_old_score(defects, monkeypatch):
    at = defects(mixed(), **DECIDE).sound()
    made = choice.images(None)
    other = [dataclasses.replace(item, source=BytesSource(image("red"))) for item in made.items]
    monkeypatch.setattr(choice, "images", lambda model: dataclasses.replace(made, items=tuple(other)))
    at.run()
    (error,) = at.error
    assert "was overwritten after its prediction" in at.unescaped(error.value)
    assert not offered(at)
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
    found = scored(["bad", "good"] * 3, [0.1, 0.3] * 3)
    at = named(defects(found, {0: damaged}, view="decisions", queue="all", image="0.png").sound())
    assert said in told(at)
    assert offered(at)


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
    assert not asked(at)
    defects(mixed()).sound()


def test_nobody_decides_without_a_name_and_none_is_guessed(defects, journal):
    at = defects(mixed(), **DECIDE).sound()
    assert at.text_input(key="who").value == ""
    assert not offered(at)
    assert "The journal stores your name" in told(at)
    assert not offered(named(at, "  ").sound())
    assert offered(named(at, " Quinn ").sound())
    assert "Deciding as **Quinn**" in told(at)
    press(at, "Agree").sound()
    assert offered(at), "it is asked once a session"
    (entry,) = Journal(journal).entries()
    assert (entry.user, entry.overruled, entry.reason) == ("Quinn", None, "")
    press(at, "Change name").sound()
    assert not offered(at)


def test_an_overruling_needs_a_reason_and_loses_nothing_that_was_typed(defects, journal):
    at = named(defects(mixed(), **DECIDE).sound())
    image = at.query_params["image"]
    overrule(at)
    press(at, "Save")
    assert "choose a reason or write one" in at.unescaped(at.error[0].value)
    assert Journal(journal).count() == 0
    note(at, "a shadow")
    press(at, "Save").sound()
    (entry,) = Journal(journal).entries()
    assert (entry.image_name, entry.overruled, entry.reason) == (image, "good", "a shadow")
    assert entry.verdict == "reject"
    assert entry.threshold == pytest.approx(at_threshold(at), abs=5e-5)
    assert entry.map_digest is None
    assert at.query_params["image"] != image, "and on to the next"


def test_what_was_written_is_told_once_and_the_next_image_comes(defects, journal):
    at = named(defects(mixed(), **DECIDE).sound())
    assert steps(at).startswith("All: 1 of ")
    image = at.query_params["image"]
    note(at, "as I see it")
    press(at, "Agree").sound()
    assert steps(at).startswith("All: 2 of ")
    assert steps(at).endswith(", 1 decided")
    assert f"Entry 1 recorded: {image}, agreed." in told(at)
    assert [t.value for t in asked(at)] == [""], "what was typed of one image does not stand by the next"
    assert "recorded" not in told(at.run().sound())
    press(at, "Previous").sound()
    assert "Quinn: reject at" in told(at)


def test_a_full_disk_is_one_sentence_and_loses_no_decision(defects, journal, monkeypatch):
    def full(self, draft):
        raise InputError("The disk is full, so nothing was written: make space and try again.")

    at = named(defects(mixed(), **DECIDE).sound())
    image = at.query_params["image"]
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        note(at, "as I see it")
        press(at, "Agree")
        assert at.unescaped(at.error[0].value).startswith("Not recorded. The disk is full")
        assert next(t for t in at.text_input if t.label.startswith("Note")).value == "as I see it"
        assert (at.query_params["image"], steps(at)[-16:]) == (image, "none decided yet")
        overrule(at, "A mark, dirt or reflection, not a defect.")
        assert at.unescaped(at.error[0].value).startswith("Not recorded. The disk is full")
    press(at, "A mark, dirt or reflection, not a defect.").sound()
    (entry,) = Journal(journal).entries()
    assert (entry.image_name, entry.overruled) == (image, "good")
    assert entry.reason == "A mark, dirt or reflection, not a defect. as I see it"


def test_one_decision_is_never_saved_for_two_images(defects, journal, monkeypatch):
    """A key that is struck twice sends the same button twice; one that is held sends the next image's at once."""
    handed = []
    kept = review._button
    monkeypatch.setattr(review, "_button", lambda label, *a, **k: (handed.append((label, k)), kept(label, *a, **k)))
    at = named(defects(mixed(), **DECIDE).sound())

    def late():
        """The newest Agree button is clicked once more, in the state of now."""
        keys = ("entries written", "image name", "user name", "up since")
        kept_state = {key: at.session_state[key] for key in keys if key in at.session_state}
        with monkeypatch.context() as patch:
            patch.setattr(review.st, "session_state", kept_state)
            settings["on_click"](*settings["args"])
        assert "not recorded" not in kept_state

    settings = next(settings for label, settings in reversed(handed) if label == "Agree")
    press(at, "Agree").sound()
    late()
    assert Journal(journal).count() == 1, "struck twice"
    settings = next(settings for label, settings in reversed(handed) if label == "Agree")
    press(at, "Next").sound()
    late()
    assert Journal(journal).count() == 1, "the visitor had moved on"
    monkeypatch.setattr(review, "LEAST_LOOK", 60)
    press(at, "Agree")
    assert "before the image could be looked at" in at.unescaped(at.error[0].value)
    assert Journal(journal).count() == 1, "held"


def test_the_entry_is_about_the_bytes_that_were_seen(defects, journal, monkeypatch):
    at = named(defects(mixed(), **DECIDE).sound())
    made, image = choice.images(None), at.query_params["image"]
    seen = made.by_name[image].id
    press_later = next(b for b in at.button if b.label == "Agree").click()
    other = [dataclasses.replace(item, source=BytesSource(bytes(item.name, "utf8"))) for item in made.items]
    monkeypatch.setattr(choice, "images", lambda model: dataclasses.replace(made, items=tuple(other)))
    press_later.run()
    (entry,) = Journal(journal).entries()
    assert (entry.image_name, entry.image) == (image, seen)


def test_an_undone_decision_is_corrected_by_another_entry(defects, journal):
    at = named(defects(mixed(), **DECIDE).sound())
    image = at.query_params["image"]
    press(at, "Agree").sound()
    press(at, "Undo entry 1").sound()
    assert at.query_params["image"] == image
    assert "Entry 1 stands until you decide again" in told(at)
    overrule(at, "No defect is visible.").sound()
    first, second = Journal(journal).entries()
    assert (first.overruled, second.overruled) == (None, "good")
    assert second.reason == "Corrects entry 1. No defect is visible."
    press(at, "Undo entry 2").sound()
    press(at, "Next").sound()
    press(at, "Agree").sound()
    assert Journal(journal).entries()[-1].reason == "", "another image corrects nothing"


def test_a_queue_ends_and_is_not_decided_twice(defects, journal):
    at = named(defects(scored(["bad"] * 2, [0.1, 0.2]), view="decisions", queue="escapes").sound())
    for _ in range(2):
        press(at, "Agree").sound()
    assert steps(at) == "Escapes: 2 of 2, 2 decided"
    assert "That was the last in this queue." in told(at)
    assert [e.image_name for e in Journal(journal).entries()] == ["0.png", "1.png"]


def test_among_several_classes_it_is_asked_which(defects, journal):
    classes = ("good", "scratch", "dent")
    found = scored(["scratch", "good", "dent"] * 2, [0.9, 0.2, 0.8] * 2, classes=classes, positive=None)
    at = named(defects(found, view="decisions", queue="all", image="0.png").sound())
    overrule(at, "scratch", "Another kind of defect is visible.").sound()
    (entry,) = Journal(journal).entries()
    assert (entry.verdict, entry.overruled, entry.reason) == (
        "reject", "scratch", "Another kind of defect is visible.",
    )  # fmt: skip


def test_images_without_labels_are_decided_all_the_same(defects, journal):
    found = scored([None] * 5, np.linspace(0, 1, 5), splits=(None,))
    at = named(defects(found, **DECIDE).sound())
    assert any("No label says what it is." in at.unescaped(h.value) for h in at.header)
    press(at, "Agree").sound()
    (entry,) = Journal(journal).entries()
    assert (entry.label, entry.label_known) == (None, False)


def test_a_model_without_a_threshold_of_its_own_is_decided_by_another_rule(defects, journal):
    classes = ("good", "scratch", "dent")
    found = scored(["scratch", "good"] * 4, [0.9, 0.2] * 4, splits=("test",), classes=classes, positive=None)
    at = named(defects(found, **DECIDE).sound())
    press(at, "Agree").sound()
    (entry,) = Journal(journal).entries()
    assert entry.threshold_by == "hand"


def test_two_visitors_write_into_one_chain(defects, journal):
    one, other = (named(defects(mixed(), **DECIDE).sound(), f"visitor {n}") for n in range(2))
    for at in (one, other, one):
        press(at, "Agree").sound()
    assert [e.user for e in Journal(journal).entries()] == ["visitor 0", "visitor 1", "visitor 0"]
    assert Journal(journal).verify().sound


def test_the_journal_of_an_upload_stays_in_its_session(defects, visit, journal):
    found = mixed()
    mine, other = (defects(found, **DECIDE).sound() for _ in range(2))
    upload = (lambda read: type("Upload", (), {"images": lambda *_: read})())(image_set(found)[0])
    mine.session_state["shelf"].things["sets"] = {"Your parts.zip": upload}
    mine.run().selectbox(key="set").select("Your parts.zip").run().sound()
    assert "the entry goes into a journal of this session" in told(mine)
    press(named(mine), "Agree").sound()
    assert "Entry 1 recorded" in told(mine)
    assert "decided yet" in steps(other.run().sound())
    assert not journal.exists() or Journal(journal).count() == 0
    third = visit("journal").sound("Journal")
    assert any("No decisions yet" in text for text in third.said())
    mine.switch_page("../pages/journal.py")
    mine.run().sound("Journal")
    assert any("Sound: 1 entry" in s.value for s in mine.success)
    assert not any("sqlite" in c.value for c in mine.caption)


def test_a_verdict_that_somebody_changed_in_the_journal_ends_in_a_sentence(defects, journal):
    at = named(defects(mixed(), **DECIDE).sound())
    press(at, "Agree").sound()
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


def test_where_others_reach_the_server_it_is_said_why_and_no_callback_writes(defects, journal, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOSTS", "inspection.example.com")
    handed, kept = [], review.panel
    monkeypatch.setattr(review, "panel", lambda seen, place: (handed.append(seen), kept(seen, place)))
    at = defects(mixed(), **DECIDE).sound()
    assert [text for text in at.said() if "without a login" in text] == [logbook.SHUT]
    assert not at.text_input
    assert not offered(at)
    with pytest.raises(InputError, match="without a login"):
        record.write(handed[-1], "Quinn", None, "")
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
    if not asked(at):
        assert queue in ("escapes", "overkill")
        return
    chips = next(m.value for m in at.markdown if "margin to the threshold" in m.value)
    named(at)
    press(at, next(b.label for b in at.button if b.label.startswith("Agree"))).sound()
    (row,) = json.loads(to_json(Journal(journal).entries()))["entries"]
    fields = row["entry"]
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
