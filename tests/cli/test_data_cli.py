"""`workbench data`: findings, tables and a manifest that training reads, of a set whose faults are planted."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil

import numpy as np
import pytest
from commands import call
from PIL import Image

from workbench.images.stamped_part import Part, draw
from workbench.sets.layouts import load_images

FIELDS = {"check", "verdict", "sentence", "figure", "low", "high", "threshold", "support", "images"}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Forty drawn parts in train and test; three test images are copies of training images, one under another label."""
    folder = tmp_path_factory.mktemp("parts")
    for number in range(40):
        label, split = ("good", "scratch")[number % 2], ("train", "test")[number // 30]
        (folder / split / label).mkdir(parents=True, exist_ok=True)
        pixels, _ = draw(Part((7, number), label, "A", "bright field", 1, False), 64)
        Image.fromarray(pixels).save(folder / split / label / f"{number:02}.png")
    for number, label in ((0, "good"), (1, "scratch"), (2, "scratch")):
        own = ("good", "scratch")[number % 2]
        shutil.copy(folder / "train" / own / f"{number:02}.png", folder / "test" / label / f"again{number}.png")
    (folder / "train" / "good" / "broken.png").write_bytes((folder / "train" / "good" / "04.png").read_bytes()[:900])
    return folder


@pytest.fixture(scope="module")
def run(parts, tmp_path_factory):
    """The folder that was written, and what was printed."""
    out, printed = tmp_path_factory.mktemp("out"), io.StringIO()
    before = {path: path.read_bytes() for path in parts.rglob("*.png")}
    with contextlib.redirect_stdout(printed):
        assert call("data", "--images", str(parts), "--out", str(out)) == 0
    assert {path: path.read_bytes() for path in parts.rglob("*.png")} == before
    return out, printed.getvalue()


def findings(out):
    return {row["check"]: row for row in json.loads((out / "findings.json").read_text(encoding="utf-8"))}


def test_findings_hold_the_planted_faults_and_nothing_else_is_wrong(run) -> None:
    found = findings(run[0])
    assert all(row.keys() == FIELDS for row in found.values())
    assert {row["verdict"] for row in found.values()} <= {"ok", "warn", "fail", "unknown"}
    leak = found["leaks test-train"]
    assert (leak["verdict"], leak["support"]) == ("warn", 3)
    assert "unknown without predictions" in leak["sentence"]
    assert {frozenset(pair) for pair in leak["images"]} == {
        frozenset((f"test/{label}/again{n}.png", f"train/{('good', 'scratch')[n % 2]}/{n:02}.png"))
        for n, label in ((0, "good"), (1, "scratch"), (2, "scratch"))
    }
    broken = next(row for row in found.values() if row["verdict"] != "ok" and "train/good/broken.png" in row["images"])
    assert "1 of 44" in broken["sentence"]


def test_every_sentence_is_printed_and_every_table_is_there(run) -> None:
    folder, printed = run
    for row in findings(folder).values():
        assert row["sentence"] in printed
    names = {path.name for path in (folder / "tables").iterdir()}
    assert {"families.csv", "pairs.csv", "faults.csv", "leaks.csv", "support.csv", "coverage.csv"} <= names


def test_the_manifest_proposes_a_split_and_reads_as_the_same_set(run, parts) -> None:
    folder, _ = run
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"image", "label", "split", "family", "group", "proposed label", "proposed split", "why"} <= rows[0].keys()
    moved = [row for row in rows if row["proposed split"]]
    assert {np.base_repr(len(moved)), *(row["proposed split"] for row in moved)} <= {"11", "train", "test"}
    first, again = load_images(str(parts)), load_images(str(folder / "manifest.csv"))
    told = {(item.id, item.label, item.split) for item in first if "broken" not in item.name}
    assert {(item.id, item.label, item.split) for item in again if "broken" not in item.name} == told
    families = {item.attributes["family"] for item in again}
    assert len(families) == len(again) - 3


def test_a_second_run_writes_the_same(run, parts) -> None:
    folder, _ = run
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    assert call("data", "--images", str(parts), "--out", str(folder)) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_bad_input_is_one_line(tmp_path, capsys) -> None:
    assert call("data", "--images", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
