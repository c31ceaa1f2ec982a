"""`workbench drift`: its exit codes, what it writes, and what it says of lots."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import call
from PIL import Image, ImageFilter

from workbench.cli import app

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
COUNT = 34


def draw(folder: Path, seed: int, other_camera: bool = False, count: int = COUNT) -> Path:
    rng = np.random.default_rng(seed)
    for number in range(count):
        grey = 110 + 20 * rng.standard_normal((24, 24)) + 30 * np.sin(np.arange(24) / rng.uniform(2, 6))
        image = Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
        if other_camera:
            image = image.point([min(round(1.15 * value), 255) for value in range(256)] * 3)
            image = image.filter(ImageFilter.GaussianBlur(0.7))
        path = folder / f"class {number % 3}" / f"{seed}-{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return folder


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A reference, another draw of the same, one by another camera, and three images."""
    folder = tmp_path_factory.mktemp("sets")
    return {
        "reference": draw(folder / "reference", 1),
        "same": draw(folder / "same", 2),
        "camera": draw(folder / "camera", 3, other_camera=True),
        "three": draw(folder / "three", 4, count=3),
    }


def run(place, sets, new, *more) -> int:
    model = "python:tiny_cli_model:make"
    refs = "--reference", str(sets["reference"]), "--new", str(sets[new])
    return call("drift", "--model", model, *refs, "--out", str(place / new), "--maps", "0", *more)


def findings(place, new) -> dict[str, dict]:
    rows = json.loads((place / new / "findings.json").read_text(encoding="utf-8"))
    return {row["check"]: row for row in rows}


def test_no_drift_is_0_and_says_that_lots_are_not_known(place, sets, capsys) -> None:
    assert run(place, sets, "same") == 0
    found = findings(place, "same")
    assert found["drift"]["verdict"] == "ok"
    assert "No lots are known" in found["drift"]["sentence"]
    printed = capsys.readouterr().out
    assert all(row["sentence"] in printed for row in found.values())
    assert {path.name for path in (place / "same" / "tables").iterdir()} >= {"drift-tests.csv", "drift-foreign.csv"}


def test_another_camera_is_1_and_json_is_all_that_is_printed(place, sets, capsys) -> None:
    assert run(place, sets, "camera", "--json") == 1
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows == findings(place, "camera")
    assert rows["drift"]["verdict"] == "warn"
    assert rows["drift: brightness"]["verdict"] == "warn"
    assert rows["drift: sharpness"]["figure"] < 0.2


def test_three_images_and_the_reference_itself_are_3(place, sets) -> None:
    assert run(place, sets, "three") == 3
    assert findings(place, "three")["drift"]["verdict"] == "unknown"
    assert run(place, sets, "reference") == 3
    assert "files of the reference itself" in findings(place, "reference")["drift"]["sentence"]


def test_bad_input_is_2(place, sets, capsys) -> None:
    assert run(place, sets | {"none": place / "none"}, "none") == 2
    assert capsys.readouterr().err.startswith("workbench: ")


def test_lots_are_told_by_a_table_and_maps_are_compared(place, sets) -> None:
    """Twenty lots of the reference, and one new one that is as they are."""
    for name, start, lots in (("reference", 1, 20), ("same", 2, 1)):
        shutil.copytree(sets[name], place / "parts" / name)
        paths = sorted((place / "parts" / name).rglob("*.png"))
        lines = [
            f"{path.relative_to(place / 'parts')},{path.parent.name},{start}-{number % lots}"
            for number, path in enumerate(paths)
        ]
        (place / "parts" / f"{name}.csv").write_text("\n".join(["image,label,group", *lines]), encoding="utf-8")
    tables = {name: place / "parts" / f"{name}.csv" for name in ("reference", "same")}
    assert run(place, tables, "same", "--maps", "32") == 0
    found = findings(place, "same")
    assert "20 lots or parts" in found["drift"]["sentence"]
    assert "entropy of the maps" in "".join(found)


def test_the_documented_job_is_valid_and_its_command_exists() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    block = text.split("```yaml\n")[1].split("```")[0]
    job = yaml.safe_load(block)
    steps = next(iter(job["jobs"].values()))["steps"]
    line = next(step["run"] for step in steps if "workbench drift" in step.get("run", ""))
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert "drift" in known
    assert {"--model", "--reference", "--new", "--out"} <= set(line.split())
    cron = next(row for row in text.splitlines() if row.startswith("30 2 * * *"))
    assert "workbench drift" in cron
