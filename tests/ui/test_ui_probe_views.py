"""The views of the Probe page: their figures are the library's, work that is stopped goes on, and concepts stay with
who showed them."""

import dataclasses
import html
import io
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch
from PIL import Image

from workbench.catalog import shared
from workbench.models import read_spec
from workbench.models.classifier import ask, predict
from workbench.models.compressed import cheaper
from workbench.models.loading import load_classifier
from workbench.probe.attacks import least_epsilon
from workbench.probe.concepts import tcav
from workbench.probe.sweep import sweep
from workbench.probe.versus import compare_models
from workbench.sets.layouts import load_images
from workbench.ui import choice, draw, photographs, progress
from workbench.ui.probe import compare, concepts, regions, robust, sweeps

METAL = {"model": "metal-sound"}
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def metal():
    return load_classifier("metal-sound"), load_images("stamped-metal")


@pytest.fixture(autouse=True)
def shelves(empty_shelves):
    return empty_shelves


@pytest.fixture
def made(monkeypatch):
    """What the downloads of the page hold, by their names."""
    found = {}
    monkeypatch.setattr(draw.st, "download_button", lambda label, make, name, mime, **_: found.update({name: make}))
    return found


@pytest.fixture
def stop(monkeypatch):
    """Clicks on Stop, once, when this share of the work is done."""
    plain = progress.Stoppable.__call__

    def at(share):
        left = [share]

        def told(self, done, total):
            if left and done >= left[0] * total:
                left.clear()
                self._stop()
                st.rerun()
            plain(self, done, total)

        monkeypatch.setattr(progress.Stoppable, "__call__", told)

    return at


def press(at, label):
    return next(b for b in at.button if b.label.startswith(label)).click().run()


def told(at):
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error)
    drawn = [html.unescape(re.sub("<[^>]*>", "", h.proto.body)) for h in at.get("html")]
    return "\n".join([*drawn, *(at.unescaped(e.value) for kind in kinds for e in kind)]).replace("**", "")


def table(at, column):
    return next(d.value for d in at.dataframe if column in d.value.columns)


def png(colour, size=(24, 16)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def named(images):
    return images.items[3]


# Figures


def test_a_sweep_is_the_librarys(visit, metal, made):
    clf, images = metal
    item = named(images)
    visit("probe", view="sweep", slider="gamma", image=item.name, **METAL).sound("Probe")
    shown = pd.read_csv(io.StringIO(next(v for k, v in made.items() if k.endswith("-gamma.csv"))()))
    found = sweep(clf, photographs.fitted(item, 640), "gamma")
    for name, group in shown.groupby("class"):
        assert group["probability"].to_numpy() == pytest.approx(
            found.probabilities[:, clf.class_names.index(name)], abs=1e-6
        )
        assert group["value"].to_numpy() == pytest.approx(found.values)


def test_the_least_epsilon_is_the_librarys(visit, metal):
    clf, images = metal
    at = visit("probe", view="attack", attack="fgsm", image=named(images).name, **METAL).sound("Probe")
    found = least_epsilon(clf, named(images), "fgsm")
    now = clf.class_names[int(found.attacked.now)]
    assert found.epsilon is not None
    assert f"becomes {now} with {found.epsilon:g} of 255 levels a pixel" in told(at)
    assert f"L2 norm {found.attacked.l2:.3f}" in told(at)
    assert f"makes the decision wrong: the ground truth is {named(images).label}." in told(at)


def test_a_change_that_makes_a_wrong_decision_right_is_a_cure_and_no_attack(visit, metal, monkeypatch):
    clf, images = metal
    found = least_epsilon(clf, named(images), "fgsm").attacked
    was, now = (clf.class_names[int(state)] for state in (found.was, found.now))
    other = next(name for name in clf.class_names if name not in (was, now))
    words = {
        was: "makes the decision wrong",
        now: "makes the decision right",
        other: "wrong before and after",
        None: "not known",
        "unheard of": "not known",
    }
    for label, said in words.items():
        monkeypatch.setattr(choice, "image", lambda *_, label=label: dataclasses.replace(named(images), label=label))
        page = told(visit("probe", view="attack", attack="fgsm", **METAL).sound("Probe"))
        assert {w for w in words.values() if w in page} == {said}
        assert f"becomes {now}" in page


def test_class_against_class_says_the_librarys_probabilities(visit, metal):
    clf, images = metal
    at = visit(
        "probe", view="contrast", why="pit", rather="dent", map="grad_cam", image=named(images).name, **METAL
    ).sound("Probe")
    p = dict(zip(clf.class_names, ask(clf, [np.asarray(named(images).open())])[0], strict=True))
    assert f"pit {p['pit']:.1%}, dent {p['dent']:.1%}." in told(at)
    assert "For pit rather than dent" in told(at)


def test_training_images_are_training_images(visit, metal, made):
    _, images = metal
    at = visit("probe", view="behind", behind_class="pit", image=named(images).name, **METAL).sound("Probe")
    if any(b.label.startswith("Predict all") for b in at.button):
        press(at, "Predict all").sound()
    frames = {
        name.rsplit("-", 1)[1]: pd.read_csv(io.StringIO(make())) for name, make in made.items() if name.endswith(".csv")
    }
    assert set(frames) == {"nearest.csv", "for.csv", "against.csv"}
    for frame in frames.values():
        assert len(frame)
        assert {images.by_name[name].split for name in frame["name"]} == {"train"}
    assert frames["for.csv"]["influence"].is_monotonic_decreasing
    assert (frames["against.csv"]["influence"] < 0).all()


def test_a_comparison_is_the_librarys(visit, metal, monkeypatch):
    clf, images = metal
    at = visit("probe", view="compare", versus="int4" if "int4" in compare.CHEAPER else "int8", **METAL).sound("Probe")
    at = press(at, "Compare on ").sound()
    items = [item for item in images if item.split == "test"]
    second = cheaper(clf, at.selectbox(key="versus").value)
    found = compare_models(predict(clf, items), predict(second, items))
    assert f"alike on {found.agree.value:.1%}" in told(at)
    assert f"McNemar's p = {found.p:.2g}" in told(at)
    assert f"is right on {found.first.value:.1%}" in told(at)
    assert len(found.frame), "a copy that never differs tests nothing"
    names = ("Stamped metal, sound", f"Stamped metal, sound, {at.selectbox(key='versus').value} copy")
    assert list(table(at, "Right")) == ["Image", "Ground truth", *names, "Right"]
    assert len(table(at, "Right")) == len(found.frame)
    for name in found.frame["name"].head(compare.MOST_TILES):
        assert f"{names[1]}: " in next(c.value for c in at.caption if name in at.unescaped(c.value))


def test_the_class_of_a_model_that_lists_them_in_another_order_is_named_rightly(visit, metal, monkeypatch):
    clf, images = metal
    order = list(reversed(range(len(clf.class_names))))
    rule = dataclasses.replace(clf.rule, class_names=tuple(clf.class_names[i] for i in order))
    turned = dataclasses.replace(clf, key="turned", model=torch.nn.Sequential(clf.model, Turn(order)).eval(), rule=rule)
    monkeypatch.setattr(choice, "other", lambda ref: turned)
    item = next(item for item in images if item.label == "dent" and item.split == "train")
    at = visit("probe", view="compare", versus="metal-shortcut", map="saliency", image=item.name, **METAL).sound(
        "Probe"
    )
    assert told(at).count(": dent, ") == 2
    assert any("of the class dent" in h.proto.body for h in at.get("html"))


def test_a_model_that_the_command_line_names_is_compared_with(visit, monkeypatch, tmp_path):
    """As after `workbench train --from`: the earlier model is no entry of the catalog."""
    folder = tmp_path / "earlier"
    shutil.copytree(shared("models/metal-shortcut"), folder)
    text = (folder / "model.toml").read_text(encoding="utf-8")
    (folder / "model.toml").write_text(text.replace('title = "', 'title = "Earlier: ', 1), encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_BESIDE", str(folder))
    at = visit("probe", view="compare", versus="earlier", map="saliency", **METAL).sound("Probe")
    title = read_spec(folder).title
    assert title.startswith("Earlier: ")
    assert title in at.selectbox(key="versus").options
    assert any(title in at.unescaped(c.value) for c in at.caption)


class Turn(torch.nn.Module):
    """Logits in another order."""

    def __init__(self, order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return x[:, self.order]


def test_concepts_are_the_librarys(visit, metal):
    clf, images = metal
    name, values = next(iter(concepts.gallery.groups(images).items()))
    at = visit("probe", view="concepts", concept_class="scratch", concepts=f"{name}: {values[0]}", **METAL)
    at = press(at.sound("Probe"), "Test 1 concept").sound()
    shown = [item for item in images if str(item.attributes.get(name)) == str(values[0])]
    found = tcav(
        clf,
        {f"{name}: {values[0]}": shown},
        [i for i in images if i.label == "scratch"],
        "scratch",
        background=list(images),
    )
    assert table(at, "verdict").to_dict() == concepts.table(found).to_dict()


# Work that is stopped goes on where it was

LONG = [
    ("sweep", {}, "Sweep over ", sweeps, "sweep_set", "SWEPT"),
    ("attack", {"attack": "fgsm"}, "Attack ", robust, "robustness", "ATTACKED"),
    ("compare", {"map": "saliency"}, "Compare the maps of ", compare, "maps_moved", "MAPPED"),
]


@pytest.mark.parametrize(("view", "address", "label", "module", "name", "most"), LONG, ids=[row[0] for row in LONG])
def test_work_over_the_set_goes_on_where_it_was(visit, stop, monkeypatch, view, address, label, module, name, most):
    monkeypatch.setattr(module, most, 10)
    known, plain = [], getattr(module, name)

    def seen(*args, **settings):
        known.append(len(settings["known"]))
        return plain(*args, **settings)

    monkeypatch.setattr(module, name, seen)
    at = visit("probe", view=view, **address, **METAL).sound("Probe")
    stop(0.5)
    at = press(at, label).sound()
    assert "stopped." in told(at)
    assert known == [0], "and does not start again by itself"
    at = press(at, "Continue").sound()
    assert len(known) == 2
    assert known[1] >= 2, "what was done is not done again"
    assert not any(b.label in ("Continue", "Stop") or b.label.startswith(label) for b in at.button)


def test_smallest_regions_are_stopped_one_by_one(visit, stop, monkeypatch):
    begun, plain = [], regions.smallest

    def seen(*args, **settings):
        begun.append((settings["aim"], settings["heatmap"] is not None))
        return plain(*args, **settings)

    monkeypatch.setattr(regions, "smallest", seen)
    stop(0)  # in the guide, which both need
    at = visit("probe", view="regions", **METAL).sound("Probe")
    assert begun == []
    assert [b.label for b in at.button].count("Continue") == 1
    at = press(at, "Continue").sound()
    assert begun == [("flip", True), ("keep", True)]


def test_maps_that_take_long_can_stand_on_one_page(visit, monkeypatch, stop):
    monkeypatch.setattr(progress, "BAR_AFTER", -1.0)
    for view in ("contrast", "attack", "edit"):
        visit("probe", view=view, map="integrated_gradients", edit="gamma:2", **METAL).sound("Probe")


def test_concepts_can_be_stopped(visit, metal, stop):
    name, values = next(iter(concepts.gallery.groups(metal[1]).items()))
    at = visit("probe", view="concepts", concept_class="scratch", concepts=f"{name}: {values[0]}", **METAL).sound(
        "Probe"
    )
    stop(0.1)
    at = press(at, "Test 1").sound()
    assert "Testing concepts: stopped." in told(at)
    at = press(at, "Continue").sound()
    assert len(table(at, "verdict")) == 1


# Concepts of one's own


def uploaded(at, name, colours):
    next(t for t in at.text_input if t.label == "Name of the concept").set_value(name)
    files = [(f"{n}.png", png(colour), "image/png") for n, colour in enumerate(colours)]
    next(f for f in at.file_uploader if "images that show it" in f.label).set_value(files)
    return press(at, "Add")


def test_a_concept_of_ones_own_stays_in_its_session_and_is_known_by_its_contents(visit, monkeypatch):
    asked = []
    monkeypatch.setattr(
        concepts, "tcav", lambda clf, chosen, *_, **__: asked.append({n: [i.id for i in c] for n, c in chosen.items()})
    )
    monkeypatch.setattr(concepts, "_results", lambda result: None)
    first = uploaded(
        visit("probe", view="concepts", **METAL), "stripes", [(9, n, 9) for n in range(concepts.NEEDED)]
    ).sound()
    assert f"stripes: {concepts.NEEDED} images" in told(first)
    assert "Uploaded concepts are not in the link" in told(first)
    second = visit("probe", view="concepts", **METAL).sound()
    assert "stripes" not in told(second)
    assert "not in the link" not in told(second)
    second = uploaded(second, "stripes", [(n, 200, 9) for n in range(concepts.NEEDED)]).sound()
    monkeypatch.setattr(
        concepts, "tcav", lambda clf, chosen, *_, **__: asked.append([i.id for i in chosen["stripes"]]) or "found"
    )
    press(first, "Test 1").sound()
    press(second, "Test 1").sound()
    assert len(asked) == 2
    assert asked[0] != asked[1], "files that are called alike are not the same concept"
    assert press(first, "Remove").sound().session_state["shelf"].things["concepts"] == {}


def test_a_concept_of_too_few_images_is_not_tested(visit):
    at = uploaded(
        visit("probe", view="concepts", **METAL), "![x](https://attack.example/x.png)", ["red", "blue"]
    ).sound()
    assert "Too few to learn it: 8 are needed." in told(at)
    assert not any(b.label.startswith("Test") for b in at.button)
    assert not any("![x](" in m.value for m in at.markdown)


def test_what_is_no_image_is_no_concept(visit):
    at = visit("probe", view="concepts", **METAL)
    next(t for t in at.text_input if t.label == "Name of the concept").set_value("noise")
    next(f for f in at.file_uploader if "images that show it" in f.label).set_value(
        [("a.png", b"nothing", "image/png")]
    )
    at = press(at, "Add").sound()
    assert "a.png" in told(at)
    assert "Define a concept by example images above" in told(at)
