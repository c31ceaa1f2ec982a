"""The Probe page with sets that lack something, other models, images of one's own, edits that go wrong, and nonsense in
the address."""

import dataclasses
import html
import io
import re

import pytest
import torch
from PIL import Image

from workbench import attribution
from workbench.drawing import render
from workbench.errors import InputError
from workbench.files.folders import cache_folder
from workbench.images.item import BytesSource, ImageItem
from workbench.models.classifier import predict
from workbench.models.loading import load_classifier
from workbench.probe.edits import read
from workbench.sets.layouts import load_images
from workbench.ui import choice, runs
from workbench.ui.probe import canvas, compare, edit, regions, steps

METAL = {"model": "metal-sound"}
VIEWS = ("edit", "sweep", "regions", "contrast", "attack", "behind", "concepts", "compare")
TITLES = dict(
    zip(
        VIEWS,
        (
            "Edit",
            "Sweep",
            "Minimal regions",
            "Contrastive",
            "Attack",
            "Influential training images",
            "Concepts",
            "Compare",
        ),
        strict=True,
    )
)
torch.set_num_threads(1)


def mostly_slow(*kept):
    """All views, those that are not kept marked slow."""
    return [view if view in kept else pytest.param(view, marks=pytest.mark.slow) for view in VIEWS]


@pytest.fixture(scope="module")
def metal():
    return load_classifier("metal-sound"), load_images("stamped-metal")


@pytest.fixture(autouse=True)
def shelves(empty_shelves):
    return empty_shelves


def told(at):
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error)
    drawn = [html.unescape(re.sub("<[^>]*>", "", h.proto.body)) for h in at.get("html")]
    return "\n".join([*drawn, *(at.unescaped(e.value) for kind in kinds for e in kind)]).replace("**", "")


def png(colour, size=(24, 16)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


# Sets that lack something, images of one's own


def lacking(images, **changed):
    return dataclasses.replace(images, items=tuple(dataclasses.replace(item, **changed) for item in images.items[:60]))


@pytest.mark.parametrize(
    "changed", [{"split": None}, {"label": None}, {"attributes": {}}, {"split": "train"}], ids=lambda c: str(*c.items())
)
@pytest.mark.parametrize("view", ["sweep", "attack", "behind", "concepts", "compare"])
def test_sets_that_lack_something_say_so(visit, metal, monkeypatch, changed, view):
    found = lacking(metal[1], **changed)
    known = predict(metal[0], found.items)
    monkeypatch.setattr(choice, "images", lambda model: found)
    monkeypatch.setattr(runs, "known_predictions", lambda view: known)
    at = visit("probe", view=view, attack="fgsm", **METAL).sound("Probe")
    if view == "behind" and changed == {"split": None}:
        assert "has no training split" in told(at)
    if view == "attack" and changed == {"label": None}:
        assert "accuracy under attack cannot be measured" in told(at)
    if view == "concepts" and changed == {"attributes": {}}:
        assert not any(p.label == "Groups" for p in at.get("button_group"))


@pytest.fixture(scope="module")
def unknown(metal):
    items = [
        dataclasses.replace(item, source=BytesSource(render.to_png(item.open()) + b"new"))
        for item in metal[1].items[:60]
    ]
    return dataclasses.replace(metal[1], items=tuple(items))


@pytest.mark.parametrize("view", VIEWS)
def test_a_set_of_which_nothing_is_known_yet(visit, unknown, monkeypatch, tmp_path, view):
    (tmp_path / "sets").symlink_to(cache_folder() / "sets")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(choice, "images", lambda model: unknown)
    at = visit("probe", view=view, attack="fgsm", **METAL).sound("Probe")
    assert [b.label for b in at.button if b.label.startswith("Predict all 60 images")]
    if view == "regions":
        next(b for b in at.button if b.label == "Predict all 60 images").click().run().sound("Probe")
        assert "distance" in told(at)


@pytest.mark.parametrize("view", mostly_slow("edit", "attack", "concepts", "compare"))
def test_an_image_of_ones_own_in_every_view(visit, view):
    at = visit("probe", **METAL).sound("Probe")
    at.file_uploader(key="image upload").set_value([("own.png", png((90, 80, 70), (64, 48)), "image/png")]).run()
    assert at.query_params["image"] in ("yours/own.png", ["yours/own.png"])
    next(c for c in at.segmented_control if str(c.key).startswith("view ") and TITLES[view] in c.options).set_value(
        view
    ).run().sound("Probe")
    assert at.query_params.get("view", ["edit"]) in (view, [view])


# Other models


@pytest.mark.parametrize("view", mostly_slow("edit", "contrast", "concepts", "compare"))
def test_a_thousand_classes_in_every_view(visit, view, monkeypatch):
    plain = regions.smallest
    monkeypatch.setattr(regions, "smallest", lambda *args, **settings: plain(*args, **settings | {"cells": 4}))
    settings = {"fill": "mean", "grid": "cells", "map": "grad_cam", "attack": "fgsm"}
    at = visit("probe", model="everyday", view=view, **settings).sound("Probe")
    if view in ("contrast", "concepts"):
        assert len(at.selectbox(key={"contrast": "why", "concepts": "concept_class"}[view]).options) == 1000
    if view == "compare":
        assert set(at.selectbox(key="versus").options) == {f"Compressed copy: {how}" for how in compare.CHEAPER}


@pytest.mark.parametrize("view", ["edit", "compare"])
def test_a_map_that_is_refused_leaves_the_rest_standing(visit, view, monkeypatch, refused):
    at = visit("probe", view=view, edit="gamma:2", map="grad_cam", **METAL).sound("Probe")
    assert refused in told(at)
    assert "before" in told(at) if view == "edit" else "On the set" in [h.value for h in at.header]


@pytest.fixture
def refused(monkeypatch):
    """Every map is refused, as Grad-CAM is by some transformers."""

    def refuse(*args, **settings):
        raise InputError("This model has no layer for it: choose another method.")

    monkeypatch.setattr(attribution, "attribute", refuse)
    return "This model has no layer for it: choose another method."


def test_an_archive_has_no_cheaper_copy(visit, tmp_path, monkeypatch, tiny_net):
    net = tiny_net().eval()
    program = torch.export.export(net, (torch.zeros(2, 3, 16, 16),), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.export.save(program, tmp_path / "model.pt2")
    (tmp_path / "model.toml").write_text(
        'architecture = "exported"\nweights = "model.pt2"\nclasses = ["good", "pit"]\n[preprocessing]\nsize = [16,'
        " 16]\n"
    )
    monkeypatch.setenv("WORKBENCH_MODEL", str(tmp_path))
    at = visit("probe", view="compare", set="stamped-metal", model=str(tmp_path))
    assert not at.exception
    assert [at.unescaped(e.value) for e in at.error] == [
        "An archive of torch.export keeps its weights out of reach: load the model from its weights instead."
    ]
    assert "versus" in [s.key for s in at.selectbox]


# Edits that go wrong


def broken(images):
    return dataclasses.replace(images, items=(*images.items, ImageItem("broken.png", BytesSource(b"no image"))))


def test_an_image_to_paste_from_that_cannot_be_read(visit, metal, monkeypatch):
    found = broken(metal[1])
    monkeypatch.setattr(choice, "images", lambda model: found)
    at = visit("probe", edit=["gamma:2", "fill:0,0,0.5,0.5:paste:broken.png"], **METAL).sound("Probe")
    assert any("broken.png" in text and "left out" in text for text in at.said())
    assert "Gamma 2" in told(at)
    assert len([b for b in at.button if b.label == "Undo"]) == 1


@pytest.mark.parametrize("size", ["0.4999,0.4999,0.5,0.5", "0,0,0.0001,1", "0,0.9999,1,1"])
def test_a_crop_to_almost_nothing(visit, size):
    tail = ["blur:4", "defocus:4", "rotate:45", "fill:0,0,1,1:inpaint", "fill:0,0,0.5,0.5:patch", "jpeg:5", "scale:0.5"]
    at = visit("probe", edit=[f"crop:{size}", *tail], **METAL)
    assert not at.exception
    assert not any("Unexpected error" in e.value for e in at.error)
    assert len([b for b in at.button if b.key and b.key.startswith("drop ")]) == len(tail) + 1


def test_an_edit_that_fails_can_be_taken_out(visit, monkeypatch):
    plain = edit.further

    def failing(edited, before, one, others):
        if one.kind == "jpeg":
            raise InputError("A JPEG has at most 65,535 pixels a side: crop the image first.")
        return plain(edited, before, one, others)

    monkeypatch.setattr(edit, "further", failing)
    at = visit("probe", edit=["gamma:2", "jpeg:5"], **METAL)
    assert any("65,535" in text for text in at.said())
    assert at.button(key="drop 1").click().run().sound("Probe").query_params["edit"] in ("gamma:2", ["gamma:2"])


@pytest.mark.parametrize(
    "sent", [None, 7, "box", [1], [1, 2, 3, None], ["a"] * 4, {}, [float("nan")] * 4, [9, 9, 1, 1], [0.5] * 4]
)
def test_a_browser_may_send_anything_for_a_box(monkeypatch, sent):
    state = {canvas.KEY: type("Sent", (), {"boxed": sent, "moved": sent})()}
    for module in (canvas, steps):
        monkeypatch.setattr(module.st, "session_state", state)
    monkeypatch.setattr(steps, "edits", tuple)
    put = []
    monkeypatch.setattr(steps, "put", put.append)
    steps.add_region()
    steps.move_region((read("fill:0,0,0.5,0.5:mean"),), (10, 10))
    assert put == []


NONSENSE = {
    "contrast": ("why", "rather", "map"), "compare": ("versus", "map"), "concepts": ("concept_class", "concepts"),
    "sweep": ("slider",),
    "regions": ("grid", "fill"), "attack": ("attack", "map"), "behind": ("behind_class",),
    "edit": ("region", "map", "edit"),
}  # fmt: skip


ABSURD = ("<script>alert(1)</script>", "", "nan", "x" * 5000)


@pytest.mark.parametrize("view", NONSENSE)
@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.slow) for turn in (1, 2, 3))])
def test_nonsense_in_every_address_is_not_taken(visit, view, turn):
    """A value for each key of the view; in four turns each key has each."""
    place = list(NONSENSE).index(view) + turn
    values = {key: ABSURD[(place + number) % len(ABSURD)] for number, key in enumerate(NONSENSE[view])}
    at = visit("probe", **{"view": view, **METAL} | values).sound("Probe")
    for key in at.session_state["drawn keys"] & set(NONSENSE[view]):
        assert at.query_params.get(key, []) in ([], [""] if values[key] == "" and key == "concepts" else []), key
