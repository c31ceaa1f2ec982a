"""How a measure is distributed over images of one kind, and where one image or some classes lie in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

BARS_OF_MEASURE = 30
QUIET, LOUD = "#9aa6a4", "#d9541e"


def marked(values: NDArray[np.float64], title: str, at: float, sound: tuple[float, float]) -> None:
    """A histogram of values (N,), with the range that is no fault shaded and one value marked."""
    import pandas as pd

    counts, edges = np.histogram(values, BARS_OF_MEASURE)
    rows = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "images": counts, "height": np.sqrt(counts)})
    x = {"field": "from", "type": "quantitative", "title": title, "bin": {"binned": True}, "scale": {"zero": False}}
    y = {"field": "height", "type": "quantitative", "title": None, "axis": {"labels": False, "ticks": False}}
    tooltip = [{"field": name, "type": "quantitative", "format": ".4"} for name in ("from", "to", "images")]
    low, high = sound
    band = {"values": [{"low": low, "high": high}]}
    line = {"values": [{"at": at}]}
    spec = {
        "height": 150,
        "layer": [
            {
                "data": band,
                "mark": {"type": "rect", "color": "#12a594", "opacity": 0.15},
                "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "bar", "color": QUIET},
                "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "tooltip": tooltip},
            },
            {
                "data": line,
                "mark": {"type": "rule", "color": LOUD, "strokeWidth": 3},
                "encoding": {"x": {"field": "at", "type": "quantitative"}},
            },
        ],
    }
    st.vega_lite_chart(rows, spec)


def by_class(
    counts: NDArray[np.intp], values: Sequence[str], classes: Sequence[str], colours: dict[str, object]
) -> None:
    """The share of each class among the images with each value, as bars; counts (V, K)."""
    import pandas as pd

    rows = pd.DataFrame(
        [
            {"value": value, "class": name, "images": int(count), "share": count / max(int(row.sum()), 1)}
            for value, row in zip(values, counts, strict=True)
            for name, count in zip(classes, row, strict=True)
        ]
    )
    tooltip = [{"field": "value", "type": "nominal"}, {"field": "class", "type": "nominal"}]
    tooltip += [{"field": "images", "type": "quantitative"}]
    spec = {
        "height": {"step": 22},
        "mark": "bar",
        "encoding": {
            "y": {
                "field": "value",
                "type": "nominal",
                "title": None,
                "sort": list(values),
                "axis": {"labelLimit": 160},
            },
            "x": {"field": "share", "type": "quantitative", "title": "share of its images", "axis": {"format": "%"}},
            "color": colours | {"legend": {"orient": "top", "title": None}},
            "tooltip": tooltip,
        },
    }
    st.vega_lite_chart(rows, spec)
