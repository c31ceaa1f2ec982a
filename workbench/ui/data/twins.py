"""Two images of one part, side by side, with what the model says of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from workbench.images import ImageItem
from workbench.predictions import verdict_of
from workbench.ui import draw, gallery, photographs, url
from workbench.ui.data import wipe
from workbench.ui.progress import guarded
from workbench.ui.text import plain
from workbench.ui.view import View

TWIN_EDGE = 220


Pair = tuple[tuple[str, str], tuple[str, ...], str]
"""The names of two images, what is said of them, and how the second must be turned to match the first."""
WIPED = "wipe"
"""The key of the address for the pair that lies under a slider."""


def page(view: View, pairs: Sequence[Pair], key: str) -> None:
    """Some pairs, two a row where there is room; `key` tells them from others on the page."""
    with st.grid(2, min_column_width=300, gap="small"):
        for names, words, turn in pairs:
            pair(view, names, words, f"{key} {names}", turn)


def pair(view: View, names: tuple[str, str], words: tuple[str, ...], key: str, turn: str = "") -> None:
    """Two images of the set with their labels, splits and verdicts, a link to the explanation of each, and a slider
    that wipes from one to the other where somebody asks for it.

    Args:
        view: A model and a set.
        names: Of the two images.
        words: What is said of the pair, as chips.
        key: Tells this pair from others on the page.
        turn: How the second must be turned to match the first, as in `Families.pairs`.
    """
    place = hashlib.sha256(key.encode()).hexdigest()[:12]
    with st.container(border=True, key=f"twins-{place}"):
        st.html(" ".join(gallery.chip(word, "plain") for word in words))
        with st.grid(2, min_column_width=120, gap="small"):
            for name in names:
                with st.container(gap="xsmall"):
                    _image(view, name)
        first, second = (view.images.by_name.get(name) for name in names)
        if first is not None and second is not None:
            _slider(first, second, turn, place)


@guarded
def _slider(first: ImageItem, second: ImageItem, turn: str, place: str) -> None:
    """A button for the slider, or the slider and a button to close it."""
    if url.value(key=WIPED) != place:
        st.button(
            "Slider", icon=":material/compare:", key=f"open wipe {place}", on_click=url.choose, args=(WIPED, place)
        )
        return
    wipe.draw(first, second, turn, place)
    st.button("Close the slider", icon=":material/close:", key=f"close wipe {place}", on_click=url.drop, args=(WIPED,))


def _image(view: View, name: str) -> None:
    item = view.images.by_name.get(name)
    if item is None:
        st.caption(f"{plain(name)} is not in the set any more.")
        return
    thumbnail = photographs.thumbnail(item, TWIN_EDGE)
    if thumbnail is None:
        st.caption(f"{plain(name)} cannot be read.")
    else:
        draw.image(thumbnail, item.name)
    st.page_link(url.EXPLAIN, label=plain(name, 40), query_params=url.link(image=name))
    facts = " · ".join(plain(fact) for fact in (item.label, item.split) if fact) or "no label, no split"
    row = view.row(item)
    verdict = "" if row is None or view.predictions is None else verdict_of(view.predictions, row).sentence
    st.caption(f"{facts}. {plain(verdict, 300)}" if verdict else facts)
