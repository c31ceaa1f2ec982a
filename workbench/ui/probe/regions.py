"""The view of what must go and what must stay: the smallest regions that flip or keep a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.drawing import render
from workbench.images import REGION_FILLS, ImageItem, ImageSet
from workbench.predictions import Predictions
from workbench.probe import CUT_EDGE, Minimal, smallest
from workbench.ui import choice, draw, neighbours, photographs, results, url
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.probe import steps
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    from workbench.attribution import Attribution

WORDS = steps.WORDS | {"grey": "grey"}
GRIDS = {
    "64": "about 64 superpixels",
    "128": "about 128 superpixels",
    "256": "about 256 superpixels",
    "cells": "16 square cells a side",
}
TITLES = {"flip": "What must go", "keep": "What must stay"}


@guarded
def view(model: choice.ModelChoice, images: ImageSet, item: ImageItem, known: Predictions | None) -> None:
    """Both regions beside each other, and the nearest image that is decided otherwise."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        fills = [fill for fill in WORDS if fill in REGION_FILLS]
        fill = url.select("Filled with", fills, key="fill", format_func=WORDS.__getitem__, width=230)
        grid = url.select("Cut into", list(GRIDS), key="grid", format_func=GRIDS.__getitem__, width=230)
        draw.meaning("minimal-regions")
    image = photographs.fitted(item, CUT_EDGE)
    target = model.rule.class_names[int(model.rule.decide(results.asked(model, item, image, ())[None])[0][0])]
    facts = {**model.identity, "image": item.id, "fill": fill, "grid": grid}
    places = {aim: slot("smallest region", **facts, aim=aim) for aim in TITLES}
    guide: Attribution | str | None = None
    if any(place.get() is None for place in places.values()):  # once for both, so that it is stopped once for both
        guide = results.attribution(
            model, images, item, "integrated_gradients", {"target": target, "score": "logit"}, {}
        )
        if guide is None:
            return
    with st.grid(2, min_column_width=300):
        cells = [st.container() for _ in TITLES]
    for cell, (aim, title) in zip(cells, TITLES.items(), strict=True):
        with cell:
            st.markdown(f"#### {title}")
            found = _found(model, item, guide, (aim, fill, grid), places[aim])
            if found is not None:
                _shown(item, image, found)
    st.subheader("Nearest image with another decision", anchor=False)
    neighbours.counterfactual(model, images, item, known)


def _found(
    model: choice.ModelChoice,
    item: ImageItem,
    guide: Attribution | str | None,
    wanted: tuple[str, str, str],
    place: Slot,
) -> Minimal | None:
    """The smallest region; where integrated gradients refuses, it is looked for without a guide."""
    aim, fill, grid = wanted

    def make(progress: Stoppable) -> Minimal:
        image = photographs.fitted(item, CUT_EDGE)
        heat = (
            None
            if guide is None or isinstance(guide, str)
            else guide.placement.scaled(image).to_original(guide.ranking)
        )
        cut = {"cells": 16} if grid == "cells" else {"segments": int(grid)}
        loaded = choice.classifier(model)
        return smallest(loaded, image, aim=aim, heatmap=heat, fill=fill, on_progress=progress, **cut)  # type: ignore[arg-type]

    return computed(place, TITLES[aim], make, lambda one: one.inside.nbytes + one.image.nbytes)


def _shown(item: ImageItem, image: Image.Image, found: Minimal) -> None:
    if not found.found or not found.chosen:
        st.markdown(plain(found.sentence, 600))
    elif found.special:
        st.markdown(plain(found.sentence, 600))
        _region(item, image, found)
    else:
        st.info(plain(found.sentence, 600), icon=":material/casino:")
        with st.expander("What was tried"):
            _region(item, image, found)


def _region(item: ImageItem, image: Image.Image, found: Minimal) -> None:
    """The region, what the model is asked, and the way there."""
    marked = render.outline(image, found.inside, (255, 205, 0))
    asked = Image.fromarray(found.image)
    left, right = st.columns(2)
    with left:
        st.image(marked, width="stretch", output_format="PNG", alt=f"{TITLES[found.aim]}: the region of {item.name}")
    with right:
        st.image(
            asked,
            width="stretch",
            output_format="PNG",
            alt=f"{TITLES[found.aim]}: what the model is asked about {item.name}",
        )
    _path(found)
    stem = f"{draw.stem(item.name)}-{found.aim}"
    with st.container(horizontal=True):
        draw.download("Region (PNG)", lambda: render.to_png(marked), f"{stem}.png", "image/png", f"png {stem}")
        draw.download(
            "Model input (PNG)", lambda: render.to_png(asked), f"{stem}-asked.png", "image/png", f"png asked {stem}"
        )


def _path(found: Minimal) -> None:
    """The probability as the region grows."""
    import pandas as pd

    word = "filled" if found.aim == "flip" else "kept"
    frame = pd.DataFrame(
        {f"{word}, % of the image": 100 * np.asarray(found.areas), "probability": np.asarray(found.scores)}
    )
    st.line_chart(frame, x=frame.columns[0], y="probability", height=170)
    st.caption(f"Probability of {plain(found.before)} as the region grows; {found.evaluations:,} model evaluations.")
