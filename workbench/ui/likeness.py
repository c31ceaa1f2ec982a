"""Whether an image looks unlike all that the model was trained on, said before its verdict."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.catalog import load_catalog
from workbench.errors import InputError
from workbench.images import ImageItem, Training, appearance, evenly, training_looks
from workbench.ui import choice, photographs, session
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.progress import Stoppable, offer
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


MOST = 2000
"""Training images that are compared: more would take minutes to read."""


def notice(view: ImageView, place: DeltaGenerator) -> None:
    """Compare the image with the training images, where those are known; a visitor's own image without being asked.

    Args:
        view: With the image.
        place: Before the verdict, for a warning.
    """
    items = _training(view)
    if not items:
        st.caption("The training images are not known, so neither is whether this one is unlike them.")
        return
    if view.images.by_name.get(view.item.name) is view.item and view.item.split == "train":
        st.caption("This image is of the training split: that the model is right about it proves little.")
        return
    known = _place(view)
    table = known.get()
    if table is None and view.item.name in session.own("images"):
        table = _looks(known, items)
    if table is None:
        st.caption("Not compared with the training images yet.")
        words, token = f"Compare with {len(items):,} of them", session.token(view.images)[:12]
        offer(words, f"looks {token}", lambda: _looks(known, items))
        return
    with contextlib.suppress(InputError):  # one that cannot be read has no verdict either
        found = table.likeness(appearance(photographs.photograph(view.item)))
        if found.unlike:
            place.warning(found.sentence, icon=":material/warning:")
        else:
            st.caption(found.sentence)


def _training(view: ImageView) -> Sequence[ImageItem]:
    """The training split of the set, where that is the model's: a catalog says which one is."""
    entry = load_catalog().models.get(view.model.ref)
    if entry is not None and entry.images and entry.images != choice.set_ref(view.model):
        return []
    return evenly([item for item in view.images if item.split == "train"], MOST)


def _place(view: ImageView) -> Slot:
    return slot("appearances", images=view.images.key)


def _looks(place: Slot, items: Sequence[ImageItem]) -> Training | None:
    """How the images look, with progress; None where the visitor stopped it. Those that cannot be read do not count."""

    def make(progress: Stoppable) -> Training:
        rows = []
        for done, item in enumerate(items):
            progress(done, len(items))
            with contextlib.suppress(InputError):
                rows.append(appearance(item.open()))
        return training_looks(np.array(rows, np.float32))

    return computed(place, "Looking at the training images", make, lambda table: table.scaled.nbytes + 1024)
