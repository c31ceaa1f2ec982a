"""A model or an image set that is not where a link or the visitor says it is: one sentence, and a way back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from workbench.catalog import IMAGES_VARIABLE, MODEL_VARIABLE, load_catalog, scheme, stored_path
from workbench.errors import LONGEST, InputError
from workbench.ui import session, sets, url
from workbench.ui.text import plain, seen

if TYPE_CHECKING:
    from workbench.catalog import ImagesEntry, ModelEntry

NOUNS = {"model": "model", "set": "image set"}
WITHOUT = frozenset(("help",))
"""Pages that speak of neither."""


def lead_back(model: str, images: str) -> None:
    """Where the chosen model or image set is gone, say so, offer another one, and end a page that needs them."""
    catalog = load_catalog()
    result = {
        "model": _why("model", model, catalog.models, MODEL_VARIABLE),
        "set": _why("set", images, catalog.images, IMAGES_VARIABLE),
    }
    ends = any(result.values()) and st.session_state["drawn page"] not in WITHOUT
    if ends:
        st.title("Not found")
    for key, why in result.items():
        if why:
            st.error(plain(why, 2 * LONGEST), icon=":material/folder_off:")
            target = _target(key, model)
            title = (catalog.models if key == "model" else catalog.images)[target].title
            label, back = f"Back to {plain(title)}", (key, target)
            st.button(label, key=f"back to {key}", icon=":material/undo:", on_click=url.choose, args=back)
    if ends:
        st.stop()


def _why(
    key: str, ref: str, entries: Mapping[str, ModelEntry] | Mapping[str, ImagesEntry], variable: str
) -> str | None:
    """Why what was chosen is not there; None where it is, or where only loading it can tell."""
    if ref in session.own(f"{key}s"):
        return None
    entry, given = entries.get(ref), ref == os.environ.get(variable)
    place = entry.ref if entry is not None else ref
    if scheme(place) or place == "elpv" or "://" in place or (entry is None and not given and not session.local()):
        return None
    try:
        if place.strip() and stored_path(place).exists():
            return None
    except InputError as error:
        return str(error)
    if why := sets.gone(ref):
        return why
    if entry is None and not {"/", "\\"} & set(ref):
        return (
            f"There is no {NOUNS[key]} {ref!r}: it is neither in the catalog ({', '.join(entries)}) nor a folder or"
            " file on this machine."
        )
    name = entry.title if entry is not None else seen(ref)
    return (
        f"The {NOUNS[key]} “{name}” is not on this machine. It may have been moved, renamed or deleted, or the link"
        " comes from another machine."
    )


def _target(key: str, model: str) -> str:
    """The model, or the image set, of the catalog to go back to."""
    catalog = load_catalog()
    if key == "model":
        return next(iter(catalog.models))
    entry = catalog.models.get(model)
    own = entry.images if entry is not None else None
    return own if own in catalog.images else next(iter(catalog.images))


def folders() -> None:
    """Fields for the path of a model and of images on this machine; a path that leads nowhere is told below its own."""
    st.markdown("**Folder on this machine**")
    _field("set", "Images: folder, zip or table", "In any layout that is known; what was understood can be corrected.")
    _field("model", "Model: folder or file", "A folder with model.toml, or from Hugging Face; a .pt2 archive.")


def _field(key: str, label: str, help: str) -> None:
    field = f"{key} folder"
    st.text_input(label, key=field, placeholder="/path/to/folder", help=help, on_change=_chosen, args=(key, field))
    if missing := st.session_state.pop(f"{field} missing", None):
        st.error(f"There is no {plain(missing)} on this machine: check the path. Nothing was changed.")


def _chosen(key: str, field: str) -> None:
    """Callback of a field: choose what lies there, if anything does."""
    path = str(st.session_state[field] or "").strip().strip("'\"")
    if not path:
        return
    try:
        there = stored_path(path).exists()
    except InputError:
        there = False
    if there:
        url.choose(key, path)
    else:
        st.session_state[f"{field} missing"] = path
