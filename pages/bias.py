"""Is it systematic: for which class or group of images the model is worse, by how much, and how sure that is."""

from __future__ import annotations

import streamlit as st

from workbench.ui import choice, results
from workbench.ui.bias import classes, confusions, groups, scope, sentences, shortcuts, slices, where

model = choice.model()
images = choice.images(model)
known = results.known_predictions(model, images)

st.title("Bias")
st.markdown(
    "Is the model worse for some class or group of images? By how much, and how certain is that? Does it look where it"
    " should?"
)
chosen = scope.choose(model, images, known)
if chosen is not None:
    top = st.container()
    sentences.section(chosen)
    st.header("By class", divider="gray")
    classes.section(chosen)
    st.header("Confusion matrix", divider="gray")
    confusions.section(chosen)
    st.header("By group", divider="gray")
    groups.section(chosen)
    st.header("Where it looks", divider="gray")
    maps = where.maps(chosen)
    if maps is not None:
        where.section(chosen, maps)
        st.header("Does it rely on a shortcut?", divider="gray")
        shortcuts.section(chosen, maps, top)
    st.header("Does a place matter?", divider="gray")
    shortcuts.cover(chosen)
    st.header("Slices", divider="gray")
    slices.section(chosen)
