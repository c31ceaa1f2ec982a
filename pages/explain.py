"""Why this decision: one image, what the model says about it, and where several methods say that came from."""

from __future__ import annotations

import streamlit as st

from workbench.ui import (
    draw,
    evidence,
    explain,
    findings,
    gallery,
    labels,
    league,
    likeness,
    maps,
    results,
    runs,
    strip,
    url,
)
from workbench.ui.loading import notice

view = gallery.image_view(runs.current_view())
found = league.known(view)

st.title("Explain")
notice.open_questions()
explain.selected(view)
findings.banner(view)
labels.banner(view)
if url.led_to_image():
    strip.draw(view)
with st.expander("Choose an image", expanded=not url.led_to_image(), icon=":material/photo_library:"):
    explain.bring(view)
    gallery.gallery(view)

left, right = st.columns([1, 2.3], gap="medium")
with left:
    warning = st.container()
    decision = results.prediction(view)
    draw.decision(*decision)
    answered = not decision[0].frame["error"].loc[decision[1]]
    if answered:
        explain.image(view)
        draw.probabilities(*decision)
    explain.notes(view.model)
if answered:
    with right:
        settings = explain.controls(view, decision, league.chosen(found))
        league.note(found, settings)
        attributions, lines = maps.maps(view, decision, settings)
    with left:
        likeness.notice(view, warning)
    if attributions:
        evidence.section(view, attributions, lines)
    league.section(view, found)
