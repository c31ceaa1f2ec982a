"""Charts of figures for a record: bars of intervals, matrices of counts, and curves. It knows only arrays and words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#0b6e69"
LONGEST_NAME = 40


def interval_bars(
    names: Sequence[str], values: ArrayLike, low: ArrayLike, high: ArrayLike, *, title: str, unit: str, footer: str = ""
) -> Figure:
    """One line a name, from top to bottom: the value as a dot and its interval as a bar, on a scale of per cent.

    Args:
        names: G names.
        values: (G,) shares between 0 and 1.
        low: (G,) lower ends of the intervals.
        high: (G,) upper ends.
        title: Above the chart.
        unit: Below the scale.
        footer: What the figures were measured on.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    value, start, end = (np.asarray(x, dtype=np.float64) for x in (values, low, high))
    chart = Figure(figsize=(7.2, 1.7 + 0.27 * len(names)), layout="constrained")
    ax = chart.subplots()
    place = np.arange(len(names))
    ax.hlines(place, start, end, color=INK, linewidth=4, alpha=0.35)
    ax.plot(value, place, "o", color=INK, markersize=6)
    ax.set_yticks(place, labels=[_short(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(-0.01, 1.01)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel(unit)
    ax.grid(axis="x", alpha=0.3)
    return _add_titles(chart, ax, title, footer)


def matrix(
    counts: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str], *, title: str, footer: str = ""
) -> Figure:
    """Counts in cells, coloured by their share of the row.

    Args:
        counts: (R, C) images by true class and predicted class.
        rows: The R true classes.
        columns: The C predicted classes.
        title: Above the matrix.
        footer: What was counted.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    share = row_shares(counts)
    chart = Figure(figsize=(3.2 + 0.62 * len(columns), 2.4 + 0.45 * len(rows)), layout="constrained")
    ax = chart.subplots()
    cells = ax.imshow(share, cmap="BuGn", vmin=0, vmax=1, aspect="auto")
    ax.set_yticks(range(len(rows)), labels=[_short(name) for name in rows])
    ax.set_xticks(range(len(columns)), labels=[_short(name) for name in columns], rotation=45, ha="right")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.6 else "black"
        ax.text(column, row, f"{count:,}", ha="center", va="center", fontsize=8, color=colour)
    ax.set_ylabel("true class")
    ax.set_xlabel("called")
    bar = chart.colorbar(cells, ax=ax, fraction=0.05, pad=0.02, format=PercentFormatter(1.0))
    bar.set_label("share of the true class", fontsize=8)
    return _add_titles(chart, ax, title, footer)


@dataclasses.dataclass(frozen=True)
class Panel:
    """One chart of lines.

    Attributes:
        title: Above it.
        across: What the horizontal axis shows.
        up: What the vertical axis shows.
        lines: Horizontal and vertical values of each line, by name.
        dots: One marked place on each line.
    """

    title: str
    across: str
    up: str
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]]
    dots: Mapping[str, tuple[float, float]]


def curves(panels: Sequence[Panel], *, title: str, footer: str = "") -> Figure:
    """Charts of lines side by side, the last line of each in ink and the others in grey.

    Args:
        panels: The charts from left to right.
        title: Above them.
        footer: What the figures were measured on.
    """
    from matplotlib.figure import Figure

    chart = Figure(figsize=(4.2 * len(panels), 4.2), layout="constrained")
    for ax, panel in zip(chart.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for number, (name, (across, up)) in enumerate(panel.lines.items(), 1):
            colour = INK if number == len(panel.lines) else "0.55"
            ax.plot(np.asarray(across), np.asarray(up), color=colour, label=name)
            ax.plot(*panel.dots[name], "o", color=colour, markersize=8)
        ax.set_title(panel.title, fontsize=10, parse_math=False)
        ax.set_xlabel(panel.across)
        ax.set_ylabel(panel.up)
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    chart.suptitle(title, fontsize=11, parse_math=False)
    chart.supxlabel(footer, fontsize=7, color="0.35", parse_math=False)
    return chart


def reliability_diagram(bins: pd.DataFrame, *, title: str, footer: str = "") -> Figure:
    """How often something was true against how probable it was said to be, in front of what calibration would show.

    Args:
        bins: A row a bin, with "mean probability", "share true" and its "share low" and "share high", and the ends of
            the band of a calibrated model, "band low" and "band high".
        title: Above it.
        footer: What the figures were measured on.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    chart = Figure(figsize=(5.2, 5.2), layout="constrained")
    ax = chart.subplots()
    across = bins["mean probability"]
    ax.plot([0, 1], [0, 1], color="0.55", linewidth=1)
    ax.vlines(across, bins["band low"], bins["band high"], color="0.55", linewidth=10, alpha=0.3)
    ax.vlines(across, bins["share low"], bins["share high"], color=INK, linewidth=2, alpha=0.5)
    ax.plot(across, bins["share true"], "o", color=INK, markersize=6)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("mean probability")
    ax.set_ylabel("share true, with 95 % interval; grey: a calibrated model of this size")
    ax.grid(alpha=0.3)
    return _add_titles(chart, ax, title, footer)


def row_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each cell's share of its row, (R, C); 0 in a row without an image."""
    total = counts.sum(1, keepdims=True)
    return np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)


def _add_titles(chart: Figure, ax: Axes, title: str, footer: str) -> Figure:
    """Words that people typed are no mathematics."""
    ax.set_title(title, fontsize=11, parse_math=False)
    chart.supxlabel(footer, fontsize=7, color="0.35", parse_math=False)
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_parse_math(False)
    return chart


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
