"""The documentation, a topic at a time."""

from __future__ import annotations

import streamlit as st

from workbench.ui import help

st.title("Help")
st.markdown(help.text(help.choose()))
