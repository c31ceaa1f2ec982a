"""The list of edits: kept in the address bar, so that links carry it; undone, reordered, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st
from PIL import Image

from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.probe import CROP, EDIT_FILLS, MOST_EDITS, SLIDERS, Edit, dragged, read
from workbench.ui import draw, photographs, url
from workbench.ui.probe import canvas
from workbench.ui.text import plain

KEY, TROUBLES = "edit", "upload troubles"
WORDS = {**EDIT_FILLS, "crop": CROP}
"""What a box that is drawn does."""


def edits() -> tuple[Edit, ...]:
    """The edits in the address bar; what is none is left out with a sentence."""
    result, texts = [], st.query_params.get_all(KEY)
    if len(texts) > MOST_EDITS:
        st.warning(
            f"This link holds {len(texts):,} edits: the first {MOST_EDITS} are made.", icon=":material/link_off:"
        )
    for text in texts[:MOST_EDITS]:
        try:
            result.append(read(text))
        except InputError as error:
            st.warning(f"An edit in this link was left out: {plain(error, 300)}", icon=":material/link_off:")
    return tuple(result)


def possible(chain: Sequence[Edit], images: ImageSet, edge: int) -> tuple[tuple[Edit, ...], dict[str, Image.Image]]:
    """Those that can be made here, and the images to paste from: one may be of another set, or cannot be read."""
    others: dict[str, Image.Image] = {}
    for name in dict.fromkeys(edit.other for edit in chain if edit.fill == "paste"):
        why = f"There is no image {name} here to paste from" if name else "There is no other image to paste from"
        try:
            if name in images.by_name:
                others[name] = photographs.fitted(images.by_name[name], edge)
                continue
        except InputError as error:
            why = str(error).rstrip(".")
        st.warning(f"{plain(why, 300)}: that edit was left out.", icon=":material/link_off:")
    return tuple(edit for edit in chain if edit.fill != "paste" or edit.other in others), others


def troubles() -> None:
    """Errors of callbacks in this fragment, which is drawn again without the sidebar that would show them."""
    for trouble in st.session_state.pop(TROUBLES, ()):
        st.error(plain(trouble, 300), icon=":material/error:")


def _trouble(why: object) -> None:
    st.session_state.setdefault(TROUBLES, []).append(str(why))


def put(chain: Sequence[Edit]) -> None:
    """Make these the edits."""
    if chain:
        st.query_params[KEY] = [edit.written() for edit in chain]
    else:
        st.query_params.pop(KEY, None)


def fills(images: ImageSet, current: str) -> None:
    """What the next box does."""
    url.select("What a box does", list(WORDS), key="region", format_func=WORDS.__getitem__, width=310)
    if st.session_state.get("region") == "paste":
        names = [name for name in images.by_name if name != current][:2000]
        if names:
            st.selectbox("Paste from", names, key="paste from", width=310)


def add_region() -> None:
    """Callback of the canvas: a box was drawn. Boxes drawn one after the other with one fill are one edit."""
    box = canvas.drawn()
    if box is None:
        return
    fill = str(st.session_state.get("region") or next(iter(WORDS)))
    other = str(st.session_state.get("paste from") or "") if fill == "paste" else ""
    chain = list(edits())
    last = chain[-1] if chain else None
    try:
        if fill == "crop":
            chain.append(Edit("crop", boxes=(box,)))
        elif last is not None and (last.kind, last.fill, last.other) == ("fill", fill, other):
            chain[-1] = Edit("fill", boxes=(*last.boxes, box), fill=fill, other=other)
        else:
            chain.append(Edit("fill", boxes=(box,), fill=fill, other=other))
    except InputError as error:
        _trouble(error)
        return
    _more(chain)


def move_region(chain: Sequence[Edit], size: tuple[int, int]) -> None:
    """Callback of the canvas: a box of these edits, of an image of (height, width), was moved."""
    move = canvas.moved()
    if move is None:
        return
    edit, box, by = move
    if 0 <= edit < len(chain) and 0 <= box < len(chain[edit].boxes):
        put(dragged(chain, size, edit, box, by))


def _more(chain: Sequence[Edit]) -> None:
    """Make these the edits, one of which is new."""
    if len(chain) > MOST_EDITS:
        _trouble(f"There are {MOST_EDITS} edits already, the most allowed: undo some.")
    else:
        put(chain)


def sliders(chain: Sequence[Edit]) -> None:
    """One slider for each kind of edit with a number; off its neutral place, it is an edit of the list."""
    values = {edit.kind: edit.value for edit in chain}
    with st.grid(4, min_column_width=200, gap="small"):
        for kind in SLIDERS.values():
            key = f"slide {kind.name}"
            st.session_state[key] = type(kind.step)(values.get(kind.name, kind.neutral))
            low, high = type(kind.step)(kind.low), type(kind.step)(kind.high)
            st.slider(
                kind.title, low, high, step=kind.step, key=key, help=kind.unit, on_change=_slid, args=(kind.name,)
            )


def _slid(name: str) -> None:
    value, chain = float(st.session_state[f"slide {name}"]), list(edits())
    places = [place for place, edit in enumerate(chain) if edit.kind == name]
    if value == SLIDERS[name].neutral:
        put([edit for edit in chain if edit.kind != name])
    elif places:
        chain[places[-1]] = Edit(name, value)
        put(chain)
    else:
        _more([*chain, Edit(name, value)])


def listing(chain: Sequence[Edit]) -> None:
    """The edits in their order, to be moved, removed, saved and loaded."""
    with st.container(horizontal=True):
        st.button(
            "Undo", icon=":material/undo:", shortcut="Ctrl+Z", disabled=not chain, on_click=put, args=(chain[:-1],)
        )
        st.button("Clear", icon=":material/delete:", disabled=not chain, on_click=put, args=((),))
        if chain:
            text = json.dumps([edit.written() for edit in chain], indent=1)
            draw.download("Save (JSON)", lambda: text, "edits.json", "json edits")
        with st.popover("Load", icon=":material/upload_file:"):
            st.file_uploader("A list of edits (JSON)", type="json", key="edits upload", on_change=_load)
    with st.container(gap="xsmall"):
        for place, edit in enumerate(chain):
            _step(chain, place, edit)


def _step(chain: Sequence[Edit], place: int, edit: Edit) -> None:
    """One edit, with the number that stands on its outline."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"step-{place}"):
        st.markdown(f"{place + 1}\\. {plain(edit.said)}")
        st.button(
            "",
            icon=":material/arrow_upward:",
            key=f"up {place}",
            help=f"Make edit {place + 1} earlier",
            type="tertiary",
            disabled=place == 0,
            **_swap(chain, place - 1),
        )
        st.button(
            "",
            icon=":material/close:",
            key=f"drop {place}",
            help=f"Remove edit {place + 1}",
            type="tertiary",
            on_click=put,
            args=(_without(chain, place),),
        )


def _swap(chain: Sequence[Edit], place: int) -> dict[str, Any]:
    order = list(chain)
    if 0 <= place < len(order) - 1:
        order[place], order[place + 1] = order[place + 1], order[place]
    return {"on_click": put, "args": (order,)}


def _without(chain: Sequence[Edit], place: int) -> list[Edit]:
    return [edit for number, edit in enumerate(chain) if number != place]


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
