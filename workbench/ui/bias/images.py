"""Thumbnails of images that share a fate, each leading to its explanation."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.drawing import render
from workbench.images import ImageItem
from workbench.ui import draw, photographs, url
from workbench.ui.bias.scope import Scope
from workbench.ui.cache import slot
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
            image = _encoded(item)
            with st.container(gap=None, key=f"thumb-{key}-{number}"):
                if image is None:
                    st.html('<div class="wb-broken" role="img" aria-label="unreadable">?</div>')
                else:
                    draw.image(image, item.name)
                st.page_link(
                    url.EXPLAIN,
                    label=f"{confidence:.0%} sure",
                    query_params=scope.link(image=item.name, **query),
                    help=plain(item.name),
                )


def _encoded(item: ImageItem) -> bytes | None:
    """The thumbnail as PNG: made once, for two dozen of them take a quarter of a second on each run of the page."""
    thumbnail = photographs.thumbnail(item)
    if thumbnail is None:
        return None
    place = slot("thumbnail as PNG", image=item.look, edge=thumbnail.width)
    return place.kept(lambda: render.to_png(thumbnail), len)
