"""Reports of sets that are too small to say much: one image, one class, no labels. All is said, nothing breaks off."""

from __future__ import annotations

import csv
import math
import re
from contextlib import closing

import numpy as np
import pytest
from PIL import Image
from reported import written_model

from workbench.audit import open_audit, run
from workbench.models import load_classifier
from workbench.report import Choices, compiled, report_of
from workbench.report.blocks import BLANK_CELL, spanned
from workbench.report.subject import Subject
from workbench.sets import load_images

pytest_plugins = ["reported"]
KINDS = {
    "one image": [("good", "")],
    "one class": [("good", "test")] * 6,
    "no labels": [("", "")] * 4,
    "unknown labels": [("ok", "test"), ("nok", "test")] * 3,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return written_model(tmp_path_factory.mktemp("small") / "the model")


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_is_written_whole(model, tmp_path, cheap_checks, kind) -> None:
    rng, rows, parts = np.random.default_rng(0), [], tmp_path / "parts"
    parts.mkdir()
    for number, (label, split) in enumerate(KINDS[kind]):
        Image.fromarray(rng.integers(0, 120, (40, 40, 3)).astype(np.uint8)).save(parts / f"{number}.png")
        rows.append((f"{number}.png", label, split))
    with (parts / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "label", "split"), *rows])
    classifier, images = load_classifier(str(model)), load_images(str(parts))
    with closing(run(classifier, images, tmp_path / "audit")) as steps:
        list(steps)
    answers = open_audit(tmp_path / "audit")
    subject = Subject(str(model), classifier, images, answers, answers.predictions, tmp_path, lambda *_: None)
    dossier = compiled(subject)
    text = report_of(dossier, Choices(str(model), str(parts)), None)
    assert text.rstrip().endswith("</html>")
    assert "Not shown to be fit for use" in text
    assert not re.search(r"\bnan\b", re.sub('data:image[^"]*', "", text), re.IGNORECASE)


def test_a_figure_without_an_interval_has_none() -> None:
    whole = spanned(0.25, 0.125, 0.5, ".1%")
    assert (whole.text, whole.figure) == ("25.0% (12.5% to 50.0%)", {"value": 0.25, "low": 0.125, "high": 0.5})
    for low, high in ((math.nan, math.nan), (None, 0.5), (0.1, math.inf)):
        assert spanned(0.25, low, high, ".1%").figure == {"value": 0.25}
        assert spanned(0.25, low, high, ".1%").text == "25.0%"
    for value in (None, math.nan, math.inf):
        assert (spanned(value, 0.1, 0.2, ".3g").text, spanned(value, 0.1, 0.2, ".3g").figure) == (BLANK_CELL, {})
