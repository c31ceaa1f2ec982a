"""The charts and tables of the fit of a model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench.drawing import charts
from workbench.reliability import Fit, HeadStudy, TrainingRecord
from workbench.stats import FEW_UNITS
from workbench.ui import draw, url

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SPLIT_INKS = {
    "train": "#8b9492",
    "validation": "#d9a441",
    "test": "#12a594",
    "never seen": "#3d63dd",
    "units that trained": "#b45a78",
}
"""The colour of each kind of images in every chart of the section."""
ALL_CLASSES = "all classes"
MOST_CLASSES_DRAWN = 24
GAP_COLUMNS = {
    "split": "Held out",
    "by": "By",
    "group": "Group",
    "gap": "Gap (points)",
    "range": "95 % interval",
    "trained": "Trained: right",
    "held": "Held out: right",
    "told": "Told apart by loss (AUC)",
}


def sides(result: Fit, footer: str) -> None:
    """Accuracy of each split, as a whole and by class, as points with their intervals."""
    frame = result.splits.copy()
    frame["class"] = frame["class"].replace("all", ALL_CLASSES)
    classes = list(dict.fromkeys(frame["class"]))[: MOST_CLASSES_DRAWN + 1]
    frame = frame[frame["class"].isin(classes)]
    st.markdown("**Right decisions** on images that trained the model, and on those that did not")
    y = {"field": "class", "type": "nominal", "sort": classes, "title": None}
    shared = {"y": y, "yOffset": {"field": "split", "sort": list(SPLIT_INKS)}, "color": _colour(frame)}
    x = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"format": "%", "tickCount": 5}}
    rule = {"x": {"field": "accuracy low", **x, "title": "right decisions"}, "x2": {"field": "accuracy high"}}
    tips = [("split", ""), ("images", ","), ("units", ","), ("accuracy", ".1%"), ("AUC", ".3f"), ("loss", ".3f")]
    tooltip = [{"field": name, "format": form} if form else {"field": name} for name, form in tips]
    spec: dict[str, Any] = {
        "height": {"step": 13},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45}, "encoding": {**shared, **rule}},
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {**shared, "x": {"field": "accuracy", **x}, "tooltip": tooltip},
            },
        ],
    }
    st.vega_lite_chart(frame, spec)
    whole = result.splits[(result.splits["class"] == "all") & (result.splits["units"] < FEW_UNITS)]
    if len(whole):
        few = ", ".join(f"{row['split']} ({row['units']})" for row in whole.to_dict("records"))
        st.caption(f"Of fewer than {FEW_UNITS} {result.unit} no interval can be trusted: {few}.")
    draw.download("Right decisions (PNG)", lambda: _bars(frame, footer), "fit-sides.png", "png fit sides")


def _bars(frame: pd.DataFrame, footer: str) -> Figure:
    names = [f"{row['class']}, {row['split']} ({row['images']:,})" for row in frame.to_dict("records")]
    ends = frame["accuracy"], frame["accuracy low"], frame["accuracy high"]
    return charts.interval_bars(names, *ends, title="Trained and held-out images", unit="right", footer=footer)


def _colour(frame: pd.DataFrame) -> dict[str, Any]:
    there = [name for name in SPLIT_INKS if (frame["split"] == name).any()]
    scale = {"domain": there, "range": [SPLIT_INKS[name] for name in there]}
    return {"field": "split", "type": "nominal", "scale": scale, "legend": {"title": None, "orient": "top"}}


def gaps(result: Fit) -> None:
    """Each gap with its interval and what it rests on."""
    import pandas as pd

    rows = []
    for row in result.gaps.to_dict("records"):
        there = row["gap"] == row["gap"]
        held = f"{row['accuracy']:.1%} of {row['images']:,} in {row['units']:,}" if row["images"] else "none"
        own = f"{row['trained images']:,} in {row['trained units']:,}"
        told = f"{row['told apart']:.2f} ({row['told apart low']:.2f} to {row['told apart high']:.2f})"
        rows.append(
            {
                "split": row["split"],
                "by": row["by"],
                "group": row["group"],
                "gap": round(100 * row["gap"], 1) if there else None,
                "range": f"{100 * row['gap low']:+.1f} to {100 * row['gap high']:+.1f}"
                if there
                else "not on both sides",
                "trained": f"{row['trained accuracy']:.1%} of {own}" if there else own,
                "held": held,
                "told": told if row["told apart"] == row["told apart"] else "",
            }
        )
    st.dataframe(pd.DataFrame(rows, columns=list(GAP_COLUMNS)).rename(columns=GAP_COLUMNS), hide_index=True)
    st.caption(
        f"Images in so many {result.unit}. The gap is that of right decisions, trained less held out, the trained ones"
        " at the class shares of the held-out ones; intervals by class hold for all classes together."
    )


def spread(result: Fit, footer: str) -> None:
    """How confidence or loss is spread in each split."""
    names = {"confidence": "Confidence", "loss": "Loss"}
    st.markdown("**Confidence and loss** of each image, by split")
    what = url.segments("Spread of", list(names), key="fit_spread", default="confidence", format_func=names.__getitem__)
    frame = result.distributions[result.distributions["what"] == what].copy()
    frame = frame[frame.groupby("from")["images"].transform("sum") > 0]
    last = "above" if what == "loss" else ""
    frame["bin"] = [
        f"{last} {a:g}".strip() if np.isinf(b) else f"{a:g} to {b:g}"
        for a, b in zip(frame["from"], frame["to"], strict=True)
    ]
    frame = frame.drop(columns=["from", "to"])
    bins = list(dict.fromkeys(frame["bin"]))
    title = "confidence in the decision" if what == "confidence" else "loss: −ln of the true class's probability (nats)"
    encoding = {
        "x": {"field": "bin", "type": "ordinal", "sort": bins, "title": title, "axis": {"labelAngle": -40}},
        "xOffset": {"field": "split", "sort": list(SPLIT_INKS)},
        "y": {"field": "share", "type": "quantitative", "axis": {"format": "%"}, "title": "share of the images"},
        "color": _colour(frame),
        "tooltip": [
            *({"field": name} for name in ("split", "bin", "images", "of")),
            *({"field": name, "format": ".1%"} for name in ("share", "low", "high")),
        ],
    }
    ends = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}
    rule = {key: encoding[key] for key in ("x", "xOffset")} | ends
    layers = [{"mark": "bar", "encoding": encoding}, {"mark": {"type": "rule", "opacity": 0.6}, "encoding": rule}]
    st.vega_lite_chart(frame, {"height": 300, "layer": layers})
    make = partial(_spread_bars, frame, title, footer)
    draw.download("Spread (PNG)", make, f"fit-{what}.png", f"png fit {what}")


def _spread_bars(frame: pd.DataFrame, title: str, footer: str) -> Figure:
    names = [f"{row['bin']}, {row['split']} ({row['of']:,})" for row in frame.to_dict("records")]
    ends = frame["share"], frame["low"], frame["high"]
    return charts.interval_bars(names, *ends, title=title, unit="share of the images", footer=footer)


def curve(study: HeadStudy, footer: str) -> None:
    """The learning curve of the heads."""
    st.markdown(f"**Learning curve of a head on frozen features**, not of the model itself: {study.features}")
    frame = study.curve.copy()
    x = {
        "field": "images",
        "type": "quantitative",
        "scale": {"type": "log", "nice": False},
        "title": "training images (whole units)",
    }
    y = {"type": "quantitative", "scale": {"zero": False}, "title": "AUC on held-out images"}
    tooltip = [{"field": name, "format": ",.0f"} for name in ("images", "units", "draws")]
    tooltip += [{"field": name, "format": ".3f"} for name in ("AUC", "low", "high")]
    ink = SPLIT_INKS["test"]
    band = {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}}
    line = {"x": x, "y": {"field": "AUC", **y}, "tooltip": tooltip}
    layers = [
        {"mark": {"type": "area", "opacity": 0.25, "color": ink}, "encoding": band},
        {"mark": {"type": "line", "color": ink, "point": {"filled": True, "color": ink, "size": 60}}, "encoding": line},
    ]
    st.vega_lite_chart(frame, {"height": 220, "layer": layers})
    lines = {"heads": (frame["images"], frame["AUC"])}
    dots = {"heads": (float(frame["images"].iloc[-1]), float(frame["AUC"].iloc[-1]))}
    panel = charts.Panel("Heads on frozen features", "training images", "AUC on held-out images", lines, dots)
    draw.download(
        "Learning curve (PNG)",
        lambda: charts.curves([panel], title="Learning curve of a head, not of the model", footer=footer),
        "fit-learning-curve.png",
        "png fit curve",
    )


def history(record: TrainingRecord) -> None:
    """The losses epoch by epoch, and the epoch that was kept."""
    names = [name for name in ("training loss", "validation loss") if name in record.history]
    if not names:
        return
    st.markdown(f"**History of the training**, from {record.source}")
    frame = record.history.melt("epoch", names, "figure", "loss").dropna()
    inks = {"training loss": SPLIT_INKS["train"], "validation loss": SPLIT_INKS["validation"]}
    encoding = {
        "x": {"field": "epoch", "type": "quantitative", "title": "epoch"},
        "y": {"field": "loss", "type": "quantitative", "title": "loss"},
        "color": {
            "field": "figure",
            "type": "nominal",
            "scale": {"domain": names, "range": [inks[name] for name in names]},
            "legend": {"title": None, "orient": "top"},
        },
    }
    layers: list[dict[str, Any]] = [{"mark": {"type": "line", "point": True}, "encoding": encoding}]
    if record.kept is not None:
        layers.append({"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"x": {"datum": record.kept}}})
    st.vega_lite_chart(frame, {"height": 220, "layer": layers})
    kept = f" The dashed line is epoch {record.kept}, whose weights are kept." if record.kept is not None else ""
    st.caption(
        f"Training losses are taken while weights move, mostly on augmented images: they may lie above the validation"
        f" loss without a fault.{kept}"
    )
