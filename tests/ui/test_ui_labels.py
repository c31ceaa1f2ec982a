"""Suspected labels on the Data page: from the search to what a person says, into the journal and the manifest."""

import csv
import functools
import io

import numpy as np
import pytest
from planted import kin
from tables import AT_RANDOM

from workbench.journal import Journal
from workbench.quality import label_interventions
from workbench.sets import load_images
from workbench.ui import draw
from workbench.ui import kin as known
from workbench.ui.data import label_review, labels


@pytest.fixture
def visit(visit):
    """With the model of cells dealt at random, of which no group is stated."""
    return functools.partial(visit, model=AT_RANDOM)


@pytest.fixture(scope="module")
def cells():
    return load_images("solar-cells")


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "journal.sqlite"))
    return tmp_path / "journal.sqlite"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of these tests' own, for what they know of families is not true."""
    return tmp_path_factory.mktemp("labels")


@pytest.fixture
def looked(cells, journal, monkeypatch, empty_shelves, visit, cache):
    """The page after a search with features that know the class, and the cells' module that is there twice. What the
    first test looked for stands on disk for the next."""
    pairs = [(f"cell{n:04d}.png", f"cell{n + 542:04d}.png") for n in range(1735, 1785)]
    families = kin(cells.items, pairs)
    monkeypatch.setenv("WORKBENCH_CACHE", str(cache))
    monkeypatch.setattr(known, "families_of_set", lambda images, apart=(), places=(): families)
    monkeypatch.setattr(labels, "frozen_features", features)
    monkeypatch.setattr(label_review, "LEAST_SHOWN", 0.0)
    monkeypatch.setattr(label_interventions, "MOST_SEARCHED", 4)  # what edits say is tested with the library
    known_before, at = (cache / "results").is_dir(), visit("data").sound("Data")
    assert ("**Labels are unknown**" in text(at)) != known_before
    return at if known_before else press(at, "Look for wrong labels").sound()


def features(items, on_progress=None):
    rng = np.random.default_rng(0)
    return rng.normal(size=(len(items), 6)) + 3 * np.array([[item.label == "defective"] for item in items])


def text(at):
    return "\n".join(at.unescaped(e.value) for kind in (at.markdown, at.caption, at.info, at.warning) for e in kind)


def press(at, label):
    return next(button for button in at.button if at.unescaped(button.label).startswith(label)).click().run()


def count(at):
    return next(e.proto.text for e in at.get("progress") if "looked at" in e.proto.text)


def named(at):
    next(box for box in at.text_input if box.label == "Your name").set_value("Ada")
    return press(at, "Start deciding").sound()


def test_what_was_found_is_said_with_its_source_and_its_cost(looked):
    said = text(looked)
    assert "2,223 labels were judged, " in said
    assert "by the loaded model, which did not learn from them" in said
    assert "3 pairs of images of one part have different labels" in said
    assert "401 labels (15%) are held in doubt by the set itself" in said
    assert "move your threshold from" in said or "labels move" in said
    assert "An escape rate under 5.0%".lower() in said.lower()


def test_keys_write_into_the_journal_go_on_and_can_be_taken_back(looked, journal):
    at = named(looked)
    total = int(count(at).split(" of ")[1].split()[0])
    for button in ("Accept the label", "Doubtful"):
        at = press(at, button).sound()
    notes = Journal(journal).records(notes=True)
    assert [(note.said, note.user) for note in notes] == [("confirmed", "Ada"), ("doubtful", "Ada")]
    assert notes[0].image_name != notes[1].image_name
    assert all(note.reason.startswith("Suspected: ") for note in notes)
    assert count(at) == f"2 of {total} looked at"
    at = press(at, "Undo entry 2").sound()
    assert count(at) == f"1 of {total} looked at"
    assert Journal(journal).records(notes=True)[-1].said == "withdrawn"
    assert at.query_params["issue"] in (notes[1].image_name, [notes[1].image_name])


def test_a_changed_label_stands_in_the_manifest_and_the_others_only_propose(looked, journal, monkeypatch, cells):
    made = {}
    monkeypatch.setattr(draw.st, "download_button", lambda label, make, name, mime, **_: made.update({label: make}))
    at = named(looked)
    for _ in range(8):  # twins of which no class is suggested may stand before
        if any(button.label.startswith("Relabel to") for button in at.button):
            break
        at = press(at, "Next")
    at = press(at, "Relabel to").sound()
    (note,) = Journal(journal).records(notes=True)
    rows = {row["image"]: row for row in csv.DictReader(io.StringIO(made["Corrected manifest (CSV)"]()))}
    assert len(rows) == len(cells)
    assert rows[note.image_name]["label"] == note.to != cells.by_name[note.image_name].label
    others = [row for name, row in rows.items() if row["proposed label"] and name != note.image_name]
    assert others
    assert all(row["label"] == cells.by_name[row["image"]].label != row["proposed label"] for row in others)
    issues = list(csv.DictReader(io.StringIO(made["Label issues (CSV)"]())))
    assert sum(row["flagged"] == "True" for row in issues) == int(count(at).split(" of ")[1].split()[0])


def test_filters_and_the_image_stand_in_the_address(looked):
    at = next(box for box in looked.selectbox if box.label == "Suspected").select("twins").run().sound()
    assert count(at).endswith("of 6 looked at")
    assert "issue_by" in at.query_params
    assert "Same part: " in text(at)


def test_a_key_that_comes_too_early_writes_nothing(looked, journal, monkeypatch):
    at = named(looked)
    monkeypatch.setattr(label_review, "LEAST_SHOWN", 60.0)
    at = press(at, "Accept the label")
    assert "Nothing was written: the key came before" in "\n".join(at.unescaped(e.value) for e in at.error)
    assert not Journal(journal).records()
