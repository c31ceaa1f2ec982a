"""Is it systematic: for which class or group of pictures the model is worse, by how much, and how sure that is."""

from __future__ import annotations

import streamlit as st

from workbench.ui import choice, work
from workbench.ui.bias import classes, confusions, groups, scope, sentences, slices

model = choice.model()
images = choice.images(model)
known = work.known_predictions(model, images)

st.title("Bias")
st.markdown("Is the model worse for some class or group of pictures, by how much, and how sure is that?")
chosen = scope.choose(model, images, known)
if chosen is not None:
    sentences.section(chosen)
    st.header("By class", divider="gray")
    classes.section(chosen)
    st.header("What is taken for what", divider="gray")
    confusions.section(chosen)
    st.header("By group", divider="gray")
    groups.section(chosen)
    st.header("Slices", divider="gray")
    slices.section(chosen, None)
