"""Images of the set that are most like another one in what the model makes of them, and the way to know that."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet
from workbench.predictions import Predictions
from workbench.probe import Counterfactual
from workbench.probe import counterfactual as nearest_other
from workbench.ui import audits, choice, draw, photographs, results, session, url
from workbench.ui.progress import offer
from workbench.ui.text import plain

TILE_EDGE = 320


def embedded(model: choice.ModelChoice, images: ImageSet) -> tuple[Predictions, NDArray[np.float32]] | None:
    """The table with the embedding of each image; None, and the way to them, where they are not known."""
    outputs = audits.known(model, images)
    if outputs.predictions is None or outputs.elsewhere:
        st.caption("To find the nearest, the model must run over the whole set once; the results are stored.")
        button = (  # the gallery's own for this may stand on the same page
            f"embed {model.key[:12]} {session.token(images)[:12]}"
        )
        offer(f"Predict all {len(images):,} images", button, lambda: results.audited(model, images, embeddings=True))
        return None
    try:
        return outputs.predictions, audits.embeddings(model, images, outputs)
    except InputError as error:
        st.caption(plain(error, 300))
        return None


def counterfactual(model: choice.ModelChoice, images: ImageSet, item: ImageItem, known: Predictions | None) -> None:
    """The nearest image of the set that is decided otherwise, beside this one."""
    found = embedded(model, images)
    if found is None:
        return
    predictions, vectors = found
    names = predictions.frame["name"]
    if not (names == item.name).any():
        st.caption("This image is not part of the set, so its neighbours are not known: choose one of the set.")
        return
    other = nearest_other(predictions, vectors, int(names.index[names == item.name][0]))
    if other is None:
        st.caption("No image of the set has another decision.")
        return
    _beside(images, item, other)


def _beside(images: ImageSet, item: ImageItem, other: Counterfactual) -> None:
    with st.container(horizontal=True):
        for one, words in ((item, "This image"), (images.by_name[other.name], _words(other))):
            with st.container(width=TILE_EDGE):
                st.image(photographs.fitted(one, TILE_EDGE), width="stretch", output_format="PNG", alt=one.name)
                st.caption(words)
    st.page_link(url.PROBE, label="Edit this image", icon=":material/science:", query_params=url.link(image=other.name))
    draw.meaning("nearest-counterfactual")


def _words(other: Counterfactual) -> str:
    truth = f", and is {plain(other.label)}" if other.label else ""
    return f"{plain(other.name)} is predicted as {plain(other.predicted)}{truth}; distance {other.distance:.3f}"
