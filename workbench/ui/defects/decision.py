"""The work place of decisions: a queue, one image with what its decision rests on, and the way to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.defects import DEFECT_FILLS, Decision, decide
from workbench.drawing import render
from workbench.errors import InputError
from workbench.images import FILLS, ImageItem
from workbench.texts import shortened
from workbench.ui import draw, photographs, url
from workbench.ui.defects import nearby, queue, record, rests, review, threshold
from workbench.ui.defects import scope as scopes
from workbench.ui.defects.rests import VIEW_EDGE, Question, Rests
from workbench.ui.defects.scope import Scope
from workbench.ui.defects.threshold import Setting
from workbench.ui.progress import guarded
from workbench.ui.text import plain
from workbench.ui.view import View

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

LAYERS = {"boxes": "Boxes", "map": "Map", "plain": "Photograph"}


def page(view: View) -> None:
    """The rule in one line, with its settings folded, and the work place."""
    with st.container(horizontal=True, vertical_alignment="center", key="rule-line"):
        words = st.empty()
        fold = st.popover("Change the rule", icon=":material/tune:")
    selection = scopes.choose(view, fold)
    if selection is None:
        return
    setting = threshold.controls(selection, fold)
    words.markdown(threshold.line(selection, setting))
    section(selection, setting)


@st.fragment
@guarded
def section(scope: Scope, setting: Setting) -> None:
    """The chosen queue and one of its images, without running the rest of the page again."""
    place = queue.choose(scope, setting)
    if place is None:
        review.recorded()
        return
    item = _item(scope, place.row)
    with st.container(key="work-place"):
        left, right = st.columns([6, 7], gap="medium")
        with right:
            # Written over before the new image comes, so that no verdict stands beside another image than its own.
            head, panel = st.empty(), st.empty()
            head.markdown(f"{plain(shortened(item.name, 32))}: looking for what the decision rests on …")
            panel.markdown("")
        with left:
            seen = st.empty()
            with st.container(horizontal=True, vertical_alignment="center", key="layers"):
                layer, below = _layer(), st.container()
    image = photographs.fitted(item, VIEW_EDGE)
    with seen:
        draw.image(image, item.name)
    around, boxes = st.container(), st.container()
    question = _question(scope, below, boxes)
    with head.container():
        st.markdown(f"{plain(shortened(item.name, 32))}: looking for what the decision rests on …")
        found = rests.looked_into(scope, place.row, item, question)
    decision = _decision(scope, setting, item, place.row, found, question)
    with head.container():
        _sentence(scope, item, decision, rests.target(scope, place.row), found)
    with seen.container():
        _layered(item, image, _mask(item, image), found, question, layer)
    on_screen = record.Seen(scope, setting, item.name, item.label, decision, found.attribution)
    with panel.container():
        review.panel(on_screen, place)
    if place.after is not None and found.attribution is not None:
        rests.look_ahead(scope, place.after, question)
    with around:
        queue.strip(scope, place)
    with boxes:
        _table(item, decision)
    nearby.section(scope, place.row, item, question, found)
    review.drawn(on_screen)


def _item(scope: Scope, row: int) -> ImageItem:
    """The image of a row.

    Raises:
        InputError: Its file was written over since the model was asked about it: no verdict of then may stand beside
            the image of now.
    """
    item, then = scope.at(row), scope.predictions.frame["id"][row]
    if isinstance(then, str) and then != item.id:
        raise InputError(
            f"The file of {item.name} was overwritten after its prediction: audit the set again, or restore the file."
        )
    return item


def _question(scope: Scope, by: DeltaGenerator, boxes: DeltaGenerator) -> Question:
    """How decisions are looked into; the controls stand in two places, and the second begins a part of its own."""
    with by:
        method = url.select(
            "Map by",
            rests.offered(scope.model),
            key="map",
            format_func=lambda name: f"by {METHODS[name].title}",
            width=230,
            label_visibility="collapsed",
        )
    with boxes, st.container(horizontal=True, vertical_alignment="bottom"):
        st.header("Boxes", anchor=False)
        fill = url.select(
            "Paint over with", list(DEFECT_FILLS), key="fill", format_func=lambda name: FILLS[name], width=330
        )
        draw.meaning("attributed-regions", "What does a box show?")
    return Question(method, fill)


def _decision(scope: Scope, setting: Setting, item: ImageItem, row: int, found: Rests, question: Question) -> Decision:
    label = item.label if item.label in scope.predictions.class_names else None
    return decide(
        item.id, float(scope.scores[row]), setting.band, found.regions, found.fills, label=label,
        positive=scope.positive, hint=question.hint,
    )  # fmt: skip


_COLOURS = {"pass": "green", "review": "orange", "reject": "red"}
_WORDS = {"pass": "passed", "review": "for review", "reject": "rejected"}


def _sentence(scope: Scope, item: ImageItem, decision: Decision, target: str, found: Rests) -> None:
    st.header(plain(decision.sentence, 500), anchor=False)
    chips = f":{_COLOURS[decision.verdict]}-badge[{_WORDS[decision.verdict]}]"
    if decision.mistake:
        chips += f" :red-badge[{decision.mistake}]"
    what = f" · most probable defect: {plain(target)}" if len(scope.positive) > 1 else ""
    st.markdown(f"{chips} {plain(shortened(item.name, 32))} · margin to the threshold {decision.margin:+.3f}{what}")
    if found.refusal:
        st.info(plain(found.refusal, 600), icon=":material/block:")
    elif found.attribution is not None and not found.regions:
        st.caption(":material/info: The map holds no evidence for this defect: there is no region.")


def _layer() -> str:
    """What is drawn over the image, and the keys that change it."""
    now = str(st.query_params.get("layer") or "boxes")
    now = now if now in LAYERS else "boxes"
    for name, key in (("map", "M"), ("plain", "B")):
        other = "boxes" if now == name else name
        shown = {"map": "Hide map", "plain": "Show boxes"} if now == name else {"map": "Map", "plain": "Hide boxes"}
        st.button(shown[name], shortcut=key, key=f"layer {name}", on_click=url.choose, args=("layer", other))
    return now


def _mask(item: ImageItem, image: Image.Image) -> np.ndarray | None:
    try:
        mask = photographs.mask_of(item)
    except InputError as error:
        st.caption(f":material/warning: {plain(error, 300)}")
        return None
    return None if mask is None else photographs.resized(mask, image.size)


def _layered(
    item: ImageItem, image: Image.Image, mask: np.ndarray | None, found: Rests, question: Question, layer: str
) -> None:
    """The image as it is, with its boxes and the outline of the ground truth, or with the map beneath them."""
    base, alt, scale = image, item.name, None
    if layer == "map" and found.attribution is not None:
        method, heat = METHODS[question.method], rests.heatmap(found.attribution, image)
        scale = render.scale_of([heat], question.signed)
        base, alt = render.overlay(image, heat, question.signed), f"{method.title} of {item.name}"
    if layer != "plain":
        alt = alt if scale is not None else f"Regions of {item.name}"
        base = base if mask is None else render.outline(base, mask)
        base = render.with_boxes(base, [spot.box for spot in found.regions])
    draw.image(base, alt)
    if scale is not None:
        draw.colour_bar(scale, METHODS[question.method].unit)


def _table(item: ImageItem, decision: Decision) -> None:
    """The regions with their mass and what filling does."""
    import pandas as pd

    if item.mask is None:
        st.caption("No ground-truth mask marks the defect.")
    if not decision.regions:
        return
    rows: list[dict[str, Any]] = []
    for number, spot in enumerate(decision.regions, 1):
        left, top, right, bottom = spot.box
        row = {
            "box": number,
            "place": f"{left}, {top} to {right}, {bottom}",
            "area": f"{spot.area:.1%}",
            "mass": f"{spot.mass:.0%}",
            "score when painted over": "",
            "as much elsewhere": "",
            "so": "not tried" if number > len(decision.filled) else "",
        }
        if number <= len(decision.filled):
            fill = decision.filled[number - 1]
            low, high = min(fill.elsewhere), max(fill.elsewhere)
            row |= {
                "score when painted over": f"{fill.after:.3f} ({fill.after - fill.before:+.3f})",
                "as much elsewhere": f"{np.mean(fill.elsewhere):.3f} ({low:.3f} to {high:.3f})",
                "so": decision.meaning(fill),
            }
        rows.append(row)
    frame = pd.DataFrame(rows)
    st.dataframe(frame, hide_index=True, alt="Boxes")
    draw.table("Boxes (CSV)", lambda: frame, f"{draw.stem(item.name)}-regions.csv", "csv regions")
