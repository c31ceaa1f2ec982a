"""Does it look where it should? What the model goes by, or the button that searches for it; the mean maps, folded."""

from __future__ import annotations

import streamlit as st

from workbench.attribution import METHODS
from workbench.bias import Maps, maps_of
from workbench.images import SAMPLE
from workbench.ui import audits, session, url
from workbench.ui.bias import cover, cues, looks, sampled, shortcuts
from workbench.ui.bias.sampled import SAMPLE_METHODS
from workbench.ui.bias.scope import Scope
from workbench.ui.bias.summary import ICONS
from workbench.ui.progress import guarded, offer
from workbench.ui.text import plain

MINE = ("maps", "maps_by", "covered", "place", "fill", "top", "bottom", "left", "right")
"""Keys of the address whose widgets stand under the expander."""


@guarded
def section(scope: Scope) -> None:
    """What is found, or the button that searches; mean maps and a cover of one's own stand below, folded."""
    requested, search = _requested(scope), shortcuts.known(scope)
    if search is None:
        _offer(scope, requested)
    else:
        cues.section(scope, search)
    asked = any(key in st.query_params for key in MINE)
    with st.expander("Mean maps by class and group, and a cover of your own", expanded=asked):
        _maps(scope)
        st.subheader("Does a place matter?", anchor=False)
        cover.section(scope)


def _requested(scope: Scope) -> bool:
    """Whether the search is asked for: by the link that led here, or by the button. Another model or set that is chosen
    later is not, for the work may be long."""
    state, name = st.session_state, shortcuts.name_of_search(scope)
    if "shortcuts" not in state["drawn keys"] and st.query_params.get("shortcuts") == "on":
        state["search"] = name
    state["drawn keys"].add("shortcuts")
    return bool(state.get("search") == name)


def _request(name: str) -> None:
    st.session_state["search"] = name
    url.choose("shortcuts", "on")


def _offer(scope: Scope, requested: bool) -> None:
    """The way to the search."""
    st.markdown(
        f"{ICONS['open']} **Not looked for yet.** Cues that a class may be decided by are looked for in one half of a"
        " sample of these images. On the other half each is put on images that the model calls otherwise, and taken"
        " from those that it calls so, and so are decoys, to see whether it decides."
    )
    if not requested:
        name = shortcuts.name_of_search(scope)
        label, icon = "Search for shortcuts", ":material/search:"
        st.button(label, icon=icon, key="search shortcuts", type="primary", on_click=_request, args=(name,))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Up to ten minutes, by model and machine; it can be stopped, and goes on.", width="content")
            cues.meaning()
        return
    if shortcuts.search(scope) is not None:
        st.rerun()


def _maps(scope: Scope) -> None:
    """The mean maps of one method, or the button that makes them."""
    there = sampled.known_of_any(scope)
    method = url.select(
        "Maps by",
        SAMPLE_METHODS,
        key="maps",
        default=SAMPLE_METHODS[0] if there is None else there.method,
        format_func=lambda name: METHODS[name].title,
        width=230,
    )
    maps = sampled.known(scope, method)
    if maps is not None:
        looks.section(scope, maps)
        return
    summaries = audits.summaries(scope, scope.predictions, method)
    if summaries is not None:
        st.info(elsewhere(maps_of(summaries, scope.predictions)), icon=":material/filter_alt_off:")
        return
    if why := audits.unfit(scope, method):
        st.warning(plain(why, 400), icon=":material/warning:")
    st.caption(f"Not made yet: maps of up to {SAMPLE} images, spread over the classes of the test split.")
    key = f"make maps {method} {session.token(scope.images)[:12]}"
    offer("Make the mean maps", key, lambda: sampled.made(scope, method))


def elsewhere(sample: Maps) -> str:
    """That the maps are of other images than the page is about, and of which."""
    of = " and ".join(sorted(sample.frame["split"].dropna().unique()))
    where = f"of the {of} split" if of else "without a split"
    return f"The maps are of a sample {where}, none of them among these images: choose others above."
