"""Ask the model what would change its mind: take an image in hand, edit it, and watch decision and map follow."""

from __future__ import annotations

import streamlit as st

from workbench.ui import choice, explain, gallery, results, url
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

model = choice.model()
images = choice.images(model)
known = results.known_predictions(model, images)
item = choice.image(images, lambda: gallery.first_look(images, known))

st.title("Probe")
st.markdown(
    "What would change the decision? Cover, blur, brighten or rotate the image and see how the decision and the map"
    " respond."
)
with st.expander("Choose an image", icon=":material/photo_library:"):
    explain.bring(model, images, known)
    gallery.gallery(images, known, item)
view = url.segments(
    "View", list(VIEWS), key="view", default="edit", format_func=VIEWS.__getitem__, label_visibility="collapsed"
)
if view == "edit":
    edit.view(model, images, item)
elif view == "regions":
    regions.view(model, images, item, known)
elif view == "sweep":
    sweeps.view(model, images, item, known)
elif view == "contrast":
    contrast.view(model, images, item)
elif view == "attack":
    attack.view(model, images, item, known)
elif view == "behind":
    behind.view(model, images, item, known)
elif view == "concepts":
    concepts.view(model, images, known)
else:
    compare.view(model, images, item, known)
