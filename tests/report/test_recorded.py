"""Provenance by digests that are changed one at a time, and the rate of overruled decisions by count."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from decisions import digest, draft, overruled
from planted import item

from workbench.catalog import load_catalog
from workbench.journal import Journal
from workbench.models import load_classifier
from workbench.predictions import DecisionRule, tabulate
from workbench.reliability import DIGITS, TrainingRecord
from workbench.report.recorded import (
    AnswersBefore,
    Provenance,
    answers_before,
    overruled_results,
    provenance_results,
)
from workbench.stats import wilson

SPLITS_OF_SIX = ("train", "train", "train", "test", "test", "test")


@pytest.fixture
def table():
    items = [item(f"cell{i}.png", split, "functional") for i, split in enumerate(SPLITS_OF_SIX)]
    shown = np.tile(np.float32([0.8, 0.2]), (6, 1))
    rule = DecisionRule(("functional", "defective"))
    made = tabulate(items, np.log(shown), shown, {}, rule, digest("model"))
    frame = made.frame.assign(id=[digest(f"cell{i}") for i in range(6)])
    return dataclasses.replace(made, frame=frame)


def record(*numbers):
    seen = frozenset(digest(f"cell{i}")[:DIGITS] for i in numbers)
    return TrainingRecord(seen, frozenset(), "", pd.DataFrame(), None, "training.json")


@pytest.fixture
def known(table):
    images = {f"cell{i}.png": digest(f"cell{i}") for i in range(6)}
    splits = dict(zip(table.frame["name"], table.frame["split"], strict=True))
    before = AnswersBefore(digest("model"), "Cells", images, "predictions.parquet", "2030-12-31")
    return Provenance(digest("model"), "Solar cells", "Cells", images, splits, before, record(0, 1, 2), None)


def verdicts(known):
    return {result.check.removeprefix("provenance: "): result.verdict for result in provenance_results(known)}


def test_what_is_as_recorded_is_ok(known) -> None:
    assert verdicts(known) == {"model": "ok", "images": "ok", "training": "ok"}
    assert "All 6 images" in provenance_results(known)[1].sentence


def test_another_model_or_a_changed_file_does_not_hold(known) -> None:
    assert verdicts(dataclasses.replace(known, model=digest("other")))["model"] == "fail"
    images = {**known.images, "cell4.png": digest("retouched")}
    changed = dataclasses.replace(known, images=images)
    assert verdicts(changed)["images"] == "fail"
    assert provenance_results(changed)[1].images == ("cell4.png",)


def test_a_file_that_nobody_recorded_is_not_called_unchanged(known) -> None:
    images = {**known.images, "new.png": digest("new")}
    assert verdicts(dataclasses.replace(known, images=images))["images"] == "unknown"
    bare = dataclasses.replace(known, before=dataclasses.replace(known.before, images={}))
    assert verdicts(bare)["images"] == "unknown"


def test_files_of_another_set_with_the_same_names_are_not_called_changed(known) -> None:
    images = {name: digest(f"other {name}") for name in known.images}
    for replaced, verdict in ((known.images, "ok"), (images, "unknown")):
        other = dataclasses.replace(known, images=replaced, set_name="Other cells")
        assert verdicts(other)["images"] == verdict
    assert verdicts(dataclasses.replace(known, images=images))["images"] == "fail", "of the same set they were replaced"


def test_what_was_computed_just_now_is_no_record(known) -> None:
    assert verdicts(dataclasses.replace(known, before=None)) == {
        "model": "unknown",
        "images": "unknown",
        "training": "ok",
    }


def test_the_table_beside_a_model_is_the_record(known, tmp_path) -> None:
    assert answers_before(None) is None
    assert answers_before(tmp_path) is None
    folder = Path(load_catalog().models["metal-sound"].ref)
    before = answers_before(folder)
    rows = pq.read_table(folder / "predictions.parquet", columns=["name", "id"]).to_pylist()
    assert before.set_name == ""
    assert before.model == load_classifier("metal-sound").key
    assert dict(before.images) == {row["name"]: row["id"] for row in rows}
    damaged = tmp_path / "predictions.parquet"
    damaged.write_bytes((folder / "predictions.parquet").read_bytes()[:-9])
    assert answers_before(tmp_path) is None


def test_a_test_image_that_trained_the_model_does_not_hold(known) -> None:
    leaked = provenance_results(dataclasses.replace(known, record=record(0, 1, 2, 5)))[2]
    assert (leaked.verdict, leaked.figure) == ("fail", 1)
    assert verdicts(dataclasses.replace(known, record=None))["training"] == "unknown"
    part = provenance_results(dataclasses.replace(known, record=record(0, 1)))[2]
    assert "2 images of the training split trained the model" in part.sentence
    assert "1 of that split did not" in part.sentence


def test_decisions_of_other_weights_under_the_same_name_ask_for_a_look(known, tmp_path) -> None:
    book = Journal(tmp_path / "journal.sqlite")
    book.append(draft())
    book.append(draft(model=digest("earlier")))
    entries = tuple(book.entries())
    assert verdicts(dataclasses.replace(known, entries=entries[:1]))["decisions"] == "ok"
    last = provenance_results(dataclasses.replace(known, entries=entries))[-1]
    assert (last.verdict, last.figure, last.support) == ("warn", 1, 2)


def test_the_rate_of_overruled_decisions_counts_each_image_once(table, tmp_path) -> None:
    book = Journal(tmp_path / "journal.sqlite")
    for i in range(40):
        made = overruled if i % 8 == 0 else draft
        book.append(made(image=digest(f"part{i}"), image_name=f"part{i}.png"))
    entries = tuple(book.entries())
    rate = overruled_results(entries, table)[0]
    expected = wilson(5, 40)
    assert (rate.verdict, rate.figure, rate.low, rate.high) == ("ok", 5 / 40, expected.low, expected.high)
    again = [dataclasses.replace(entry, image=digest("one"), image_name="one.png") for entry in entries]
    assert overruled_results(again, table)[0].verdict == "unknown"
    assert overruled_results(entries[:9], table)[0].verdict == "unknown"
    assert overruled_results(None, table)[0].verdict == "unknown"
