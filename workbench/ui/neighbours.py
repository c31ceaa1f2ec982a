"""Images of the set that are most like another one in what the model makes of them, and the way to know that."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.predictions import Predictions
from workbench.probe import Counterfactual
from workbench.probe import counterfactual as nearest_other
from workbench.ui import audits, draw, photographs, runs, session, url
from workbench.ui.progress import offer
from workbench.ui.text import plain
from workbench.ui.view import ImageView, View

TILE_EDGE = 260


def embedded(view: View) -> tuple[Predictions, NDArray[np.float32]] | None:
    """The table with the embedding of each image; None, and the way to them, where they are not known."""
    outputs = audits.outputs_of(view)
    if outputs.predictions is None or outputs.elsewhere:
        st.caption("To find the nearest, the model must run over the whole set once; the results are stored.")
        many = f"Predict all {len(view.images):,} images"
        button = f"embed {view.model.key[:12]} {session.token(view.images)[:12]}"  # the gallery may have its own
        offer(many, button, lambda: runs.audited(view, embeddings=True))
        return None
    try:
        return outputs.predictions, audits.embeddings(view, outputs)
    except InputError as error:
        st.caption(plain(error, 300))
        return None


def counterfactual(view: ImageView) -> None:
    """The nearest image of the set that is decided otherwise, beside this one."""
    table = embedded(view)
    if table is None:
        return
    predictions, vectors = table
    row = predictions.by_name.get(view.item.name)
    if row is None:
        st.caption("This image is not part of the set, so its neighbours are not known: choose one of the set.")
        return
    other = nearest_other(predictions, vectors, row)
    if other is None:
        st.caption("No image of the set has another decision.")
        return
    _pair(view, other)


def _pair(view: ImageView, other: Counterfactual) -> None:
    with st.container(horizontal=True):
        for item, words in ((view.item, "This image"), (view.image(other.name), _words(other))):
            with st.container(width=TILE_EDGE):
                draw.image(photographs.fitted(item, TILE_EDGE), item.name)
                st.caption(words)
    st.page_link(url.PROBE, label="Edit this image", icon=":material/science:", query_params=url.link(image=other.name))
    draw.meaning("nearest-counterfactual", "What is a counterfactual?")


def _words(other: Counterfactual) -> str:
    truth = f", and is {plain(other.label)}" if other.label else ""
    return f"{plain(other.name)} is predicted as {plain(other.predicted)}{truth}; distance {other.distance:.3f}"
