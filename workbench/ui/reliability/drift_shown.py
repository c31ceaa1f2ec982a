"""The figures of a comparison on the page: tests, estimates, the most foreign images, and what changed over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench.drawing import charts
from workbench.reliability import Drift, OverruleChart, drift_results
from workbench.ui import checks, draw, photographs, url
from workbench.ui.reliability.drift_sides import Two
from workbench.ui.reliability.scope import Scope
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

FOREIGN_TILES, TILE_WIDTH = 12, 80
CALM, ALARM, BEFORE = "#12a594", "#d9730d", "#8b9492"
TABLE_TITLES = {
    "drift-tests": "Tests",
    "drift-estimates": "Estimates",
    "drift-foreign": "Foreign images",
    "drift-over-time": "Over time",
}

TEST_COLUMNS = {
    "property": "Property",
    "verdict": "Verdict",
    "effect": "Difference",
    "p adjusted": "p, corrected",
    "test": "Test",
    "figure": "Figure",
    "critical": "Critical",
    "images": "Images",
    "units": "Units",
}
ESTIMATE_COLUMNS = {
    "figure": "Figure",
    "method": "Method",
    "estimate": "Estimate (%)",
    "low": "from",
    "high": "to",
    "error": "Mean error on held-out parts",
    "within": "Of them within 4 points (%)",
    "reference": "Reference (%)",
    "truth": "Measured (%)",
    "support": "Images",
}


def in_table(result: Drift) -> set[str]:
    """The checks that the table of tests shows."""
    return {f"drift: {name}" for name in result.tests["property"]}


def shown(scope: Scope, two: Two, result: Drift) -> None:
    """All of it, one below the other."""
    if len(result.tests):
        _tests(scope, result)
    _estimates(result)
    if result.foreign is not None:
        _foreign(two, result)
    if len(result.times):
        _over_time(result)


def _tests(scope: Scope, result: Drift) -> None:
    """Each figure over the one from which on it would have been called drift, and the table."""
    st.subheader("What differs", anchor=False)
    frame = result.tests.assign(ratio=(result.tests["figure"] / result.tests["critical"]).clip(lower=0, upper=4))
    told = ["differs" if row else "none found" for row in frame["drift"]]
    frame["verdict"] = "cannot be told" if result.reason else told
    frame = frame.sort_values("ratio", ascending=False, ignore_index=True)
    columns = ["property", "test", "verdict", "effect", "ratio", "figure", "critical", "p adjusted"]
    st.vega_lite_chart(frame[columns], _ratios())
    st.dataframe(
        frame[list(TEST_COLUMNS)].rename(columns=TEST_COLUMNS),
        hide_index=True,
        alt="Each test of drift with its figures",
    )
    known = result.tests.dropna(subset=["value", "low", "high"])
    draw.download(
        "Tests (PNG)",
        lambda: charts.interval_bars(
            known["property"].tolist(),
            *(known[name] for name in ("value", "low", "high")),
            title=f"{result.new} against {result.reference}",
            unit="how often a new image has more of it; of categories the share that changed most",
            footer=scope.footer,
        ),
        "drift.png",
        "png drift",
    )


def _ratios() -> dict[str, Any]:
    """A bar a test, with a line where drift begins."""
    colours = {"differs": ALARM, "none found": CALM, "cannot be told": BEFORE}
    colour = {
        "field": "verdict",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": {"orient": "top"},
    }
    tips: list[dict[str, str]] = [{"field": name} for name in ("property", "test", "verdict", "effect")]
    tips += [{"field": name, "format": ".2g"} for name in ("p adjusted", "figure", "critical")]
    up = {"field": "property", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 180}}
    across = {"field": "ratio", "type": "quantitative", "title": "figure over its critical value (1: drift)"}
    bars = {"mark": {"type": "bar", "height": 8}, "encoding": {"x": across, "y": up, "color": colour, "tooltip": tips}}
    line = {
        "data": {"values": [{"at": 1}]},
        "mark": {"type": "rule", "strokeDash": [4, 3], "color": BEFORE},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }
    return {"height": {"step": 22}, "layer": [bars, line]}


def _estimates(result: Drift) -> None:
    found = [line for line in drift_results(result) if line.check.startswith("estimated")]
    st.subheader("How right the model is there, estimated without labels", anchor=False)
    if result.doubts and len(result.estimates.frame):
        st.markdown(f":material/block: **Not to be trusted**: {plain('; '.join(result.doubts), 600)}.")
    checks.lines(found)
    frame = result.estimates.frame
    if not len(frame):
        return
    shares = ("estimate", "low", "high", "error", "within", "reference", "truth")
    rows = frame.assign(**{name: (100 * frame[name].astype(float)).round(1) for name in shares})
    table = rows[list(ESTIMATE_COLUMNS)].dropna(axis="columns", how="all").rename(columns=ESTIMATE_COLUMNS)
    grey = np.array([[f"color: {BEFORE}" if result.doubts or not near else ""] for near in rows["near"]])
    faded = table.style.apply(lambda _: np.repeat(grey, table.shape[1], axis=1), axis=None)
    st.dataframe(
        faded.format(precision=1, na_rep="no labels"), hide_index=True, alt="Three estimates beside each other"
    )


def _foreign(two: Two, result: Drift) -> None:
    assert result.foreign is not None
    st.subheader("The most foreign images, each beside the most alike of the reference", anchor=False)
    new, reference = two.new.images.by_name, two.reference.images.by_name
    with st.grid(FOREIGN_TILES // 2, min_column_width=170, gap="small", key="foreign images"):
        for row in result.foreign.frame.head(FOREIGN_TILES).to_dict("records"):
            with st.container(gap="xsmall"):
                with st.container(horizontal=True, gap="xsmall"):
                    for images, name in ((new, row["name"]), (reference, row["nearest"])):
                        image = photographs.thumbnail(images[name]) if name in images else None
                        if image is not None:
                            with st.container(width=TILE_WIDTH):
                                draw.image(image, name)
                beyond = "beyond reach" if row["beyond"] else "within reach"
                st.caption(
                    f"{plain(row['name'], 40)}: {row['distance'] / result.foreign.radius:.2f} of the reach, {beyond}"
                )
                if two.together:
                    st.page_link(url.EXPLAIN, label="Explain", query_params=url.link(image=row["name"]))


def _over_time(result: Drift) -> None:
    st.subheader("Over time", anchor=False)
    frame = result.times
    low = {"field": "low", "type": "quantitative", "title": "mean"}
    tips: list[dict[str, str]] = [{"field": name} for name in ("from", "to", "figure", "images", "units")]
    tips += [{"field": name, "format": ".3f"} for name in ("value", "low", "high")]
    value = {"field": "value", "type": "quantitative", "title": "mean"}
    spec: dict[str, Any] = {
        "height": 220,
        "layer": [
            {"mark": {"type": "rule"}, "encoding": {"y": low, "y2": {"field": "high"}}},
            {"mark": {"type": "line", "point": True}, "encoding": {"y": value}},
        ],
        "encoding": {
            "x": {"field": "from", "type": "temporal", "title": None},
            "color": {"field": "figure", "type": "nominal", "title": None, "legend": {"orient": "top"}},
            "tooltip": tips,
        },
    }
    st.vega_lite_chart(frame, spec)
    st.caption(f"Means in periods of as many images each, with 95 % intervals. Time from {plain(result.time_from)}.")


def control_chart(chart: OverruleChart) -> None:
    """The share of overruled decisions, with its limits."""
    frame: pd.DataFrame = chart.frame.assign(point=range(1, len(chart.frame) + 1))
    axis = {"type": "quantitative", "title": "share overruled", "scale": {"domainMin": 0}}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "line", "point": True, "color": CALM},
            "encoding": {"y": {"field": "share", **axis}},
        }
    ]
    if not chart.reason:
        layers += [
            {
                "mark": {"type": "line", "strokeDash": [4, 3], "color": BEFORE, "interpolate": "step"},
                "encoding": {"y": {"field": name, **axis}},
            }
            for name in ("lower limit", "upper limit")
        ]
    tips = ("from", "to", "decisions", "overruled", "share", "lower limit", "upper limit")
    x = {"field": "point", "type": "ordinal", "title": "decisions in points of 20, in order of time"}
    spec = {"height": 200, "layer": layers, "encoding": {"x": x, "tooltip": [{"field": name} for name in tips]}}
    st.vega_lite_chart(frame, spec)
