"""Is it systematic: for which class or group of images the model is worse, by how much, and how sure that is."""

from __future__ import annotations

import streamlit as st

from workbench.ui import dealt, runs
from workbench.ui.bias import confusions, report, scope, slices, summary, together, where, whom
from workbench.ui.loading import notice

st.title("Bias")
notice.open_questions()
st.markdown(
    "Is the model worse for some class or group of images? By how much, and how certain is that? Does it look where it"
    " should?"
)
view = dealt.view_of(runs.current_view())
dealt.banner(view)
selection = scope.choose(view)
if selection is not None:
    summary.section(selection)
    st.header("Does it look where it should?", divider="gray", anchor="where-it-looks")
    where.section(selection)
    st.header("For whom is it worse?", divider="gray", anchor="for-whom")
    whom.section(selection)
    together.section(selection)
    st.header("Confusion matrix", divider="gray", anchor="confusion")
    confusions.section(selection)
    st.header("Kinds nobody has named", divider="gray", anchor="kinds")
    slices.section(selection)
    report.section(selection)
