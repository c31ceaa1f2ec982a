"""Is it systematic: for which class or group of images the model is worse, by how much, and how sure that is."""

from __future__ import annotations

import streamlit as st

from workbench.ui import runs
from workbench.ui.bias import classes, confusions, groups, scope, sentences, shortcuts, slices, where

st.title("Bias")
st.markdown(
    "Is the model worse for some class or group of images? By how much, and how certain is that? Does it look where it"
    " should?"
)
selection = scope.choose(runs.current_view())
if selection is not None:
    top = st.container()
    sentences.section(selection)
    st.header("By class", divider="gray")
    classes.section(selection)
    st.header("Confusion matrix", divider="gray")
    confusions.section(selection)
    st.header("By group", divider="gray")
    groups.section(selection)
    st.header("Where it looks", divider="gray")
    maps = where.maps(selection)
    if maps is not None:
        where.section(selection, maps)
        st.header("Does it rely on a shortcut?", divider="gray")
        shortcuts.section(selection, maps, top)
    st.header("Does a place matter?", divider="gray")
    shortcuts.cover(selection)
    st.header("Slices", divider="gray")
    slices.section(selection)
