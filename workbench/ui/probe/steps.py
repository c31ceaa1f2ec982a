"""The list of edits: it lives in the address bar, so that a link carries it, and can be undone, reordered, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.probe.edits import FILLS, KINDS, MOST_EDITS, Edit, read
from workbench.ui import choice, draw, url
from workbench.ui.probe import canvas

KEY = "edit"
WORDS = {
    "inpaint": "what lies around it",
    "mean": "the mean colour around it",
    "blur": "a heavy blur",
    "patch": "texture from elsewhere in it",
    "noise": "noise",
    "paste": "the same place of another picture",
    "keep": "grey everywhere else (keep only the region)",
    "crop": "nothing: cut the region out",
}


def edits() -> tuple[Edit, ...]:
    """The edits in the address bar; what is none is left out with a sentence."""
    found = []
    for text in st.query_params.get_all(KEY)[:MOST_EDITS]:
        try:
            found.append(read(text))
        except InputError as error:
            st.warning(f"An edit in this link was left out: {choice.plain(error, 300)}", icon=":material/link_off:")
    return tuple(found)


def possible(found: Sequence[Edit], images: ImageSet) -> tuple[Edit, ...]:
    """Those that can be made here: a picture to paste from may be one of another set."""
    for edit in found:
        if edit.fill == "paste" and edit.other not in images.by_name:
            st.warning(
                f"There is no picture {choice.plain(edit.other)} here to paste from: that edit was left out.", icon=":material/link_off:"
            )
    return tuple(edit for edit in found if edit.fill != "paste" or edit.other in images.by_name)


def put(found: Sequence[Edit]) -> None:
    """Make these the edits."""
    if found:
        st.query_params[KEY] = [edit.written() for edit in found]
    else:
        st.query_params.pop(KEY, None)


def fills(images: ImageSet, current: str) -> None:
    """What the next region becomes."""
    options = [*FILLS, "crop"]
    url.select("A region becomes", options, key="region", format_func=WORDS.__getitem__, width=330)
    if st.session_state.get("region") == "paste":
        names = [name for name in images.by_name if name != current][:2000]
        if names:
            st.selectbox("Paste from", names, key="paste from", width=330)


def add_region() -> None:
    """Callback of the canvas: a box was drawn. Boxes drawn one after the other with one fill are one edit."""
    box = canvas.drawn()
    if box is None:
        return
    fill = str(st.session_state.get("region") or FILLS[0])
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
        st.session_state.setdefault("upload troubles", []).append(str(error))
        return
    put(found[:MOST_EDITS])


def sliders(found: Sequence[Edit]) -> None:
    """One slider for each kind of edit with a number; off its neutral place, it is an edit of the list."""
    values = {edit.kind: edit.value for edit in found}
    with st.grid(2, min_column_width=200, gap="small"):
        for kind in KINDS.values():
            key = f"slide {kind.name}"
            st.session_state[key] = type(kind.step)(values.get(kind.name, kind.neutral))
            low, high = type(kind.step)(kind.low), type(kind.step)(kind.high)
            st.slider(kind.title, low, high, step=kind.step, key=key, help=kind.unit, on_change=_slid, args=(kind.name,))


def _slid(name: str) -> None:
    value, found = float(st.session_state[f"slide {name}"]), list(edits())
    places = [place for place, edit in enumerate(found) if edit.kind == name]
    if value == KINDS[name].neutral:
        put([edit for edit in found if edit.kind != name])
    elif places:
        found[places[-1]] = Edit(name, value)
        put(found)
    else:
        put([*found, Edit(name, value)][:MOST_EDITS])


def listed(found: Sequence[Edit]) -> None:
    """The edits in their order, each to be moved or removed."""
    with st.container(horizontal=True):
        st.button("Undo", icon=":material/undo:", shortcut="Ctrl+Z", disabled=not found, on_click=put, args=(found[:-1],))
        st.button("Clear", icon=":material/delete:", disabled=not found, on_click=put, args=((),))
        if found:
            text = json.dumps([edit.written() for edit in found], indent=1)
            draw.download("Save the list (JSON)", lambda: text, "edits.json", "application/json", "json edits")
        with st.popover("Load a list", icon=":material/upload_file:"):
            st.file_uploader("A list of edits (JSON)", type="json", key="edits upload", on_change=_load)
    for place, edit in enumerate(found):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"step-{place}"):
            st.markdown(f"{place + 1}\\. {choice.plain(edit.said)}")
            st.button("", icon=":material/arrow_upward:", key=f"up {place}", help="Earlier", disabled=place == 0, **_swap(found, place - 1))
            st.button("", icon=":material/close:", key=f"drop {place}", help="Remove", on_click=put, args=(_without(found, place),))


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
            raise InputError(f"{file.name} is no list of edits: save one on this page first.")
        put([read(text) for text in texts[:MOST_EDITS]])
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, InputError) else f"{file.name} is no list of edits: save one on this page first."
        st.session_state.setdefault("upload troubles", []).append(why)
