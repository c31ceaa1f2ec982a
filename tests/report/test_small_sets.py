"""Reports where little can be said: one image, one class, no labels, a damaged record. All is said, nothing breaks
off."""

from __future__ import annotations

import csv
import math
import re
from contextlib import closing

import numpy as np
import pytest
from PIL import Image
from reported import written_model, written_set

from workbench.audit import open_audit, run
from workbench.models import load_classifier
from workbench.report import Choices, compiled, dossier, report_of
from workbench.report.blocks import BLANK_CELL, spanned
from workbench.report.check_parts import CHECK_PARTS
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


def compiled_of(model, parts, tmp_path):
    """All of it, and the folder of the answers."""
    classifier, images = load_classifier(str(model)), load_images(str(parts))
    with closing(run(classifier, images, tmp_path / "audit")) as steps:
        list(steps)
    answers = open_audit(tmp_path / "audit")
    return compiled(Subject(str(model), classifier, images, answers, answers.predictions, tmp_path, lambda *_: None))


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_is_written_whole(model, tmp_path, cheap_checks, kind) -> None:
    rng, rows, parts = np.random.default_rng(0), [], tmp_path / "parts"
    parts.mkdir()
    for number, (label, split) in enumerate(KINDS[kind]):
        Image.fromarray(rng.integers(0, 120, (40, 40, 3)).astype(np.uint8)).save(parts / f"{number}.png")
        rows.append((f"{number}.png", label, split))
    with (parts / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "label", "split"), *rows])
    known = compiled_of(model, parts, tmp_path)
    text = report_of(known, Choices(str(model), str(parts)), None)
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


def test_a_damaged_record_of_the_training_costs_its_own_checks_alone(tmp_path, monkeypatch) -> None:
    parts = ("calibration", "fit", "recorded")
    monkeypatch.setattr(dossier, "CHECK_PARTS", {name: CHECK_PARTS[name] for name in parts})
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "journal.sqlite"))
    model = written_model(tmp_path / "corner")
    (model / "training.json").write_text('{"trained_on": 3')
    known = compiled_of(model, written_set(tmp_path / "parts", 16), tmp_path)
    by_name = {result.check: result for own in known.results.values() for result in own}
    for name in ("fit", "provenance: training"):
        assert by_name[name].verdict == "unknown"
        assert by_name[name].sentence.startswith("training.json beside the model cannot be read")
    assert "provenance: model" in by_name
    assert by_name["calibration"].support
    assert len(known.verdict.standings) == 12
    text = report_of(known, Choices(str(model), "parts"), None)
    assert "training.json beside the model cannot be read" in text
