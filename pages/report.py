"""What can be handed on: one file, what it holds, and how its reader checks it."""

from __future__ import annotations

import streamlit as st

from workbench.ui import runs
from workbench.ui.loading import notice
from workbench.ui.report import choose, made

st.title("Report")
notice.open_questions()
st.markdown(
    "What can be handed on, and how does its reader check it? One HTML file with the verdict, figures and their"
    " intervals, decisions with their maps, and what is not known. It opens without a network and can be computed"
    " again."
)
view = runs.current_view()
if why := made.refused(view):
    st.info(why, icon=":material/info:")
elif view.predictions is None:
    st.info("No predictions of this model for this image set yet.", icon=":material/play_circle:")
    runs.offer_predictions(view, "")
else:
    choices = choose.section(view, view.predictions)
    if choices is not None:
        made.section(view, view.predictions, choices)
