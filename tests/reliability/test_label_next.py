"""What to label next: planted foreign, unsure and costly images, and copies of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fitted import CLASSES, recorded, table_of

from workbench.predictions import DecisionRule
from workbench.reliability.label_next import NEIGHBOUR, next_result, next_to_label


@pytest.fixture
def planted():
    """100 training images, 60 without a label: of these 0 to 2 lie apart (1 is a copy of 0), 3 to 5 on the threshold,
    and 6 to 8 are called good at a high probability of a defect."""
    rng = np.random.default_rng(0)
    score = np.concatenate([rng.uniform(0.01, 0.05, 100), rng.uniform(0.01, 0.05, 60)])
    score[103:106] = [0.80, 0.801, 0.799]
    score[106:109] = [0.6, 0.62, 0.64]
    features = rng.normal(size=(160, 24)).astype(np.float32) * 0.05 + np.eye(24)[0]
    features[100:103] = [np.eye(24)[1], np.eye(24)[1] * 3, np.eye(24)[2]]
    table = table_of(["train"] * 100 + [None] * 60, np.zeros(160, int), np.stack([1 - score, score], 1), CLASSES[:2])
    label = np.array(["good"] * 100 + [None] * 60, dtype=object)
    called = np.where(score >= 0.8, "scratch", "good").astype(object)
    frame = table.frame.assign(label=label, verdict=None, predicted=called)
    return dataclasses.replace(table, frame=frame, rule=DecisionRule(CLASSES[:2], "scratch", 0.8)), features


def test_each_of_the_three_comes_in_turn_and_no_copy_twice(planted) -> None:
    table, features = planted
    result = next_to_label(table, features, positive=("scratch",), costs=(10.0, 1.0), count=9)
    named = {why: [int(n.split(".")[0]) for n in own["name"]] for why, own in result.frame.groupby("why")}
    assert named["foreign"][:2] == [100, 102]
    assert "101.png" not in set(result.frame["name"])
    assert named["unsure"][:2] == [103, 104]
    assert named["costly"][:2] == [105, 108], "7.99 and 6.4, of parts that pass"
    assert len(result.frame) == 9
    assert result.frame["why"].tolist()[:3] == ["foreign", "unsure", "costly"]
    assert (result.candidates, result.copies) == (60, 1)


def test_the_figures_are_those_of_a_plain_loop(planted) -> None:
    table, features = planted
    row = (
        next_to_label(table, features, positive=("scratch",), costs=(10.0, 2.0)).frame.set_index("name").loc["107.png"]
    )
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = sorted(1 - float(unit[107] @ unit[i]) for i in range(100))
    assert row["distance"] == pytest.approx(distances[NEIGHBOUR - 1], abs=1e-6)
    assert row["margin"] == pytest.approx(0.18, abs=1e-6)
    assert row["cost"] == pytest.approx(6.2, abs=1e-5)
    own = [sorted(1 - float(unit[i] @ unit[j]) for j in range(100) if j != i)[NEIGHBOUR - 1] for i in range(100)]
    assert row["beyond"] == pytest.approx(np.mean(np.array(own) < row["distance"]), abs=0.011)


def test_of_a_part_one_image_is_listed(planted) -> None:
    table, features = planted
    joined = dataclasses.replace(table, frame=table.frame.assign(group=[f"lot {i % 10}" for i in range(160)]))
    result = next_to_label(joined, features, count=40)
    assert len(result.frame) == 10
    assert set(result.frame["why"]) == {"foreign", "unsure"}, "without defects nothing is costly"
    assert result.frame["cost"].isna().all()


def test_what_lacks_is_said_and_nothing_is_green(planted) -> None:
    table, features = planted
    labelled = dataclasses.replace(table, frame=table.frame.assign(label="good"))
    assert "All images have labels" in next_result(next_to_label(labelled, features)).sentence
    record = dataclasses.replace(recorded(table, ()), trained_on=frozenset(table.frame["id"][:3]))
    assert "Fewer than 6 training images" in next_result(next_to_label(table, features, record)).sentence
    said = next_result(next_to_label(table, np.where(np.arange(160)[:, None] == 110, np.nan, features)))
    assert (said.verdict, said.support) == ("unknown", 59)
    assert "a ranking" in said.sentence
    assert "110.png" not in said.images
