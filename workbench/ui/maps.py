"""The maps of the Explain page: computed one by one, drawn side by side, blended without computing, exported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.attribution import METHODS, UNBELIEVABLE, Method, manifest, npz
from workbench.drawing import render
from workbench.images import ImageItem
from workbench.ui import choice, draw, evidence, photographs, results, url, warm
from workbench.ui.explain import SHOWN_EDGE, Decision, Settings
from workbench.ui.progress import guarded
from workbench.ui.text import plain
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    from PIL import Image
    from streamlit.delta_generator import DeltaGenerator

    from workbench.attribution import Attribution

TOLERANCE = 0.01
"""Convergence delta, as a share of the change of the score, up to which a map that must add up is called complete."""


Lines = dict[str, "DeltaGenerator"]
"""The place on each map, by method, for what is found about it."""


def maps(view: ImageView, decision: Decision, settings: Settings) -> tuple[dict[str, Attribution], Lines]:
    """Compute what is missing, showing each map as it comes; then all of them with the controls of the view.

    Returns:
        The maps that stand, by method, and the place on each of them for what is found about it.
    """
    if not settings.methods:
        st.info("Choose at least one method above.", icon=":material/touch_app:")
        return {}, {}
    area, display = st.empty(), st.empty()  # the browser mixes up what is drawn twice in one place in one run
    places = {m: results.map_slot(view, m, settings.aim, settings.params[m]) for m in settings.methods}
    outcomes = {m: place.get() for m, place in places.items()}
    if None in outcomes.values():
        with area.container():
            outcomes = _compute(view, settings)
            if None in outcomes.values():
                return {}, {}
        area.empty()
    with display.container():
        lines: Lines = {}
        _view(view, decision, outcomes, settings.why, lines)
    return {m: result for m, result in outcomes.items() if result is not None and not isinstance(result, str)}, lines


def _compute(view: ImageView, settings: Settings) -> dict[str, Attribution | str | None]:
    """Fill one cell after another; a result by method, None where the user stopped it."""
    if not warm.torch_ready():
        waiting = st.caption(":material/hourglass_top: Loading the model, a few seconds the first time …")
        choice.classifier(view.model)
        waiting.empty()
    image = photographs.fitted(view.item, SHOWN_EDGE)
    outcomes: dict[str, Attribution | str | None] = {}
    with st.grid(3, min_column_width=210):
        cells = [st.container() for _ in settings.methods]
    for cell, method in zip(cells, settings.methods, strict=True):
        with cell:
            st.markdown(f"**{METHODS[method].title}**")
            outcome = results.attribution(view, method, settings.aim, settings.params[method])
            if isinstance(outcome, str):
                _refused(outcome)
            elif outcome is not None:
                overlay = render.overlay(image, _heatmap(outcome, image), METHODS[method].signed)
                draw.image(overlay, f"{METHODS[method].title} of {view.item.name}")
        outcomes[method] = outcome
    return outcomes


def _refused(reason: str) -> None:
    """Why there is no map."""
    st.info(plain(reason, 600), icon=":material/block:")


@st.fragment
@guarded
def _view(
    view: ImageView, decision: Decision, outcomes: Mapping[str, Attribution | str | None], why: str, lines: Lines
) -> None:
    """The maps and how they are drawn; a change here computes nothing."""
    place = st.container()
    drawing = _drawing()
    with place:
        _side_by_side(view, decision, outcomes, why, lines, drawing)


def _side_by_side(
    view: ImageView,
    decision: Decision,
    outcomes: Mapping[str, Attribution | str | None],
    why: str,
    lines: Lines,
    drawing: tuple[str, str, float],
) -> None:
    attributions = {m: result for m, result in outcomes.items() if result is not None and not isinstance(result, str)}
    signs, scale, opacity = drawing
    image = photographs.fitted(view.item, SHOWN_EDGE)
    heatmaps = {m: _heatmap(a, image) for m, a in attributions.items()}
    signed = {m: METHODS[m].signed and signs == "signed" for m in attributions}
    scales = {
        m: render.scale_of(list(heatmaps.values()) if scale == "shared" else [h], signed[m])
        for m, h in heatmaps.items()
    }
    panels = {}
    if attributions:
        with st.container(key="explained"):
            st.markdown(explained(attributions, decision[0].class_names, signed, why))
    with st.grid(3, min_column_width=210):
        for method, attribution in outcomes.items():
            with st.container(key=f"map-{method}"):
                st.markdown(f"**{METHODS[method].title}**")
                if attribution is None or isinstance(attribution, str):
                    _refused(attribution or "This map is no longer in the cache: choose the method again.")
                    continue
                lines[method] = st.empty()
                evidence.line(lines[method], view, attribution)
                overlay = render.overlay(image, heatmaps[method], signed[method], scales[method].limit, opacity)
                panels[method] = render.Panel(
                    METHODS[method].title, overlay, scales[method], METHODS[method].unit, _sum_note(attribution)
                )
                _cell(view, decision, attribution, panels[method], image)
    if attributions:
        from workbench.evidence import reading

        names = decision[0].class_names
        first = next(iter(attributions.values()))
        with st.container(key="reading"):
            st.markdown(plain(reading(list(attributions.values()), names[first.target]), 900))
    if scale == "shared" and len({METHODS[m].unit for m in attributions}) > 1:
        st.caption(
            ":material/info: These maps have different units: on one scale, compare only maps with the same unit."
        )
    if attributions:
        _downloads(view, decision, attributions, panels, image)


def _drawing() -> tuple[str, str, float]:
    """Colours, scale and opacity, as the controls say."""
    signed = "Signed: red is for, blue is against. Strength: the absolute value."
    shared = "Own: each map uses all its colours. Shared: one scale for all, to compare maps of the same unit."
    with st.container(horizontal=True, vertical_alignment="bottom"):
        signs = url.segments("Colours", ["signed", "strength"], key="colours", default="signed", help=signed)
        scale = url.segments("Scale", ["own", "shared"], key="scale", default="own", help=shared)
        opacity = url.slider("Opacity", 0, 100, key="opacity", default=60, step=5, format="%d%%", width=180)
        draw.meaning("attribution", "What is attribution?")
    return signs, scale, opacity / 100


def _cell(
    view: ImageView, decision: Decision, attribution: Attribution, panel: render.Panel, image: Image.Image
) -> None:
    method = METHODS[attribution.method]
    if not _trusted(view.item, attribution):
        return
    draw.image(panel.image, f"{method.title} of {view.item.name}")
    draw.colour_bar(
        panel.scale, method.unit, _ends(attribution, decision[0].class_names) if panel.scale.signed else None
    )
    if not np.any(attribution.values):
        st.caption(
            ":material/info: This map is zero everywhere: the method found no evidence at this layer or baseline."
        )
    if attribution.delta is not None:
        _completeness(attribution)
    with st.container(horizontal=True, gap="xsmall"):
        _meaning(method, attribution)
        with st.popover("Save", type="tertiary", icon=":material/download:"):
            stem = f"{draw.stem(view.item.name)}-{attribution.method}"
            facts = _manifest(view, decision, attribution)
            heading = _heading(view.item, decision, attribution)
            draw.download(
                "Image (PNG)",
                lambda: render.figure(image, [panel], heading, _footer(view.model)),
                f"{stem}.png",
                f"png {attribution.method}",
                facts,
            )
            draw.download(
                "Raw values (NPZ)", lambda: npz({"values": attribution}), f"{stem}.npz", f"npz {attribution.method}"
            )
            draw.download("Manifest (JSON)", lambda: _json(facts), f"{stem}.json", f"json {attribution.method}")


def _downloads(
    view: ImageView,
    decision: Decision,
    attributions: Mapping[str, Attribution],
    panels: Mapping[str, render.Panel],
    image: Image.Image,
) -> None:
    stem, heading = draw.stem(view.item.name), _heading(view.item, decision, next(iter(attributions.values())))
    facts = [_manifest(view, decision, a) for a in attributions.values()]
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.download(
            "All as one figure (PNG)",
            lambda: render.figure(image, list(panels.values()), heading, _footer(view.model)),
            f"{stem}.png",
            "png all",
            {"maps": facts},
        )
        draw.download("All raw values (NPZ)", lambda: npz(attributions), f"{stem}.npz", "npz all")
        draw.download(
            "Manifest (JSON)",
            lambda: _json(facts),
            f"{stem}.json",
            "json all",
        )
    st.caption(":material/link: The address bar holds this exact view: copy it to share.")


def _trusted(item: ImageItem, attribution: Attribution) -> bool:
    """Whether to show a map: one that does not add up although it must is kept back until the reader insists."""
    relative = attribution.relative_delta
    if relative is None or relative <= UNBELIEVABLE:
        return True
    st.warning(
        f"This map misses {relative:.0%} of the score change that it must sum to, so it is not shown.",
        icon=":material/block:",
    )
    return st.toggle(
        "Show it anyway", key=f"insist {item.id[:12]} {attribution.method} {attribution.target} {attribution.output}"
    )


def _completeness(attribution: Attribution) -> None:
    """How well the map sums to what it must sum to."""
    relative = attribution.relative_delta
    good = relative is not None and relative <= TOLERANCE
    icon = ":material/check_circle:" if good else ":material/warning:"
    share = f"{relative:.1%}" if relative is not None else "not measurable"
    advice = "" if good or "n_steps" not in METHODS[attribution.method].params else " Increase the steps in Settings."
    note = "Adds up." if good else _sum_note(attribution)
    st.caption(f"{icon} {note} Convergence delta {attribution.delta:+.3g} ({share}).{advice}")


def _sum_note(attribution: Attribution) -> str:
    if attribution.delta is None or attribution.change is None:
        return ""
    return f"Sum of the map {attribution.delta + attribution.change:.3g}, change of the score {attribution.change:.3g}."


def _heatmap(attribution: Attribution, image: Image.Image) -> np.ndarray:
    return attribution.placement.scaled(image).to_original(attribution.heatmap())


def explained(
    attributions: Mapping[str, Attribution], names: Sequence[str], signed: Mapping[str, bool], why: str = ""
) -> str:
    """Which score the maps explain, and which colour speaks for what, by what the maps themselves say.

    Args:
        attributions: The maps by method.
        names: The K classes.
        signed: For each method whether its map is drawn in two colours.
        why: Which class that is, as words.
    """
    lines = []
    for target, score, against in dict.fromkeys(
        (a.target, a.score, a.params.get("against")) for a in attributions.values()
    ):
        name, other = f"**{plain(names[target])}**", f"**{plain(str(against))}**"
        which = f", {why}" if why else ""
        lines.append(f"Explained: the {score} of {name}" + (f" over {other}" if against else "") + f"{which}.")
        if any(signed[m] and not METHODS[m].reacts for m in attributions):
            lines.append(f"Red speaks for {name}, blue {f'for {other}' if against else 'against it'}.")
    if reacting := [METHODS[m].title for m in attributions if signed[m] and METHODS[m].reacts]:
        lines.append(f"{' and '.join(reacting)}: red where the score rises as the input grows, blue where it falls.")
    if strength := [METHODS[m].title for m in attributions if not signed[m]]:
        lines.append(f"{' and '.join(strength)}: strength only, no direction.")
    return " ".join(lines)


def _ends(attribution: Attribution, names: Sequence[str]) -> tuple[str, str]:
    """What the blue and the red end of a map in two colours stand for."""
    if METHODS[attribution.method].reacts:
        return "falls", "rises as the input grows"
    other = attribution.params.get("against")
    return f"for {other}" if other else "against", f"for {names[attribution.target]}"


def _meaning(method: Method, attribution: Attribution) -> None:
    completeness = "not promised"
    if method.complete:
        completeness = (
            "the map must sum to the score's change from the baseline; the convergence delta is what is missing"
        )
    draw.meaning(
        "attribution-method",
        f"What is {_within(method.title)}?",
        title=method.title,
        plain=method.plain,
        unit=method.unit,
        score=f"{attribution.output:.3g} ({attribution.score})",
        settings=plain(", ".join(f"{k} {v}" for k, v in attribution.params.items()) or "none"),
        completeness=completeness,
        paper=method.paper,
    )


def _within(title: str) -> str:
    """A title within a sentence: "saliency", but "Grad-CAM" and "SmoothGrad"."""
    first = title.split()[0]
    return title if first[1:] != first[1:].lower() or not first[1:] else f"{title[0].lower()}{title[1:]}"


def _manifest(view: ImageView, decision: Decision, attribution: Attribution) -> dict[str, object]:
    predictions, row = decision
    model = view.model
    rule = {"threshold": model.rule.threshold, "temperature": model.rule.temperature}
    facts = {"name": model.title, "source": model.source, **rule, "notes": list(model.notes)}
    return manifest(attribution, view.item, predictions.class_names, predictions.probabilities[row], facts)


def _heading(item: ImageItem, decision: Decision, attribution: Attribution) -> str:
    predictions, row = decision
    target = predictions.class_names[attribution.target]
    return (
        f"{item.name}: predicted {predictions.frame['predicted'].loc[row]}; explained: {attribution.score} of {target} "
        f"= {attribution.output:.3g}"
    )


def _footer(model: choice.ModelChoice) -> str:
    return f"{model.title}, model {model.key[:12]}"


def _json(facts: object) -> str:
    return json.dumps(facts, indent=2, ensure_ascii=False, default=str)
