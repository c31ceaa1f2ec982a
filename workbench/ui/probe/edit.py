"""The view of edits: change the image, and the decision and its map follow at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.drawing import render
from workbench.errors import InputError
from workbench.images import Editable, as_image
from workbench.probe import Edit, Edited, Outcome, apply, further, outcomes, outlines
from workbench.ui import choice, draw, photographs, results, url
from workbench.ui.cache import computed, slot
from workbench.ui.explain import OWN
from workbench.ui.probe import canvas, steps
from workbench.ui.probe.conclusion import conclude
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    import pandas as pd

    from workbench.attribution import Attribution

EDITED_EDGE = 640
"""Longest side of the image that is edited and asked about, in pixels."""
BUDGET = 10.0
"""Seconds that one list of edits may take."""
EDIT_METHODS = ("grad_cam", "saliency", "input_x_gradient", "layer_cam", "integrated_gradients", "occlusion")


@st.fragment
@guarded
def section(view: ImageView) -> None:
    """The canvas with its list on the left, what the model says now on the right."""
    steps.troubles()
    image = photographs.fitted(view.item, EDITED_EDGE)
    edits, others = steps.possible(steps.edits(), view.images, EDITED_EDGE)
    origins = tuple(view.image(name).id for name in others)
    before_edits = results.editable(view, EDITED_EDGE)
    result = _result(view, before_edits, edits, others, origins)
    if result is None:
        return
    edited, done = result
    key = (*done, *origins)
    asked = ((before_edits, ()), (edited.pixels, key))
    before, after = (results.asked(view, pixels, of) for pixels, of in asked)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        _canvas(view, image, edited, done)
    with right:
        _decision(view.model, before, after, bool(edits))
        steps.listing(edits)
        _probabilities(view.model, before, after)
        _maps(view, before_edits, edited, key, before)
    with st.expander("Light, sharpness, position", icon=":material/tune:", expanded=True):
        steps.sliders(edits)


def _canvas(view: ImageView, image: Image.Image, edited: Edited, done: tuple[Edit, ...]) -> None:
    """What a box does, and the edited image with the outlines of those that were drawn."""
    now, size = as_image(edited.pixels), (image.height, image.width)
    steps.fills(view.images, view.item.name)
    marks = [(outline, done[outline.edit].said) for outline in outlines(done, size)]
    move = partial(steps.move_region, done, size)
    canvas.draw(now, f"{view.item.name}, edited", marks, steps.add_region, move)
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.download("Edited image (PNG)", lambda: now, f"{draw.stem(view.item.name)}-edited.png", "png edited")
        draw.meaning("image-edit", "How do I edit an image?")


def _result(
    view: ImageView,
    image: Editable,
    edits: tuple[Edit, ...],
    others: Mapping[str, Image.Image],
    origins: tuple[str, ...],
) -> tuple[Edited, tuple[Edit, ...]] | None:
    """The edited image and the edits that it shows; where one fails or the visitor stopped, the list to take some out
    of.

    Those that come after `BUDGET` are left out: a link may hold many that each take a second.
    """

    def make(progress: Stoppable) -> tuple[Edited, tuple[Edit, ...]]:
        edited, started = apply(image, ()), time.monotonic()
        for number, edit in enumerate(edits):
            if time.monotonic() - started > BUDGET:
                return edited, edits[:number]
            progress(number, len(edits))
            edited = further(edited, edits[:number], edit, others)
        return edited, edits

    facts = {"image": view.item.id, "edge": EDITED_EDGE, "edits": (edits, origins)}
    deep = not isinstance(image, Image.Image)
    place = slot("edited levels", **view.model.identity, **facts) if deep else slot("edited image", **facts)
    try:
        result = computed(place, "Editing", make, lambda entry: entry[0].pixels.nbytes)
    except InputError as error:
        st.error(plain(error, 300), icon=":material/error:")
        result = None
    if result is None:
        steps.listing(edits)
    elif left := len(edits) - len(result[1]):
        st.warning(
            f"These edits take more than {BUDGET:g} seconds: the last {left} of {len(edits)} are left out. Remove some"
            " of the others.",
            icon=":material/timer_off:",
        )
    return result


def _decision(model: choice.ModelChoice, before: np.ndarray, after: np.ndarray, changed: bool) -> None:
    """What the model decided before and decides now."""
    names, rule = model.rule.class_names, model.rule
    first, second = (int(rule.decide(answer[None])[0][0]) for answer in (before, after))
    if changed:
        conclude(outcomes.of_edits(names[first], names[second], float(before[first]), float(after[first])))
    else:
        waiting = f"{names[first]}, {before[first]:.1%}. Draw a box on the image, or move a slider."
        conclude(Outcome("No edits yet", waiting))


def _probabilities(model: choice.ModelChoice, before: np.ndarray, after: np.ndarray) -> None:
    """The probabilities that moved the most."""
    frame = _table(model.rule.class_names, before, after)
    st.dataframe(frame, hide_index=True, column_config=_COLUMNS, alt="Probabilities before and after")


def _table(names: tuple[str, ...], before: np.ndarray, after: np.ndarray, most: int = 5) -> pd.DataFrame:
    import pandas as pd

    order = np.maximum(before, after).argsort()[::-1][:most]
    return pd.DataFrame(
        {
            "class": [names[i] for i in order],
            "before": before[order].astype(float),
            "after": after[order].astype(float),
            "change": [f"{100 * (after[i] - before[i]):+z.1f} points" for i in order],
        }
    )


_COLUMNS = {
    "class": st.column_config.TextColumn("Class"),
    "before": st.column_config.ProgressColumn("Before", format="percent", width="small", min_value=0, max_value=1),
    "after": st.column_config.ProgressColumn("After", format="percent", width="small", min_value=0, max_value=1),
    "change": st.column_config.TextColumn("Change"),
}


def _maps(view: ImageView, image: Editable, edited: Edited, key: tuple[object, ...], before: np.ndarray) -> None:
    """Before, after and their difference on one scale, of the class that was decided on before."""
    target = int(view.model.rule.decide(before[None])[0][0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = [*([OWN] if choice.classifier(view.model).scored else []), *EDIT_METHODS]
        method = url.select("Map by", options, key="map", format_func=lambda name: METHODS[name].title, width=230)
        st.caption(f"of the class {plain(view.model.rule.class_names[target])}")
    first = _map(view, image, (), method, target)
    if first is None:
        return
    second = _map(view, edited.pixels, key, method, target) if key else first
    if second is None:
        return
    was = first.on_image()
    now = second.on_image()
    change = edited.to_original(now) - was
    scale = render.scale_of([was, now, change], True)
    unsigned = not METHODS[method].signed
    with st.grid(3, min_column_width=150):
        for title, ground, values in (
            ("Before", as_image(image), was),
            ("After", as_image(edited.pixels), now),
            ("Difference", as_image(image), change),
        ):
            with st.container():
                st.markdown(f"**{title}**")
                signed = title == "Difference" or not unsigned
                overlay = render.overlay(ground, values, signed, scale.limit)
                draw.image(overlay, f"{title}: {METHODS[method].title} of {view.item.name}")
                ends = ("less", "more than before") if title == "Difference" else None
                draw.colour_bar(render.Scale(scale.limit, signed, scale.clipped), METHODS[method].unit, ends)


def _map(view: ImageView, image: Editable, key: tuple[object, ...], method: str, target: int) -> Attribution | None:
    """The map of an edited image; None, and why, where there is none."""
    result = results.map_of_pixels(view, image, key, method, target)
    if isinstance(result, str):
        st.info(plain(result, 600), icon=":material/block:")
        return None
    return result
