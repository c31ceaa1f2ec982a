"""The parts of the Explain page above the maps: the image, and what is explained by which methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.attribution import METHODS
from workbench.images import ImageItem
from workbench.models import BASELINES
from workbench.predictions import Predictions, explained_by_default
from workbench.texts import shown
from workbench.ui import choice, photographs, runs, selection, sidebar, url, warm, window
from workbench.ui.text import plain
from workbench.ui.view import ImageView, View

if TYPE_CHECKING:
    from workbench.evidence import Entrant

SHOWN_EDGE = 800
"""Longest side, in pixels, of what the screen shows; downloads carry the raw values."""
FIRST = ("saliency", "grad_cam", "integrated_gradients")
COMMON = ("saliency", "grad_cam", "input_x_gradient", "smoothgrad", "integrated_gradients", "occlusion")
NOISY = ("smoothgrad", "smoothgrad_sq", "vargrad")
ONLY = {"n_steps": ("integrated_gradients",), "samples": NOISY, "noise": NOISY, "window": ("occlusion",)}
"""Which methods the page's control of a setting is for; where none is named, all that have it."""
STANDARD: Mapping[str, Any] = MappingProxyType(
    {"baseline": "mean", "layer": None, "n_steps": None, "samples": 24, "noise": 0.15, "window": 0.125}
)
"""Settings of the methods where nothing was chosen."""
SCORE_TITLES = {"logit": "Logit", "probability": "Probability", "margin": "Margin"}
AIMS = {"predicted": "predicted class", "true": "the true class"}
"""Classes that are named by what they are for the image: the words must not depend on it."""
AUTOMATIC = "automatic"
OWN = "anomaly_map"
"""The method that only models with a map of their own have."""
Decision = tuple[Predictions, int]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is explained and how.

    Attributes:
        aim: Keywords of `attribute` that say which score: target, score, against.
        methods: Names in `METHODS`, cheapest first.
        params: Settings of each method.
        why: Which class that is, as words; empty where it was chosen by its name.
    """

    aim: Mapping[str, Any]
    methods: tuple[str, ...]
    params: Mapping[str, Mapping[str, Any]]
    why: str = ""


def bring(view: View) -> None:
    """Upload images of one's own; predict the set where nothing is known of it."""
    with st.container(horizontal=True):
        with st.popover("Use your own image", icon=":material/add_photo_alternate:"):
            st.file_uploader(
                "Images (PNG, JPEG, TIFF, BMP, WebP, GIF, PPM, AVIF, JPEG 2000, NumPy, DICOM)",
                accept_multiple_files=True,
                key="image upload",
                on_change=sidebar.take_images,
                args=("image upload",),
            )
            st.caption("They stay in this browser session; a link cannot contain them.")
        if view.predictions is None and len(view.images) > 1:
            what = "verdict" if view.images.class_names else "confidence"
            runs.offer_predictions(view, f", to filter by {what}")


def selected(view: ImageView) -> None:
    """The selection that the images are taken from, where there is one."""
    selection.chip(view)


def image(view: ImageView) -> None:
    """The image and what is known of it."""
    window.image(view, SHOWN_EDGE)
    item = view.item
    facts = [*([("split", item.split)] if item.split else []), *item.attributes.items()]
    st.caption(" · ".join([plain(item.name), *(f"{plain(k)}: {plain(shown(v))}" for k, v in facts)]))


def notes(model: choice.ModelChoice) -> None:
    """What must be known before the answer is believed."""
    for note in model.notes:
        st.warning(note, icon=":material/warning:")


def controls(view: ImageView, decision: Decision, league: Sequence[Entrant] = ()) -> Settings:
    """Choose what is explained, by which methods, with which settings.

    Args:
        view: With the image.
        decision: The predictions, and the row of the image.
        league: The methods, with their settings, that are drawn unless told; the usual ones where missing.
    """
    usual = tuple(entrant.method for entrant in league) or FIRST
    names = {*st.session_state.get("method", ()), *st.query_params.get_all("method"), *usual}
    options = [name for name in METHODS if name in COMMON or name in names]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        aim, why = _aim(view.item, decision)
        with st.popover("Settings", icon=":material/tune:"):
            params = _params(view, {name: value for entrant in league for name, value in entrant.settings})
        _more_methods(view.model, options)
    answer = url.pills(
        "Methods",
        options,
        key="method",
        default=usual,
        stated=bool(league),
        format_func=lambda name: METHODS[name].title,
        label_visibility="collapsed",
        wrap=True,
    )
    methods = tuple(name for name in METHODS if name in answer)
    return Settings(aim, methods, {name: settings_of(name, params) for name in methods}, why)


def standard(decision: Decision) -> Settings:
    """What the page explains, and how, where nothing was chosen on it."""
    predictions, row = decision
    target = explained_by_default(predictions) or str(predictions.frame["predicted"].loc[row])
    return Settings({"target": target, "score": "logit"}, FIRST, {name: settings_of(name, STANDARD) for name in FIRST})


def _more_methods(model: choice.ModelChoice, options: Sequence[str]) -> None:
    """The methods that no pill offers, with what each shows."""
    with st.popover("More methods", type="tertiary", icon=":material/add:"):
        for method in METHODS.values():
            if method.name not in options and (method.name != OWN or gives_map(model)):
                st.button(method.title, key=f"add {method.name}", on_click=_add, args=(method.name,), type="tertiary")
                st.caption(method.plain)


def gives_map(model: choice.ModelChoice) -> bool:
    """Whether the model answers with an anomaly map of its own; not known, so no, before it is loaded."""
    return warm.torch_ready() and choice.classifier(model).scored


def _add(name: str) -> None:
    """Callback: choose one more method."""
    st.session_state["method"] = [*st.session_state.get("method", FIRST), name]


def settings_of(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What of the settings on the page belongs to a method: a setting's name may mean another thing elsewhere."""
    takes = METHODS[name].params
    return {key: value for key, value in params.items() if key in takes and name in ONLY.get(key, METHODS)}


def _aim(item: ImageItem, decision: Decision) -> tuple[dict[str, Any], str]:
    """Keywords of `attribute` that say which score is explained, and why that class."""
    predictions, row = decision
    names = predictions.class_names
    targets = {"predicted": str(predictions.frame["predicted"].loc[row])}
    if item.label in names:
        targets["true"] = str(item.label)
    classes = {url.named(name, AIMS): name for name in names}
    positive = explained_by_default(predictions)
    words = {option: name + (" (positive class)" if name == positive else "") for option, name in classes.items()}
    target = url.select(
        "Explain the class",
        [*targets, *classes],
        key="target",
        default="predicted" if positive is None else url.named(positive, AIMS),
        format_func=lambda option: AIMS.get(option) or words[option],
        width=230,
    )
    targets |= classes
    score = url.select(
        "by its",
        list(SCORE_TITLES),
        key="score",
        format_func=SCORE_TITLES.__getitem__,
        width=140,
        help="Logit: the raw output. Probability: after softmax. Margin: this class's logit minus another's.",
    )
    aim: dict[str, Any] = {"target": targets[target], "score": score}
    if score == "margin":
        order: list[str] = [names[i] for i in predictions.logits[row].argsort()[::-1] if names[i] != aim["target"]]
        aim["against"] = url.select("against", order, key="against", width=180)
    reasons = {"predicted": "the predicted class", "true": "the ground truth"}
    positive_one = "the positive class, whatever was decided" if classes.get(target) == positive else ""
    return aim, reasons.get(target, positive_one)


def _params(view: ImageView, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the methods, as the popover gives them; `chosen` are those that hold unless told."""
    params: dict[str, Any] = {}
    left, right = st.columns([2, 1])
    with left:
        params["baseline"] = _baseline(chosen)
    with right:
        preprocessing = view.model.preprocessing or choice.classifier(view.model).preprocessing
        if not (preprocessing.bands and params["baseline"] == "blur"):  # a copy in RGB has other channels
            values = preprocessing.baseline(params["baseline"], photographs.fitted(view.item, SHOWN_EDGE))
            st.image(preprocessing.image(values), width=96, caption="Baseline", output_format="PNG")
    params["layer"] = _layer(view.model, chosen.get("layer"))
    steps = url.slider("Steps (integrated gradients); 0 = automatic", 0, 400, key="steps", default=0, step=10)
    params["n_steps"] = steps or None
    params["samples"] = url.slider(
        "Noisy copies (SmoothGrad family)", 4, 64, key="samples", default=STANDARD["samples"], step=4
    )
    params["noise"] = url.slider(
        "Noise (SmoothGrad family), as a share of the range",
        0.05,
        0.5,
        key="noise",
        default=STANDARD["noise"],
        step=0.05,
    )
    params["window"] = url.slider(
        "Window (occlusion), as a share of the edge",
        0.05,
        0.5,
        key="window",
        default=chosen.get("window", STANDARD["window"]),
        step=0.025,
        stated="window" in chosen,
    )
    return params


def _baseline(chosen: Mapping[str, Any]) -> str:
    """The reference without evidence."""
    return url.select(
        "Baseline",
        list(BASELINES),
        key="baseline",
        default=chosen.get("baseline", STANDARD["baseline"]),
        stated="baseline" in chosen,
        format_func=lambda name: f"{name}: {BASELINES[name]}",
        help=("The reference without evidence that integrated gradients, occlusion and others compare the image with."),
    )


def _layer(model: choice.ModelChoice, chosen: str | None) -> str | None:
    """The layer for the CAM methods; None for the one that suits the model. `chosen` is the one that holds unless
    told."""
    if not warm.torch_ready():
        st.caption("Layers can be chosen once the model is loaded.")
        return st.query_params.get("layer", "").removeprefix("=") or chosen
    layers = choice.classifier(model).layers
    names = {url.named(name, (AUTOMATIC,)): name for name in layers}
    answer = url.select(
        "Layer (Grad-CAM family)",
        [AUTOMATIC, *reversed(names)],
        key="layer",
        default=url.named(chosen, (AUTOMATIC,)) if chosen is not None and chosen in layers else AUTOMATIC,
        stated=chosen in layers,
        format_func=lambda option: (
            f"{names[option]} ({' x '.join(map(str, layers[names[option]]))})"
            if option in names
            else "the last suitable layer"
        ),
        help="Channels x height x width. Late layers see whole objects, early ones edges.",
    )
    return names.get(answer)
