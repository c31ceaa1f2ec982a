"""Drift under what strangers hand in: the essence of what is reported of drift tools, none of it silently passed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from drifting import side

from workbench.predictions import DecisionRule, Predictions
from workbench.reliability import Drift, DriftSide, drift, drift_results, read_record, record_text, side_of
from workbench.sets import load_images

DEFECT = ("defective",)


def put(one: DriftSide, **columns: object) -> DriftSide:
    return dataclasses.replace(one, table=one.table.assign(**columns))


@pytest.fixture(scope="module")
def two() -> tuple[DriftSide, DriftSide]:
    rng = np.random.default_rng(0)
    return side(None, 120, rng), side(None, 60, rng, prefix="b")


def said(result: Drift) -> dict[str, str]:
    """The verdicts by their checks, and what was not compared as sentences."""
    found = drift_results(result)
    assert all(each.figure is None or np.isfinite(each.figure) for each in found)
    return {each.check: each.verdict for each in found} | {each.sentence: each.verdict for each in found}


def test_attributes_of_every_kind(two) -> None:
    """A constant one has no test, a new or a missing value is a difference, and what cannot be compared is named."""
    reference = put(two[0], constant="x", line="x", partly="x", degrees=np.linspace(0, 1, 120), serial=range(120))
    new = put(
        two[1],
        constant="x",
        line="y",
        partly=["x"] * 30 + [None] * 30,
        degrees=[f"0,{number}" for number in range(60)],  # a decimal comma
        serial=range(500, 560),
    )
    names = [f"part {number}" for number in range(120)]
    verdicts = said(drift(put(reference, part_name=names), put(new, part_name=names[60:]), DEFECT))
    assert "drift: constant" not in verdicts
    assert [verdicts[f"drift: {name}"] for name in ("line", "partly", "serial")] == ["warn"] * 3
    for words in (
        "degrees holds numbers in the reference and text",
        "part_name has 120 values, most of them of hardly",
    ):
        assert [verdict for sentence, verdict in verdicts.items() if words in sentence] == ["unknown"]
    assert not {"drift: degrees", "drift: part_name"} & verdicts.keys()


def test_an_embedding_that_tells_nothing_or_overflows(two) -> None:
    blank = [dataclasses.replace(one, vectors=np.full_like(one.vectors, 3.0)) for one in two]
    verdicts = said(drift(*blank, DEFECT))
    assert verdicts["foreign images"] == verdicts["estimated accuracy"] == "unknown"
    assert any("embedding is the same for every image" in sentence for sentence in verdicts)
    vectors = two[1].vectors.copy()
    vectors[:5] = 1e20  # whose squares are no numbers in single precision
    result = drift(two[0], dataclasses.replace(two[1], vectors=vectors), DEFECT)
    assert said(result)["drift: embedding"] == "warn"
    assert set(result.foreign.frame["name"][:5]) == {f"b{number}.png" for number in range(5)}
    vectors[:5] = np.nan
    result = drift(two[0], dataclasses.replace(two[1], vectors=vectors), DEFECT)
    assert result.unreadable == (0, 5)
    assert said(result)["drift: unreadable"] == "warn"


def test_labels_that_the_model_has_no_class_for_are_named(two) -> None:
    """A kind of defect that nobody had: neither right nor wrong, and no estimate may say that nothing is lost."""
    labels = ["crack"] * 20 + two[1].table["label"].tolist()[20:]
    verdicts = [None] * 20 + two[1].table["verdict"].tolist()[20:]
    result = drift(two[0], put(two[1], label=labels, verdict=verdicts), DEFECT)
    found = next(each for each in drift_results(result) if each.check == "labels that are no class")
    assert (found.verdict, found.figure, len(found.images)) == ("warn", pytest.approx(1 / 3), 20)
    assert "(crack)" in found.sentence
    assert said(result)["estimated accuracy"] == "unknown"


def test_a_confidence_outside_of_the_reference_is_no_ground_for_an_estimate(two) -> None:
    sure = dataclasses.replace(put(two[1], confidence=1.0), probabilities=np.tile([1.0, 0.0], (60, 1)))
    result = drift(two[0], sure, DEFECT)
    assert any("100.0% of the new images lies outside" in doubt for doubt in result.doubts)
    assert said(result)["estimated accuracy"] == "unknown"


@pytest.mark.parametrize("count", [1, 2])
def test_a_handful_gives_no_verdict(two, count) -> None:
    verdicts = said(drift(two[0], side(None, count, np.random.default_rng(1), prefix="c"), DEFECT))
    assert {verdict for check, verdict in verdicts.items() if check != "copies of the reference"} <= {"unknown", "ok"}
    assert verdicts["drift"] == verdicts["foreign images"] == verdicts["measured accuracy"] == "unknown"


def test_the_same_set_twice_is_no_new_set(two) -> None:
    verdicts = said(drift(two[0], two[0], DEFECT))
    assert verdicts["drift"] == "unknown"
    assert verdicts["copies of the reference"] == "warn"


def test_files_that_are_not_known_by_digest_are_not_taken_for_one_another(two) -> None:
    result = drift(put(two[0], id=None), put(two[1], id=None, name=two[0].table["name"][:60].tolist()), DEFECT)
    assert result.same == ()
    assert result.counts == (120, 60)


def test_images_that_trained_the_model_are_named_on_either_side(tmp_path: Path) -> None:
    images = load_images("stamped-metal")
    images = dataclasses.replace(images, items=images.items[:4])
    own = side(None, 4, np.random.default_rng(2))
    rule = DecisionRule(own.classes)
    table = Predictions(own.table, own.probabilities, np.log(own.probabilities), rule, "digest")
    unknown = side_of(images, 4, table, reference=True).note
    assert "whether the model was trained on its images is not known" in unknown
    for trained, note in (([images.items[1].id], "was trained on 1 of the 4 images"), (["0" * 64], "")):
        (tmp_path / "training.json").write_text(record_text(trained), encoding="utf-8")
        record = read_record(tmp_path)
        for reference in (True, False):
            said_of = side_of(images, 4, table, reference=reference, record=record).note
            assert note in said_of
            assert bool(said_of) == bool(note)
