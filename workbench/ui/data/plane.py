"""Points on a canvas that a line can be drawn round: the component, what it is sent and what it says."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.catalog import shared

PLANE_KEY, TIP_KEY = "map of the set", "tip of the map"
_HTML = (
    '<div class="tools" role="group" aria-label="Map">'
    '<button type="button" data-act="lasso" aria-pressed="true">Lasso</button>'
    '<button type="button" data-act="move" aria-pressed="false">Move</button>'
    '<button type="button" data-act="in" aria-label="Zoom in">+</button>'
    '<button type="button" data-act="out" aria-label="Zoom out">\N{MINUS SIGN}</button>'
    '<button type="button" data-act="all">Whole map</button></div>'
    '<div class="map"><canvas tabindex="0" role="img"></canvas><div class="tip" hidden></div></div>'
    '<div class="legend"></div>'
)


@dataclasses.dataclass(frozen=True)
class Points:
    """What the canvas draws, ready to be sent.

    Attributes:
        rows: (P,) the images that have a place, as rows of the set.
        xy: Their places, 16 bits each, as base64.
        codes: The entry of the legend of each, as base64.
        legend: Name, colour and count of each entry.
    """

    rows: NDArray[np.intp]
    xy: str
    codes: str
    legend: tuple[Mapping[str, object], ...]


def points(
    places: NDArray[np.float32], codes: NDArray[np.intp], names: Sequence[str], colours: Sequence[str]
) -> Points:
    """Points at places (N, 2) from 0 to 1, NaN where an image has none.

    Args:
        places: Of N images.
        codes: (N,) the entry of the legend, fewer than 256 of them.
        names: Of the entries.
        colours: Likewise, "#rrggbb".
    """
    rows = np.flatnonzero(np.isfinite(places).all(axis=1))
    small = np.rint(places[rows] * 65535).astype("<u2")
    counts = np.bincount(codes[rows], minlength=len(names))
    legend = tuple(
        {"name": name, "colour": colour, "count": int(count)}
        for name, colour, count in zip(names, colours, counts, strict=True)
    )
    return Points(rows, _text(small.tobytes()), _text(codes[rows].astype(np.uint8).tobytes()), legend)


def draw(shown: Points, chosen: NDArray[np.bool_], alt: str, on_lasso: Callable[[], None]) -> None:
    """Draw the points, those of the selection (P,) strong where there is one."""
    data = {
        "xy": shown.xy,
        "codes": shown.codes,
        "legend": list(shown.legend),
        "chosen": _text(np.packbits(chosen).tobytes()),
        "alt": alt,
    }
    _plane()(key=PLANE_KEY, data=data, on_lassoed_change=on_lasso, on_pointed_change=lambda: None)


def lassoed(count: int) -> NDArray[np.bool_] | None:
    """Which of `count` points a line was just drawn round, (P,); None where none was, or the browser sent nonsense."""
    sent = _sent("lassoed")
    try:
        bits = np.frombuffer(base64.b64decode(sent, validate=True), np.uint8) if isinstance(sent, str) else None
    except (binascii.Error, ValueError):
        return None
    if bits is None or len(bits) != (count + 7) // 8:
        return None
    return np.unpackbits(bits, count=count).astype(bool)


def pointed(count: int) -> int | None:
    """The point that the pointer just came to rest on."""
    sent = _sent("pointed")
    whole = isinstance(sent, int | float) and not isinstance(sent, bool) and float(sent).is_integer()
    return int(sent) if whole and 0 <= sent < count else None


def tip(at: int, name: str, words: str, image: bytes | None) -> None:
    """Tell the map what lies under the pointer."""
    source = "" if image is None else f"data:image/png;base64,{_text(image)}"
    _tip()(key=TIP_KEY, data={"at": at, "name": name, "words": words, "src": source})


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _sent(name: str) -> Any:
    return getattr(st.session_state.get(PLANE_KEY), name, None)


@st.cache_resource(show_spinner=False)
def _plane() -> Callable[..., Any]:
    css, js = (shared(name).read_text(encoding="utf-8") for name in ("map.css", "map.js"))
    return st.components.v2.component("workbench.map", html=_HTML, css=css, js=js)


@st.cache_resource(show_spinner=False)
def _tip() -> Callable[..., Any]:
    js = shared("tip.js").read_text(encoding="utf-8")
    return st.components.v2.component("workbench.tip", html="<span hidden></span>", js=js)
