"""What is judged, whether it is fit for use, what is worst, and where to go from there."""

from __future__ import annotations

import streamlit as st

from workbench.ui import choice, dealt, findings, reading, runs
from workbench.ui.loading import notice, panel
from workbench.ui.overview import checked, figures, loaded, scope, subject, verdict, worst

view = dealt.view_of(runs.current_view())
judged = scope.judged(view)
subject.head(view, judged)
dealt.banner(view)
report = notice.is_first(choice.whole_images(view.model), choice.set_ref(view.model))
asked = reading.is_open()
if report:
    panel.section(choice.whole_images(view.model))
if asked:
    reading.section()
if judged is None:
    verdict.without(view)
else:
    join = verdict.section(judged, bool(findings.accused(judged)))
    fill = worst.section(judged)
    table = st.container()
    figures.start(judged)
    figures.section(judged)
if not report:
    panel.section(choice.whole_images(view.model))
if not asked:
    reading.section()
with st.expander("What is loaded", icon=":material/inventory_2:"):
    left, right = st.columns(2, gap="large")
    with left:
        loaded.model_facts(view.model)
    with right:
        loaded.set_facts(view)
with st.expander("Images of the set", icon=":material/grid_view:", expanded=judged is None):
    loaded.contact_sheet(view.images)
if judged is not None:
    fill()
    joined = join()
    with table:
        checked.section(judged, joined)
