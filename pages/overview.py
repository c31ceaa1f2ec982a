"""What is loaded, how good the model is, what the images look like, and where to go for which question."""

from __future__ import annotations

import streamlit as st

from workbench.ui import choice, overview, results

model = choice.model()
images = choice.images(model)
predictions = results.known_predictions(model, images)

st.title("Overview")
overview.questions(predictions)
st.header("How good is it?", divider="gray")
overview.headline_of(model, images, predictions)
st.header("What is loaded?", divider="gray")
left, right = st.columns(2, gap="large")
with left:
    overview.model_facts(model)
with right:
    overview.set_facts(model, images)
st.header("What do the images look like?", divider="gray")
overview.contact_sheet(images)
