"""Do inspectors agree, and do the maps help them: a study is planned, gone through and told."""

from __future__ import annotations

import streamlit as st

from workbench.ui import runs, url
from workbench.ui.agreement import outcome, planning, station, studies
from workbench.ui.loading import notice

STUDY_STEPS = {"plan": "Plan", "inspect": "Inspect", "result": "Result"}

view = runs.current_view()
plans = studies.planned(view)
at_work = (
    bool(plans) and url.now("step", ["plan", "inspect", "result"]) == "inspect" and bool(url.value(key="inspector"))
)
st.title("Agreement")
step = "inspect"
if not at_work:
    notice.open_questions()
    st.markdown(
        "Do your inspectors agree with themselves, with one another and with the reference? And do they decide better"
        " with the maps than without?"
    )
    step = url.segments(
        "Step",
        list(STUDY_STEPS),
        key="step",
        default="plan",
        format_func=STUDY_STEPS.__getitem__,
        label_visibility="collapsed",
    )
study = studies.chosen(view, plans) if step != "plan" else None
if study is not None and not at_work:
    st.caption(studies.model_note(study, view))
if step == "plan":
    planning.section(view)
elif step == "result":
    outcome.section(view, study)
elif study is None:
    st.info("There is no study of this model and image set yet: plan one.", icon=":material/inbox:")
else:
    station.section(view, study)
