"""Cover any place, or a box of one's own, in many images of a class and see what that does."""

from __future__ import annotations

import numpy as np
import streamlit as st

from workbench.bias import BACKGROUND, MOST_COVERED, REGIONS, Intervention, Region, chance, intervene
from workbench.images import FILLS, ImageItem, shuffle
from workbench.predictions import spread_over
from workbench.ui import choice, draw, url
from workbench.ui.bias import covered, tables, words
from workbench.ui.bias.scope import Scope
from workbench.ui.cache import computed, slot
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain

DRAWN = "a box of my own"


@st.fragment
@guarded
def section(scope: Scope) -> None:
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
        draw.meaning("intervention", "What is an intervention?")
    region = _drawing() if place == DRAWN else REGIONS[place]
    if region is None:
        return
    names = frame["name"].to_numpy()[scope.rows][calls == target].tolist()
    chosen = spread_over(shuffle(names, np.random.default_rng(0)), scope.units)[:MOST_COVERED]
    items = [scope.image(name) for name in sorted(chosen)]
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
        model, others, units = choice.classifier(scope.model), covered.others(scope), scope.units
        return intervene(
            model, items, region, target=target, fill=fill, others=others, units=units, on_progress=progress
        )

    facts = {
        "region": region,
        "target": target,
        "fill": fill,
        "chosen": [item.id for item in items],
        "others": covered.others(scope),
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
        f" elsewhere by {elsewhere}; the effect of the place itself is {effect}, {chance(result.p)}. {verdict} "
        f" \nDecisions that flip: {words.interval(result.turned, 'share')} with the place covered,"
        f" {words.interval(result.turned_elsewhere, 'share')} elsewhere, of {draw.support(result.turned)}."
    )
    covered.row(scope, result)
    tables.csv("Every image (CSV)", result.frame, f"bias-cover-{scope.stem}")


def _change(rate: object) -> str:
    value, low, high = (getattr(rate, end) for end in ("value", "low", "high"))
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
