"""What is selected on the map: the link restores exactly it, and Bias and Explain speak of it alone."""

import base64
import csv
import functools
import hashlib
import io
import json
from urllib.parse import parse_qs

import numpy as np
import pytest
from bias_page import figures, in_words
from tables import AT_RANDOM, solar, table, with_attributes

from workbench.bias.performance import breakdown
from workbench.drawing.render import to_png
from workbench.files.folders import cache_folder
from workbench.images.item import BytesSource, ImageItem, ImageSet
from workbench.quality import manifest
from workbench.sets.layouts import load_images
from workbench.ui import choice, runs
from workbench.ui.bias import words
from workbench.ui.data import chosen, embedded, plane

pytest_plugins = ["bias_page"]
COUNT = 80


@pytest.fixture
def visit(visit):
    """With the model of cells dealt at random, of which no group is stated."""
    return functools.partial(visit, model=AT_RANDOM)


def kept(names):
    """Writes a selection as the map keeps it, and gives its digest."""
    text = json.dumps(sorted(names), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    folder = cache_folder() / "selections"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{digest}.json").write_text(text, encoding="utf-8")
    return digest


@pytest.fixture(scope="module")
def some():
    """Two hundred test images and ten others of the solar cells, and the rows of the former."""
    frame = solar().frame
    tested, others = (np.flatnonzero((frame["split"] == "test") == there) for there in (True, False))
    rows = tested[:200]
    return kept(frame["name"].to_numpy()[[*rows, *others[:10]]]), rows


@pytest.fixture
def data(visit, monkeypatch):
    """Opens Data on a small set of one's own, of two kinds, of which one is not in training."""
    from PIL import Image

    labels = ["good", "bad"] * (COUNT // 2)
    found = with_attributes(table(labels, ["good"] * COUNT), split=["train"] * 40 + ["test"] * 40)
    sources = [BytesSource(to_png(Image.new("RGB", (8, 8), (i, 0, 0)))) for i in range(COUNT)]
    rows = zip(found.frame.itertuples(), sources, strict=True)
    items = tuple(ImageItem(row.name, source, row.label, split=row.split) for row, source in rows)
    vectors = np.random.default_rng(0).normal(size=(COUNT, 8)).astype(np.float32) + 5
    vectors[70:] *= np.tile([1, -1], 4)
    made = ImageSet("Made up", items, found.class_names)
    monkeypatch.setattr(choice, "images", lambda model: made)
    monkeypatch.setattr(runs, "known_predictions", lambda view: found)
    monkeypatch.setattr(embedded, "known", lambda scope: embedded.Embedded(vectors, "a test", "a test"))
    return lambda **address: visit("data", **address)


def button(at, label):
    return next(b for b in at.button if b.label == label)


def test_bias_speaks_of_the_selection_alone(visit, some):
    digest, rows = some
    at = visit("bias", selection=digest).sound("Bias")
    assert "Selection of 210 images from the map" in " ".join(m.value for m in at.markdown)
    expected = breakdown(solar(), "label", rows=np.isin(np.arange(len(solar())), rows)).frame
    shown = figures(at, "class")
    assert shown["images"].sum() == 200
    assert shown["images"].tolist() == expected["support"].tolist()
    for row, name in enumerate(shown.index):
        for figure in words.CLASS_FIGURES:
            assert shown.loc[name, figure] == in_words(expected, row, figure)
    assert "Selection of 210 images from the map, test split, 200 labelled images" in " ".join(
        c.value for c in at.caption
    )
    button(at, "Leave the selection").click().run().sound()
    assert figures(at, "class")["images"].sum() == (solar().frame["split"] == "test").sum()
    assert "selection" not in at.query_params


def test_explain_goes_through_the_selection(visit, some):
    digest, rows = some
    name = solar().frame["name"][rows[1]]
    at = visit("explain", method="", selection=digest, image=name).sound("Explain")
    assert "210 of 2,624 images" in [c.value for c in at.caption]
    facts = " ".join(h.value for h in at.get("html"))
    assert "of 210</strong>" in facts
    assert "selected on the map" in facts


@pytest.mark.parametrize("digest", ["0" * 24, "../../etc/passwd", "9" * 5000, "A" * 24])
def test_a_selection_that_is_not_kept_here_is_told_and_ignored(visit, digest):
    at = visit("bias", selection=digest).sound("Bias")
    assert any("not kept here: all images are shown" in w.value for w in at.warning)
    assert figures(at, "class")["images"].sum() == (solar().frame["split"] == "test").sum()


def test_a_selection_of_other_images_is_told_and_one_that_lost_some_counts_them(visit, some):
    at = visit("bias", selection=kept(["not here.png"])).sound("Bias")
    assert any("no image of this set" in w.value for w in at.warning)
    names = solar().frame["name"][some[1]].tolist()
    at = visit("bias", selection=kept([*names, "gone.png", "gone too.png"])).sound("Bias")
    assert any("200 images from the map**, 2 more are not in this set" in m.value for m in at.markdown)


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', "[1]", "[" * 9000])
def test_a_damaged_selection_is_none(visit, content):
    (cache_folder() / "selections").mkdir(exist_ok=True)
    (cache_folder() / "selections" / f"{'e' * 24}.json").write_text(content)
    at = visit("bias", selection="e" * 24).sound("Bias")
    assert any("not kept here" in w.value for w in at.warning)


def test_the_map_is_drawn_and_images_are_selected_without_a_mouse(data):
    at = data().sound("Data")
    button(at, "Look beyond the training split").click().run().sound()
    lines = at.unescaped("\n".join(e.value for kind in (at.markdown, at.caption) for e in kind))
    assert "of 40 images of the test split lie beyond the reach" in lines
    button(at, "Draw the map").click().run().sound()
    assert at.selectbox(key="tint").options == ["class", "split", "verdict", "reach of the training split"]
    picked = at.multiselect(key="map values")
    picked.set_value(["label: bad", "split: test"]).run()
    button(at, "Select").click().run().sound()
    names = [f"{i}.png" for i in range(41, COUNT, 2)]
    digest = kept(names)
    assert at.query_params["selection"] == digest
    queries = [parse_qs(e.proto.query_string.lstrip("?")) for e in at.get("page_link")]
    assert {"selection": [digest], "on": ["test"]} in [
        {k: q[k] for k in ("selection", "on") if k in q} for q in queries
    ]
    assert "0 of 20 of them are decided right, over all splits." in [c.value for c in at.caption]
    again = data(selection=digest, tint="reach").sound("Data")
    assert any("Selection of 20 images" in m.value for m in again.markdown), "in another session"
    assert again.selectbox(key="tint").value == "reach"


def test_points_are_sent_as_they_lie(monkeypatch):
    places = np.array([[0, 1], [np.nan, 0], [0.5, 0.25]], np.float32)
    sent = plane.points(places, np.array([1, 0, 0]), ["a", "b"], ["#111111", "#222222"])
    assert sent.rows.tolist() == [0, 2]
    assert np.frombuffer(base64.b64decode(sent.xy), "<u2").tolist() == [0, 65535, 32768, 16384]
    assert list(base64.b64decode(sent.codes)) == [1, 0]
    assert [(entry["name"], entry["count"]) for entry in sent.legend] == [("a", 1), ("b", 1)]


@pytest.mark.parametrize(
    ("sent", "flags"),
    [
        (base64.b64encode(bytes([0b10100000, 0b01000000])).decode(), [0, 2, 9]),
        (base64.b64encode(bytes(3)).decode(), None),
        ("no base64", None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_the_browser_may_say_anything(monkeypatch, sent, flags):
    monkeypatch.setattr(plane, "_sent", lambda name: sent)
    found = plane.lassoed(10)
    assert (None if found is None else np.flatnonzero(found).tolist()) == flags
    assert plane.pointed(10) is None


@pytest.mark.parametrize(
    ("sent", "at"), [(3, 3), (3.0, 3), (10, None), (-1, None), (0.5, None), (True, None), (float("nan"), None)]
)
def test_a_point_is_one_of_those_drawn(monkeypatch, sent, at):
    monkeypatch.setattr(plane, "_sent", lambda name: sent)
    assert plane.pointed(10) == at


def test_a_selection_is_proposed_to_be_left_out_and_nothing_else_changes():
    images = load_images("solar-cells")
    lines = list(csv.DictReader(io.StringIO(manifest(images, chosen.left_out(["cell0003.png"])))))
    assert len(lines) == len(images)
    proposed = [line for line in lines if line["proposed split"] or line["proposed label"]]
    assert [(line["image"].rpartition("/")[2], line["proposed split"]) for line in proposed] == [
        ("cell0003.png", "leave out")
    ]
    assert [line["split"] for line in lines] == [item.split for item in images]
