"""Summary and export of the Data page: grey until somebody looks, then the same bytes as the command writes."""

import csv
import io
import zipfile

import numpy as np
import pytest
from commands import call
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

from workbench.files import CheckResult
from workbench.ui import checks, draw


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Thirty-six textures in two classes and two splits; a test image is a lighter copy of a training image."""
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "journal.sqlite"))
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(11)
    for number in range(36):
        place = tmp_path / "set" / ("train", "test")[number >= 24] / ("good", "bad")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        field = gaussian_filter(rng.normal(size=(48, 48)), 1.5)
        image = Image.fromarray(((field - field.min()) / np.ptp(field) * 200).astype(np.uint8))
        image.save(place / f"{number:02}.png")
        if number == 5:
            again = tmp_path / "set" / "test" / "bad" / "again.png"
            again.parent.mkdir(parents=True, exist_ok=True)
            ImageEnhance.Brightness(image).enhance(1.2).save(again)
    return tmp_path / "set"


@pytest.fixture
def made(monkeypatch):
    """What makes each download, by its label."""
    found = {}
    monkeypatch.setattr(draw.st, "download_button", lambda label, make, name, mime, **_: found.update({label: make}))
    return found


def html(at):
    return "\n".join(element.proto.body for element in at.get("html"))


def texts(at):
    return "\n".join(at.unescaped(element.value) for kind in ("markdown", "caption") for element in at.get(kind))


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run().sound("Data")


def test_nothing_is_green_before_it_was_looked_for_and_there_is_nothing_to_take(visit, folder, empty_shelves, made):
    at = visit("data", model="everyday", set=str(folder)).sound("Data")
    assert html(at).count(checks.NOT_YET) == 8  # how much the set can carry needs no looking
    assert ">ok<" not in html(at)
    assert "**Nothing to take home yet**" in texts(at)
    assert "Everything (zip)" not in made


def test_what_is_taken_home_is_what_the_command_writes(visit, folder, empty_shelves, made, tmp_path):
    at = press(visit("data", model="everyday", set=str(folder)).sound("Data"), "Look for all of it")
    assert checks.NOT_YET not in html(at)
    assert 'href="#leaks">Leaks between splits' in html(at)
    assert "1 of 13 test images (7.7 %) shows a part that is also among the training images." in html(at)
    inside = zipfile.ZipFile(io.BytesIO(made["Everything (zip)"]()))
    assert call("data", "--images", str(folder), "--out", str(tmp_path / "out")) == 0
    written = {p.relative_to(tmp_path / "out").as_posix(): p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert set(inside.namelist()) == set(written)
    for name, path in written.items():
        assert inside.read(name) == path.read_bytes(), name
    assert made["Manifest (CSV)"]().encode() == written["manifest.csv"].read_bytes()

    next(
        box for box in at.checkbox if box.label == "The grouped split, images that change sides: 1"
    ).check().run().sound("Data")
    assert at.query_params["take"] in ("split", ["split"])
    rows = {row["image"]: row for row in csv.DictReader(io.StringIO(made["Manifest (CSV)"]()))}
    pair = rows["train/bad/05.png"]["split"], rows["test/bad/again.png"]["split"]
    assert pair in (("train", "train"), ("test", "test"))


def result(verdict, sentence="A figure. More of it."):
    return CheckResult("a check", verdict, sentence)


@pytest.mark.parametrize(
    ("verdicts", "word", "tone"),
    [
        ((), "not looked for yet", "plain"),
        (("ok",), "ok", "good"),
        (("ok", "unknown"), "cannot be told", "plain"),
        (("unknown", "warn", "ok"), "look here", "doubt"),
        (("warn", "fail"), "does not hold", "bad"),
    ],
)
def test_the_gravest_of_the_checks_is_the_verdict(verdicts, word, tone):
    chip, _ = checks.verdict_of([result(verdict) for verdict in verdicts])
    assert (f">{word}<" in chip, f"wb-{tone}" in chip) == (True, True)


def test_one_sentence_of_the_gravest_and_how_many_checks_there_are():
    lines = [result("ok", "Fine."), result("warn", "7.5 % of <b> leak. They flatter."), result("ok", "Fine too.")]
    assert checks.verdict_of(lines)[1] == "7.5 % of <b> leak. (3 checks: 1 look here, 2 ok)"
    assert checks.verdict_of([result("ok", "None of 3 is dark.")])[1] == "None of 3 is dark."
    open_one = result("unknown", "It cannot be told. Add images. Others do.")
    assert checks.verdict_of([open_one])[1] == "It cannot be told. Add images."
