"""Know the images: what is broken, what belongs together, what leaks, which labels are doubtful, what is missing."""

from __future__ import annotations

import streamlit as st

from workbench.ui import dealt, runs
from workbench.ui.data import (
    atlas,
    coverage,
    everything,
    export,
    faulty,
    giveaway,
    hidden,
    kinship,
    labels,
    leaking,
    repeatability,
    summary,
    support,
)
from workbench.ui.data.scope import scope_of
from workbench.ui.loading import notice

st.title("Data")
notice.open_questions()
st.markdown(
    "Can these images carry the figures that are computed from them? Which files are broken, which images show the same"
    " part, which labels are doubtful, and what do the images not cover?"
)
view = runs.current_view()
dealt.note(view)
everything.section(view)
scope = scope_of(view)
known = summary.section(scope)
st.header("Files and images", divider="gray", anchor="files")
faulty.section(scope)
st.header("Which images belong together", divider="gray", anchor="together")
kinship.section(scope)
hidden.section(scope)
st.header("What leaks between splits", divider="gray", anchor="leaks")
leaking.section(scope)
st.header("Repeatability", divider="gray", anchor="repeatability")
repeatability.section(scope)
st.header("Which labels are doubtful", divider="gray", anchor="labels")
labels.section(scope)
st.header("How much the set can carry", divider="gray", anchor="support")
support.section(scope)
st.header("What it does not cover", divider="gray", anchor="coverage")
coverage.section(scope)
st.subheader("Map of the set", anchor="map")
atlas.section(scope)
st.header("What gives the label away", divider="gray", anchor="giveaways")
giveaway.section(scope)
st.header("Take it home", divider="gray", anchor="export")
if known is not None:
    export.section(scope, known)
