"""The maps of the Explain page: computed one by one, drawn side by side, blended without computing, exported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.attribution import METHODS, Method, manifest, npz
from workbench.drawing import render
from workbench.images import ImageItem, ImageSet
from workbench.ui import choice, draw, photographs, results, url, warm
from workbench.ui.explain import SHOWN_EDGE, Decided, Settings
from workbench.ui.progress import guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    from PIL import Image

    from workbench.attribution import Attribution

TOLERANCE = 0.01
"""Convergence delta, as a share of the change of the score, up to which a map that must add up is called complete."""
UNBELIEVABLE = 0.05
"""From this share on such a map is kept back."""


def maps(
    model: choice.ModelChoice, images: ImageSet, item: ImageItem, decided: Decided, settings: Settings
) -> dict[str, Attribution]:
    """Compute what is missing, showing each map as it comes; then all of them with the controls of the view.

    Returns:
        The maps that stand, by method.
    """
    if not settings.methods:
        st.info("Choose at least one method above.", icon=":material/touch_app:")
        return {}
    area, view = (
        st.empty(),
        st.empty(),
    )  # one place each: the browser mixes up what is drawn twice in one place in one run
    places = {m: results.map_slot(model, images, item, m, settings.aim, settings.params[m]) for m in settings.methods}
    outcomes = {m: place.get() for m, place in places.items()}
    if None in outcomes.values():
        with area.container():
            outcomes = _compute(model, images, item, settings)
            if None in outcomes.values():
                return {}
        area.empty()
    with view.container():
        _view(model, item, decided, outcomes)
    return {m: result for m, result in outcomes.items() if result is not None and not isinstance(result, str)}


def _compute(
    model: choice.ModelChoice, images: ImageSet, item: ImageItem, settings: Settings
) -> dict[str, Attribution | str | None]:
    """Fill one cell after another; a result by method, None where the user stopped it."""
    if not warm.torch_ready():
        waiting = st.caption(":material/hourglass_top: Loading the model, a few seconds the first time …")
        choice.classifier(model)
        waiting.empty()
    shown = photographs.fitted(item, SHOWN_EDGE)
    outcomes: dict[str, Attribution | str | None] = {}
    with st.grid(3, min_column_width=210):
        cells = [st.container() for _ in settings.methods]
    for cell, method in zip(cells, settings.methods, strict=True):
        with cell:
            st.markdown(f"**{METHODS[method].title}**")
            found = results.attribution(model, images, item, method, settings.aim, settings.params[method])
            if isinstance(found, str):
                _refused(found)
            elif found is not None:
                laid = render.overlay(shown, _heatmap(found, shown), METHODS[method].signed)
                st.image(laid, width="stretch", output_format="PNG", alt=f"{METHODS[method].title} of {item.name}")
        outcomes[method] = found
    return outcomes


def _refused(reason: str) -> None:
    """Why there is no map."""
    st.info(plain(reason, 600), icon=":material/block:")


@st.fragment
@guarded
def _view(
    model: choice.ModelChoice, item: ImageItem, decided: Decided, outcomes: Mapping[str, Attribution | str | None]
) -> None:
    """The maps and how they are drawn; a change here computes nothing."""
    found = {m: result for m, result in outcomes.items() if result is not None and not isinstance(result, str)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        signs = url.segments(
            "Colours",
            ["signed", "strength"],
            key="colours",
            default="signed",
            help="Signed: red is for, blue is against. Strength: the absolute value.",
        )
        scale = url.segments(
            "Scale",
            ["own", "shared"],
            key="scale",
            default="own",
            help="Own: each map uses all its colours. Shared: one scale for all, to compare maps of the same unit.",
        )
        opacity = url.slider("Opacity", 0, 100, key="opacity", default=60, step=5, format="%d%%", width=180) / 100
    shown = photographs.fitted(item, SHOWN_EDGE)
    heatmaps = {m: _heatmap(a, shown) for m, a in found.items()}
    signed = {m: METHODS[m].signed and signs == "signed" for m in found}
    scales = {
        m: render.scale_of(list(heatmaps.values()) if scale == "shared" else [h], signed[m])
        for m, h in heatmaps.items()
    }
    panels = {}
    if found:
        with st.container(key="explained"):
            st.markdown(explained(found, decided[0].class_names, signed))
    with st.grid(3, min_column_width=210):
        for method, attribution in outcomes.items():
            with st.container(key=f"map-{method}"):
                st.markdown(f"**{METHODS[method].title}**")
                if attribution is None or isinstance(attribution, str):
                    _refused(attribution or "This map is no longer in the cache: choose the method again.")
                    continue
                laid = render.overlay(shown, heatmaps[method], signed[method], scales[method].limit, opacity)
                panels[method] = render.Panel(
                    METHODS[method].title, laid, scales[method], METHODS[method].unit, _sum_note(attribution)
                )
                _cell(model, item, decided, attribution, panels[method], shown)
    if scale == "shared" and len({METHODS[m].unit for m in found}) > 1:
        st.caption(
            ":material/info: These maps have different units: on one scale, compare only maps with the same unit."
        )
    if found:
        _downloads(model, item, decided, found, panels, shown)


def _cell(
    model: choice.ModelChoice,
    item: ImageItem,
    decided: Decided,
    found: Attribution,
    panel: render.Panel,
    shown: Image.Image,
) -> None:
    method = METHODS[found.method]
    if not _trusted(item, found):
        return
    st.image(panel.image, width="stretch", output_format="PNG", alt=f"{method.title} of {item.name}")
    draw.colour_bar(panel.scale, method.unit, _ends(found, decided[0].class_names) if panel.scale.signed else None)
    if not np.any(found.values):
        st.caption(
            ":material/info: This map is zero everywhere: the method found no evidence at this layer or baseline."
        )
    if found.delta is not None:
        _completeness(found)
    with st.container(horizontal=True, gap="xsmall"):
        _meaning(method, found)
        with st.popover("Save", type="tertiary", icon=":material/download:"):
            stem = f"{draw.stem(item.name)}-{found.method}"
            facts = _manifest(model, item, decided, found)
            heading = _heading(item, decided, found)
            draw.download(
                "Image (PNG)",
                lambda: render.to_png(render.figure(shown, [panel], heading, _footer(model))),
                f"{stem}.png", "image/png", f"png {found.method}",
            )  # fmt: skip
            draw.download(
                "Raw values (NPZ)",
                lambda: npz({"values": found}),
                f"{stem}.npz",
                "application/octet-stream",
                f"npz {found.method}",
            )
            draw.download(
                "Manifest (JSON)", lambda: _json(facts), f"{stem}.json", "application/json", f"json {found.method}"
            )


def _downloads(
    model: choice.ModelChoice,
    item: ImageItem,
    decided: Decided,
    found: Mapping[str, Attribution],
    panels: Mapping[str, render.Panel],
    shown: Image.Image,
) -> None:
    stem, heading = draw.stem(item.name), _heading(item, decided, next(iter(found.values())))
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


def _trusted(item: ImageItem, found: Attribution) -> bool:
    """Whether to show a map: one that does not add up although it must is kept back until the reader insists."""
    relative = found.relative_delta
    if (
        relative is None or relative <= UNBELIEVABLE or METHODS[found.method].background
    ):  # those add up in the mean of many draws only
        return True
    st.warning(
        f"This map misses {relative:.0%} of the score change that it must sum to, so it is not shown.",
        icon=":material/block:",
    )
    return st.toggle("Show it anyway", key=f"insist {item.id[:12]} {found.method} {found.target} {found.output}")


def _completeness(found: Attribution) -> None:
    """How well the map sums to what it must sum to."""
    relative = found.relative_delta
    good = relative is not None and relative <= TOLERANCE
    icon = ":material/check_circle:" if good else ":material/warning:"
    share = f"{relative:.1%}" if relative is not None else "not measurable"
    advice = "" if good or "n_steps" not in METHODS[found.method].params else " Increase the steps in Settings."
    st.caption(f"{icon} {_sum_note(found)} Convergence delta {found.delta:+.3g} ({share}).{advice}")


def _sum_note(found: Attribution) -> str:
    if found.delta is None or found.change is None:
        return ""
    return f"Sum of the map {found.delta + found.change:.3g}, change of the score {found.change:.3g}."


def _heatmap(found: Attribution, shown: Image.Image) -> np.ndarray:
    return found.placement.scaled(shown).to_original(found.heatmap())


def explained(found: Mapping[str, Attribution], names: Sequence[str], signed: Mapping[str, bool]) -> str:
    """Which score the maps explain, and which colour speaks for what, by what the maps themselves say.

    Args:
        found: The maps by method.
        names: The K classes.
        signed: For each method whether its map is drawn in two colours.
    """
    lines = []
    for target, score, against in dict.fromkeys((a.target, a.score, a.params.get("against")) for a in found.values()):
        name, other = f"**{plain(names[target])}**", f"**{plain(str(against))}**"
        lines.append(f"Explained: the {score} of {name}" + (f" over {other}." if against else "."))
        if any(signed[m] and not METHODS[m].reacts for m in found):
            lines.append(f"Red speaks for {name}, blue {f'for {other}' if against else 'against it'}.")
    if reacting := [METHODS[m].title for m in found if signed[m] and METHODS[m].reacts]:
        lines.append(f"{' and '.join(reacting)}: red where the score rises as the input grows, blue where it falls.")
    if strength := [METHODS[m].title for m in found if not signed[m]]:
        lines.append(f"{' and '.join(strength)}: strength only, no direction.")
    return " ".join(lines)


def _ends(found: Attribution, names: Sequence[str]) -> tuple[str, str]:
    """What the blue and the red end of a map in two colours stand for."""
    if METHODS[found.method].reacts:
        return "falls", "rises as the input grows"
    other = found.params.get("against")
    return f"for {other}" if other else "against", f"for {names[found.target]}"


def _meaning(method: Method, found: Attribution) -> None:
    completeness = "not promised"
    if method.complete:
        completeness = (
            "the map must sum to the score's change from the baseline; the convergence delta is what is missing"
        )
    draw.meaning(
        "attribution-method",
        "Meaning",
        title=method.title,
        plain=method.plain,
        unit=method.unit,
        score=f"{found.output:.3g} ({found.score})",
        settings=plain(", ".join(f"{k} {v}" for k, v in found.params.items()) or "none"),
        completeness=completeness,
        paper=method.paper,
    )


def _manifest(model: choice.ModelChoice, item: ImageItem, decided: Decided, found: Attribution) -> dict[str, object]:
    predictions, row = decided
    facts = {"name": model.title, "source": model.source, "threshold": model.rule.threshold, "notes": list(model.notes)}
    return manifest(found, item, predictions.class_names, predictions.probabilities[row], facts)


def _heading(item: ImageItem, decided: Decided, found: Attribution) -> str:
    predictions, row = decided
    target = predictions.class_names[found.target]
    return (
        f"{item.name}: predicted {predictions.frame['predicted'].loc[row]}; explained: {found.score} of {target} ="
        f" {found.output:.3g}"
    )


def _footer(model: choice.ModelChoice) -> str:
    return f"{model.title}, model {model.key[:12]}"


def _json(facts: object) -> str:
    return json.dumps(facts, indent=2, ensure_ascii=False, default=str)
