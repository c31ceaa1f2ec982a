"""Does it look where it should? Mean maps and the search for shortcuts: one button, one sentence, and its proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.bias import (
    LEAST,
    MOST_COVERED,
    Finding,
    Intervention,
    Maps,
    chance,
    maps_of,
    mean_maps,
    of_shortcuts,
    percent,
)
from workbench.drawing import Scale, render
from workbench.images import SAMPLE
from workbench.ui import audits, draw, photographs, session, url
from workbench.ui.bias import cover, covered, looks, shortcuts, tables
from workbench.ui.bias.scope import Scope
from workbench.ui.bias.shortcuts import SAMPLE_METHODS, Search
from workbench.ui.bias.summary import ICONS
from workbench.ui.progress import guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

SIDE = 360
MOST_SMALL = 5
SIGNS = {"proven": ":material/report:", "none": ":material/check_circle:", "too few": ":material/data_usage:"}
MINE = ("maps_by", "maps", "covered", "place", "fill", "top", "bottom", "left", "right")
"""Keys of the address whose widgets stand under the expander."""


@guarded
def section(scope: Scope) -> None:
    """What is found, or the button that looks; everything that can be set stands below, folded."""
    result, made = st.container(), shortcuts.kept(scope)
    with st.expander("Method, maps by group, all places, and a cover of your own", expanded=_asked()):
        method = url.select(
            "Maps by",
            SAMPLE_METHODS,
            key="maps",
            default=SAMPLE_METHODS[0] if made is None else made.maps.method,
            format_func=lambda name: METHODS[name].title,
            width=230,
            help="One method for the whole section.",
        )
        more = st.container()
    with result:
        requested, search = _requested(scope, method), shortcuts.known(scope, method)
        if search is None:
            _offer(scope, method, requested)
        else:
            _found(scope, search)
    with more:
        maps = shortcuts.maps_known(scope, method) if search is None else search.maps
        if maps is not None:
            looks.section(scope, maps)
        if search is not None and search.findings:
            _all(scope, search)
        st.subheader("Does a place matter?", anchor=False)
        cover.section(scope)


def _asked() -> bool:
    """Whether the address asks for something that stands under the expander."""
    return any(key in st.query_params for key in MINE)


def _requested(scope: Scope, method: str) -> bool:
    """Whether the search is asked for: by the link that led here, or by the button. Another model, set or method that
    is chosen later is not, for the work may be long."""
    state = st.session_state
    if "shortcuts" not in state["drawn keys"] and st.query_params.get("shortcuts") == "on":
        state["search"] = _request_of(scope, method)
    state["drawn keys"].add("shortcuts")
    return bool(state.get("search") == _request_of(scope, method))


def _request(request: tuple[str, str, str]) -> None:
    st.session_state["search"] = request
    url.choose("shortcuts", "on")


def _request_of(scope: Scope, method: str) -> tuple[str, str, str]:
    return scope.model.key, session.token(scope.images), method


def _offer(scope: Scope, method: str, requested: bool) -> None:
    """The way to the search, and why what was made before is not shown."""
    st.markdown(
        f"{ICONS['open']} **Not looked for yet.** {METHODS[method].title} is computed for up to {SAMPLE} images, spread"
        " over the classes of the test split. Where the maps of a class stand out at a corner or at the edge, the place"
        " is covered, and as much elsewhere, to see whether it decides."
    )
    maps = audits.summaries(scope, scope.predictions, method)
    if maps is None and (why := audits.unfit(scope, method)):
        st.warning(plain(why, 400), icon=":material/warning:")
    if not requested:
        label, icon = "Check where it looks", ":material/center_focus_strong:"
        st.button(
            label, icon=icon, key="check where", type="primary", on_click=_request, args=(_request_of(scope, method),)
        )
        st.caption("Takes from some seconds to some minutes, by model and machine, and can be stopped.")
        return
    search = shortcuts.search(scope, method)
    if search is not None:
        st.rerun()
    if maps is not None and shortcuts.maps_known(scope, method) is None:
        st.info(elsewhere(maps_of(maps, scope.predictions)), icon=":material/filter_alt_off:")


def elsewhere(sample: Maps) -> str:
    """That the maps are of other images than the page is about, and of which."""
    of = " and ".join(sorted(sample.frame["split"].dropna().unique()))
    where = f"of the {of} split" if of else "without a split"
    return f"The maps are of a sample {where}, none of them among these images: choose others above."


def _found(scope: Scope, search: Search) -> None:
    """What is found, in sentences; where a place is accused, with one large pair and small ones."""
    for line in of_shortcuts(search.findings, len(search.maps.frame)):
        show = st.error if line.verdict == "proven" else st.info
        show(f"**{line.lead}:** {plain(line.sentence, 900)}", icon=SIGNS[line.verdict])
        if line.verdict == "proven":
            finding = next(f for f in search.accused if f.target == line.about and f.claim in line.sentence)
            _proof(scope, search.maps, finding)
    with st.container(horizontal=True):
        draw.meaning("shortcut", "What is a shortcut?", least=LEAST, most=MOST_COVERED)
    if not search.accused:
        looks.images(scope, search.maps, "predicted", MOST_SMALL)


def _proof(scope: Scope, maps: Maps, finding: Finding) -> None:
    """The image that tells most, with the place outlined, beside the mean map; then images with the place covered."""
    assert finding.tried is not None
    line = covered.fallen(finding.tried)[0]
    item = scope.image(line["name"])
    image = np.asarray(photographs.fitted(item, 2 * SIDE))
    with st.container(horizontal=True, key="shortcut pair"):
        with st.container(width=SIDE, gap="xsmall"):
            outlined = render.outline(Image.fromarray(image), covered.inside(item, image, finding.tried))
            draw.image(outlined, f"{item.name}, the {finding.region.name} outlined")
            st.caption(
                f"P({plain(finding.target, 30)}) {line['before']:.2f} as it is, {line['after']:.2f} with the outlined"
                " place covered."
            )
        with st.container(width=SIDE, gap="xsmall"):
            heatmap, count = mean_maps(maps)[finding.target]
            scale = render.scale_of([heatmap * looks.CELLS], signed=False)
            draw.image(_outlined(heatmap, scale, finding), f"mean map of {finding.target}, the place outlined")
            st.caption(
                f"Mean map of the {count:,} images called {plain(finding.target, 30)}:"
                f" {percent(finding.share.value or 0)} lies there, {percent(finding.others)} for other classes;"
                f" an even map has {percent(finding.region.area)}."
            )
    st.caption("As it is, and with the place covered:")
    covered.row(scope, finding.tried, skip=1)


def _outlined(heatmap: np.ndarray, scale: Scale, finding: Finding) -> Image.Image:
    """A mean map in colours, with the place outlined."""
    drawn = Image.fromarray(scale.colours(heatmap * looks.CELLS)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return render.outline(drawn, finding.region.on(SIDE, SIDE))


def _all(scope: Scope, search: Search) -> None:
    """Every class and place that was looked at, in figures."""
    st.subheader("All classes and places", anchor=False)
    for finding in search.findings:
        if finding.verdict in ("looks", "too few"):
            st.caption(plain(finding.sentence, 800))
    tables.wide(places(search.findings), "Classes and places")
    tables.csv("Shortcuts (CSV)", places(search.findings), f"bias-shortcuts-{search.maps.method}-{scope.stem}")


def places(findings: list[Finding]) -> pd.DataFrame:
    """Each class and place with what speaks for and against a shortcut."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "class": f.target,
                "place": f.region.name,
                "share of attribution": _share(f.share.value),
                "for other classes": _share(f.others),
                "of an even map": _share(f.region.area),
                "attribution": chance(f.p_where),
                "effect of covering": "" if f.tried is None else _effect(f.tried),
                "intervention": "" if f.p_effect is None else chance(f.p_effect),
                "verdict": f.verdict,
            }
            for f in findings
        ]
    )


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)


def _effect(result: Intervention) -> str:
    effect = result.effect
    return f"{effect.value:+.3f} ({effect.low:+.3f} to {effect.high:+.3f}), {draw.support(effect)}"
