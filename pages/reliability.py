"""Will it hold: what was memorised, what the probabilities mean, what disturbs the model, and what changed since."""

from __future__ import annotations

import streamlit as st

from workbench.ui import dealt, runs
from workbench.ui.loading import notice
from workbench.ui.reliability import calibration, corruption, drift, fit, label_next, summary
from workbench.ui.reliability.scope import scope_of

st.title("Reliability")
notice.open_questions()
st.markdown(
    "Will the model hold on the line? Has it learned its training images by heart, do its probabilities mean what they"
    " say, which everyday disturbance lets a defect pass first, and are today's images still those it was made for?"
)
view = dealt.view_of(runs.current_view())
dealt.banner(view)
scope = scope_of(view)
if scope is not None:
    summary.section(scope)
    st.header("Fit", divider="gray", anchor="fit")
    fit.section(scope)
    st.subheader("What to label next", anchor="label-next")
    label_next.section(scope)
    st.header("Calibration", divider="gray", anchor="calibration")
    calibration.section(scope)
    st.header("Corruption", divider="gray", anchor="corruption")
    corruption.section(scope)
    st.header("Drift", divider="gray", anchor="drift")
    drift.section(scope)
