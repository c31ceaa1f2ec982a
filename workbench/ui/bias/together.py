"""Which labels occur together, for a model of several labels."""

from __future__ import annotations

import streamlit as st

from workbench.predictions import cooccurrence, labels_of
from workbench.ui import choice, draw
from workbench.ui.bias.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain


@guarded
def section(scope: Scope) -> None:
    """How many images of the split carry each pair of labels; nothing where classes exclude each other."""
    model = choice.model()
    if not model.labels:
        return
    kept = set(scope.predictions.frame["name"][scope.rows])
    images = [item for item in choice.whole_images(model) if item.name in kept]
    table = cooccurrence([labels_of(item.label, model.labels) for item in images], model.labels)
    st.subheader("Which labels occur together?", anchor="together")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{scope.where}. Images that carry both labels; on the diagonal, those that carry the label at all.")
        draw.meaning("labels-together", "What does this mean?", chosen=plain(model.label or ""))
    st.table(table)
    draw.table("Labels that occur together (CSV)", lambda: table, "labels-together.csv", "labels together", "label")
