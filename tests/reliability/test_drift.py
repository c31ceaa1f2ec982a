"""What is said of two sides: planted drift, other people's input, and what cannot be known."""

from __future__ import annotations

import dataclasses
import io
import time

import numpy as np
import pandas as pd
import pytest
from drifting import CLASSES, side
from PIL import Image, ImageFilter

from workbench.errors import InputError
from workbench.files import findings_text
from workbench.files.kept_values import read_value, write_value
from workbench.quality.pixel_measures import pixel_measures
from workbench.reliability import Drift, Estimates, Foreign, drift, drift_results, drift_tables
from workbench.reliability.drift_foreign import foreign_of
from workbench.reliability.drift_null import deals_of
from workbench.reliability.drift_sides import DriftSide, asked_of
from workbench.reliability.drift_tests import results_of_tests
from workbench.stats import Rate

DEFECT = ("defective",)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def said(result) -> dict[str, tuple[str, str]]:
    return {found.check: (found.verdict, found.sentence) for found in drift_results(result)}


def with_column(one, name, values):
    return dataclasses.replace(one, table=one.table.assign(**{name: pd.Series(values, dtype=object)}))


def texture(rng) -> Image.Image:
    grey = 110 + 25 * rng.standard_normal((48, 48)) + 30 * np.sin(np.arange(48) / rng.uniform(3, 9))
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")


def other_camera(image: Image.Image) -> Image.Image:
    """Gain 1.15, blur 0.7, JPEG at quality 60."""
    brighter = image.point([min(round(1.15 * value), 255) for value in range(256)] * 3)
    file = io.BytesIO()
    brighter.filter(ImageFilter.GaussianBlur(0.7)).save(file, "JPEG", quality=60)
    return Image.open(file).convert("RGB")


def test_a_changed_camera_is_found_at_150_and_150(rng) -> None:
    names = ("brightness", "contrast", "sharpness", "colour", "black", "white")
    plain = [texture(rng) for _ in range(300)]
    measured = [[pixel_measures(image)[name] for name in names] for image in plain]
    edited = [[pixel_measures(other_camera(image))[name] for name in names] for image in plain]
    found = 0
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(300)
        rows = [*(measured[at] for at in order[:150]), *(edited[at] for at in order[150:])]
        blank = side(None, 150, rng), side(None, 150, rng, prefix="b")
        frames = [
            part.measures.assign(**dict(zip(names, np.array(own, float).T, strict=True)))
            for part, own in zip(blank, (rows[:150], rows[150:]), strict=True)
        ]
        sides = [dataclasses.replace(part, measures=own, vectors=None) for part, own in zip(blank, frames, strict=True)]
        lines, _ = asked_of(*sides, DEFECT)
        new = np.arange(300) >= 150
        frame = results_of_tests(lines, None, new, None, deals_of(new, None, 399, seed), seed, None)[0]
        found += bool(frame.loc[frame["property"].isin(names), "drift"].any())
    assert found >= 19  # a power of .95


def test_drift_is_found_named_and_kept(rng, tmp_path) -> None:
    result = drift(side(None, 100, rng), side(None, 60, rng, shift=1.5, prefix="b"), DEFECT)
    whole, sentence = said(result)["drift"]
    assert (result.drifted, whole) == (True, "warn")  # not "fail": no lots are known
    assert "as between any two lots" in sentence
    assert "brightness" in sentence
    row = result.tests.set_index("property").loc["brightness"]
    assert row["value"] == pytest.approx(0.86, abs=0.06)  # Phi(1.5 / sqrt 2)
    assert row["low"] < row["value"] < row["high"]
    assert result.domain.value > 0.9
    assert {name for name, (verdict, _) in said(result).items() if name.startswith("estimated")} == {
        "estimated accuracy", "estimated defects among what passes",
    }  # fmt: skip
    assert all(said(result)[name][0] == "unknown" for name in said(result) if name.startswith("estimated"))
    assert "Not to be trusted: a classifier tells" in said(result)["estimated accuracy"][1]
    assert "59 new defective parts" in said(result)["estimated defects among what passes"][1]
    assert set(drift_tables(result)) == {"drift-tests", "drift-estimates", "drift-foreign"}
    write_value(tmp_path / "kept.json", result)
    kept = read_value(tmp_path / "kept.json", Drift, Foreign, Estimates, Rate)
    assert findings_text(drift_results(kept)) == findings_text(drift_results(result))


def test_of_lots_whole_ones_are_dealt_and_that_is_a_failure(rng) -> None:
    lots = np.repeat(np.arange(20), 6)
    near = drift(side(lots, 120, rng, lot_effect=0.5), side(lots, 120, rng, lot_effect=0.5, prefix="b"), DEFECT)
    far = drift(side(lots, 120, rng), side(lots, 120, rng, shift=2, prefix="b"), DEFECT)
    assert said(near)["drift"][0] == "ok"
    assert said(far)["drift"][0] == "fail"
    assert "whole lots dealt" in said(far)["drift"][1]
    assert near.lots == (20, 20)


def test_one_more_lot_of_few_is_no_alarm_but_unknown(rng) -> None:
    lots = np.repeat(np.arange(8), 15)
    new = side(None, 60, rng, shift=3, prefix="b")
    result = drift(side(lots, 120, rng, lot_effect=0.6), new, DEFECT)
    found = said(result)
    assert not result.drifted
    assert found["drift"][0] == "unknown"
    assert "at least 19 lots" in found["drift"][1]
    assert all(found[name][0] != "warn" for name in found if name.startswith("drift: "))
    assert any("taken as one lot" in note for note in result.notes)
    assert found["foreign images"][0] == "unknown"  # of one lot


def test_lots_of_the_new_side_alone_say_nothing_of_the_reference(rng) -> None:
    result = drift(side(None, 90, rng), side(np.repeat(np.arange(30), 3), 90, rng, prefix="b"), DEFECT)
    assert not result.drifted
    assert "State the groups of the reference" in said(result)["drift"][1]


def test_within_one_set_a_lot_of_one_name_is_one_lot(rng) -> None:
    whole = side(np.arange(120) % 30, 120, rng, lot_effect=2)
    half = np.arange(120) >= 60
    parts = whole.among(~half), whole.among(half)
    assert drift(*parts, DEFECT, together=True).lots == (30, 30)
    assert said(drift(*parts, DEFECT, together=True))["drift"][0] == "ok"


def test_the_reference_itself_is_nothing_new(rng) -> None:
    one = side(None, 60, rng)
    result = drift(one, one, DEFECT)
    assert len(result.same) == 60
    assert not result.drifted
    assert said(result)["drift"][0] == "unknown"
    assert "All 60 new images are files of the reference itself" in said(result)["drift"][1]
    assert said(result)["copies of the reference"][0] == "warn"


def test_copies_are_named_whether_by_bytes_or_stored_again(rng) -> None:
    first, second = side(None, 80, rng), side(None, 80, rng, prefix="b")
    second.vectors[:3] = first.vectors[:3] + 1e-4
    second.table.loc[[4, 5], "id"] = first.table.loc[[4, 5], "id"]
    result = drift(first, second, DEFECT)
    assert result.same == ("b4.png", "b5.png")
    assert result.counts == (80, 78)
    copied = result.foreign.frame[result.foreign.frame["copy"]]
    assert set(copied["name"]) == {"b0.png", "b1.png", "b2.png"}
    assert set(copied["nearest"]) == {"a0.png", "a1.png", "a2.png"}


def test_where_the_reference_holds_copies_itself_none_can_be_told(rng) -> None:
    vectors = np.repeat(rng.standard_normal((40, 4)), 3, axis=0) + 1e-6 * rng.standard_normal((120, 4))
    found = foreign_of(vectors, np.arange(120) >= 100, None, [str(n) for n in range(120)])
    assert not found.told
    assert not found.frame["copy"].any()


def test_how_far_an_image_lies_is_the_fifth_nearest_of_other_lots(rng) -> None:
    vectors, units = rng.standard_normal((60, 3)).astype(np.float32), np.arange(60) // 3
    found = foreign_of(vectors, np.arange(60) >= 45, units, [str(n) for n in range(60)])
    frame = found.frame.set_index("name")
    for row in range(45, 60):
        apart = np.sort(np.linalg.norm(vectors[:45] - vectors[row], axis=1))
        assert frame.loc[str(row), "distance"] == pytest.approx(apart[4], rel=1e-4)
    own = [np.sort(np.linalg.norm(vectors[:45] - vectors[r], axis=1)[units[:45] != units[r]])[4] for r in range(45)]
    assert found.radius == pytest.approx(max(own), rel=1e-4)


def test_three_images_are_not_enough(rng) -> None:
    result = drift(side(None, 60, rng), side(None, 3, rng, shift=5, prefix="b"), DEFECT)
    found = said(result)
    assert found["drift"][0] == "unknown"
    assert "3 images" in found["drift"][1]
    assert not [name for name, (verdict, _) in found.items() if verdict in ("warn", "fail")]


def test_a_new_set_of_one_class_is_another_mix(rng) -> None:
    new = side(None, 60, rng, defects=1.0, prefix="b")
    result = drift(side(None, 100, rng), new, DEFECT)
    found = said(result)
    assert found["drift: label"][0] == "warn"
    assert "100.0% of the new side" in found["drift: label"][1]
    none = drift(side(None, 100, rng), side(None, 60, rng, defects=0.0, prefix="b"), DEFECT)
    assert said(none)["measured escape rate"] == (
        "unknown", "The new images have no defect with a label, so that no escape could be seen.",
    )  # fmt: skip


def test_attributes_with_gaps_of_one_value_or_on_one_side(rng) -> None:
    first, second = side(None, 60, rng), side(None, 60, rng, prefix="b")
    first, second = with_column(first, "line", ["1", "2"] * 30), with_column(second, "line", ["1", None] * 30)
    first, second = with_column(first, "site", ["x"] * 60), with_column(second, "site", ["x"] * 60)
    first = with_column(first, "camera", ["A"] * 60)
    first, second = with_column(first, "shot", range(60)), with_column(second, "shot", [np.nan] * 60)
    days = [f"2026-11-{1 + n % 20:02}" for n in range(60)]
    first, second = with_column(first, "timestamp", days), with_column(second, "timestamp", days)
    result = drift(first, second, DEFECT)
    tests = set(result.tests["property"])
    assert "line" in tests
    assert not {"site", "camera", "timestamp"} & tests
    assert said(result)["drift: line"][0] == "warn"  # half of it went missing
    assert [note for note in result.notes if "not compared" in note] == [
        "The attributes camera, shot are not stated of any image of the new side: not compared."
    ]
    assert set(result.times["figure"]) == {"confidence", "defect score", "share called defective"}
    assert result.time_from == "timestamp, side b"


def test_saturated_scores_without_labels_or_embedding(rng) -> None:
    def saturated(one: DriftSide) -> DriftSide:
        defect = one.probabilities[:, 1] > 0.5
        table = one.table.assign(confidence=1.0, predicted=np.where(defect, *CLASSES[::-1]))
        exact = np.stack([~defect, defect], axis=1).astype(np.float32)
        return dataclasses.replace(one, table=table, probabilities=exact, vectors=None, measures=None)

    result = drift(saturated(side(None, 80, rng)), saturated(side(None, 80, rng, label=False, prefix="b")), DEFECT)
    found = said(result)
    assert "confidence" not in set(result.tests["property"])  # the same for all
    assert found["foreign images"][0] == "unknown"
    assert all(found[name][0] == "unknown" for name in found if name.startswith("estimated"))
    assert not result.measured


def test_images_that_cannot_be_read_are_counted_and_left_out(rng) -> None:
    first, second = side(None, 60, rng), side(None, 60, rng, prefix="b")
    second.probabilities[:7] = np.nan
    result = drift(first, second, DEFECT)
    assert (result.unreadable, result.counts) == ((0, 7), (60, 53))
    assert said(result)["drift: unreadable"][0] == "warn"
    second.probabilities[:] = np.nan
    with pytest.raises(InputError, match="No image of one side can be read"):
        drift(first, second, DEFECT)


def test_one_name_on_both_sides_is_no_one_image(rng) -> None:
    result = drift(side(None, 60, rng), dataclasses.replace(side(None, 60, rng, prefix="b")), DEFECT)
    assert result.counts == (60, 60)
    again = side(None, 60, rng, prefix="b")
    renamed = dataclasses.replace(again, table=again.table.assign(name=[f"a{n}.png" for n in range(60)]))
    assert drift(side(None, 60, rng), renamed, DEFECT).counts == (60, 60)


@pytest.mark.slow
def test_a_thousand_on_either_side_take_five_seconds(rng) -> None:
    sides = side(None, 1000, rng, dimensions=1280), side(None, 1000, rng, dimensions=1280, prefix="b")
    started = time.process_time()
    assert len(drift(*sides, DEFECT).tests) == 10
    assert time.process_time() - started < 5
