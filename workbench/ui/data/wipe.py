"""Two images of one part laid on each other, with a line that wipes from one to the other."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.catalog import shared
from workbench.images import ImageItem
from workbench.quality import laid_over
from workbench.ui import photographs
from workbench.ui.text import plain

if TYPE_CHECKING:
    from PIL import Image

WIPE_EDGE = 512
_HTML = (
    '<div class="frame"><img class="first" alt="" draggable="false"><img class="second" alt="" draggable="false">'
    '<div class="line"></div></div><input type="range" min="0" max="100" value="50">'
    '<div class="names"><span></span><span></span></div>'
)


def draw(first: ImageItem, second: ImageItem, turn: str, key: str) -> None:
    """The two images under one line, and how the second was laid over the first.

    Args:
        first: What stands left of the line.
        second: What stands right of it.
        turn: How the second must be turned to match, as in `Families.pairs`.
        key: Tells this pair from others on the page.

    Raises:
        InputError: One of them cannot be read.
    """
    under = photographs.fitted(first, WIPE_EDGE)
    over, (down, right) = laid_over(under, photographs.fitted(second, WIPE_EDGE), turn)
    data = {"first": _source(under), "second": _source(over), "names": [first.name, second.name]}
    _component()(key=f"wiped {key}", data=data)
    turned = f"turned ({turn})" if turn else "not turned"
    shifted = f"shifted by {down:+d} px down and {right:+d} px right" if down or right else "not shifted"
    st.caption(
        f"Left of the line {plain(first.name, 60)}, right of it {plain(second.name, 60)}, {turned} and {shifted}. Move"
        " the line with the pointer or the arrow keys."
    )


def _source(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=92)  # for the eye alone
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css, js = (shared(name).read_text(encoding="utf-8") for name in ("wipe.css", "wipe.js"))
    return st.components.v2.component("workbench.wipe", html=_HTML, css=css, js=js)
