"""Ask the model what would change its decision: edit an image, and watch decision and map follow."""

from __future__ import annotations

import streamlit as st

from workbench.ui import explain, findings, gallery, labels, runs, selection, strip, url
from workbench.ui.loading import notice
from workbench.ui.probe import attack, behind, compare, concepts, contrast, edit, regions, sweeps

VIEWS = {
    "edit": ("Edit", edit.section),
    "sweep": ("Sweep", sweeps.section),
    "regions": ("Minimal regions", regions.section),
    "contrast": ("Contrastive", contrast.section),
    "behind": ("Influential training images", behind.section),
    "concepts": ("Concepts", concepts.section),
    "attack": ("Attack", attack.section),
    "compare": ("Compare", compare.section),
}
GROUPS = {
    "Change the image": ("edit", "sweep", "regions"),
    "Why this class": ("contrast", "behind", "concepts"),
    "How fragile": ("attack", "compare"),
}

view = gallery.image_view(runs.current_view())

st.title("Probe")
notice.open_questions()
selection.chip(view)
findings.banner(view)
labels.banner(view)
strip.draw(view, sticky=True)
with st.expander("Choose an image", icon=":material/photo_library:"):
    explain.bring(view)
    gallery.gallery(view)
with st.container(horizontal=True, gap="medium", key="views"):
    tab = url.grouped(GROUPS, key="view", default="edit", format_func=lambda name: VIEWS[name][0])
with st.container(key="probe"):
    VIEWS[tab][1](view)
