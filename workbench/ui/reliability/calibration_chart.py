"""The reliability diagram on the screen: all bins, and those around the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.predictions import UNSURE
from workbench.reliability import Calibration, diagram_table

if TYPE_CHECKING:
    import pandas as pd

INSIDE_INK, BAND_INK, OUTSIDE_INK = "#12a594", "#8b9492", "#d2553f"
ZOOMED = 2.5
"""How many times the width that counts as near the threshold the second diagram shows on either side of it."""


def diagrams(result: Calibration) -> None:
    """Both diagrams side by side, with what their marks mean."""
    table = diagram_table(result).rename(columns={"outside of the band": "outside"})
    near = result.threshold
    at = None if near is None else near.threshold
    with st.grid(2 if at is not None else 1, min_column_width=280):
        with st.container():
            st.markdown("**Reliability diagram**")
            _diagram(table, at, (0.0, 1.0))
        if at is not None:
            low, high = max(at - ZOOMED * UNSURE, 0.0), min(at + ZOOMED * UNSURE, 1.0)
            with st.container():
                st.markdown("**Near the threshold**")
                _diagram(table, at, (low, high))
    outside = int(table["outside"].sum())
    here = "" if at is None else " The dashed line is the threshold."
    st.caption(
        f"Each dot is a bin of about as many images: how often it was true against what the probabilities say, with its"
        f" 95 % interval. The grey band is what a perfectly calibrated model of this very size shows; {outside} of"
        f" {len(table)} bins lie outside, where one in twenty would by chance.{here}"
    )


def _diagram(table: pd.DataFrame, at: float | None, across: tuple[float, float]) -> None:
    scale = {"domain": list(across), "nice": False}
    x = {"field": "mean probability", "type": "quantitative", "title": "mean probability", "scale": scale}
    y = {"type": "quantitative", "title": "share true", "scale": {"domain": [0, 1]}}
    colour = {"condition": {"test": "datum.outside", "value": OUTSIDE_INK}, "value": INSIDE_INK}
    tip = [{"field": "images", "format": ","}, {"field": "units", "format": ","}] + [
        {"field": name, "format": ".3f"}
        for name in ("mean probability", "share true", "share low", "share high", "band low", "band high")
    ]
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rule", "strokeWidth": 11, "opacity": 0.25, "color": BAND_INK, "clip": True},
            "encoding": {"x": x, "y": {**y, "field": "band low"}, "y2": {"field": "band high"}},
        },
        {
            "data": {"values": [{"p": across[0]}, {"p": across[1]}]},
            "mark": {"type": "line", "color": BAND_INK, "strokeWidth": 1, "clip": True},
            "encoding": {"x": {**x, "field": "p"}, "y": {**y, "field": "p"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.6, "clip": True},
            "encoding": {"x": x, "y": {**y, "field": "share low"}, "y2": {"field": "share high"}, "color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, "clip": True},
            "encoding": {"x": x, "y": {**y, "field": "share true"}, "color": colour, "tooltip": tip},
        },
    ]
    if at is not None:
        layers.append(
            {
                "data": {"values": [{"t": at}]},
                "mark": {"type": "rule", "color": BAND_INK, "strokeDash": [4, 3], "clip": True},
                "encoding": {"x": {**x, "field": "t"}},
            }
        )
    st.vega_lite_chart(table, {"height": 260, "layer": layers})
