"""A class has one colour everywhere, and it can be told from the page in light and dark."""

from itertools import pairwise

import pytest

from workbench.catalog import home, shared
from workbench.drawing.palette import GOOD, OTHERS, class_colours


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("background", ["#ffffff", "#12181b"])
@pytest.mark.parametrize("colour", [GOOD, *OTHERS])
def test_a_colour_stands_out_from_the_page(colour, background):
    low, high = sorted((luminance(colour), luminance(background)))
    assert (high + 0.05) / (low + 0.05) >= 3


def test_the_background_is_that_of_the_theme():
    assert 'backgroundColor = "#12181b"' in (home() / ".streamlit/config.toml").read_text(encoding="utf-8")


def test_a_class_keeps_its_colour_and_neighbours_differ():
    names = tuple(f"class {number}" for number in range(30))
    colours = class_colours(names, good="class 3")
    assert colours["class 3"] == GOOD
    assert all(first != second for first, second in pairwise(colours.values()))
    assert class_colours(names) == class_colours(names)


def test_the_histogram_draws_good_parts_and_defects_in_these_colours():
    style = shared("threshold.css").read_text(encoding="utf-8")
    assert f".good {{ fill: {GOOD}; }}" in style
    assert f".defect {{ fill: {class_colours(('good', 'bad'), 'good')['bad']}; }}" in style
