"""The view of what must go and what must stay: the smallest regions that flip or keep a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.drawing import render
from workbench.images import REGION_FILLS, ImageItem, as_image
from workbench.probe import CUT_EDGE, EDIT_FILLS, Minimal, outcomes, smallest
from workbench.ui import choice, draw, neighbours, photographs, results, url
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.probe.conclusion import conclude
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    from workbench.attribution import Attribution

FILL_WORDS = {**EDIT_FILLS, "grey": "Grey"}
GRIDS = {
    "64": "about 64 superpixels",
    "128": "about 128 superpixels",
    "256": "about 256 superpixels",
    "cells": "16 square cells a side",
}
TITLES = {"flip": "What must go", "keep": "What must stay"}


@guarded
def section(view: ImageView) -> None:
    """Both regions beside each other, and the nearest image that is decided otherwise."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        fills = [fill for fill in FILL_WORDS if fill in REGION_FILLS]
        fill = url.select("Filled with", fills, key="fill", format_func=FILL_WORDS.__getitem__, width=230)
        grid = url.select("Cut into", list(GRIDS), key="grid", format_func=GRIDS.__getitem__, width=230)
        draw.meaning("minimal-regions", "What is a minimal region?")
    image = photographs.fitted(view.item, CUT_EDGE)
    rule = view.model.rule
    target = rule.class_names[int(rule.decide(results.asked(view, results.editable(view, CUT_EDGE), ())[None])[0][0])]
    facts = {**view.model.identity, "image": view.item.id, "fill": fill, "grid": grid}
    places = {aim: slot("smallest region", **facts, aim=aim) for aim in TITLES}
    guide: Attribution | str | None = None
    if any(place.get() is None for place in places.values()):  # once for both, so that it is stopped once for both
        guide = results.attribution(view, "integrated_gradients", {"target": target, "score": "logit"}, {})
        if guide is None:
            return
    top, result = st.container(), {}
    with st.grid(2, min_column_width=300):
        cells = [st.container() for _ in TITLES]
    for cell, (aim, title) in zip(cells, TITLES.items(), strict=True):
        with cell:
            st.subheader(title, anchor=False)
            region = _smallest(view, guide, (aim, fill, grid), places[aim])
            if region is not None:
                result[aim] = region
                _panel(view.item, image, region)
    if len(result) == len(TITLES):
        with top:
            conclude(outcomes.of_regions(result["flip"], result["keep"]))
    st.header("Nearest image with another decision", anchor=False)
    neighbours.counterfactual(view)


def _smallest(
    view: ImageView, guide: Attribution | str | None, settings: tuple[str, str, str], place: Slot
) -> Minimal | None:
    """The smallest region; where integrated gradients refuses, it is looked for without a guide."""
    aim, fill, grid = settings

    def make(progress: Stoppable) -> Minimal:
        image = photographs.fitted(view.item, CUT_EDGE)
        heat = (
            None
            if guide is None or isinstance(guide, str)
            else guide.placement.scaled(image).to_original(guide.ranking)
        )
        cut = {"cells": 16} if grid == "cells" else {"segments": int(grid)}
        clf = choice.classifier(view.model)
        asked = results.editable(view, CUT_EDGE)
        return smallest(clf, asked, aim=aim, heatmap=heat, fill=fill, on_progress=progress, **cut)  # type: ignore[arg-type]

    return computed(place, TITLES[aim], make, lambda region: region.inside.nbytes + region.image.nbytes)


def _panel(item: ImageItem, image: Image.Image, region: Minimal) -> None:
    if not region.found or not region.chosen:
        st.markdown(plain(region.sentence, 600))
    elif region.special:
        st.markdown(plain(region.sentence, 600))
        _region(item, image, region)
    else:
        st.info(plain(region.sentence, 600), icon=":material/casino:")
        with st.expander("What was tried"):
            _region(item, image, region)


def _region(item: ImageItem, image: Image.Image, region: Minimal) -> None:
    """The region, what the model is asked, and the way there."""
    outline = render.outline(image, region.inside, (255, 205, 0))
    question = as_image(region.image)
    left, right = st.columns(2)
    with left:
        draw.image(outline, f"{TITLES[region.aim]}: the region of {item.name}")
    with right:
        draw.image(question, f"{TITLES[region.aim]}: what the model is asked about {item.name}")
    _path(region)
    stem = f"{draw.stem(item.name)}-{region.aim}"
    with st.container(horizontal=True):
        draw.download("Region (PNG)", lambda: outline, f"{stem}.png", f"png {stem}")
        draw.download("Model input (PNG)", lambda: question, f"{stem}-asked.png", f"png asked {stem}")


def _path(region: Minimal) -> None:
    """The probability as the region grows."""
    import pandas as pd

    word = "filled" if region.aim == "flip" else "kept"
    frame = pd.DataFrame({"area": np.asarray(region.areas), "probability": np.asarray(region.scores)})
    x = {"field": "area", "type": "quantitative", "title": f"{word}, share of the image", "axis": {"format": "%"}}
    y = {"field": "probability", "type": "quantitative", "axis": {"format": "%"}}
    st.vega_lite_chart(frame, {"height": 170, "mark": {"type": "line"}, "encoding": {"x": x, "y": y}})
    st.caption(f"Probability of {plain(region.before)} as the region grows; {region.evaluations:,} model evaluations.")
