"""The parts of the Explain page above the maps: the image, and what is explained by which methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import streamlit as st

from workbench.attribution import METHODS
from workbench.images import ImageItem, ImageSet
from workbench.models import BASELINES
from workbench.predictions import Predictions
from workbench.texts import shown
from workbench.ui import choice, draw, photographs, results, sidebar, url, warm
from workbench.ui.text import plain

SHOWN_EDGE = 800
"""Longest side, in pixels, of what the screen shows; downloads carry the raw values."""
FIRST = ("saliency", "grad_cam", "integrated_gradients")
COMMON = ("saliency", "grad_cam", "input_x_gradient", "smoothgrad", "integrated_gradients", "occlusion")
NOISY = ("smoothgrad", "smoothgrad_sq", "vargrad")
ONLY = {"n_steps": ("integrated_gradients",), "samples": NOISY, "noise": NOISY, "window": ("occlusion",)}
"""Which methods the page's control of a setting is for; where none is named, all that have it."""
SCORE_TITLES = {"logit": "Logit", "probability": "Probability", "margin": "Margin"}
AIMS = {"predicted": "predicted class", "true": "the true class"}
"""Classes that are named by what they are for the image: the words must not depend on it."""
AUTOMATIC = "automatic"
OWN = "anomaly_map"
"""The method that only models with a map of their own have."""
Decided = tuple[Predictions, int]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is explained and how.

    Attributes:
        aim: Keywords of `attribute` that say which score: target, score, against.
        methods: Names in `METHODS`, cheapest first.
        params: Settings of each method.
    """

    aim: Mapping[str, Any]
    methods: tuple[str, ...]
    params: Mapping[str, Mapping[str, Any]]


def bring(model: choice.ModelChoice, images: ImageSet, known: Predictions | None) -> None:
    """Upload images of one's own; predict the set where nothing is known of it."""
    with st.container(horizontal=True):
        with st.popover("Use your own image", icon=":material/add_photo_alternate:"):
            st.file_uploader(
                "Images (PNG, JPEG, TIFF, BMP, WebP, GIF, PPM)",
                accept_multiple_files=True,
                key="image upload",
                on_change=sidebar.take_images,
                args=("image upload",),
            )
            st.caption("They stay in this browser session; a link cannot contain them.")
        if known is None and len(images) > 1:
            results.offer_predictions(
                model, images, ", to filter by verdict" if images.class_names else ", to filter by confidence"
            )


def image(item: ImageItem) -> None:
    """The image and what is known of it."""
    st.image(photographs.fitted(item, SHOWN_EDGE), width="stretch", output_format="PNG", alt=item.name)
    known = [*([("split", item.split)] if item.split else []), *item.attributes.items()]
    st.caption(" · ".join([plain(item.name), *(f"{plain(k)}: {plain(shown(v))}" for k, v in known)]))


def notes(model: choice.ModelChoice) -> None:
    """What must be known before the answer is believed."""
    for note in model.notes:
        st.warning(note, icon=":material/warning:")


def controls(model: choice.ModelChoice, item: ImageItem, decided: Decided) -> Settings:
    """Choose what is explained, by which methods, with which settings."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        aim = _aim(item, decided)
        with st.popover("Settings", icon=":material/tune:"):
            params = _params(model, item)
        draw.meaning("attribution")
    methods = _methods(model)
    return Settings(aim, methods, {name: _settings_of(name, params) for name in methods})


def _methods(model: choice.ModelChoice) -> tuple[str, ...]:
    """The common methods and those that were asked for as pills; all others, with what they show, behind a button."""
    asked = {*st.session_state.get("method", ()), *st.query_params.get_all("method")}
    offered = [name for name in METHODS if name in COMMON or name in asked]
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = url.pills(
            "Methods",
            offered,
            key="method",
            default=FIRST,
            format_func=lambda name: METHODS[name].title,
            label_visibility="collapsed",
            wrap=True,
        )
        with st.popover("More methods", type="tertiary", icon=":material/add:"):
            for method in METHODS.values():
                if method.name not in offered and (method.name != OWN or gives_map(model)):
                    st.button(
                        method.title, key=f"add {method.name}", on_click=_add, args=(method.name,), type="tertiary"
                    )
                    st.caption(method.plain)
    return tuple(name for name in METHODS if name in chosen)


def gives_map(model: choice.ModelChoice) -> bool:
    """Whether the model answers with an anomaly map of its own; not known, so no, before it is loaded."""
    return warm.torch_ready() and choice.classifier(model).scored


def _add(name: str) -> None:
    """Callback: choose one more method."""
    st.session_state["method"] = [*st.session_state.get("method", FIRST), name]


def _settings_of(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What of the settings on the page belongs to a method: a setting's name may mean another thing elsewhere."""
    takes = METHODS[name].params
    return {key: value for key, value in params.items() if key in takes and name in ONLY.get(key, METHODS)}


def _aim(item: ImageItem, decided: Decided) -> dict[str, Any]:
    predictions, row = decided
    names = predictions.class_names
    meant = {"predicted": str(predictions.frame["predicted"].loc[row])}
    if item.label in names:
        meant["true"] = str(item.label)
    classes = {url.named(name, AIMS): name for name in names}
    target = url.select(
        "Explain the class",
        [*meant, *classes],
        key="target",
        format_func=lambda name: AIMS.get(name) or name.removeprefix("="),
        width=230,
    )
    meant |= classes
    score = url.select(
        "by its",
        list(SCORE_TITLES),
        key="score",
        format_func=SCORE_TITLES.__getitem__,
        width=140,
        help="Logit: the raw output. Probability: after softmax. Margin: this class's logit minus another's.",
    )
    aim: dict[str, Any] = {"target": meant[target], "score": score}
    if score == "margin":
        order: list[str] = [names[i] for i in predictions.logits[row].argsort()[::-1] if names[i] != aim["target"]]
        aim["against"] = url.select("against", order, key="against", width=180)
    return aim


def _params(model: choice.ModelChoice, item: ImageItem) -> dict[str, Any]:
    """The settings of the methods, as the popover gives them."""
    params: dict[str, Any] = {}
    left, right = st.columns([2, 1])
    with left:
        params["baseline"] = url.select(
            "Baseline",
            list(BASELINES),
            key="baseline",
            default="mean",
            format_func=lambda name: f"{name}: {BASELINES[name]}",
            help=(
                "The reference without evidence that integrated gradients, occlusion and others compare the image with."
            ),
        )
    with right:
        values = model.preprocessing.baseline(params["baseline"], photographs.fitted(item, SHOWN_EDGE))
        st.image(model.preprocessing.image(values), width=96, caption="Baseline", output_format="PNG")
    params["layer"] = _layer(model)
    steps = url.slider("Steps (integrated gradients); 0 = automatic", 0, 400, key="steps", default=0, step=10)
    params["n_steps"] = steps or None
    params["samples"] = url.slider("Noisy copies (SmoothGrad family)", 4, 64, key="samples", default=24, step=4)
    params["noise"] = url.slider(
        "Noise (SmoothGrad family), as a share of the range", 0.05, 0.5, key="noise", default=0.15, step=0.05
    )
    params["window"] = url.slider(
        "Window (occlusion), as a share of the edge", 0.05, 0.5, key="window", default=0.125, step=0.025
    )
    return params


def _layer(model: choice.ModelChoice) -> str | None:
    """The layer for the CAM methods; None for the one that suits the model."""
    if not warm.torch_ready():
        st.caption("Layers can be chosen once the model is loaded.")
        return st.query_params.get("layer", "").removeprefix("=") or None
    layers = choice.classifier(model).layers
    named = {url.named(name, (AUTOMATIC,)): name for name in layers}
    chosen = url.select(
        "Layer (Grad-CAM family)",
        [AUTOMATIC, *reversed(named)],
        key="layer",
        format_func=lambda one: (
            f"{named[one]} ({' x '.join(map(str, layers[named[one]]))})" if one in named else "the last suitable layer"
        ),
        help="Channels x height x width. Late layers see whole objects, early ones edges.",
    )
    return named.get(chosen)
