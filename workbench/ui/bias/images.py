"""Thumbnails of images that share a fate, each leading to its explanation."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.ui import draw, url
from workbench.ui.bias.scope import Scope
from workbench.ui.text import plain

IMAGES_A_PAGE = 24


def paged(scope: Scope, places: NDArray[np.intp], key: str, **query: str) -> None:
    """The images at `places` of the table, `IMAGES_A_PAGE` at a time.

    Args:
        scope: What they are part of.
        places: (L,) where they stand in the table.
        key: Of the page in the address.
        query: What else a link to Explain must say.
    """
    pages = -(-len(places) // IMAGES_A_PAGE)
    thumbnails = st.container()
    page = url.pages(pages, key=key, max_visible_pages=5) if pages > 1 else 1
    with thumbnails:
        row(scope, places[(page - 1) * IMAGES_A_PAGE : page * IMAGES_A_PAGE], key, **query)


def row(scope: Scope, places: NDArray[np.intp], key: str, **query: str) -> None:
    """Thumbnails of the images at `places` (L,) of the table."""
    sure = scope.predictions.frame["confidence"].to_numpy()[places]
    with st.grid(12, min_column_width=80, gap="xsmall", key=f"{key} images"):
        for number, (place, confidence) in enumerate(zip(places, sure, strict=True)):
            item = scope.at(place)
            with st.container(gap=None, key=f"thumb-{key}-{number}"):
                draw.thumbnail(item)
                st.page_link(
                    url.EXPLAIN,
                    label=f"{confidence:.0%} sure",
                    query_params=scope.link(image=item.name, **query),
                    help=plain(item.name),
                )
