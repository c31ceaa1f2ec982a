"""Thumbnails of images of the set, each leading to its explanation."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from workbench.texts import shortened
from workbench.ui import draw, url
from workbench.ui.data.scope import Scope
from workbench.ui.text import plain

TILES_A_ROW = 12


def row(scope: Scope, names: Sequence[str], key: str, most: int = TILES_A_ROW) -> None:
    """The first `most` of some images by name."""
    with st.grid(most, min_column_width=80, gap="xsmall", key=f"{key} tiles"):
        for number, name in enumerate(names[:most]):
            item = scope.image(name)
            with st.container(gap=None, key=f"thumb-{key}-{number}"):
                draw.thumbnail(item)
                label = plain(shortened(name.rpartition("/")[2], 18))
                st.page_link(url.EXPLAIN, label=label, query_params=url.link(image=name), help=plain(name))
