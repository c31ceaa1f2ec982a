"""A small model, a set with mistakes and a hostile name, and what is known of them, to write reports of."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from cornered import ReadsCorner
from PIL import Image
from safetensors.torch import save_file

from workbench.audit import open_audit, run
from workbench.models import load_classifier
from workbench.report import Choices, compiled, dossier, report_of
from workbench.report.check_parts import CHECK_PARTS
from workbench.report.subject import Subject
from workbench.sets import load_images

HOSTILE = "camera <script>alert(1)</script> \u202e5"
CHEAP = ("worst group", "calibration")


def written_model(folder: Path) -> Path:
    """A model's folder: it calls a part defective whose bottom right corner is bright."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(ReadsCorner().state_dict(), folder / "model.safetensors")
    (folder / "model.toml").write_text(
        'title = "Reads a corner"\narchitecture = "python:cornered:ReadsCorner"\nweights = "model.safetensors"\n'
        'classes = ["good", "defective"]\n'
        "[preprocessing]\nsize = [32, 32]\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n"
    )
    return folder


def written_set(folder: Path, count: int = 48, defect: str = "defective") -> Path:
    """Images of which every second one is defective, some decided wrong, in three splits of two cameras."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(0), []
    for i in range(count):
        pixels = rng.integers(0, 120, (40, 40, 3)).astype(np.uint8)
        if bool(i % 2) != (i % 9 == 0):
            pixels[24:, 24:] += 120
        Image.fromarray(pixels).save(folder / f"part{i:02}.png")
        split = ("train", "validation", "test", "test")[i // 2 % 4]
        rows.append((f"part{i:02}.png", defect if i % 2 else "good", split, HOSTILE if i % 3 else "camera 0"))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "label", "split", "camera"), *rows])
    return folder


@pytest.fixture(scope="module")
def cheap_checks():
    """Two of the checks that take no time; the others stay unknown."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dossier, "CHECK_PARTS", {name: CHECK_PARTS[name] for name in CHEAP})
        yield


@pytest.fixture(scope="module")
def subject(tmp_path_factory, cheap_checks):
    home = tmp_path_factory.mktemp("subject")
    model, images = written_model(home / "the model"), load_images(str(written_set(home / "parts")))
    classifier = load_classifier(str(model))
    with closing(run(classifier, images, home / "audit")) as steps:
        list(steps)
    answers = open_audit(home / "audit")
    return Subject(str(model), classifier, images, answers, answers.predictions, home, lambda *_: None)


@pytest.fixture(scope="module")
def known(subject):
    return compiled(subject)


@pytest.fixture(scope="module")
def choices(subject):
    return Choices(subject.model, "parts", decisions=("part09.png",), notes={"groups": NOTE})


NOTE = """A **note** of 2026.

<img src=x onerror=alert(1)> ![pixel](https://example.org/p.png) [go](javascript:alert(1))
"""


@pytest.fixture(scope="module")
def text(known, choices):
    """The report."""
    return report_of(known, choices)
