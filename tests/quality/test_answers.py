"""What is known of a set, as one value: its files are those of the command, and what was not asked is not there."""

import io
import json
import zipfile

import pandas as pd
from planted import item, kin

from workbench.quality import QUESTIONS, Answers, LabelIssues, archive, grouped_split, leaks


def test_what_was_not_asked_is_neither_a_result_nor_a_table():
    known = Answers()
    assert list(known.by_question) == list(QUESTIONS)
    assert not any(known.by_question.values())
    assert (known.tables, known.proposals, known.files) == ({}, (), {"findings.json": "[]\n"})


def test_families_without_a_model_make_repeatability_unknown_and_not_silent():
    items = [item(f"{n}", "train") for n in range(4)]
    known = Answers(families=kin(items, [("0", "1")]))
    assert [line.verdict for line in known.by_question["repeatability"]] == ["unknown", "unknown"]
    assert known.by_question["leaks"] == ()
    assert set(known.tables) == {"families", "pairs"}


def test_a_reason_why_labels_cannot_be_judged_is_a_result():
    (line,) = Answers(labels="There is one class.").results
    assert (line.check, line.verdict, line.sentence) == ("label issues", "unknown", "There is one class.")


def test_moves_and_suggested_labels_are_proposed():
    items = [item(f"t{n}", "train", "ab"[n % 2]) for n in range(6)] + [item(f"e{n}", "test") for n in range(3)]
    families = kin(items, [("t0", "e0")])
    split = grouped_split(items, families)
    columns = ("name", "label", "flagged", "suggestion", "why")
    rows = pd.DataFrame([("t1", "b", True, "a", "sure of a"), ("t2", "a", True, None, "a twin")], columns=columns)
    issues = LabelIssues(rows.astype(object).assign(flagged=True), 9, {}, None, {}, 0, None)
    known = Answers(labels=issues, split=split, leaks=leaks(items, families))
    (label, move) = known.proposals
    assert (label.image, label.what, label.before, label.after) == ("t1", "label", "b", "a")
    assert move.what == "split"
    assert {move.image} <= {"t0", "e0"}


def test_the_same_texts_are_the_same_archive_and_hostile_names_are_text():
    known = Answers(labels="caf\udce9 <b>")
    assert archive(known.files) == archive(dict(known.files))
    inside = zipfile.ZipFile(io.BytesIO(archive(known.files)))
    (row,) = json.loads(inside.read("findings.json"))
    assert row["sentence"] == "caf\ufffd <b>"
