"""Charts for a record: what they draw is what they were given, and words stay words."""

import numpy as np
import pytest

from workbench.drawing import charts
from workbench.drawing.render import to_png

HOSTILE = "$\\frac{a}{$ <b>"


def drawn_text(figure):
    """All words of a figure that has been drawn once, as a reader sees them."""
    to_png(figure)
    (ax, *_) = figure.axes
    ticks = [*ax.get_xticklabels(), *ax.get_yticklabels()]
    return [label.get_text() for label in ticks] + [text.get_text() for text in ax.texts] + [ax.get_title()]


def test_the_bars_stand_where_the_intervals_are():
    figure = charts.interval_bars(
        ["a", "b"], [0.2, 0.9], [0.1, 0.85], [0.4, 0.95], title="recall by class", unit="recall", footer="model x"
    )
    (ax,) = figure.axes
    assert np.allclose(ax.lines[0].get_xydata(), [[0.2, 0], [0.9, 1]])
    assert np.allclose(
        [path.vertices for path in ax.collections[0].get_paths()], [[[0.1, 0], [0.4, 0]], [[0.85, 1], [0.95, 1]]]
    )
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first is on top"
    assert figure.get_supxlabel() == "model x"


def test_the_matrix_writes_counts_and_colours_shares():
    counts = np.array([[30, 10], [0, 5]])
    figure = charts.matrix(counts, ["good", "bad"], ["good", "bad"], title="Confusion matrix")
    ax = figure.axes[0]
    assert [text.get_text() for text in ax.texts] == ["30", "10", "0", "5"]
    assert np.allclose(ax.images[0].get_array(), [[0.75, 0.25], [0, 1]])


def test_a_row_without_images_has_no_share():
    assert charts.row_shares(np.array([[0, 0], [1, 3]])).tolist() == [[0, 0], [0.25, 0.75]]


@pytest.mark.parametrize(
    "draw",
    [
        lambda name: charts.interval_bars([name], [0.5], [0.4], [0.6], title=name, unit="recall", footer=name),
        lambda name: charts.matrix(np.array([[40]]), [name], [name], title=name, footer=name),
    ],
    ids=["bars", "matrix"],
)
def test_typed_words_are_no_mathematics(draw):
    assert HOSTILE in drawn_text(draw(HOSTILE))


def test_a_long_name_is_cut():
    figure = charts.interval_bars(["x" * 100], [0.5], [0.4], [0.6], title="t", unit="recall")
    assert len(figure.axes[0].get_yticklabels()[0].get_text()) == charts.LONGEST_NAME


def panel(name, lines, dots):
    return charts.Panel(name, "overkill rate", "defects found", lines, dots)


def test_curves_draw_each_line_with_its_place():
    lines = {"validation": ([0, 0.5, 1], [0, 0.9, 1]), "test": ([0, 0.4, 1], [0, 0.8, 1])}
    dots = {"validation": (0.5, 0.9), "test": (0.4, 0.8)}
    figure = charts.curves(
        [panel("ROC", lines, dots), panel("again", lines, dots)], title="Threshold 0.4", footer="model x"
    )
    first, second = figure.axes
    assert [ax.get_title() for ax in (first, second)] == ["ROC", "again"]
    grey, grey_dot, ink, ink_dot = first.lines
    assert np.allclose(grey.get_xydata(), [[0, 0], [0.5, 0.9], [1, 1]])
    assert np.allclose(grey_dot.get_xydata(), [[0.5, 0.9]])
    assert np.allclose(ink_dot.get_xydata(), [[0.4, 0.8]])
    assert (grey.get_color(), ink.get_color(), ink_dot.get_color()) == ("0.55", charts.INK, charts.INK)
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["validation", "test"]
    assert (first.get_xlabel(), first.get_ylabel()) == ("overkill rate", "defects found")
    assert (figure.get_suptitle(), figure.get_supxlabel()) == ("Threshold 0.4", "model x")


def test_one_curve_alone_is_in_ink_and_gaps_stay_gaps():
    figure = charts.curves(
        [panel("ROC", {"test": ([0, 0.5, 1], [np.nan, 0.9, 1])}, {"test": (np.nan, np.nan)})], title="t"
    )
    assert figure.axes[0].lines[0].get_color() == charts.INK
    assert to_png(figure).startswith(b"\x89PNG")


def test_typed_words_of_curves_are_no_mathematics():
    figure = charts.curves(
        [panel(HOSTILE, {"test": ([0, 1], [0, 1])}, {"test": (0, 1)})], title=HOSTILE, footer=HOSTILE
    )
    assert HOSTILE in drawn_text(figure)
    assert (figure.get_suptitle(), figure.get_supxlabel()) == (HOSTILE, HOSTILE)
