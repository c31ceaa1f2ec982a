"""What pages with figures say of class names that cannot be right."""

from __future__ import annotations

import pytest
from PIL import Image

from workbench.sets import load_images
from workbench.ui import labels


@pytest.mark.parametrize("page", ["overview", "bias", "defects"])
def test_every_page_with_figures_says_which_labels_do_not_count(visit, tmp_path, page):
    for label in ("functional", "funktional", "defective", "odd*"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (64, 64), "grey").save(tmp_path / label / "a.png")
    at = visit(page, model="solar-cells", set=str(tmp_path))
    text = " ".join(warning.value for warning in at.warning)
    assert "2 images have a label that is no class of the model: funktional (1; did you mean functional?)" in text
    assert r"odd\* (1)" in text
    assert "count neither right nor wrong" in text
    at = visit(page, model="solar-cells")
    assert "no class of the model" not in " ".join(warning.value for warning in at.warning)


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory):
    """Parts whose labels were exchanged: what is called a scratch is a stain, and the other way round."""
    folder, others = tmp_path_factory.mktemp("exchanged"), {"scratch": "stain", "stain": "scratch"}
    left = dict.fromkeys(others, 40)
    for item in load_images("stamped-metal"):
        if item.split == "test" and left.get(item.label or ""):
            left[item.label] -= 1
            (folder / others[item.label]).mkdir(exist_ok=True)
            item.open().save(folder / others[item.label] / item.name.replace("/", "-"))
    return folder


def test_classes_that_are_named_in_another_order_are_told_on_every_page_with_figures(visit, exchanged) -> None:
    for page in ("overview", "bias", "defects", "explain", "probe"):
        text = " ".join(warning.value for warning in visit(page, model="metal-sound", set=str(exchanged)).warning)
        assert "scratch means stain, stain means scratch" in text
        assert "other way round" not in text, "there are more than two classes"
    at = visit("bias", model="metal-sound")
    assert "in another order" not in " ".join(warning.value for warning in at.warning)


@pytest.mark.parametrize("page", ["explain", "probe"])
def test_where_the_order_is_not_known_a_quiet_line_says_so(visit, monkeypatch, page) -> None:
    monkeypatch.setattr(labels, "reordered_of", lambda view: "The order of these is not known.")
    at = visit(page, model="metal-sound")
    assert not at.exception
    assert "The order of these is not known" in " ".join(caption.value for caption in at.caption)
    assert "not known" not in " ".join(warning.value for warning in at.warning)
