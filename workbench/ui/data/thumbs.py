"""Thumbnails of images behind a count, each leading to its explanation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from workbench.ui import draw, url
from workbench.ui.data.scope import Scope
from workbench.ui.text import plain

THUMBS_A_PAGE = 24


def paged(
    scope: Scope, names: Sequence[str], key: str, turn: Callable[[int], int], words: Callable[[str], str]
) -> None:
    """The images with these names, `THUMBS_A_PAGE` at a time.

    Args:
        scope: What they are part of.
        names: L names.
        key: Tells these from other thumbnails on the page.
        turn: Draws the choice of a page, given how many there are, and says which one was chosen.
        words: What stands below an image, by its name.
    """
    pages = -(-len(names) // THUMBS_A_PAGE)
    thumbnails = st.container()
    page = turn(pages) if pages > 1 else 1
    with thumbnails, st.grid(12, min_column_width=80, gap="xsmall", key=f"{key} images"):
        for number, name in enumerate(names[(page - 1) * THUMBS_A_PAGE : page * THUMBS_A_PAGE]):
            _thumb(scope, name, f"{key}-{number}", words(name))


def _thumb(scope: Scope, name: str, key: str, words: str) -> None:
    item = scope.images.by_name.get(name)
    with st.container(gap=None, key=f"thumb-{key}"):
        draw.thumbnail(item)
        if item is None:  # left out when the set was read
            st.caption(plain(name, 40))
            return
        st.page_link(url.EXPLAIN, label=plain(words, 40), query_params=url.link(image=name), help=plain(name))
