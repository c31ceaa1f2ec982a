"""The parts of `workbench reliability` about fit, and what to label next."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from workbench.cli import reliability
from workbench.cli.reliability import LABEL_NEXT
from workbench.predictions import DecisionRule, tabulate
from workbench.reliability import FIT_CHECKS, record_text
from workbench.report import CHECK_PARTS, Subject
from workbench.sets import load_images


@pytest.fixture
def subject(write_image, tmp_path):
    """A model folder that records its training, and 80 images, of which 20 have no label; of a grey all their own."""
    rows = []
    for i in range(80):
        write_image(f"set/{i:02}.png", (i, 3 * i % 251, 7 * i % 241))
        split = "" if i >= 60 else "train" if i < 30 else "test"
        rows.append((f"{i:02}.png", "" if i >= 60 else ("good", "scratch")[i % 2], split))
    pd.DataFrame(rows, columns=["image", "label", "split"]).to_csv(tmp_path / "set" / "labels.csv", index=False)
    images = load_images(tmp_path / "set" / "labels.csv")
    truth = np.array([item.label == "scratch" for item in images])
    score = np.where(truth, 0.9, 0.1)
    probabilities = np.stack([1 - score, score], 1).astype(np.float32)
    rule = DecisionRule(("good", "scratch"), "scratch", 0.5)
    table = tabulate(images.items, np.log(probabilities), probabilities, {}, rule, "model")
    model = tmp_path / "model"
    model.mkdir()
    trained = [item.id for item in images if item.split == "train"]
    (model / "training.json").write_text(record_text(trained, (), [(1.0, 1.0), (0.5, 0.6), (0.4, 0.7)], 2))
    features = np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32)
    answers = SimpleNamespace(embeddings=lambda: features)
    classifier = SimpleNamespace(key="model", rule=rule)
    return Subject(str(model), classifier, images, answers, table, tmp_path, lambda *at: None)


def test_the_fit_reads_the_record_beside_the_model(subject, monkeypatch) -> None:
    features = subject.answers.embeddings()
    monkeypatch.setattr("workbench.quality.frozen_features", lambda items, report: features)
    given, tables = CHECK_PARTS["fit"](subject)
    results = given["fit"]
    assert [result.check for result in results] == list(FIT_CHECKS)
    assert results[3].verdict == "ok"
    assert set(tables) == {"fit-splits", "fit-gaps", "fit-distributions", "fit-learning-curve", "fit-history"}
    assert tables["fit-splits"].set_index(["split", "class"]).loc[("train", "all"), "images"] == 30


def test_what_to_label_next_is_a_table_that_trains(subject) -> None:
    results, tables = reliability._label_next(subject)
    listed = set(tables["label-next"]["name"])
    assert listed == {f"{i:02}.png" for i in range(60, 80)} == set(results[0].images)
    again = load_images(subject.out / LABEL_NEXT)
    assert len(again) == 80
    assert {item.split for item in again if item.label is None} == {"train"}
    assert sum(item.split == "test" for item in again) == 30
    (subject.out / "findings.json").write_text("[]")
    assert set(reliability._label_next(subject)[1]) == {"label-next"}, "that of a run before is replaced"
