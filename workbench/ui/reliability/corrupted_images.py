"""Behind one cell of the table of corruptions: how many images hold, the images that turned, and their evidence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench.attribution import METHODS
from workbench.drawing import render
from workbench.errors import InputError
from workbench.images import CORRUPTIONS, ImageItem, Pixels, as_image, as_pixels, corrupt
from workbench.probe import CORRUPT, Edit
from workbench.reliability import MEASURES, Corrupted, Measure, Traced, holding, traced, turned
from workbench.texts import shortened
from workbench.ui import choice, draw, results, url
from workbench.ui.cache import computed, slot
from workbench.ui.progress import Stoppable
from workbench.ui.reliability.scope import Scope
from workbench.ui.text import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PAIRS = 4
PAIR_EDGE = 640
"""Pixels of the longer side of the images shown, as on Probe."""


def curve(study: Corrupted, measure: Measure, kind: str) -> None:
    """The share of images that still hold up to each severity, with its interval."""
    table = holding(study, measure)
    own = table[table["kind"] == kind]
    if own.empty or not CORRUPTIONS[kind].graded:
        st.caption("Its severities are no one scale: there is no curve of what holds up to each.")
        return
    x = {"field": "severity", "type": "quantitative", "axis": {"values": [1, 2, 3, 4, 5], "format": "d"}}
    y = {"type": "quantitative", "title": "still hold", "scale": {"domain": [0, 1]}, "axis": {"format": "%"}}
    tip = [{"field": name} for name in ("severity", "count", "support", "units")]
    spec: dict[str, Any] = {
        "height": 220,
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.2, "color": "#12a594", "interpolate": "step-after"},
                "encoding": {"x": x, "y": {"field": "held low", **y}, "y2": {"field": "held high"}},
            },
            {
                "mark": {"type": "line", "point": True, "color": "#12a594", "interpolate": "step-after"},
                "encoding": {"x": x, "y": {"field": "held", **y}, "tooltip": tip},
            },
        ],
    }
    st.vega_lite_chart(own, spec)
    noun = MEASURES[measure].split(" that ")[0]
    units = "" if own["units"].iloc[0] == own["support"].iloc[0] else f" in {own['units'].iloc[0]:,} units"
    st.caption(
        f"Of {own['support'].iloc[0]:,} {noun}{units}, the share that no severity up to this one turns, with a 95 %"
        " interval at each severity."
    )
    draw.table("Curve (CSV)", lambda: own, f"corruption-{kind}-{measure}.csv", "csv corruption curve")


def turned_images(scope: Scope, study: Corrupted, measure: Measure, kind: str, severity: int) -> None:
    """The images that turn at the cell, before and after, each with a link to Probe; and where the model looks."""
    rows, hits = turned(study, measure)
    here = rows & hits[:, study.kinds.index(kind), severity - 1] & (study.decisions[:, study.kinds.index(kind), 0] >= 0)
    names = [name for name, turns in zip(study.names, here, strict=True) if turns]
    if not names:
        st.caption(f"No image turns at this severity, of {int(rows.sum()):,} {MEASURES[measure].split(' that ')[0]}.")
        return
    more = f"; the first {MOST_PAIRS} are shown" if len(names) > MOST_PAIRS else ""
    st.markdown(f"**{MEASURES[measure].capitalize()}** at this severity: {len(names):,} of {int(rows.sum()):,}{more}.")
    edit = Edit(CORRUPT, severity, fill=kind)
    with st.grid(MOST_PAIRS, min_column_width=200, gap="small", key="corrupted images"):
        for number, name in enumerate(names[:MOST_PAIRS]):
            with st.container(key=f"corrupted {number}"):
                _pair(scope, scope.image(name), kind, severity)
                st.page_link(
                    url.PROBE,
                    label=f"Probe {plain(shortened(name.rpartition('/')[2], 18))}",
                    icon=":material/science:",
                    query_params=url.link(image=name, edit=edit.written()),
                )
    st.caption(
        f"Probe makes the same corruption on the image at no more than {PAIR_EDGE} pixels: on larger ones its noise"
        " differs from that of the table."
    )
    if st.toggle("Where the model looks, before and after", key="corrupted maps"):
        _evidence(scope, names[:MOST_PAIRS], kind, severity)


def _pair(scope: Scope, item: ImageItem, kind: str, severity: int) -> None:
    pair = _pixels(scope, item, kind, severity)
    if isinstance(pair, str):
        st.caption(plain(pair, 300))
        return
    gap = np.full((pair[0].shape[0], max(pair[0].shape[1] // 40, 1), 3), 128, np.uint8)
    both = np.hstack([np.asarray(as_image(pair[0])), gap, np.asarray(as_image(pair[1]))])
    draw.image(as_image(both), f"{item.name}, uncorrupted and under {CORRUPTIONS[kind].title}, severity {severity}")


def _pixels(scope: Scope, item: ImageItem, kind: str, severity: int) -> tuple[Pixels, Pixels] | str:
    try:
        clean = as_pixels(results.editable(scope.of(item), PAIR_EDGE))
        return clean, corrupt(clean, kind, severity)
    except InputError as error:
        return str(error)


def _evidence(scope: Scope, names: list[str], kind: str, severity: int) -> None:
    """Maps before and after, and what became of the evidence of each image."""

    def make(progress: Stoppable) -> list[Traced | str]:
        return [_traced(scope, name, kind, severity, progress, at) for at, name in enumerate(names)]

    facts = {"images": [scope.image(name).key for name in names], "kind": kind, "severity": severity}
    place = slot("corrupted evidence", **scope.model.identity, **facts)
    found = computed(place, "Drawing maps", make, lambda maps: sum(_size(one) for one in maps))
    if found is None:
        return
    fates = Counter(one.fate for one in found if isinstance(one, Traced))
    if fates:
        method = next(METHODS[one.method].title for one in found if isinstance(one, Traced))
        told = ", ".join(f"{count} {fate}" for fate, count in fates.most_common())
        st.markdown(
            f"Evidence by {method}, of {sum(fates.values())} images: {told}. So few images show cases, no rate."
        )
    for name, one in zip(names, found, strict=True):
        if isinstance(one, str):
            st.caption(f"{plain(name)}: {plain(one, 300)}")
        else:
            _maps(name, one)


def _traced(scope: Scope, name: str, kind: str, severity: int, progress: Stoppable, at: int) -> Traced | str:
    progress(at, MOST_PAIRS)
    try:
        return traced(choice.classifier(scope.model), scope.image(name), kind, severity)
    except InputError as error:
        return str(error)


def _size(one: Traced | str) -> int:
    return 256 if isinstance(one, str) else 2 * one.before.nbytes + one.clean.nbytes + one.corrupted.nbytes


def _maps(name: str, one: Traced) -> None:
    signed = METHODS[one.method].signed
    scale = render.scale_of([one.before, one.after], signed)
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, pixels, values in (("before", one.clean, one.before), ("after", one.corrupted, one.after)):
            draw_map(pixels, values, f"{name}, {title}", signed=signed, limit=scale.limit)
        st.markdown(f"**{plain(name)}** {one.sentence}")


def draw_map(pixels: Pixels, values: NDArray[np.float32], alt: str, *, signed: bool, limit: float) -> None:
    """A map over its image, in a place of its own width."""
    with st.container(width=200):
        draw.image(render.overlay(as_image(pixels), values, signed, limit), alt)
