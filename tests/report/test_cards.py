"""What other programs read: the metadata of the Hub in both forms, and Croissant with the table that it describes."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results

from workbench.predictions import headline
from workbench.report import metadata_of

pytest_plugins = ["reported"]


@pytest.fixture(scope="module")
def files(known, choices):
    return metadata_of(known, choices)


@pytest.fixture(scope="module")
def accuracy(subject):
    rows = (subject.predictions.frame["split"] == "test").to_numpy()
    return headline(subject.predictions, rows)["accuracy"]


def test_the_model_card_is_read_by_the_hubs_own_library(files, accuracy, subject) -> None:
    card = ModelCard(files["README.md"])
    name, results = model_index_to_eval_results(card.data.to_dict()["model-index"])
    assert name == "Reads a corner"
    by_metric = {each.metric_type: each for each in results}
    assert by_metric["accuracy"].metric_value == pytest.approx(accuracy.value, abs=1e-6)
    assert by_metric["accuracy"].dataset_revision == subject.images.key
    assert f"{accuracy.support} images" in by_metric["accuracy"].metric_name
    assert {"escape rate", "overkill rate"} <= by_metric.keys()
    assert "There is no model card" in card.text


def test_the_newer_form_is_read_by_it_too(files, accuracy) -> None:
    (name,) = [name for name in files if name.startswith(".eval_results/")]
    entries = {each.task_id: each for each in parse_eval_result_entries(yaml.safe_load(files[name]))}
    assert entries["accuracy"].value == pytest.approx(accuracy.value, abs=1e-6)
    assert "test split" in entries["accuracy"].notes


def test_the_set_is_described_with_digests_and_groups(files, subject) -> None:
    content = json.loads(files["croissant.json"])
    (file,) = content["distribution"]
    assert file["sha256"] == hashlib.sha256(files["images.csv"].encode()).hexdigest()
    rows = list(csv.DictReader(io.StringIO(files["images.csv"], newline="")))
    assert [row["image"] for row in rows] == [item.name for item in subject.images]
    first = subject.images.items[0]
    assert rows[0]["sha256"] == hashlib.sha256(first.source.path.read_bytes()).hexdigest()
    assert {"label", "split", "camera"} <= rows[0].keys()
    columns = [field["source"]["extract"]["column"] for field in content["recordSet"][0]["field"]]
    assert columns == list(rows[0])
    assert content["conformsTo"] == "http://mlcommons.org/croissant/1.0"


def test_a_card_keeps_its_words_and_loses_its_old_metadata(known, choices, subject) -> None:
    path = subject.out / "the model" / "MODEL_CARD.md"
    path.write_text("---\nlicense: mit\nmodel-index: []\n---\n# My words\n\nNot for parts of 2027.\n", encoding="utf-8")
    try:
        made = metadata_of(known, dataclasses.replace(choices))["README.md"]
    finally:
        path.unlink()
    assert made.endswith("# My words\n\nNot for parts of 2027.\n")
    assert made.count("model-index") == 1
