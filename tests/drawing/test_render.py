"""Maps are drawn in place and in their own units."""

import dataclasses
import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

import workbench as wb
from workbench.attribution.methods import METHODS
from workbench.drawing import render

torch.set_num_threads(1)


@pytest.fixture
def image():
    """A wide image of noise, so that nothing in it is symmetric by chance."""
    return Image.fromarray(np.random.default_rng(7).integers(40, 216, (30, 50, 3), dtype=np.uint8))


@pytest.fixture
def heatmap():
    values = np.random.default_rng(8).normal(size=(30, 50)).astype(np.float32)
    return values * np.float32(1e-3)


def pixels(drawn):
    return np.asarray(drawn, dtype=int)


def bar_labels(drawn):
    """The tick labels of every colour bar of a figure."""
    return [[t.get_text() for t in ax.get_xticklabels()] for ax in drawn.axes if ax.get_label() == "<colorbar>"]


# Overlays


def test_a_hot_pixel_lands_where_it_is(image):
    values = np.zeros((30, 50), np.float32)
    empty = pixels(render.overlay(image, values, signed=True, limit=1.0))
    values[4, 41] = 1.0
    changed = np.abs(pixels(render.overlay(image, values, signed=True, limit=1.0)) - empty).sum(2)
    assert np.argwhere(changed).tolist() == [[4, 41]]
    assert changed[4, 41] > 50


def test_the_colours_under_a_map_are_not_taken_for_values():
    red = Image.new("RGB", (50, 30), (230, 20, 20))
    nothing = np.zeros((30, 50), np.float32)
    assert np.ptp(pixels(render.overlay(red, nothing, signed=True, limit=1.0, opacity=0.6))[5, 5]) <= 6
    assert np.ptp(pixels(render.overlay(red, nothing, signed=True, limit=1.0, opacity=0.0))[5, 5]) == 210


def test_opacity_zero_shows_the_image_and_one_the_colours(image, heatmap):
    assert np.array_equal(pixels(render.overlay(image, heatmap, signed=True, opacity=0)), pixels(image))
    scale = render.scale_of([heatmap], signed=True)
    assert np.array_equal(pixels(render.overlay(image, heatmap, signed=True, opacity=1)), scale.colours(heatmap))


def test_opacity_between_changes_weak_values_less_than_strong_ones(image):
    values = np.tile(np.linspace(0, 1, 50, dtype=np.float32), (30, 1))
    laid = render.overlay(Image.new("RGB", (50, 30), (128, 128, 128)), values, signed=True, limit=1.0, opacity=0.5)
    away = np.abs(pixels(laid) - 128).sum(2)[0]
    assert away[0] < 20 < away[-1]


def test_positive_is_red_and_negative_is_blue():
    red, middle, blue = render.Scale(1.0, signed=True).colours(np.array([1.0, 0.0, -1.0])).astype(int)
    assert red[0] > red[2] + 60
    assert blue[2] > blue[0] + 60
    assert middle.min() > 240


def test_without_signs_only_the_strength_counts():
    scale = render.Scale(2.0, signed=False)
    dark, half, bright = scale.colours(np.array([0.0, 1.0, 2.0])).astype(int).sum(1)
    assert dark < half < bright
    assert np.array_equal(scale.colours(np.array([-1.5])), scale.colours(np.array([1.5])))


def test_an_all_negative_map_is_not_blank(image):
    values = -np.random.default_rng(3).random((30, 50)).astype(np.float32)
    for signed in (True, False):
        laid = pixels(render.overlay(Image.new("RGB", (50, 30), "grey"), values, signed=signed, opacity=1))
        assert len(np.unique(laid.reshape(-1, 3), axis=0)) > 50
    signed = pixels(render.overlay(image, values, signed=True, opacity=1))
    assert (signed[..., 2] >= signed[..., 0]).mean() > 0.95


def test_a_map_of_another_size_is_refused(image):
    with pytest.raises(ValueError, match="heatmap of shape"):
        render.overlay(image, np.zeros((50, 30), np.float32), signed=True)


def test_a_map_that_is_zero_everywhere(image):
    values = np.zeros((30, 50), np.float32)
    scale = render.scale_of([values], signed=True)
    assert scale.limit == 0
    assert not scale.clipped
    assert [label for _, label in scale.ticks()] == ["0", "0", "0"]
    laid = render.overlay(image, values, signed=True)
    assert laid.size == image.size
    assert np.isfinite(scale.strength(values)).all()
    assert not scale.strength(values).any()
    assert render.to_png(render.figure(image, [render.Panel("Zero", laid, scale, "score")], "h", "f"))


# Scales


def test_ticks_are_raw_units(heatmap):
    scale = render.scale_of([heatmap], signed=True)
    assert scale.limit == pytest.approx(float(np.quantile(np.abs(heatmap), render.QUANTILE)))
    low, middle, high = [label for _, label in scale.ticks()]
    assert float(high.lstrip("≥ ")) == pytest.approx(scale.limit, rel=0.01)
    assert float(low.lstrip("≤ ")) == pytest.approx(-scale.limit, rel=0.01)
    assert middle == "0"
    unsigned = render.scale_of([heatmap], signed=False).ticks()
    assert unsigned[0] == (0.0, "0")
    assert float(unsigned[1][1]) == pytest.approx(scale.limit / 2, rel=0.01)


def test_values_beyond_the_end_are_marked():
    values = np.ones((20, 20), np.float32)
    assert not render.scale_of([values], signed=True).clipped
    assert [label for _, label in render.scale_of([values], signed=True).ticks()] == ["-1", "0", "1"]
    values[0, 0] = 100
    clipped = render.scale_of([values], signed=True)
    assert clipped.clipped
    assert clipped.limit == pytest.approx(1.0)
    assert [label for _, label in clipped.ticks()] == ["≤ -1", "0", "≥ 1"]
    assert [label for _, label in render.scale_of([values], signed=False).ticks()] == ["0", "0.5", "≥ 1"]


def test_one_glaring_pixel_sets_the_scale_only_where_nothing_else_is_there():
    lonely = np.zeros((40, 40), np.float32)
    lonely[3, 3] = -5
    assert render.scale_of([lonely], signed=True).limit == 5


def test_one_scale_for_all_maps_is_that_of_the_strongest(heatmap):
    weak, strong = heatmap * np.float32(0.02), heatmap
    shared = render.scale_of([weak, strong], signed=True)
    assert shared.limit == render.scale_of([strong], signed=True).limit
    assert render.scale_of([weak], signed=True).limit == pytest.approx(shared.limit * 0.02, rel=1e-4)
    faint = np.abs(shared.colours(weak).astype(int) - shared.colours(np.zeros(1)).astype(int)).max()
    assert faint < 30, "on a shared scale a map fifty times weaker must look weak"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (1.2345, "1.23"),
        (0.00123, "0.00123"),
        (1.5e-7, "1.5e-07"),
        (9999, "1e+04"),
        (-12.3, "-12.3"),
        (4.5e6, "4.5e+06"),
    ],
)
def test_numbers_keep_three_digits(value, said):
    assert render.Scale(value, signed=False).ticks()[-1][1] == said


def test_the_page_and_the_figure_use_the_same_colours():
    scale = render.Scale(1.0, signed=True)
    first, last = scale.colours(np.array([-1.0, 1.0]))
    css = scale.gradient()
    assert css.startswith("linear-gradient(to right, rgb({} {} {})".format(*first))
    assert css.endswith("rgb({} {} {}))".format(*last))


# The colour bar tells how large the values are (design, trap 8)


EVERYWHERE = (
    "saliency",
    "grad_cam",
    "input_x_gradient",
    "smoothgrad",
    "integrated_gradients",
    "occlusion",
)  # whatever the architecture


class _Scaled(nn.Module):
    """A small convolutional net whose head is scaled by `factor`."""

    def __init__(self, factor):
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.AvgPool2d(4), nn.Flatten())
        self.head = nn.Linear(6 * 64, 3)
        with torch.no_grad():
            self.head.weight.mul_(factor)
            self.head.bias.mul_(factor)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.fixture(scope="module")
def two_heads():
    """For every method its map from a small net, and from the same net with its head scaled by 0.01."""
    photo = Image.fromarray(np.random.default_rng(5).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    nets = [wb.load_classifier(_Scaled(factor), device="cpu", size=(32, 32)) for factor in (1, 0.01)]
    return photo, {name: [wb.attribute(net, photo, name, 1) for net in nets] for name in EVERYWHERE}


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_colour_bar_changes_when_the_head_is_scaled(two_heads, name):
    photo, found = two_heads
    scales, figures = [], []
    for attribution in found[name]:
        values = attribution.on_image()
        scales.append(render.scale_of([values], METHODS[name].signed))
        panel = render.Panel(name, render.overlay(photo, values, METHODS[name].signed), scales[-1], METHODS[name].unit)
        figures.append(render.figure(photo, [panel], "heading", "footer"))
    large, small = scales
    assert large.limit > 0
    assert small.limit == pytest.approx(large.limit * 0.01, rel=1e-3)
    ends = [float(scale.ticks()[-1][1].lstrip("≥ ")) for scale in scales]
    assert ends[1] == pytest.approx(ends[0] * 0.01, rel=0.02)
    drawn = [bar_labels(f) for f in figures]
    assert [len(bars) for bars in drawn] == [1, 1]
    assert drawn[0] == [[label for _, label in large.ticks()]]
    assert drawn[1] == [[label for _, label in small.ticks()]]
    assert drawn[0] != drawn[1]


def test_the_image_of_a_map_is_the_same_whatever_the_unit(two_heads):
    photo, found = two_heads
    drawn = [pixels(render.overlay(photo, a.on_image(), signed=True)) for a in found["input_x_gradient"]]
    assert np.abs(drawn[0] - drawn[1]).max() <= 3, "own scales differ by the factor, so that the colours agree"


# Figures


def test_a_figure_shows_every_map_with_its_bar(image, heatmap):
    panels = []
    for number in range(5):
        values = heatmap * np.float32(10.0**number)
        scale = render.scale_of([values], signed=True)
        panels.append(
            render.Panel(f"Map {number}", render.overlay(image, values, signed=True), scale, "score", f"note {number}")
        )
    drawn = render.figure(image, panels, "what is explained", "which model")
    assert type(drawn) is Figure
    titles = [ax.get_title() for ax in drawn.axes if ax.get_title()]
    assert titles == ["Image", *(p.title for p in panels)]
    assert bar_labels(drawn) == [[label for _, label in p.scale.ticks()] for p in panels]
    assert [ax.get_xlabel() for ax in drawn.axes if ax.get_label() == "<colorbar>"] == [
        f"score\nnote {n}" for n in range(5)
    ]
    assert drawn.get_suptitle() == "what is explained"


def test_pyplot_is_never_imported():
    script = (
        "import sys, numpy as np\nfrom PIL import Image\nfrom workbench.drawing import render\n"
        "p = Image.new('RGB', (9, 7)); h = np.ones((7, 9), np.float32)\n"
        "panel = render.Panel('a', render.overlay(p, h, True), render.scale_of([h], True), 'score')\n"
        "assert render.to_png(render.figure(p, [panel], 'h', 'f'))[:4] == b'\\x89PNG'\n"
        "print(sorted(m for m in sys.modules if m in ('matplotlib.pyplot', 'torch', 'streamlit')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]", (
        "render draws without pyplot's global state, without torch and without Streamlit"
    )


@pytest.mark.parametrize("text", ["$x^2_$", "$\\frac{", "<b>bold</b>", "100 % \\alpha _{", "é · Ω", "", "a\nb"])
def test_hostile_titles_are_drawn_as_they_are(image, heatmap, text):
    scale = render.scale_of([heatmap], signed=True)
    panel = render.Panel(text, render.overlay(image, heatmap, signed=True), scale, "score")
    drawn = render.figure(image, [panel], text, text)
    assert render.to_png(drawn).startswith(b"\x89PNG")
    assert drawn.get_suptitle() == text
    assert not drawn._suptitle.get_parse_math()


# PNG and sizes


def test_png_brings_every_pixel_back(image):
    with Image.open(io.BytesIO(render.to_png(image))) as back:
        assert back.format == "PNG"
        assert np.array_equal(pixels(back), pixels(image))


def test_a_figure_becomes_a_png_on_white(image):
    with Image.open(io.BytesIO(render.to_png(render.figure(image, [], "h", "f")))) as back:
        assert back.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3000, 2000)])
def test_any_size_of_image(size):
    image = Image.new("RGB", size, "teal")
    values = np.random.default_rng(1).normal(size=size[::-1]).astype(np.float32)
    laid = render.overlay(image, values, signed=True)
    assert laid.size == size
    shown, factor = render.fit(image, 800)
    assert max(shown.size) <= 800
    assert min(shown.size) >= 1
    assert factor == pytest.approx(min(800 / max(size), 1))
    panel = render.Panel("t", render.fit(laid, 300)[0], render.scale_of([values], signed=True), "score")
    with Image.open(io.BytesIO(render.to_png(render.figure(render.fit(image, 300)[0], [panel], "h", "f")))) as back:
        assert max(back.size) < 4000


def test_what_fits_is_not_touched(image):
    assert render.fit(image, 50) == (image, 1.0)


def test_a_panel_cannot_be_changed(image):
    panel = render.Panel("t", image, render.Scale(1.0, signed=True), "score")
    with pytest.raises(dataclasses.FrozenInstanceError):
        panel.title = "other"


# Outlines and boxes


def coloured(image, colour):
    return (np.asarray(image) == colour).all(-1)


def test_an_outline_runs_around_the_mask_and_leaves_it_free():
    mask = np.zeros((30, 50), bool)
    mask[10:20, 15:30] = True
    line = coloured(render.outline(Image.new("RGB", (50, 30), "white"), mask), (255, 0, 200))
    assert not (line & mask).any()
    assert line[9, 15:30].all()
    assert line[20, 15:30].all()
    assert line[10:20, 14].all()
    assert line.sum() == 2 * (10 + 15)


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_without_an_edge_has_no_outline(image, value):
    drawn = render.outline(image, np.full((30, 50), value))
    assert (np.asarray(drawn) == np.asarray(image)).all()


def test_an_outline_is_wide_enough_to_see_on_a_large_image():
    mask = np.zeros((400, 1000), bool)
    mask[100:200, 100:200] = True
    line = coloured(render.outline(Image.new("L", (1000, 400)), mask), (255, 0, 200))
    assert line[95:100, 150].all()
    assert not line[94, 150]


def test_boxes_enclose_their_pixels_and_stay_inside():
    drawn = render.with_boxes(Image.new("RGB", (50, 30), "white"), [(0, 0, 50, 30), (20, 10, 30, 25)])
    line = coloured(drawn, (255, 205, 0))
    assert drawn.size == (50, 30)
    assert line[0].all()
    assert line[29].all()
    assert line[10:25, 20].all()
    assert line[10:25, 29].all()
    assert line[24, 20:30].all()
    assert not line[25:29, 1:49].any()


def test_boxes_are_numbered(image):
    one, two = (
        np.asarray(render.with_boxes(Image.new("RGB", (300, 200)), [(0, 0, 9, 9)] * n + [(100, 100, 200, 150)]))
        for n in (0, 1)
    )
    assert (one[60:100, 100:130] != two[60:100, 100:130]).any(), "the second box has another number than the first"
    assert (np.asarray(render.with_boxes(image, [])) == np.asarray(image)).all()


def test_a_single_pixel_can_be_boxed():
    drawn = render.with_boxes(Image.new("RGB", (1, 1)), [(0, 0, 1, 1)])
    assert drawn.size == (1, 1)
