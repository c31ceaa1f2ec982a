"""From the line above the figures to the leaks behind it, the split without them and the pairs that flip."""

import re

import numpy as np
import pytest
from planted import kin

from workbench.quality import head_price
from workbench.sets import load_images
from workbench.ui import kin as known
from workbench.ui.data import repeated_maps, resplit

LINE = (
    "14 of 656 test images (2.1 %) show a part that is also among the training images. {} as reported {} %, without"
    " them {} %."
)


@pytest.fixture(scope="module")
def twice():
    """The solar cells with the families of the module that they hold twice."""
    images = load_images("solar-cells")
    return kin(images.items, [(f"cell{n:04d}.png", f"cell{n + 542:04d}.png") for n in range(1735, 1785)])


@pytest.fixture
def looked(monkeypatch, twice, empty_shelves):
    """As if somebody had looked for images of one part."""
    monkeypatch.setattr(known, "known_families", lambda name, places=(): twice)


def text(at):
    return "\n".join(at.unescaped(e.value) for kind in (at.markdown, at.caption, at.info, at.warning) for e in kind)


@pytest.mark.parametrize(
    ("page", "figure"),
    [
        ("overview", ("Accuracy", 90.4, 90.3)),
        ("bias", ("Accuracy", 90.4, 90.3)),
        ("defects", ("Escape rate", 26.8, 26.5)),
    ],
)
def test_pages_whose_figures_a_leak_touches_say_so(visit, looked, page, figure):
    at = visit(page).sound()
    assert LINE.format(*figure) in [warning.value for warning in at.warning]
    assert "What leaks, and a split without it" in [link.value for link in at.get("page_link")]


@pytest.mark.parametrize("page", ["overview", "bias", "defects"])
def test_where_families_were_not_looked_for_nothing_is_said(visit, page, monkeypatch, empty_shelves):
    monkeypatch.setattr(known, "known_families", lambda name, places=(): None)
    assert "among the training images" not in text(visit(page).sound())


def test_the_section_counts_the_leaks_and_offers_a_split_without(visit, looked):
    said = text(visit("data").sound("Data"))
    assert "14 of 656 test images (2.1 %) show a part" in said
    assert "10 of 394 validation images (2.5 %)" in said
    assert "Too few to say whether they flatter the figure." in said
    assert "**29 of 2,624 images would change their split**" in said
    assert "do not report it on this split, train it again" in said
    assert "**The model decides 3 of 50 pairs of one part differently**" in said
    assert "**3 of 50 pairs have two different labels**" in said


def test_pages_of_pairs_stand_in_the_link(visit, looked):
    at = visit("data", leak_page="2").sound()
    names = [link.value for link in at.get("page_link") if link.value.startswith("cell")]
    first = [link.value for link in visit("data").sound().get("page_link") if link.value.startswith("cell")]
    assert at.query_params["leak_page"] == "2"
    assert names != first


def test_without_families_leaks_and_repeats_are_unknown_and_not_clean(visit, monkeypatch, empty_shelves):
    monkeypatch.setattr(known, "known_families", lambda name, places=(): None)
    said = text(visit("data").sound())
    assert "Leaks are unknown: look for images of one part above" in said
    assert "Repeatability is unknown" in said


def test_the_price_is_of_a_head_and_not_of_the_model(visit, looked, monkeypatch):
    def features(items, on_progress=None):
        rng = np.random.default_rng(0)
        return rng.normal(size=(len(items), 6)) + np.array([[item.label == "defective"] for item in items])

    monkeypatch.setattr(resplit, "frozen_features", features)
    at = visit("data").sound()
    next(button for button in at.button if button.label == "Estimate the price").click().run().sound()
    said = text(at)
    assert "**A head on frozen features, not the model**: 2,624 images of 2,574 parts and groups." in said
    delta = float(re.search(r"the AUC of the head is ([+-]\d\.\d+) against", said)[1])
    images = load_images("solar-cells")
    price = head_price(images.items, features(images.items), known.known_families(""), ("defective",))
    assert delta == pytest.approx(price.by_unit.auc.value - price.by_image.auc.value, abs=6e-4)


def test_maps_of_two_shots_are_held_against_those_of_strangers(visit, looked, monkeypatch):
    monkeypatch.setattr(repeated_maps, "PAIRS_MAPPED", 3)
    at = visit("data").sound()
    assert "of two images of one part agree by" not in text(at)
    next(button for button in at.button if button.label == "Compare the maps of 3 pairs").click().run().sound()
    own, strangers = map(
        float, re.search(r"agree by (\S+), .* Maps of different parts agree by (\S+)\.", text(at)).groups()
    )
    assert -1 < strangers < own <= 1
