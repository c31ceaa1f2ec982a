"""The view of sweeps: one slider over its whole range, on this image and on the whole test split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench.images import ImageItem, samples
from workbench.probe import ALL_BY, SLIDERS, Sweep, SweptSet, outcomes, sweep, sweep_set
from workbench.texts import apart
from workbench.ui import choice, draw, gallery, kin, results, url
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.probe.conclusion import conclude, counted
from workbench.ui.probe.edit import EDITED_EDGE
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain
from workbench.ui.view import ImageView, View

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 5
SWEPT = 100


@guarded
def section(view: ImageView) -> None:
    """The slider, the image's curves, and those of the set."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = url.select(
            "Slider", list(SLIDERS), key="slider", format_func=lambda name: SLIDERS[name].title, width=220
        )
        draw.meaning("sensitivity", "How do I read a sweep?")
    _image(view, kind)
    st.header("On the set", anchor=False)
    _set(view, kind)


def _image(view: ImageView, kind: str) -> None:
    def make(progress: Stoppable) -> Sweep:
        return sweep(choice.classifier(view.model), results.editable(view, EDITED_EDGE), kind, on_progress=progress)

    result = computed(
        slot("sweep", **view.model.identity, image=view.item.id, slider=kind), "Sweeping", make, lambda _: 64 * 1024
    )
    if result is None:
        return
    slider, neutral = SLIDERS[kind], result.decisions[result.values.tolist().index(SLIDERS[kind].neutral)]
    conclude(outcomes.of_sweep(result))
    st.caption(
        f"From {slider.title} {slider.neutral:g}: the image as it is, decided as"
        f" {plain(view.model.rule.class_names[neutral])}. {len(result.values)} values were tried, and more around each"
        " flip; between them the decision may flip and flip back."
    )
    frame, names = _lines(view.model, result), view.model.rule.class_names
    x = {"field": "value", "type": "quantitative", "title": f"{SLIDERS[kind].title}: {SLIDERS[kind].unit}"}
    y = {"field": "probability", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"format": "%"}}
    rules = [{"at": (flip.low + flip.high) / 2} for flip in result.flips]
    flips = {
        "data": {"values": rules},
        "mark": {"type": "rule", "strokeDash": [5, 4], "color": "#c8553d"},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }
    spec: dict[str, Any] = {
        "height": 260,
        "layer": [
            {
                "mark": {"type": "line"},
                "encoding": {"x": x, "y": y, "color": draw.colours(names, frame["class"].unique().tolist(), "class")},
            },
            *([flips] if rules else []),
        ],
    }
    st.vega_lite_chart(frame, spec)
    draw.table("Curves (CSV)", lambda: frame, f"{draw.stem(view.item.name)}-{kind}.csv", "csv sweep")


def _lines(model: choice.ModelChoice, result: Sweep) -> pd.DataFrame:
    import pandas as pd

    columns = result.probabilities.max(0).argsort()[::-1][:MOST_LINES]
    parts = [
        pd.DataFrame(
            {
                "value": result.values,
                "probability": result.probabilities[:, c].astype(float),
                "class": model.rule.class_names[c],
            }
        )
        for c in columns
    ]
    return pd.concat(parts, ignore_index=True)


def _set(view: View, kind: str) -> None:
    items = samples.testing_items(view.images, view.predictions)
    many = len(items)
    if many > SWEPT:
        options = {"sample": f"A sample of {SWEPT}", "all": f"All {many:,}"}
        of = url.segments("Images", list(options), key="of", default="sample", format_func=options.__getitem__)
        many = SWEPT if of == "sample" else many
    result: SweptSet | None = _place(view, items, kind, many).get()
    if result is None:
        st.caption(f"{SLIDERS[kind].title} is varied step by step on {many:,} images{samples.of_split(items)}.")
        offer(
            f"Sweep over {many:,} images",
            f"sweep {kind} {view.model.key[:12]}",
            lambda: _sweep(view, items, kind, many),
        )
        return
    conclude(outcomes.of_swept_set(result), within=True)
    frame = result.frame
    lines = _titles(frame)
    chart = st.pills(
        "Lines", list(dict.fromkeys(lines)), default=lines[:1], selection_mode="multi", key=f"lines {kind}"
    )
    rows = frame.assign(line=lines)[np.isin(lines, chart)]
    if len(rows):
        _shares(rows, kind)
    extent = f"{len(result.names):,} of {result.sample['images']:,} images{samples.of_split(items)}"
    st.caption(
        f"{extent}; bands are 95 % intervals, {counted(result.units)}."
        + (f" {len(result.left_out):,} could not be evaluated." if result.left_out else "")
    )
    draw.table("Figures (CSV)", lambda: frame, f"sweep-{kind}.csv", "csv swept")


def _titles(frame: pd.DataFrame) -> list[str]:
    """The line that each row of the table belongs to: "all", or attribute and value; no two lines are called alike."""
    rows = list(zip(frame["by"], frame["group"], strict=True))
    groups = list(dict.fromkeys(rows))
    names = dict(zip(groups, apart("all" if by == ALL_BY else f"{by}: {group}" for by, group in groups), strict=True))
    return [names[row] for row in rows]


def _sweep(view: View, items: list[ImageItem], kind: str, many: int) -> SweptSet | None:
    store = slot("swept images", **view.model.identity, images=view.images.key, slider=kind)
    rows = store.get() or {}

    def make(progress: Stoppable) -> SweptSet:
        attributes = [
            name for name in gallery.groups(view.images) if any(item.attributes.get(name) is not None for item in items)
        ]
        try:
            return sweep_set(
                choice.classifier(view.model),
                items,
                kind,
                attributes=attributes,
                most=many,
                units=kin.units_of(view.images),
                known=rows,
                on_progress=progress,
            )
        finally:
            store.put(rows, 1024 * (1 + len(rows)))

    place = _place(view, items, kind, many)
    return computed(place, f"Sweeping {SLIDERS[kind].title.lower()}", make, lambda _: 256 * 1024)


def _place(view: View, items: list[ImageItem], kind: str, many: int) -> Slot:
    facts = {"images": view.images.key, "families": kin.known_key(view.images), "many": many, "slider": kind}
    return slot("swept set", **view.model.identity, items=[item.name for item in items], **facts)


def _shares(rows: pd.DataFrame, kind: str) -> None:
    x = {"field": "value", "type": "quantitative", "title": f"{SLIDERS[kind].title}: {SLIDERS[kind].unit}"}
    scale = {
        "type": "quantitative",
        "title": "decisions that flip",
        "scale": {"domain": [0, 1]},
        "axis": {"format": "%"},
    }
    colour = {"field": "line", "type": "nominal", "title": None}
    tip = [{"field": "line"}, {"field": "value"}, {"field": "changed", "format": ".1%"}, {"field": "support"}]
    spec: dict[str, Any] = {
        "height": 260,
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.2},
                "encoding": {
                    "x": x,
                    "y": {"field": "changed low", **scale},
                    "y2": {"field": "changed high"},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "line", "point": True},
                "encoding": {"x": x, "y": {"field": "changed", **scale}, "color": colour, "tooltip": tip},
            },
        ],
    }
    st.vega_lite_chart(rows, spec)
