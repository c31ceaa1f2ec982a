"""What is loaded, how good the model is, what the images look like, and where to go for which question."""

from __future__ import annotations

import streamlit as st

from workbench.ui import overview, runs

view = runs.current_view()

st.title("Overview")
overview.questions(view.predictions)
st.header("How good is it?", divider="gray")
overview.headline_of(view)
st.header("What is loaded?", divider="gray")
left, right = st.columns(2, gap="large")
with left:
    overview.model_facts(view.model)
with right:
    overview.set_facts(view)
st.header("What do the images look like?", divider="gray")
overview.contact_sheet(view.images)
