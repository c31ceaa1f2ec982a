"""From the line above the figures to the leaks behind it, the split without them and the pairs that flip."""

import functools
import re

import numpy as np
import pytest
from planted import kin
from tables import AT_RANDOM

from workbench.quality import for_trained, grouped_split, head_price
from workbench.sets import load_images
from workbench.ui import dealt
from workbench.ui import kin as known
from workbench.ui.data import repeated_maps, resplit

LINE = (
    "14 of 656 test images (2.1 %) show a part that is also among the training images. {} as reported {} %, without"
    " them {} %."
)


@pytest.fixture
def visit(visit):
    """With the model of cells dealt at random, of which no group is stated."""
    return functools.partial(visit, model=AT_RANDOM)


@pytest.fixture(scope="module")
def twice():
    """The solar cells with the families of the module that they hold twice."""
    images = load_images(AT_RANDOM)
    return kin(images.items, [(f"cell{n:04d}.png", f"cell{n + 542:04d}.png") for n in range(1735, 1785)])


@pytest.fixture
def looked(monkeypatch, twice, empty_shelves):
    """As if somebody had looked for images of one part."""
    monkeypatch.setattr(known, "families_of_set", lambda images, apart=(), places=(): twice)


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
    monkeypatch.setattr(known, "families_of_set", lambda images, apart=(), places=(): None)
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
    monkeypatch.setattr(known, "families_of_set", lambda images, apart=(), places=(): None)
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
    images = load_images(AT_RANDOM)
    price = head_price(images.items, features(images.items), known.families_of_set(images), ("defective",))
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


# A proposed split in force


@pytest.fixture(scope="module")
def proposed(twice):
    """The split that is proposed for the cells."""
    return grouped_split(load_images(AT_RANDOM).items, twice)


def infos(at):
    return "\n".join(at.unescaped(element.value) for element in at.info)


def test_a_split_in_force_counts_no_part_that_the_model_was_trained_on(visit, looked, proposed):
    at = visit("overview", dealt=dealt.digest_of(proposed)).sound()
    frame = proposed.frame
    parts = frame.groupby("unit")["before"].agg(set)
    clean = frame["unit"].map(parts) == {"test"}
    assert set(np.flatnonzero(np.array(for_trained(proposed)) == "test")) == set(np.flatnonzero(clean))
    said = infos(at)
    assert "**A proposed split is in force**: 29 of 2,624 images change sides." in said
    assert f"on {clean.sum():,} images, 656 as the split is stated." in said
    assert "**images the loaded model was trained on**" in said
    assert f"{clean.sum():,} images of the proposed test split" in text(at)
    assert not [line.value for line in at.warning if "among the training images" in line.value]
    for page in ("bias", "defects"):
        other = visit(page, dealt=dealt.digest_of(proposed)).sound()
        assert "**A proposed split is in force**" in infos(other)
        assert other.query_params["dealt"] in (dealt.digest_of(proposed), [dealt.digest_of(proposed)])
        if page == "defects":
            assert "on the proposed test split" in text(other).lower()
            assert "on the test split" not in text(other).lower()


def test_the_button_puts_it_into_force_and_another_leaves_it(visit, looked, proposed):
    at = visit("data").sound("Data")
    next(button for button in at.button if button.label == "Use this split").click().run().sound("Data")
    assert at.query_params["dealt"] in (dealt.digest_of(proposed), [dealt.digest_of(proposed)])
    assert "This page speaks of the split as it is stated." in infos(at)
    assert "14 of 656 test images" in text(at)
    next(button for button in at.button if button.label == dealt.LEAVE).click().run().sound("Data")
    assert not at.query_params.get("dealt")
    assert "in force" not in infos(at)


def test_a_link_to_another_split_is_told_and_changes_nothing(visit, looked):
    at = visit("overview", dealt="0123456789abcdef").sound()
    assert "The proposed split of this link is not in force" in infos(at)
    assert LINE.format("Accuracy", 90.4, 90.3) in [warning.value for warning in at.warning]
    assert not at.query_params.get("dealt")
