"""A training that goes on from an earlier one: its splits are kept, and what it changed is told on the same images."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from trained import lay, small_backbone

from workbench.models import load_classifier
from workbench.predictions import Predictions
from workbench.reliability import read_record
from workbench.sets.layouts import load_images
from workbench.training.continued import before_after, kept_splits, start_from
from workbench.training.finetune import train

torch.set_num_threads(1)


@pytest.fixture
def made(monkeypatch, tmp_path):
    """A set, a model trained on 40 images of it, and the set with ten images more."""
    small_backbone(monkeypatch)
    first = load_images(lay(tmp_path / "parts", {"good": 24, "holed": 16}))
    list(train(first, tmp_path / "first", epochs=3, size=32, seed=1))
    lay(tmp_path / "more", {"good": 6, "holed": 4}, seed=9)
    for kind in ("good", "holed"):
        for path in (tmp_path / "more" / kind).iterdir():
            path.rename(tmp_path / "parts" / kind / f"new-{path.name}")
    return load_images(tmp_path / "parts"), tmp_path / "first"


def test_it_goes_on_with_the_splits_that_were_and_tells_before_and_after(made, tmp_path) -> None:
    images, first = made
    before = Predictions.load(first / "predictions.parquet").frame.set_index("name")["split"]
    list(train(images, tmp_path / "second", epochs=2, size=64, seed=5, before=first))
    second, table = load_classifier(tmp_path / "second"), Predictions.load(tmp_path / "second" / "predictions.parquet")
    splits = table.frame.set_index("name")["split"]
    assert splits[before.index].tolist() == before.tolist()
    assert set(splits.drop(before.index)) == {"train"}
    assert second.preprocessing.size == (32, 32), "that of the model, not the one asked for"
    record = read_record(tmp_path / "second")
    assert record.started_from == load_classifier(first).key
    assert len(record.trained_on) == (splits == "train").sum()
    card = (tmp_path / "second" / "MODEL_CARD.md").read_text()
    assert "trained further at a fifth of the usual rate" in card
    assert "keep the split that they had" in card
    old = Predictions.load(first / "predictions.parquet").frame
    old = old[old["split"] == "test"].set_index("name")["verdict"] == "right"
    new = table.frame[table.frame["split"] == "test"].set_index("name")["verdict"] == "right"
    gained, lost = int((new & ~old).sum()), int((old & ~new).sum())
    p = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    sentence = card.partition("### Before and after\n\n")[2].partition("\n")[0]
    assert f"the earlier model decides {old.sum()} right and this one {new.sum()}" in sentence
    assert f"{gained} gained, {lost} lost, McNemar's test by units p = {p:.2g}." in sentence


def test_without_a_record_the_comparison_says_that_it_may_flatter(made, tmp_path) -> None:
    images, first = made
    (first / "training.json").unlink()
    start = start_from(first, ("good", "holed"), "timm:test_resnet")
    assert start.earlier == {}
    table = Predictions.load(first / "predictions.parquet")
    items = [images.by_name[name] for name in table.frame["name"]]
    change = before_after(start, items, table)
    assert (change.gained, change.lost, change.p) == (0, 0, 1.0)
    assert "is not recorded" in change.sentence
    assert kept_splits(start, items, range(len(items))) == items


def test_a_new_image_of_a_held_out_part_is_held_out(made) -> None:
    images, first = made
    start = start_from(first, ("good", "holed"), "timm:test_resnet")
    test = next(i for i in images if start.earlier.get(i.id[:16]) == "test")
    new = next(i for i in images if i.name.startswith("good/new-"))
    other = next(i for i in images if i.name.startswith("holed/new-"))
    assert [i.split for i in kept_splits(start, [test, new, other], [0, 0, 1])] == ["test", "test", "train"]
    stated = dataclasses.replace(other, split="validation")
    assert [i.split for i in kept_splits(start, [test, stated], [0, 1])] == ["test", "validation"]


def test_what_cannot_be_gone_on_from_is_refused(made, tmp_path, refusal) -> None:
    images, first = made
    assert "name another folder with --out" in refusal(lambda: list(train(images, first, before=first)))
    other = load_images(lay(tmp_path / "three", {"good": 12, "holed": 12, "torn": 12}))
    assert "'torn' is in one alone" in refusal(lambda: list(train(other, tmp_path / "out", before=first)))
    toml = (first / "model.toml").read_text()
    (first / "model.toml").write_text(toml.replace("timm:test_resnet", "timm:resnet18"))
    assert "cannot be trained further" in refusal(lambda: list(train(images, tmp_path / "out", before=first)))
    assert "model.toml" in refusal(lambda: list(train(images, tmp_path / "out", before=tmp_path)))


def test_the_record_of_a_training_says_what_it_saw(made) -> None:
    _, first = made
    facts, frame = (
        json.loads((first / "training.json").read_text()),
        Predictions.load(first / "predictions.parquet").frame,
    )
    assert facts["trained_on"] == sorted({i[:16] for i in frame.loc[frame["split"] == "train", "id"]})
    assert facts["chosen_on"] == sorted({i[:16] for i in frame.loc[frame["split"] == "validation", "id"]})
    losses = [row[2] for row in facts["epochs"]["rows"]]
    assert facts["kept"] == int(np.argmin(losses)) + 1
    assert len(losses) == 3
