"""The section on shortcuts: places that decide about a class although the part lies elsewhere, and a cover to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.bias import (
    BACKGROUND,
    LEAST,
    MOST_COVERED,
    REGIONS,
    Finding,
    Intervention,
    Maps,
    Region,
    intervene,
    shortcuts,
)
from workbench.images import FILLS, cover_region, shuffle
from workbench.ui import choice, draw, photographs, url
from workbench.ui.bias import tables, words
from workbench.ui.bias.scope import Scope
from workbench.ui.cache import computed, slot
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

    from workbench.images import ImageItem

DRAWN = "a box of my own"
EXAMPLES = 6
_SHOWN = {
    "shortcut": (":material/report:", "Shortcut"),
    "leans": (":material/help:", "Relies on a place"),
    "looks": (":material/visibility:", "Looks there, but does not rely on it"),
    "too few": (":material/data_usage:", "Too few images"),
}


def section(scope: Scope, maps: Maps, top: DeltaGenerator) -> None:
    """Findings, gravest first; what is claimed is also said at the `top` of the page."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words_of = {"off": "Off", "on": "Look for them"}
        state = url.segments(
            "Shortcuts", ["off", "on"], key="shortcuts", default="off", format_func=words_of.__getitem__
        )
        draw.meaning("shortcut", least=LEAST, most=MOST_COVERED)
    if state == "off":
        st.caption(
            "Is there a corner or an edge that drives the decision although the part is not there? Takes up to a minute"
            " for a large model."
        )
        return
    findings = _findings(scope, maps)
    if findings is None:
        return
    if not findings:
        st.info(f"No class has {LEAST} maps: too few to test for shortcuts.", icon=":material/data_usage:")
        return
    for finding in findings:
        if finding.verdict in ("shortcut", "leans"):
            place = f"{_SHOWN[finding.verdict][1]}: {plain(finding.target)}, {finding.region.name}"
            top.error(f"**{place}**: this class is decided by a place, see below.", icon=":material/report:")
    if not any(finding.verdict in ("shortcut", "leans", "too few") for finding in findings):
        st.info(_nothing(findings, maps), icon=":material/search:")
    for finding in findings:
        if finding.verdict != "clear":
            _statement(scope, finding)
    with st.expander("All classes and places", icon=":material/table:"):
        st.dataframe(_table(findings), hide_index=True)
    tables.csv("Shortcuts (CSV)", _table(findings), f"bias-shortcuts-{maps.method}-{scope.split}")


def _nothing(findings: list[Finding], maps: Maps) -> str:
    """That no shortcut is proven, and how many places were examined."""
    classes = len({finding.target for finding in findings})
    doubts = sum(finding.tried is not None for finding in findings)
    outcome = "none of them stood out"
    if doubts:
        outcome = f"{doubts} of them stood out, and for none is it proven that the class depends on it"
    return (
        f"No shortcut is proven: {classes} classes and {len(findings) // classes} places at the edge were examined"
        f" with {METHODS[maps.method].title} in {len(maps.frame):,} images; {outcome}."
    )


def _findings(scope: Scope, maps: Maps) -> list[Finding] | None:
    """What is found about shortcuts, from the shelf or computed with progress; None where the user stopped it."""

    def make(progress: Stoppable) -> list[Finding]:
        return shortcuts(choice.classifier(scope.model), scope.images, maps, on_progress=progress)

    def size(findings: list[Finding]) -> int:
        return 2048 * (len(findings) + sum(len(f.tried.frame) for f in findings if f.tried))

    facts = maps.method, maps.frame["id"].tolist(), maps.heatmaps
    place = slot("shortcuts", **scope.model.identity, **scope.facts, images=scope.images.key, maps=facts)
    return computed(place, "Covering places that stand out", make, size)


def _statement(scope: Scope, finding: Finding) -> None:
    icon, title = _SHOWN[finding.verdict]
    text = f"**{title}: {plain(finding.target)}, {finding.region.name}.** {plain(finding.sentence, 800)}"
    {"shortcut": st.error, "leans": st.warning}.get(finding.verdict, st.info)(text, icon=icon)
    if finding.tried is not None:
        _examples(scope, finding.tried)


def _table(findings: list[Finding]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "class": f.target,
                "place": f.region.name,
                "share of attribution": _share(f.share.value),
                "for other classes": _share(f.others),
                "of an even map": _share(f.region.area),
                "attribution": words.chance(f.p_where),
                "effect of covering": "" if f.tried is None else _effect(f.tried),
                "intervention": "" if f.p_effect is None else words.chance(f.p_effect),
                "verdict": f.verdict,
            }
            for f in findings
        ]
    )


def _share(value: float | None) -> str:
    return "" if value is None else words.percent(value)


def _effect(result: Intervention) -> str:
    effect = result.effect
    return f"{effect.value:+.3f} ({effect.low:+.3f} to {effect.high:+.3f}), {effect.support} images"


@st.fragment
@guarded
def cover(scope: Scope) -> None:
    """Cover a place in all images of a class and see what changes."""
    frame = scope.predictions.frame
    calls = frame["predicted"].to_numpy()[scope.rows]
    classes = [name for name in scope.model.rule.class_names if (calls == name).sum() >= 2]
    if not classes:
        st.caption("No class is predicted for two or more of these images.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        target = url.select("Images predicted as", classes, key="covered", width=220)
        places = [name for name in REGIONS if name != BACKGROUND.name or any(item.mask for item in scope.images)]
        place = url.select("Cover", [*places, DRAWN], key="place", width=220)
        fill = url.select("with", list(FILLS), key="fill", format_func=lambda name: f"{name}: {FILLS[name]}", width=320)
        draw.meaning("intervention")
    region = _drawing() if place == DRAWN else REGIONS[place]
    if region is None:
        return
    names = frame["name"].to_numpy()[scope.rows][calls == target].tolist()
    items = [scope.image(name) for name in sorted(shuffle(names, np.random.default_rng(0))[:MOST_COVERED])]
    result = _intervention(scope, region, target, fill, items)
    if result is not None:
        _outcome(scope, result, target)


def _drawing() -> Region | None:
    """A box given by its sides."""
    sides = (("Top", 0), ("Bottom", 30), ("Left", 70), ("Right", 100))
    with st.container(horizontal=True):
        top, bottom, left, right = (
            url.slider(name, 0, 100, key=name.lower(), default=at, step=5, width=150) for name, at in sides
        )
    if top >= bottom or left >= right:
        st.info("The box is empty: bottom must lie below top, and right beyond left (per cent of the image).")
        return None
    return Region(
        f"box from {top} to {bottom} % down and {left} to {right} % across",
        (top / 100, left / 100, bottom / 100, right / 100),
    )


def _intervention(scope: Scope, region: Region, target: str, fill: str, items: list[ImageItem]) -> Intervention | None:

    def make(progress: Stoppable) -> Intervention:
        model, others = choice.classifier(scope.model), _others(scope)
        return intervene(model, items, region, target=target, fill=fill, others=others, on_progress=progress)

    facts = {
        "region": region,
        "target": target,
        "fill": fill,
        "chosen": [item.id for item in items],
        "others": _others(scope),
    }
    place = slot("covering", **scope.model.identity, **scope.facts, **facts)
    request = place.get() is not None or st.session_state.get("covering") == place
    if not request and not st.button(f"Cover it in {len(items)} images", icon=":material/content_cut:", key="cover it"):
        return None
    st.session_state["covering"] = place
    return computed(place, f"Covering the {region.name}", make, lambda result: 4096 + 512 * len(result.frame))


def _outcome(scope: Scope, result: Intervention, target: str) -> None:
    change, elsewhere, effect = (_change(rate) for rate in (result.change, result.elsewhere, result.effect))
    otherwise = result.otherwise
    verdict = "**It matters for this class.**" if result.matters else f"{otherwise[0].upper()}{otherwise[1:]}."
    st.markdown(
        f"Covering the **{plain(result.region.name)}** changes P({plain(target)}) by {change}, covering as much"
        f" elsewhere by {elsewhere}; the effect of the place itself is {effect}, {words.chance(result.p)}. {verdict} "
        f" \nDecisions that flip: {words.interval(result.turned, 'share')} with the place covered,"
        f" {words.interval(result.turned_elsewhere, 'share')} elsewhere, of {result.turned.support} images."
    )
    _examples(scope, result)
    tables.csv("Every image (CSV)", result.frame, f"bias-cover-{scope.split}")


def _change(rate: object) -> str:
    value, low, high = (getattr(rate, end) for end in ("value", "low", "high"))
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _examples(scope: Scope, result: Intervention) -> None:
    """The images whose probability falls most, as they are and with the place covered; each leads to Explain."""
    frame = (
        result.frame.assign(fall=result.frame["after"] - result.frame["before"])
        .sort_values("fall", kind="stable")
        .head(EXAMPLES)
    )
    others = _others(scope)
    with st.grid(EXAMPLES, min_column_width=120):
        for line in frame.to_dict("records"):
            item = scope.image(line["name"])
            with st.container(gap="xsmall"):
                image = np.asarray(photographs.fitted(item, 256))
                height, width = image.shape[:2]
                inside = result.region.on(height, width, _mask(item, image) if result.region.of_mask else None)
                hidden = cover_region(image, inside, result.fill, others, np.random.default_rng(0))
                draw.image(Image.fromarray(np.hstack([image, hidden])), f"{item.name} covered")
                st.caption(f"P({plain(line['target'], 30)}) {line['before']:.2f} → {line['after']:.2f}")
                st.page_link(url.EXPLAIN, label="Explain", query_params=scope.link(image=item.name))


def _others(scope: Scope) -> list[ImageItem]:
    """Images of all classes, to exchange with."""
    names = scope.predictions.frame["name"].to_numpy()[scope.rows].tolist()
    return [scope.image(name) for name in shuffle(names, np.random.default_rng(1))[:MOST_COVERED]]


def _mask(item: ImageItem, image: np.ndarray) -> np.ndarray | None:
    mask = photographs.mask_of(item)
    size = image.shape[1], image.shape[0]
    return None if mask is None else np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
