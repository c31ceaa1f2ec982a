"""An image to draw boxes on with mouse or finger."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import streamlit as st
from PIL import Image

from workbench.catalog import shared

KEY = "canvas"
_HTML = '<div class="frame"><img draggable="false"><div class="box" hidden></div></div>'


def draw(image: Image.Image, alt: str, on_box: Callable[[], None]) -> None:
    """Show an image; `on_box` is called when a box was drawn, which `drawn` then gives."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)  # for the eye alone: what is asked and saved is the image itself
    data = {"src": "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode(), "alt": alt}
    _component()(key=KEY, data=data, on_boxed_change=on_box)


def drawn() -> tuple[float, float, float, float] | None:
    """The box that was just drawn: left, top, right and bottom as shares of the image."""
    try:
        left, top, right, bottom = (float(end) for end in st.session_state[KEY].boxed)
    except (TypeError, ValueError):  # a browser may send anything
        return None
    return left, top, right, bottom


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css, js = (shared(name).read_text(encoding="utf-8") for name in ("regions.css", "regions.js"))
    return st.components.v2.component("workbench.regions", html=_HTML, css=css, js=js)
