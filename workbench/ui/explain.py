"""The parts of the Explain page: the picture, what is explained, and the maps side by side."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench import render
from workbench.images import ImageItem, ImageSet
from workbench.methods import METHODS, Method
from workbench.predictions import Predictions
from workbench.preprocessing import BASELINES
from workbench.record import manifest, npz
from workbench.ui import choice, draw, url, work

if TYPE_CHECKING:
    from PIL import Image

    from workbench.attribution import Attribution

EDGE = 800
"""Longest side, in pixels, of what the screen shows; downloads carry the raw values."""
FIRST = ("saliency", "grad_cam", "integrated_gradients")
SCORES = {"logit": "Logit", "probability": "Probability", "margin": "Margin"}
TOLERANCE = 0.05
"""Convergence delta, as a share of the change of the score, up to which integrated gradients is called complete."""
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
    """Upload pictures of one's own; predict the set where nothing is known of it."""
    with st.container(horizontal=True):
        with st.popover("Use your own picture", icon=":material/add_photo_alternate:"):
            st.file_uploader(
                "Pictures (PNG, JPEG, TIFF, BMP, WebP, GIF, PPM)",
                accept_multiple_files=True,
                key="picture upload",
                on_change=choice.take_pictures,
                args=("picture upload",),
            )
            st.caption("They stay in this browser session: a link cannot carry them.")
        if known is None and len(images) > 1:
            work.offer_predictions(model, images, ", to filter by verdict" if images.class_names else ", to filter by how sure it is")


def picture(item: ImageItem) -> None:
    """The picture and what is known of it."""
    shown = work.fitted(item, EDGE)
    st.image(shown, width="stretch", output_format="PNG", alt=item.name)
    known = {"split": item.split, **item.attributes}
    st.caption(" · ".join([choice.plain(item.name), *(f"{choice.plain(k)}: {choice.plain(v)}" for k, v in known.items() if v is not None)]))


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
        draw.meaning(_HELP)
    chosen = url.pills(
        "Methods",
        list(METHODS),
        key="method",
        default=FIRST,
        format_func=lambda name: METHODS[name].title,
        label_visibility="collapsed",
        wrap=True,
    )
    methods = tuple(name for name in METHODS if name in chosen)
    return Settings(aim, methods, {name: {k: v for k, v in params.items() if k in METHODS[name].params} for name in methods})


def _aim(item: ImageItem, decided: Decided) -> dict[str, Any]:
    predictions, row = decided
    names = predictions.class_names
    special = {"predicted": str(predictions.frame["predicted"].loc[row])}
    if item.label in names:
        special["true"] = str(item.label)
    options = [*special, *(name for name in names if name not in special)]
    target = url.select(
        "Explain the class",
        options,
        key="target",
        format_func=lambda name: f"{special[name]} ({name})" if name in special else name,
        width=230,
    )
    score = url.select(
        "by its",
        list(SCORES),
        key="score",
        format_func=SCORES.__getitem__,
        width=140,
        help="Logit: the raw output. Probability: after softmax. Margin: this class's logit minus another's.",
    )
    aim: dict[str, Any] = {"target": special.get(target, target), "score": score}
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
            "Baseline (integrated gradients, occlusion)",
            list(BASELINES),
            key="baseline",
            default="mean",
            format_func=lambda name: f"{name}: {BASELINES[name]}",
            help="The picture without evidence that the real one is compared with.",
        )
    with right:
        values = model.preprocessing.baseline(params["baseline"], item.open())
        st.image(model.preprocessing.picture(values), width=96, caption="Baseline", output_format="PNG")
    if work.torch_ready():
        layers = choice.classifier(model).layers
        options = list(layers)[::-1]
        if options:
            layer = url.select(
                "Layer (Grad-CAM)",
                options,
                key="layer",
                format_func=lambda name: f"{name} ({' x '.join(map(str, layers[name]))})",
                help="Channels x height x width. Late layers see whole objects, early ones edges.",
            )
            params["layer"] = None if layer == options[0] else layer
    else:
        params["layer"] = st.query_params.get("layer")
        st.caption("The layers can be chosen as soon as the model is loaded.")
    params["n_steps"] = url.slider("Steps (integrated gradients)", 10, 300, key="steps", default=50, step=10)
    params["samples"] = url.slider("Noisy copies (SmoothGrad)", 4, 64, key="samples", default=24, step=4)
    params["noise"] = url.slider("Noise (SmoothGrad), as a share of the range", 0.05, 0.5, key="noise", default=0.15, step=0.05)
    params["window"] = url.slider("Window (occlusion), as a share of the edge", 0.05, 0.5, key="window", default=0.125, step=0.025)
    return params


def maps(model: choice.ModelChoice, item: ImageItem, decided: Decided, settings: Settings) -> None:
    """Compute what is missing, showing each map as it comes; then all of them with the controls of the view."""
    if not settings.methods:
        st.info("Choose at least one method above.", icon=":material/touch_app:")
        return
    area, view = st.empty(), st.empty()  # one place each: the browser mixes up what is drawn twice in one place in one run
    keys = {m: work.map_key(model, item, m, settings.aim, settings.params[m]) for m in settings.methods}
    if any(work.maps().get(key) is None for key in keys.values()):
        with area.container():
            if not _compute(model, item, settings):
                return
        area.empty()
    found = {m: work.maps().get(key) for m, key in keys.items()}
    if all(found.values()):
        with view.container():
            _view(model, item, decided, found)


def _compute(model: choice.ModelChoice, item: ImageItem, settings: Settings) -> bool:
    """Fill one cell after another; True where all of them stand."""
    if not work.torch_ready():
        waiting = st.caption(":material/hourglass_top: Loading the model, a few seconds the first time …")
        choice.classifier(model)
        waiting.empty()
    shown = work.fitted(item, EDGE)
    complete = True
    with st.grid(3, min_column_width=210):
        cells = [st.container() for _ in settings.methods]
    for cell, method in zip(cells, settings.methods, strict=True):
        with cell, work.troubles():
            ready = False
            st.markdown(f"**{METHODS[method].title}**")
            found = work.attribution(model, item, method, settings.aim, settings.params[method])
            if found is not None:
                heatmap = _heatmap(found, shown)
                signed = METHODS[method].signed
                laid = render.overlay(shown, heatmap, signed)
                st.image(laid, width="stretch", output_format="PNG", alt=f"{METHODS[method].title} of {item.name}")
                ready = True
        complete = complete and ready
    return complete


@st.fragment
@work.guarded
def _view(model: choice.ModelChoice, item: ImageItem, decided: Decided, found: Mapping[str, Attribution]) -> None:
    """The maps and how they are drawn; a change here computes nothing."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        signs = url.segments(
            "Colours",
            ["signed", "strength"],
            key="colours",
            default="signed",
            help="Signed: red speaks for the class, blue against it. Strength: the sign is left out.",
        )
        scale = url.segments(
            "Scale",
            ["own", "shared"],
            key="scale",
            default="own",
            help="Own: each map uses all its colours. Shared: one scale for all, to compare maps of the same unit.",
        )
        opacity = url.slider("Opacity", 0, 100, key="opacity", default=60, step=5, format="%d%%", width=180) / 100
    shown = work.fitted(item, EDGE)
    heatmaps = {m: _heatmap(a, shown) for m, a in found.items()}
    signed = {m: METHODS[m].signed and signs == "signed" for m in found}
    scales = {m: render.scale_of(list(heatmaps.values()) if scale == "shared" else [h], signed[m]) for m, h in heatmaps.items()}
    panels = {}
    with st.grid(3, min_column_width=210):
        for method, attribution in found.items():
            laid = render.overlay(shown, heatmaps[method], signed[method], scales[method].limit, opacity)
            panels[method] = render.Panel(METHODS[method].title, laid, scales[method], METHODS[method].unit, _sum_note(attribution))
            with st.container(key=f"map-{method}"):
                _cell(model, item, decided, attribution, panels[method], shown)
    if scale == "shared" and len({METHODS[m].unit for m in found}) > 1:
        st.caption(":material/info: These maps have different units: on one scale, compare only maps with the same unit.")
    _downloads(model, item, decided, found, panels, shown)


def _cell(
    model: choice.ModelChoice, item: ImageItem, decided: Decided, found: Attribution, panel: render.Panel, shown: Image.Image
) -> None:
    method = METHODS[found.method]
    st.markdown(f"**{method.title}**")
    st.image(panel.picture, width="stretch", output_format="PNG", alt=f"{method.title} of {item.name}")
    draw.colour_bar(panel.scale, method.unit)
    if not np.any(found.values):
        st.caption(":material/info: This map is zero everywhere: the method found no evidence at this layer or baseline.")
    if found.delta is not None:
        _completeness(found)
    with st.container(horizontal=True, gap="xsmall"):
        draw.meaning(_about(method, found), "Meaning")
        with st.popover("Save", type="tertiary", icon=":material/download:"):
            stem = f"{_stem(item)}-{found.method}"
            facts = _manifest(model, item, decided, found)
            heading = _heading(item, decided, found)
            draw.download(
                "Picture (PNG)",
                lambda: render.to_png(render.figure(shown, [panel], heading, _footer(model))),
                f"{stem}.png", "image/png", f"png {found.method}",
            )  # fmt: skip
            draw.download(
                "Raw values (NPZ)", lambda: npz({"values": found}), f"{stem}.npz", "application/octet-stream", f"npz {found.method}"
            )
            draw.download("Manifest (JSON)", lambda: _json(facts), f"{stem}.json", "application/json", f"json {found.method}")


def _downloads(
    model: choice.ModelChoice,
    item: ImageItem,
    decided: Decided,
    found: Mapping[str, Attribution],
    panels: Mapping[str, render.Panel],
    shown: Image.Image,
) -> None:
    stem, heading = _stem(item), _heading(item, decided, next(iter(found.values())))
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.download(
            "All as one figure (PNG)",
            lambda: render.to_png(render.figure(shown, list(panels.values()), heading, _footer(model))),
            f"{stem}.png", "image/png", "png all",
        )  # fmt: skip
        draw.download("All raw values (NPZ)", lambda: npz(found), f"{stem}.npz", "application/octet-stream", "npz all")
        draw.download(
            "Manifest (JSON)",
            lambda: _json([_manifest(model, item, decided, a) for a in found.values()]),
            f"{stem}.json", "application/json", "json all",
        )  # fmt: skip
    st.caption(":material/link: The address bar holds this exact view: copy it to share.")


def _completeness(found: Attribution) -> None:
    """How well the map sums to what it must sum to."""
    relative = found.relative_delta
    good = relative is not None and relative <= TOLERANCE
    icon = ":material/check_circle:" if good else ":material/warning:"
    share = f"{relative:.1%}" if relative is not None else "not measurable"
    advice = "" if good else " Take more steps in Settings."
    st.caption(f"{icon} {_sum_note(found)} Convergence delta {found.delta:+.3g} ({share}).{advice}")


def _sum_note(found: Attribution) -> str:
    if found.delta is None or found.change is None:
        return ""
    return f"Sum of the map {found.delta + found.change:.3g}, change of the score {found.change:.3g}."


def _heatmap(found: Attribution, shown: Image.Image) -> np.ndarray:
    return found.placement.scaled(shown).to_original(found.heatmap())


def _about(method: Method, found: Attribution) -> str:
    lines = [method.plain, f"**Unit**: {method.unit}.", f"**Score on this picture**: {found.output:.3g} ({found.score})."]
    settings = ", ".join(f"{k} {v}" for k, v in found.params.items())
    if settings:
        lines.append(f"**Settings**: {choice.plain(settings)}.")
    if method.complete:
        lines.append("**Check**: the map must sum to the score's change from the baseline; the convergence delta is what is missing.")
    return "\n\n".join([*lines, f"**Source**: {method.paper}."])


def _manifest(model: choice.ModelChoice, item: ImageItem, decided: Decided, found: Attribution) -> dict[str, object]:
    predictions, row = decided
    facts = {"name": model.title, "source": model.source, "threshold": model.rule.threshold, "notes": list(model.notes)}
    return manifest(found, item, predictions.class_names, predictions.probabilities[row], facts)


def _heading(item: ImageItem, decided: Decided, found: Attribution) -> str:
    predictions, row = decided
    target = predictions.class_names[found.target]
    return f"{item.name}: predicted {predictions.frame['predicted'].loc[row]}; explained: {found.score} of {target} = {found.output:.3g}"


def _footer(model: choice.ModelChoice) -> str:
    return f"{model.title}, model {model.key[:12]}"


def _stem(item: ImageItem) -> str:
    """A file name without what file systems dislike."""
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(item.name).stem)
    return kept[:80] or "picture"


def _json(facts: object) -> str:
    return json.dumps(facts, indent=2, ensure_ascii=False, default=str)


_HELP = """
**What you see.** The model turned the picture into one number for each class. A map shows which pixels that number came from.

**Methods differ**, because they ask different questions. Where they agree, trust grows; where they do not, be careful.

**A map is not a proof.** It shows where the model looked, not whether that was a good reason.
"""
