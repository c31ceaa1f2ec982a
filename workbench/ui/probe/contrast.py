"""The view of one class against another: where the evidence for this one rather than that one lies."""

from __future__ import annotations

import numpy as np
import streamlit as st

from workbench.attribution import METHODS
from workbench.drawing import render
from workbench.probe import Covered, covered, outcomes
from workbench.ui import choice, draw, photographs, results, url
from workbench.ui.cache import computed, slot
from workbench.ui.probe.conclusion import TILE, conclude
from workbench.ui.probe.edit import EDITED_EDGE
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain
from workbench.ui.view import ImageView

OFFERED = ("integrated_gradients", "grad_cam", "input_x_gradient", "occlusion")


@guarded
def section(view: ImageView) -> None:
    """Three maps: of either class, and of the margin."""
    image = photographs.fitted(view.item, EDITED_EDGE)
    probabilities = results.asked(view, results.editable(view, EDITED_EDGE), ())
    names = [view.model.rule.class_names[i] for i in probabilities.argsort()[::-1]]
    decision = view.model.rule.class_names[int(view.model.rule.decide(probabilities[None])[0][0])]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = url.select("Why", names, key="why", default=decision, width=220)
        others = [name for name in names if name != first]
        second = url.select("rather than", others, key="rather", width=220)
        method = url.select("Map by", list(OFFERED), key="map", format_func=lambda name: METHODS[name].title, width=230)
        draw.meaning("contrastive-map", "What is a contrastive map?")
    p = {name: float(probabilities[view.model.rule.class_names.index(name)]) for name in (first, second)}
    aims = {
        f"For {first}": {"target": first, "score": "logit"},
        f"For {second}": {"target": second, "score": "logit"},
        f"For {first} rather than {second}": {"target": first, "score": "margin", "against": second},
    }
    maps: dict[str, np.ndarray] = {}
    for title, aim in aims.items():
        result = results.attribution(view, method, aim, {})
        if isinstance(result, str):
            st.info(plain(result, 600), icon=":material/block:")
            return
        if result is None:
            return
        maps[title] = result.placement.scaled(image).to_original(result.heatmap())
    _conclude(view, maps[list(aims)[-1]], method, (first, second))
    st.caption(f"{plain(first)} {p[first]:.1%}, {plain(second)} {p[second]:.1%}.")
    _panels(view, maps, method)


def _conclude(view: ImageView, heat: np.ndarray, method: str, classes: tuple[str, str]) -> None:
    """Whether covering what the map of the margin points at takes the margin away."""

    def make(progress: Stoppable) -> Covered:
        image = results.editable(view, EDITED_EDGE)
        return covered(choice.classifier(view.model), image, heat, *classes, on_progress=progress)

    place = slot("covered margin", **view.model.identity, image=view.item.id, method=method, classes=classes)
    result = computed(place, "Covering what the map points at", make, lambda _: 1024)
    if result is not None:
        conclude(outcomes.of_margin(result, *classes))


def _panels(view: ImageView, maps: dict[str, np.ndarray], method: str) -> None:
    """The maps on one scale, and all of them as one figure."""
    image, scale = photographs.fitted(view.item, EDITED_EDGE), render.scale_of(list(maps.values()), True)
    with st.container(horizontal=True):
        for title, heat in maps.items():
            with st.container(width=TILE):
                st.markdown(f"**{plain(title)}**")
                overlay = render.overlay(image, heat, True, scale.limit)
                draw.image(overlay, f"{title}: {METHODS[method].title} of {view.item.name}")
    draw.colour_bar(scale, f"{METHODS[method].unit}, one scale for all three")
    panels = [
        render.Panel(title, render.overlay(image, heat, True, scale.limit), scale, METHODS[method].unit)
        for title, heat in maps.items()
    ]
    heading = f"{view.item.name}: {METHODS[method].title}"
    footer = f"{view.model.title}, model {view.model.key[:12]}"
    draw.download(
        "All as one figure (PNG)",
        lambda: render.figure(image, panels, heading, footer),
        f"{draw.stem(view.item.name)}-against.png",
        "png contrast",
    )
