"""Ask the model what would change its decision: edit an image, and watch decision and map follow."""

from __future__ import annotations

import streamlit as st

from workbench.ui import explain, gallery, runs, url
from workbench.ui.probe import attack, behind, compare, concepts, contrast, edit, regions, sweeps

VIEWS = {
    "edit": ("Edit", edit.section),
    "sweep": ("Sweep", sweeps.section),
    "regions": ("Minimal regions", regions.section),
    "contrast": ("Contrastive map", contrast.section),
    "attack": ("Attack", attack.section),
    "behind": ("Influential training images", behind.section),
    "concepts": ("Concepts", concepts.section),
    "compare": ("Compare", compare.section),
}

view = gallery.image_view(runs.current_view())

st.title("Probe")
st.markdown(
    "What would change the decision? Cover, blur, brighten or rotate the image and see how the decision and the map"
    " respond."
)
with st.expander("Choose an image", icon=":material/photo_library:"):
    explain.bring(view)
    gallery.gallery(view)
tab = url.segments(
    "View",
    list(VIEWS),
    key="view",
    default="edit",
    format_func=lambda name: VIEWS[name][0],
    label_visibility="collapsed",
)
VIEWS[tab][1](view)
