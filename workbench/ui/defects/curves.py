"""ROC, precision-recall and cost curves of both splits, with the threshold that is looked at."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench.defects import CHOSEN_ON, REPORTED_ON, point_at
from workbench.drawing import charts
from workbench.ui import draw
from workbench.ui.defects.scope import Scope
from workbench.ui.defects.threshold import Setting

if TYPE_CHECKING:
    import pandas as pd

MOST_POINTS = 250
"""Points of a curve on the screen."""
INKS = {CHOSEN_ON: "#8b9492", REPORTED_ON: "#12a594"}
CURVES = {
    "ROC": ("overkill rate", "defects found"),
    "Precision and recall": ("defects found", "precision"),
    "Cost": ("threshold", "cost"),
}


def section(scope: Scope, setting: Setting) -> None:
    """The three curves side by side; they know no review, which a threshold alone does not bring."""
    threshold = setting.threshold
    splits = [split for split in (CHOSEN_ON, REPORTED_ON) if scope.cases[split].defects and scope.cases[split].good]
    if not splits:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("All thresholds", anchor=False)
        draw.meaning("operating-curves", "What do the curves show?")
    lines = {
        split: scope.kept(("curve", split, scope.costs), partial(lambda name: _thin(scope.points(name)), split))
        for split in splits
    }
    diagrams = scope.kept(
        ("drawn curves", scope.costs), lambda: {name: _stacked(scope, lines, *axes) for name, axes in CURVES.items()}
    )
    marks = {split: _with_recall(point_at(scope.cases[split], threshold, scope.costs).to_frame().T) for split in splits}
    with st.grid(3, min_column_width=280):
        for name, (across, up) in CURVES.items():
            with st.container():
                st.markdown(f"**{name}**")
                _chart(scope, diagrams[name], marks, across, up)
    legend = " · ".join(f"{'grey' if split == CHOSEN_ON else 'green'}: {scope.words[split]}" for split in splits)
    unseen = "" if setting.band.empty else ", without the review band"
    st.caption(f"{legend}. The dots mark the current threshold{unseen}.")
    draw.download(
        "Curves (PNG)",
        lambda: charts.curves(_panels(scope, lines, marks), title=f"Threshold {threshold:.4f}", footer=scope.footer),
        "operating-curves.png",
        "png curves",
    )


def _thin(points: pd.DataFrame) -> pd.DataFrame:
    """As many of the operating points as a chart needs, with the share of defects found, as plain numbers."""
    rows = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).round().astype(int))
    return _with_recall(points.iloc[rows])


def _with_recall(points: pd.DataFrame) -> pd.DataFrame:
    table = points[["threshold", "overkill rate", "precision", "cost"]].astype(float)
    return table.assign(**{"defects found": 1 - points["escape rate"].astype(float)}).reset_index(drop=True)


def _stacked(scope: Scope, parts: dict[str, pd.DataFrame], across: str, up: str) -> pd.DataFrame:
    """The points of all splits in one table, as a chart takes them."""
    import pandas as pd

    frames = [
        part[[across, up]].assign(split=scope.words[split], order=np.arange(len(part))) for split, part in parts.items()
    ]
    return pd.concat(frames, ignore_index=True).dropna()


def _chart(scope: Scope, lines: pd.DataFrame, marks: dict[str, pd.DataFrame], across: str, up: str) -> None:
    split = {"field": "split", "type": "nominal", "legend": None}
    colour = {**split, "scale": {"domain": [scope.words[s] for s in INKS], "range": list(INKS.values())}}
    x, y = (_axis(name) for name in (across, up))
    tip = [{"field": name, "format": ".3f"} for name in (across, up)] + [{"field": "split"}]
    spec: dict[str, Any] = {
        "height": 210,
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {"x": x, "y": y, "color": colour, "order": {"field": "order"}},
            },
            {
                "data": {"values": _stacked(scope, marks, across, up).to_dict("records")},
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": colour, "tooltip": tip},
            },
        ],
    }
    st.vega_lite_chart(lines, spec)


def _axis(name: str) -> dict[str, Any]:
    share = name not in ("cost",)
    scale = {"scale": {"domain": [0, 1]}} if share else {"scale": {"zero": True}}
    return {"field": name, "type": "quantitative", "title": name, "axis": {"tickCount": 5}, **scale}


def _panels(scope: Scope, lines: dict[str, pd.DataFrame], marks: dict[str, pd.DataFrame]) -> list[charts.Panel]:
    panels = []
    for name, (across, up) in CURVES.items():
        series = {scope.words[s]: (lines[s][across], lines[s][up]) for s in lines}
        dots = {scope.words[s]: (float(marks[s][across].iloc[0]), float(marks[s][up].iloc[0])) for s in marks}
        panels.append(charts.Panel(name, across, up, series, dots))
    return panels
