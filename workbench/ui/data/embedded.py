"""Vectors of the set's images: what the chosen model makes of them, or else the frozen ImageNet network."""

from __future__ import annotations

import dataclasses

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.quality import BACKBONE, backbone_key, frozen_features, known_features
from workbench.ui import audits, choice, runs, session, warm
from workbench.ui.cache import slot
from workbench.ui.data.scope import Scope
from workbench.ui.progress import Stoppable, offer


@dataclasses.dataclass(frozen=True, eq=False)
class Embedded:
    """An embedding of a set.

    Attributes:
        vectors: (N, D), a row an image of the set; NaN where it cannot be read.
        source: What it depends on besides the images.
        words: What it shows, as the subject of a sentence.
    """

    vectors: NDArray[np.float32]
    source: str
    words: str


def known(scope: Scope) -> Embedded | None:
    """The embedding where it needs no computing: of the model itself before that of the frozen network."""
    outputs = audits.outputs_of(scope)
    if outputs.predictions is not None and not outputs.elsewhere:
        try:
            own = audits.embeddings(scope, outputs)
        except InputError:  # a model without a last linear layer has none
            pass
        else:
            return Embedded(own, scope.model.key, "what goes into the model's last layer")
    if not warm.torch_ready():
        return None
    place = slot("set features", model=backbone_key(), images=scope.images.key)
    vectors: NDArray[np.float32] | None = place.get()
    if vectors is None:
        vectors = known_features(scope.images.items)
        if vectors is None or not vectors.shape[1]:
            return None
        place.put(vectors, vectors.nbytes)
    return Embedded(vectors, backbone_key(), "what the ImageNet network sees")


def network() -> str | None:
    """What the frozen network is known by, without loading it; None where it is not installed."""
    try:
        return choice.folder_key(BACKBONE)
    except InputError:
        return None


def offers(scope: Scope, what: str) -> None:
    """The ways to an embedding, for a section that needs one."""
    count, token = len(scope.images), session.token(scope.images)[:12]
    st.markdown(
        f":material/radio_button_unchecked: **Not looked for yet.** {what} needs to know what the images look like to a"
        " network: to the chosen model, or to one that never saw these labels."
    )
    with st.container(horizontal=True):
        offer(
            f"Run the model over {count:,} images",
            f"embed data {token} {what}",
            lambda: runs.audited(scope, embeddings=True),
        )
        offer("Use the ImageNet network", f"freeze data {token} {what}", lambda: frozen(scope))


def frozen(scope: Scope) -> NDArray[np.float32] | None:
    """What the frozen network sees, looked at now with progress and kept; None where the user stopped it."""
    progress = Stoppable("Looking at the images", f"frozen {session.token(scope.images)[:12]}")
    if progress.stopped:
        return None
    vectors = frozen_features(scope.images.items, progress)
    progress.done()
    return vectors
