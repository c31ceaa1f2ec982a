"""Two images of one part, side by side, with what the model says of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from workbench.predictions import verdict_of
from workbench.ui import draw, gallery, photographs, url
from workbench.ui.text import plain
from workbench.ui.view import View

TWIN_EDGE = 220


Pair = tuple[tuple[str, str], tuple[str, ...]]
"""The names of two images, and what is said of them."""


def page(view: View, pairs: Sequence[Pair], key: str) -> None:
    """Some pairs, two a row where there is room; `key` tells them from others on the page."""
    with st.grid(2, min_column_width=300, gap="small"):
        for names, words in pairs:
            pair(view, names, words, f"{key} {names}")


def pair(view: View, names: tuple[str, str], words: tuple[str, ...], key: str) -> None:
    """Two images of the set with their labels, splits and verdicts, and a link to the explanation of each.

    Args:
        view: A model and a set.
        names: Of the two images.
        words: What is said of the pair, as chips.
        key: Tells this pair from others on the page.
    """
    place = hashlib.sha256(key.encode()).hexdigest()[:12]
    with st.container(border=True, key=f"twins-{place}"):
        st.html(" ".join(gallery.chip(word, "plain") for word in words))
        with st.grid(2, min_column_width=120, gap="small"):
            for name in names:
                with st.container(gap="xsmall"):
                    _image(view, name)


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
