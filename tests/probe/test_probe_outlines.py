"""Outlines of edits: they lie on the very pixels that the box became, and a box that is dragged follows the pointer."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from workbench.probe.edits import Edit, apply
from workbench.probe.outlines import dragged, outlines

BOX = (0.4, 0.3, 0.6, 0.5)
LATER = {
    "none": (),
    "tone": (Edit("gamma", 1.1),),
    "turned": (Edit("rotate", 25),),
    "moved": (Edit("right", 8), Edit("down", -6)),
    "cropped": (Edit("crop", boxes=((0.2, 0.1, 0.9, 0.8),)),),
    "all": (Edit("scale", 0.8), Edit("rotate", -40), Edit("crop", boxes=((0.1, 0.1, 0.95, 0.9),)), Edit("right", 5)),
}


@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
def test_an_outline_lies_on_the_pixels_that_its_box_became(later):
    kept = Edit("fill", boxes=(BOX,), fill="keep")  # white within, grey elsewhere
    edited = apply(Image.new("RGB", (240, 160), "white"), (kept, *later)).pixels[..., 0]
    (outline,) = outlines((kept, *later), (160, 240))
    drawn = Image.new("1", edited.shape[::-1])
    corners = [(x * edited.shape[1] - 0.5, y * edited.shape[0] - 0.5) for x, y in outline.corners]
    ImageDraw.Draw(drawn).polygon(corners, fill=1)
    inside, white = np.asarray(drawn), edited > 190
    assert (inside & white).sum() / (inside | white).sum() > 0.94
    assert (outline.edit, outline.box) == (0, 0)


@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
def test_a_dragged_box_follows_the_pointer(later):
    edits = (Edit("gamma", 1), Edit("fill", boxes=((0, 0, 0.1, 0.1), BOX), fill="mean"), *later)
    after = dragged(edits, (160, 240), 1, 1, (0.05, -0.02))
    first, second = (outlines(chain, (160, 240)) for chain in (edits, after))
    assert np.subtract(second[1].corners, first[1].corners) == pytest.approx(np.tile((0.05, -0.02), (4, 1)), abs=3e-4)
    assert second[0] == first[0]
    assert after[1].fill == "mean"


def test_a_dragged_box_stays_within_the_image_and_as_large_as_it_is():
    edits = (Edit("fill", boxes=(BOX,), fill="mean"),)
    assert dragged(edits, (10, 10), 0, 0, (5, -5))[0].boxes == ((0.8, 0, 1, 0.2),)
    assert dragged(edits, (10, 10), 0, 0, (-5, 5))[0].boxes == ((0, 0.8, 0.2, 1),)
