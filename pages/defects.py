"""From score to decision: which threshold, which errors it makes, and what each decision rests on."""

from __future__ import annotations

import streamlit as st

from workbench.ui import dealt, findings, labels, runs, url
from workbench.ui.defects import decision, masks, operating, scope
from workbench.ui.loading import notice

VIEWS = {"threshold": "Threshold", "decisions": "Decisions", "masks": "Localisation: maps against masks"}


st.title("Defects")
notice.open_questions()
view = url.segments(
    "View", list(VIEWS), key="view", default="threshold", format_func=VIEWS.__getitem__, label_visibility="collapsed"
)
current = dealt.view_of(runs.current_view())
findings.banner(current)
dealt.banner(current, "escape rate")
labels.banner(current)
if view == "decisions":
    decision.page(current)
elif (selection := scope.choose(current, st.container())) is not None:
    if view == "threshold":
        operating.view(selection)
    else:
        masks.section(selection)
