"""An image to draw boxes on, and to move those of earlier edits, with mouse, finger or keys."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from PIL import Image

from workbench.catalog import shared
from workbench.probe import Outline

KEY = "canvas"
_HTML = (
    '<div class="frame"><img draggable="false"><svg class="marks" viewBox="0 0 1 1" preserveAspectRatio="none"></svg>'
    '<div class="box" hidden></div></div>'
)


def draw(
    image: Image.Image,
    alt: str,
    outlines: Sequence[tuple[Outline, str]],
    on_box: Callable[[], None],
    on_move: Callable[[], None],
) -> None:
    """Show an image with outlines, each with the words of its edit.

    Args:
        image: The image.
        alt: What it shows.
        outlines: Of edits made.
        on_box: Called when a box was drawn, which `drawn` then gives.
        on_move: Called when an outline was moved, as `moved` then says.
    """
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)  # for the eye alone: what is asked and saved is the image itself
    marks = [
        {"edit": mark.edit, "box": mark.box, "number": mark.edit + 1, "words": words, "corners": mark.corners}
        for mark, words in outlines
    ]
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    data = {"src": source, "alt": alt, "outlines": marks}
    _component()(key=KEY, data=data, on_boxed_change=on_box, on_moved_change=on_move)


def drawn() -> tuple[float, float, float, float] | None:
    """The box that was just drawn: left, top, right and bottom as shares of the image."""
    ends = _sent("boxed", 4)
    return None if ends is None else (ends[0], ends[1], ends[2], ends[3])


def moved() -> tuple[int, int, tuple[float, float]] | None:
    """The outline that was just moved: its edit, its box, and how far to the right and down as shares of the image."""
    sent = _sent("moved", 4)
    if sent is None or not (sent[0].is_integer() and sent[1].is_integer()):
        return None
    return int(sent[0]), int(sent[1]), (sent[2], sent[3])


def _sent(name: str, count: int) -> list[float] | None:
    """Numbers from the browser, which may send anything."""
    try:
        numbers = [float(number) for number in getattr(st.session_state[KEY], name)]
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css, js = (shared(name).read_text(encoding="utf-8") for name in ("regions.css", "regions.js"))
    return st.components.v2.component("workbench.regions", html=_HTML, css=css, js=js)
