"""Why this decision: one image, what the model says about it, and where several methods say that came from."""

from __future__ import annotations

import streamlit as st

from workbench.ui import choice, draw, evidence, explain, gallery, maps, results

model = choice.model()
images = choice.images(model)
known = results.known_predictions(model, images)
item = choice.image(images, lambda: gallery.first_look(images, known))

st.title("Explain")
with st.expander("Choose an image", expanded=True, icon=":material/photo_library:"):
    explain.bring(model, images, known)
    gallery.gallery(images, known, item)

left, right = st.columns([1, 2.3], gap="medium")
with left:
    explain.image(item)
    decided = results.prediction(model, images, item, known)
    draw.decision(*decided)
    answered = not decided[0].frame["error"].loc[decided[1]]
    if answered:
        draw.probabilities(*decided)
    explain.notes(model)
found = {}
if answered:
    with right:
        settings = explain.controls(model, item, decided)
        found = maps.maps(model, images, item, decided, settings)
if found:
    st.divider()
    evidence.section(model, images, item, found)
