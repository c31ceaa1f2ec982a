"""The load report on the page: what it says, and that a correction of it moves every figure and stands in the link."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from hashlib import sha256

import pytest
from laid import photo
from pandas import read_parquet
from PIL import Image

from workbench.catalog import shared
from workbench.images import Finding
from workbench.sets import load_images
from workbench.ui import choice, session


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(session, "local", lambda: True)


@pytest.fixture
def parts(tmp_path):
    """Folders that no one can know to be splits: three good and two bad in foo, one each in bar."""
    names = ["foo/functional/1", "foo/functional/2", "foo/functional/3", "foo/odd/1", "foo/odd/2"]
    for seed, name in enumerate([*names, "bar/functional/1", "bar/odd/1"]):
        path = tmp_path / "parts" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(seed, "jpg"))
    (tmp_path / "parts" / "notes.txt").write_text("no image")
    return tmp_path / "parts"


@pytest.fixture
def metal(tmp_path):
    """Parts whose stored predictions are known, in folders that nobody can know to be splits, under other labels."""
    folder, left = (
        tmp_path / "metal",
        {("good", "foo"): 4, ("scratch", "foo"): 4, ("good", "bar"): 2, ("scratch", "bar"): 2},
    )
    for item in load_images("stamped-metal"):
        place = next((lot for label, lot in left if label == item.label and left[label, lot]), None)
        if place:
            left[item.label, place] -= 1
            path = folder / place / item.label.replace("good", "fine") / f"{sum(left.values())}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.source.read())
    return folder


def right(folder):
    """The share of images that the stored predictions call what their folder says, as the page writes it."""
    stored = read_parquet(shared("models/metal-sound/predictions.parquet"), columns=["id", "predicted"])
    called = dict(zip(stored["id"], stored["predicted"], strict=True))
    paths = list(folder.rglob("*.png"))
    hits = sum(called[sha256(p.read_bytes()).hexdigest()] == p.parent.name.replace("fine", "good") for p in paths)
    return f"{hits / len(paths):.1%}"


def said(at):
    return " ".join(at.unescaped(s.value) for s in at.success)


def warned(at):
    return " ".join(at.unescaped(w.value) for w in at.warning)


def texts(at):
    return " ".join(at.unescaped(part.value) for kind in (at.markdown, at.caption) for part in kind)


def figures_of(at):
    return {metric.label: metric.value for metric in at.metric}


def field(at, label):
    return next(box for box in at.selectbox if at.unescaped(box.label).startswith(label))


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def test_the_report_stands_first_where_a_link_asks_for_it_and_says_what_was_read(visit, parts, here):
    at = visit("overview", model="metal-sound", set=str(parts), images_read="open").sound()
    assert at.expander[0].label == "How these images were read"
    assert at.expander[0].proto.expanded
    text = " ".join(at.unescaped(m.value) for m in at.markdown)
    assert "7 images · 2 classes" in text
    assert "notes.txt" in at.dataframe[0].value["file"].tolist()
    at = visit("overview", model="metal-sound").sound()
    assert not next(e for e in at.expander if e.label == "How these images were read").proto.expanded


def test_a_corrected_guess_moves_the_figures_of_every_page_and_the_link_restores_it(visit, metal, here):
    at = visit("overview", model="metal-sound", set=str(metal), images_read="open").sound()
    assert "fine" in warned(at)
    field(at, "foo,").set_value("train")
    field(at, "bar,").set_value("test")
    field(at, "fine,").set_value("good")
    press(at, "Read the images so").sound()
    assert "Now:** 12 images, 2 classes, 0 with a mask, train 8, test 4" in said(at)
    assert not warned(at)
    link = at.query_params["read"]
    assert link == "split.bar=test&split.foo=train&label.fine=good"
    figures = figures_of(at)
    assert figures["Accuracy"] == right(metal / "bar")
    bias = visit("bias", model="metal-sound", set=str(metal), read=link).sound("Bias")
    assert bias.selectbox(key="on").value == "test"
    assert bias.dataframe[0].value[["class", "images"]].values.tolist() == [["good", 2], ["scratch", 2]]
    defects = visit("defects", model="metal-sound", set=str(metal), read=link, view="decisions").sound("Defects")
    assert not warned(defects)
    assert figures_of(visit("overview", model="metal-sound", set=str(metal), read=link).sound()) == figures
    press(at, "Read as before").sound()
    assert "read" not in at.query_params
    assert "fine" in warned(at)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("layout=<b>none</b>", "no layout"),
        ("nonsense=1", "nonsense"),
        ("leave_out=" + "x" * 5000, "4,096 characters"),
        ("split.foo=dev", "splits.foo"),
    ],
)
def test_corrections_of_a_link_that_are_none_are_told_in_a_sentence_and_change_nothing(visit, parts, here, text, why):
    at = visit("overview", set=str(parts), read=text)
    assert not at.exception
    (told,) = [line for line in at.said() if why in line]
    assert "<b>" not in "".join(m.value for m in [*at.error, *at.info])
    assert len(told) < 700
    if "read" in at.query_params:  # what can be read as options, but not obeyed, is told above the form
        press(at, "Read as recognised")
    assert "read" not in at.query_params
    assert "7 images" in " ".join([*texts(at).split("·"), ""])


def test_what_cannot_be_read_so_is_told_above_the_form_and_nothing_is_lost(visit, parts, here):
    at = visit("overview", set=str(parts), images_read="open").sound()
    field(at, "foo,").set_value("train")
    field(at, "Layout").set_value("manifest")
    press(at, "Read the images so")
    assert any("nothing was changed" in line for line in at.said())
    assert field(at, "Layout").value == "manifest"
    assert field(at, "foo,").value == "train"
    assert "read" not in at.query_params


def test_another_set_is_not_read_as_the_last_one_was_corrected(visit, parts, here):
    at = visit("overview", model="metal-sound", set=str(parts), read="split.foo=train").sound()
    at.selectbox(key="set").set_value("stamped-metal").run().sound()
    assert "read" not in at.query_params
    at.text_input(key="set folder").set_value(str(parts)).run().sound()
    assert at.selectbox(key="set").value == str(parts)
    assert "read" not in at.query_params


def test_a_set_that_cannot_be_read_leads_on_to_what_can_be_said_of_it(visit, parts, here):
    at = visit("bias", model="metal-sound", set=str(parts), read="layout=mvtec")
    assert [title.value for title in at.title] == ["These images could not be read"]
    assert any("not laid out as mvtec" in line for line in at.said())
    assert "Class folders" in texts(at)
    field(at, "Layout").set_value("folders")
    press(at, "Read the images so").sound("Bias")
    assert at.query_params["read"] == "layout=folders"


@pytest.mark.parametrize("many", [0, 20])
def test_labels_that_are_no_class_lead_to_the_form_with_the_likely_class_chosen(visit, tmp_path, here, many):
    for seed, label in enumerate(["Functional", "defective", "odd", *(f"lot {i}" for i in range(many))]):
        for copy in range(2):
            path = tmp_path / "cells" / label / f"{copy}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo(2 * seed + copy))
    at = visit("overview", model="solar-cells", set=str(tmp_path / "cells"), images_read="labels").sound()
    if many:
        lines = at.text_area[0].value.splitlines()
        assert lines[:1] == ["Functional = functional"]
        assert "odd = odd" in lines
        assert len(lines) == many + 2
    else:
        assert field(at, "Functional, 2 images").value == "functional"
        assert field(at, "odd, 2 images").value == "(as it is)"
    press(at, "Read the images so").sound()
    assert "Functional" not in warned(at)
    assert "label.Functional=functional" in at.query_params["read"]


def test_an_upload_is_read_anew_too_and_tells_what_was_left_out(visit, parts):
    at = visit("overview", model="metal-sound")
    files = {path.relative_to(parts).as_posix(): path.read_bytes() for path in parts.rglob("*.*")}
    at.file_uploader(key="set upload").set_value(("lot.zip", zipped(files), "application/zip")).run().sound()
    assert at.selectbox(key="set").value == "Your lot.zip"
    assert at.expander[0].proto.expanded
    assert at.dataframe[0].value["file"].tolist() == ["notes.txt"]
    field(at, "foo,").set_value("train")
    field(at, "bar,").set_value("test")
    press(at, "Read the images so").sound()
    assert "train 5, test 2" in said(at)
    press(at, "Read as before").sound()
    assert at.selectbox(key="set").value == "Your lot.zip"


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_open_questions_are_told_on_every_page_and_are_answered_there(visit, metal, here):
    view = {"model": "metal-sound", "set": str(metal), "method": "saliency", "evidence": "off"}
    for page in ("explain", "bias", "defects", "probe", "journal"):
        assert "how these images were read" in texts(visit(page, **view)), page
    assert "how these images were read" not in texts(visit("help", **view))
    at = visit("overview", **view).sound()
    assert at.radio
    press(at, "Answer, and read the images so").sound()
    assert "how these images were read" not in texts(visit("bias", **view, read=at.query_params["read"]))


def test_a_visitor_elsewhere_corrects_the_catalog_alone_and_never_leaves_a_set(visit, parts, monkeypatch):
    monkeypatch.setattr(session, "local", lambda: False)
    at = visit("overview", model="metal-sound", set=str(parts), read="root=foo")
    assert str(parts) not in " ".join([*at.said(), *(e.proto.body for e in at.get("html"))])
    for root in ("..", "/", "../..", "train/../.."):
        at = visit("overview", model="metal-sound", set="stamped-metal", read=f"root={root}")
        assert [title.value for title in at.title] == ["These images could not be read"], root
        assert str(parts.parent) not in " ".join(at.said())


def test_a_contradiction_shows_the_images_behind_it_and_all_of_their_names(visit, parts, here, monkeypatch):
    images = load_images(parts)
    names = (*(item.name for item in images), "gone <b>.jpg")
    finding = Finding("same image", "The same bytes stand under <b>two</b> labels.", names)
    report = dataclasses.replace(images.report, findings=(finding,))
    monkeypatch.setattr(choice, "images_read", lambda *_: dataclasses.replace(images, report=report))
    at = visit("overview", model="metal-sound", set=str(parts)).sound()
    assert at.expander[0].proto.expanded
    assert "The same bytes stand under <b>two</b> labels." in texts(at)
    assert len([e for e in at.get("page_link") if e.proto.page == "explain" or "image=" in e.proto.query_string]) >= 6
    assert at.dataframe[0].value["file"].tolist() == list(names)


def test_a_set_without_a_report_has_no_panel(visit, parts, here, monkeypatch):
    images = dataclasses.replace(load_images(parts), report=None)
    monkeypatch.setattr(choice, "images_read", lambda *_: images)
    at = visit("overview", model="metal-sound", set=str(parts), images_read="open").sound()
    assert "How these images were read" not in [e.label for e in at.expander]


@pytest.mark.parametrize(("count", "chip"), [(16, "nothing open"), (17, "of 17 masks a sample was looked at")])
def test_nothing_is_called_open_in_green_only_where_every_mask_was_looked_at(visit, tmp_path, here, count, chip):
    lines = ["image,label,split,mask"]
    for number in range(count):
        (tmp_path / f"{number}.png").write_bytes(photo(number, "png"))
        inside = Image.new("1", Image.open(tmp_path / f"{number}.png").size)
        inside.paste(1, (2, 2, 6, 6))
        inside.save(tmp_path / f"{number}-mask.png")
        lines.append(f"{number}.png,scratch,test,{number}-mask.png")
    (tmp_path / "set.csv").write_text("\n".join(lines))
    at = visit("overview", model="metal-sound", set=str(tmp_path / "set.csv"), images_read="open").sound()
    chips = next(e.proto.body for e in at.get("html") if "wb-chips" in e.proto.body and "nothing open" in e.proto.body)
    assert chip in chips
    assert ("wb-good" in chips) == (count == 16)
