"""From score to decision: which threshold, which errors it makes, and what each decision rests on."""

from __future__ import annotations

import streamlit as st

from workbench.ui import choice, results, url
from workbench.ui.defects import decision, masks, operating, scope, threshold

VIEWS = {"threshold": "Threshold", "decisions": "Decisions", "masks": "Localisation: maps against masks"}

model = choice.model()
images = choice.images(model)
known = results.known_predictions(model, images)

st.title("Defects")
st.markdown(
    "Which parts are rejected, which defects escape, which good parts are scrapped (overkill), and what each decision"
    " rests on."
)
chosen = scope.choose(model, images, known)
if chosen is not None:
    view = url.segments(
        "View",
        list(VIEWS),
        key="view",
        default="threshold",
        format_func=VIEWS.__getitem__,
        label_visibility="collapsed",
    )
    if view == "threshold":
        operating.view(chosen)
    elif view == "decisions":
        setting = threshold.controls(chosen)
        st.markdown(threshold.sentence(chosen, setting))
        decision.section(chosen, setting)
    else:
        masks.section(chosen)
