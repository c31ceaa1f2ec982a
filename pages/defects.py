"""From score to decision: which threshold, which errors it makes, and what each decision rests on."""

from __future__ import annotations

import streamlit as st

from workbench.ui import findings, runs, url
from workbench.ui.defects import decision, masks, operating, scope, threshold

VIEWS = {"threshold": "Threshold", "decisions": "Decisions", "masks": "Localisation: maps against masks"}


st.title("Defects")
st.markdown(
    "Which parts are rejected, which defects escape, which good parts are scrapped (overkill), and what each decision"
    " rests on."
)
current = runs.current_view()
findings.banner(current)
selection = scope.choose(current)
if selection is not None:
    view = url.segments(
        "View",
        list(VIEWS),
        key="view",
        default="threshold",
        format_func=VIEWS.__getitem__,
        label_visibility="collapsed",
    )
    if view == "threshold":
        operating.view(selection)
    elif view == "decisions":
        setting = threshold.controls(selection)
        st.markdown(threshold.sentence(selection, setting))
        decision.section(selection, setting)
    else:
        masks.section(selection)
