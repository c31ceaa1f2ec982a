"""Ask the model what would change its mind: take an image in hand, edit it, and watch decision and map follow."""

from __future__ import annotations

import streamlit as st

from workbench.ui import explain, gallery, runs, url
from workbench.ui.probe import attack, behind, compare, concepts, contrast, edit, regions, sweeps

VIEWS = {
    "edit": "Edit",
    "sweep": "Sweep",
    "regions": "Minimal regions",
    "contrast": "Contrastive map",
    "attack": "Attack",
    "behind": "Influential training images",
    "concepts": "Concepts",
    "compare": "Compare",
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
    "View", list(VIEWS), key="view", default="edit", format_func=VIEWS.__getitem__, label_visibility="collapsed"
)
if tab == "edit":
    edit.section(view)
elif tab == "regions":
    regions.section(view)
elif tab == "sweep":
    sweeps.section(view)
elif tab == "contrast":
    contrast.section(view)
elif tab == "attack":
    attack.section(view)
elif tab == "behind":
    behind.section(view)
elif tab == "concepts":
    concepts.section(view)
else:
    compare.section(view)
