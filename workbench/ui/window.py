"""Window and level: which values of an image are shown black and white, where 8 bits do not show all of them."""

from __future__ import annotations

import dataclasses

import streamlit as st
from PIL import Image

from workbench.images import COPY, NOTES, Raster, resized, without_hint
from workbench.models import Preprocessing
from workbench.ui import choice, draw, photographs, url
from workbench.ui.cache import slot
from workbench.ui.text import plain
from workbench.ui.view import ImageView

WINDOWS = {
    "set": "As the set is shown",
    "scale": "As the model sees it",
    "full": "Darkest to brightest",
    "own": "Choose",
}
"""What is black and white; as the set is shown, only where it has a window of its own."""


def image(view: ImageView, edge: int) -> Image.Image:
    """The image with no side over `edge` pixels, in the window that was chosen; a control for it where it holds more
    than 8 bits show, and what was decided in reading it."""
    shown = photographs.fitted(view.item, edge)
    notes = photographs.photograph(view.item).info.get(NOTES, ())
    if shown.info.get(COPY):
        values = _values(view, shown)
        with st.popover("Window and level", icon=":material/contrast:", type="tertiary"):
            shown = _chosen(view, values)
    draw.image(shown, view.item.name)
    for note in without_hint(notes) if notes and _prep(view).range else notes:
        st.caption(f":material/info: {plain(note, 400)}")
    return shown


def _values(view: ImageView, shown: Image.Image) -> Raster:
    """The values of the image, as few as are shown."""

    def make() -> Raster:
        opened = view.item.load(bands=_prep(view).bands)
        assert isinstance(opened, Raster)
        return dataclasses.replace(opened, values=resized(opened.values, shown.size), alpha=False)

    place = slot("shown values", image=view.item.id, size=shown.size, bands=_prep(view).bands)
    return place.kept(make, lambda raster: raster.values.nbytes)


def _prep(view: ImageView) -> Preprocessing:
    return view.model.preprocessing or choice.classifier(view.model).preprocessing


def _chosen(view: ImageView, raster: Raster) -> Image.Image:
    """The controls, and the image as they say."""
    extremes = raster.extremes
    stated = (raster.low, raster.high) if raster.low is not None and raster.high is not None else extremes
    low, high = _prep(view).range or stated
    own = view.item.window
    offered = list(WINDOWS) if own is not None else [name for name in WINDOWS if name != "set"]
    kind = url.segments(
        "Black and white",
        offered,
        key="levels",
        default="scale" if own is None or _prep(view).range else "set",
        format_func=WINDOWS.__getitem__,
    )
    if kind == "set" and own is not None:
        low, high = own
    elif kind == "full":
        low, high = extremes
    elif kind == "own":
        black = url.slider("Black, per cent of the scale", 0.0, 100.0, key="black", default=0.0, step=0.1)
        white = url.slider("White, per cent of the scale", 0.0, 100.0, key="white", default=100.0, step=0.1)
        low, high = (low + end / 100 * (high - low) for end in sorted((black, white)))
    st.caption(f"Black is {low:,.5g}, white {high:,.5g}; the image holds {extremes[0]:,.5g} to {extremes[1]:,.5g}.")
    return raster.rgb(_channels(view, raster), (low, high))


def _channels(view: ImageView, raster: Raster) -> tuple[int, ...]:
    """The channels that are red, green and blue, where there are more than three to choose from."""
    if raster.channels <= 3:
        return ()
    named = _prep(view).names or raster.names
    names = list(named) if len(named) == raster.channels else [f"channel {i + 1}" for i in range(raster.channels)]
    red = url.select("Red", names, key="red", default=names[0])
    green = url.select("Green", names, key="green", default=names[1])
    blue = url.select("Blue", names, key="blue", default=names[2])
    return names.index(red), names.index(green), names.index(blue)
