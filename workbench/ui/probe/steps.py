"""The list of edits: kept in the address bar, so that links carry it; undone, reordered, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st
from PIL import Image

from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.probe import EDIT_FILLS, MOST_EDITS, SLIDERS, Edit, read
from workbench.ui import draw, photographs, url
from workbench.ui.probe import canvas
from workbench.ui.text import plain

KEY, TROUBLES = "edit", "upload troubles"
WORDS = {
    "inpaint": "its surroundings (inpainting)",
    "mean": "the mean colour around it",
    "blur": "a heavy blur",
    "patch": "texture from elsewhere in the image",
    "noise": "noise",
    "paste": "the same place of another image",
    "keep": "grey everywhere else (keep only the region)",
    "crop": "nothing: crop to the region",
}


def edits() -> tuple[Edit, ...]:
    """The edits in the address bar; what is none is left out with a sentence."""
    found, texts = [], st.query_params.get_all(KEY)
    if len(texts) > MOST_EDITS:
        st.warning(
            f"This link holds {len(texts):,} edits: the first {MOST_EDITS} are made.", icon=":material/link_off:"
        )
    for text in texts[:MOST_EDITS]:
        try:
            found.append(read(text))
        except InputError as error:
            st.warning(f"An edit in this link was left out: {plain(error, 300)}", icon=":material/link_off:")
    return tuple(found)


def possible(found: Sequence[Edit], images: ImageSet, edge: int) -> tuple[tuple[Edit, ...], dict[str, Image.Image]]:
    """Those that can be made here, and the images to paste from: one may be of another set, or cannot be read."""
    others: dict[str, Image.Image] = {}
    for name in dict.fromkeys(edit.other for edit in found if edit.fill == "paste"):
        why = f"There is no image {name} here to paste from" if name else "There is no other image to paste from"
        try:
            if name in images.by_name:
                others[name] = photographs.fitted(images.by_name[name], edge)
                continue
        except InputError as error:
            why = str(error).rstrip(".")
        st.warning(f"{plain(why, 300)}: that edit was left out.", icon=":material/link_off:")
    return tuple(edit for edit in found if edit.fill != "paste" or edit.other in others), others


def troubles() -> None:
    """Errors of callbacks in this fragment, which is drawn again without the sidebar that would show them."""
    for trouble in st.session_state.pop(TROUBLES, ()):
        st.error(plain(trouble, 300), icon=":material/error:")


def _trouble(why: object) -> None:
    st.session_state.setdefault(TROUBLES, []).append(str(why))


def put(found: Sequence[Edit]) -> None:
    """Make these the edits."""
    if found:
        st.query_params[KEY] = [edit.written() for edit in found]
    else:
        st.query_params.pop(KEY, None)


def fills(images: ImageSet, current: str) -> None:
    """What the next region becomes."""
    options = [*EDIT_FILLS, "crop"]
    url.select("Fill a region with", options, key="region", format_func=WORDS.__getitem__, width=330)
    if st.session_state.get("region") == "paste":
        names = [name for name in images.by_name if name != current][:2000]
        if names:
            st.selectbox("Paste from", names, key="paste from", width=330)


def add_region() -> None:
    """Callback of the canvas: a box was drawn. Boxes drawn one after the other with one fill are one edit."""
    box = canvas.drawn()
    if box is None:
        return
    fill = str(st.session_state.get("region") or EDIT_FILLS[0])
    other = str(st.session_state.get("paste from") or "") if fill == "paste" else ""
    found = list(edits())
    last = found[-1] if found else None
    try:
        if fill == "crop":
            found.append(Edit("crop", boxes=(box,)))
        elif last is not None and (last.kind, last.fill, last.other) == ("fill", fill, other):
            found[-1] = Edit("fill", boxes=(*last.boxes, box), fill=fill, other=other)
        else:
            found.append(Edit("fill", boxes=(box,), fill=fill, other=other))
    except InputError as error:
        _trouble(error)
        return
    _more(found)


def _more(found: Sequence[Edit]) -> None:
    """Make these the edits, one of which is new."""
    if len(found) > MOST_EDITS:
        _trouble(f"There are {MOST_EDITS} edits already, the most allowed: undo some.")
    else:
        put(found)


def sliders(found: Sequence[Edit]) -> None:
    """One slider for each kind of edit with a number; off its neutral place, it is an edit of the list."""
    values = {edit.kind: edit.value for edit in found}
    with st.grid(2, min_column_width=200, gap="small"):
        for kind in SLIDERS.values():
            key = f"slide {kind.name}"
            st.session_state[key] = type(kind.step)(values.get(kind.name, kind.neutral))
            low, high = type(kind.step)(kind.low), type(kind.step)(kind.high)
            st.slider(
                kind.title, low, high, step=kind.step, key=key, help=kind.unit, on_change=_slid, args=(kind.name,)
            )


def _slid(name: str) -> None:
    value, found = float(st.session_state[f"slide {name}"]), list(edits())
    places = [place for place, edit in enumerate(found) if edit.kind == name]
    if value == SLIDERS[name].neutral:
        put([edit for edit in found if edit.kind != name])
    elif places:
        found[places[-1]] = Edit(name, value)
        put(found)
    else:
        _more([*found, Edit(name, value)])


def listed(found: Sequence[Edit]) -> None:
    """The edits in their order, each to be moved or removed."""
    with st.container(horizontal=True):
        st.button(
            "Undo", icon=":material/undo:", shortcut="Ctrl+Z", disabled=not found, on_click=put, args=(found[:-1],)
        )
        st.button("Clear", icon=":material/delete:", disabled=not found, on_click=put, args=((),))
        if found:
            text = json.dumps([edit.written() for edit in found], indent=1)
            draw.download("Save the list (JSON)", lambda: text, "edits.json", "application/json", "json edits")
        with st.popover("Load a list", icon=":material/upload_file:"):
            st.file_uploader("A list of edits (JSON)", type="json", key="edits upload", on_change=_load)
    for place, edit in enumerate(found):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"step-{place}"):
            st.markdown(f"{place + 1}\\. {plain(edit.said)}")
            st.button(
                "",
                icon=":material/arrow_upward:",
                key=f"up {place}",
                help="Earlier",
                disabled=place == 0,
                **_swap(found, place - 1),
            )
            st.button(
                "",
                icon=":material/close:",
                key=f"drop {place}",
                help="Remove",
                on_click=put,
                args=(_without(found, place),),
            )


def _swap(found: Sequence[Edit], place: int) -> dict[str, Any]:
    order = list(found)
    if 0 <= place < len(order) - 1:
        order[place], order[place + 1] = order[place + 1], order[place]
    return {"on_click": put, "args": (order,)}


def _without(found: Sequence[Edit], place: int) -> list[Edit]:
    return [edit for number, edit in enumerate(found) if number != place]


def _load() -> None:
    file = st.session_state["edits upload"]
    if file is None:
        return
    try:
        texts = json.loads(file.getvalue())
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise InputError(f"{file.name} is not a list of edits: save one on this page first.")
        _more([read(text) for text in texts[: MOST_EDITS + 1]])
    except (ValueError, RecursionError) as error:
        _trouble(
            error
            if isinstance(error, InputError)
            else f"{file.name} is not a list of edits: save one on this page first."
        )
