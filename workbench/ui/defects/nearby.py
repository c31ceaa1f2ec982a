"""The nearest good part and the nearest defect among the training images, each with the map of the decision."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.drawing import render
from workbench.images import ImageItem
from workbench.stats import nearest
from workbench.ui import draw, neighbours, photographs, results
from workbench.ui.defects import rests
from workbench.ui.defects.rests import VIEW_EDGE, Question, Rests
from workbench.ui.defects.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain


@guarded
def section(scope: Scope, row: int, item: ImageItem, question: Question, found: Rests) -> None:
    """Where it is opened: the three images side by side, with maps on one scale if there are any."""
    fold = st.expander("Nearest training images", key="nearest", on_change="rerun", icon=":material/image_search:")
    if fold.open:
        with fold:
            _images(scope, row, item, question, found)
            draw.meaning("nearest-training-images", "What does near mean?")


def _images(scope: Scope, row: int, item: ImageItem, question: Question, found: Rests) -> None:
    pairs = _nearest(scope, row)
    if pairs is None:
        return
    image = photographs.fitted(item, VIEW_EDGE)
    maps: list[tuple[str, Image.Image, np.ndarray | None]] = [
        ("This part", image, None if found.attribution is None else rests.heatmap(found.attribution, image))
    ]
    for title, (other, alike) in pairs.items():
        neighbour = scope.at(other)
        its, heat = photographs.fitted(neighbour, VIEW_EDGE), None
        if found.attribution is not None:
            aim = {"target": rests.target(scope, row), "score": "logit"}
            its_map = results.attribution(scope.of(neighbour), question.method, aim, {})
            heat = None if its_map is None or isinstance(its_map, str) else rests.heatmap(its_map, its)
        what = f"{title}: {plain(neighbour.label)}, score {scope.scores[other]:.2f}, similarity {alike:.2f}"
        maps.append((what, its, heat))
    scale = render.scale_of([heat for _, _, heat in maps if heat is not None], question.signed)
    with st.grid(3, min_column_width=230):
        for what, its, heat in maps:
            with st.container():
                pair = its if heat is None else _pair(its, render.overlay(its, heat, scale.signed, scale.limit))
                draw.image(pair, what)
                st.caption(what)
    if found.attribution is not None:
        draw.colour_bar(scale, f"{METHODS[question.method].unit}, one scale for the three maps")


def _pair(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def _nearest(scope: Scope, row: int) -> dict[str, tuple[int, float]] | None:
    """Rows and similarities of the nearest good part and the nearest defect; None, and the remedy, if not known."""
    frame = scope.predictions.frame
    training = (frame["split"] == "train").to_numpy(bool) & frame["verdict"].notna().to_numpy(bool)
    if not training.any():
        st.caption("This set has no labelled training split, so the training images are not known.")
        return None
    embeddings = neighbours.embedded(scope)
    if embeddings is None:
        return None
    predictions, vectors = embeddings
    order = dict(zip(predictions.frame["name"], range(len(predictions)), strict=True))
    ours = vectors[[order[name] for name in frame["name"]]]
    defect = frame["label"].isin(scope.positive).to_numpy(bool)
    rows_of = {"Nearest good part": training & ~defect, "Nearest defect": training & defect}
    pairs = {title: nearest(ours, row, rows) for title, rows in rows_of.items()}
    return {title: pair for title, pair in pairs.items() if pair is not None}
