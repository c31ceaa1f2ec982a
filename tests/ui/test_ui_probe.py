"""The Probe page: its list of edits is the address, each view is about this image, and nothing that is typed or linked
breaks it."""

import json

import numpy as np
import pytest

from workbench.models.classifier import ask
from workbench.models.loading import load_classifier
from workbench.probe.edits import MOST_EDITS, Edit, apply, read
from workbench.sets.layouts import load_images

METAL = {"model": "metal-sound"}
GROUPS = {
    "Change the image": ("edit", "sweep", "regions"),
    "Why this class": ("contrast", "behind", "concepts"),
    "How fragile": ("attack", "compare"),
}


@pytest.fixture(scope="module")
def metal():
    return load_classifier("metal-sound"), load_images("stamped-metal")


def probabilities(at):
    """The table of the Edit view: class, before, after."""
    return next(d.value for d in at.dataframe if list(d.value.columns[:3]) == ["class", "before", "after"]).set_index(
        "class"
    )


def edits(at):
    found = at.query_params.get("edit", [])
    return [read(text) for text in ([found] if isinstance(found, str) else found)]


def groups(at):
    """What is chosen in each group of views."""
    return {c.label: c.value for c in at.segmented_control if str(c.key).startswith("view ")}


@pytest.mark.parametrize("view", [view for views in GROUPS.values() for view in views])
def test_the_link_of_every_view_opens_it_in_its_group(visit, view):
    at = visit("probe", view=view, **METAL).sound("Probe")
    assert groups(at) == {group: view if view in views else None for group, views in GROUPS.items()}
    assert [at.button(key=f"strip {way}").disabled for way in ("Previous", "Next")] == [True, False]


def test_a_click_in_a_group_leaves_the_others(visit):
    at = visit("probe", view="contrast", map="grad_cam", **METAL).sound("Probe")
    assert [len(at.segmented_control(key=f"view {group}").options) for group in GROUPS] == [3, 3, 2]
    at.segmented_control(key="view Change the image").set_value("edit").run().sound("Probe")
    assert groups(at) == {"Change the image": "edit", "Why this class": None, "How fragile": None}
    assert "view" not in at.query_params
    at.segmented_control(key="view Change the image").set_value(None).run().sound("Probe")
    assert groups(at)["Change the image"] == "edit", "one view is always chosen"


def test_the_figures_are_those_of_the_edited_image(visit, metal):
    clf, images = metal
    item = images.items[3]
    address = ["fill:0.2,0.3,0.6,0.9:mean", "rotate:30", "brightness:0.1"]
    at = visit("probe", image=item.name, edit=address, **METAL).sound("Probe")
    image = item.open()
    edited = apply(image, [read(text) for text in address]).pixels
    wanted = ask(clf, [np.asarray(image), edited])
    shown = probabilities(at)
    for column, one in zip(("before", "after"), wanted, strict=True):
        assert shown[column].to_dict() == pytest.approx(dict(zip(clf.class_names, one.tolist(), strict=True)), abs=1e-5)


def test_a_slider_is_an_edit_and_its_neutral_place_is_none(visit):
    at = visit("probe", **METAL).sound("Probe")
    at.slider(key="slide rotate").set_value(15).run()
    at.slider(key="slide contrast").set_value(1.5).run()
    assert edits(at) == [Edit("rotate", 15), Edit("contrast", 1.5)]
    at.slider(key="slide rotate").set_value(40).run()
    assert edits(at) == [Edit("rotate", 40), Edit("contrast", 1.5)]  # changed in its place
    at.slider(key="slide rotate").set_value(0).run()
    assert edits(at) == [Edit("contrast", 1.5)]
    at.sound("Probe")


def test_edits_are_moved_removed_undone_and_cleared(visit):
    at = visit("probe", edit=["rotate:15", "contrast:1.5", "gamma:2"], **METAL)
    at.button(key="up 1").click().run()
    assert [edit.kind for edit in edits(at)] == ["contrast", "rotate", "gamma"]
    at.button(key="drop 0").click().run()
    assert [edit.kind for edit in edits(at)] == ["rotate", "gamma"]
    next(b for b in at.button if b.label == "Undo").click().run()
    assert [edit.kind for edit in edits(at)] == ["rotate"]
    next(b for b in at.button if b.label == "Clear").click().run()
    assert edits(at) == []
    at.sound("Probe")


@pytest.mark.parametrize(
    "hostile",
    [
        "fill:9,9,9,9:mean",
        "rotate:1e9",
        "rotate:nan",
        "fill:::",
        "<b>",
        "fill:0,0,1,1:paste:![x](https://attack.example/x.png)",
        "gamma:",
        "x" * 4000,
    ],
)
def test_what_is_no_edit_is_left_out_with_a_sentence(visit, hostile):
    at = visit("probe", edit=["brightness:0.1", hostile], **METAL)
    at.sound("Probe")
    said = " ".join(at.unescaped(w.value) for w in (*at.warning, *at.error))
    assert "left out" in said or "paste" in said
    assert "![x](" not in " ".join(w.value for w in (*at.warning, *at.error, *at.markdown))


def test_a_flood_of_edits_is_capped(visit):
    at = visit("probe", edit=["gamma:2"] * 500, **METAL).sound("Probe")
    assert len([b for b in at.button if b.key and b.key.startswith("drop ")]) == MOST_EDITS


def test_a_saved_list_can_be_loaded_and_nonsense_cannot(visit):
    at = visit("probe", **METAL).sound("Probe")
    at.file_uploader(key="edits upload").set_value(
        ("edits.json", json.dumps(["rotate:15"]).encode(), "application/json")
    ).run()
    assert edits(at) == [Edit("rotate", 15)]
    at.file_uploader(key="edits upload").set_value(("bad.json", b"[[[[", "application/json")).run()
    assert edits(at) == [Edit("rotate", 15)]
    assert any("not a list of edits" in at.unescaped(e.value) for e in at.error)


@pytest.mark.parametrize(
    "key", ["view", "region", "slider", "fill", "grid", "attack", "map", "why", "rather", "behind_class", "image"]
)
def test_nonsense_in_the_address_is_no_trouble(visit, key):
    view = {
        "slider": "sweep",
        "fill": "regions",
        "grid": "regions",
        "attack": "attack",
        "why": "contrast",
        "rather": "contrast",
    }.get(key, "edit")
    visit("probe", **{"view": view, **METAL, key: "<script>alert(1)</script>"}).sound("Probe")
