"""The map of the set: what looks alike lies close together; a line drawn round some images selects them."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.quality import MOST_EMBEDDED, projection
from workbench.ui import draw, kept, photographs, selection, session, url
from workbench.ui.cache import Slot, slot
from workbench.ui.data import chosen, coverage, embedded, plane, tints
from workbench.ui.data.embedded import Embedded
from workbench.ui.data.plane import Points
from workbench.ui.data.scope import Scope
from workbench.ui.data.support import table_of
from workbench.ui.progress import Stoppable, guarded, offer


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """The map, what is selected on it, and where that leads."""
    vectors = embedded.known(scope)
    if vectors is None:
        embedded.offers(scope, "A map of the set")
        return
    places = _known(scope, vectors)
    if places is None:
        st.markdown(":material/radio_button_unchecked: **Not drawn yet.** Up to a minute or two for a large set.")
        token = session.token(scope.images)[:12]
        offer("Draw the map", f"map {token}", lambda: _make(scope, vectors, token))
        return
    shown, tint = _points(scope, vectors, places)
    _draw(scope, shown, tint)
    chosen.panel(scope, shown.rows, vectors)


def _draw(scope: Scope, shown: Points, tint: str) -> None:
    names = [item.name for item in scope.images]
    selected = selection.chosen(scope.images) or frozenset()
    flags = np.array([names[row] in selected for row in shown.rows.tolist()], dtype=bool)
    legend = ", ".join(f"{entry['count']:,} {entry['name']}" for entry in shown.legend)
    alt = f"Map of {len(shown.rows):,} images, coloured by {tint}: {legend}. Below, images can be selected by a list."

    @guarded
    def lassoed() -> None:
        if (flags := plane.lassoed(len(shown.rows))) is not None and flags.any():
            digest = selection.keep(scope, [names[row] for row in shown.rows[flags].tolist()])
            url.choose(selection.SELECTED, digest)

    plane.draw(shown, flags, alt, lassoed)
    if (at := plane.pointed(len(shown.rows))) is not None:
        item = scope.images.items[int(shown.rows[at])]
        facts = table_of(scope).iloc[int(shown.rows[at])]
        words = [
            str(facts[name]) for name in ("label", "split", "verdict") if name in facts and facts[name] is not None
        ]
        plane.tip(at, session_name(item.name), " · ".join(words), photographs.encoded(item))
    left_out = len(scope.images) - len(shown.rows)
    more = f" {left_out:,} cannot be read and have no place." if left_out else ""
    st.caption(
        "Draw round images to select them; with Shift, to add them. Neighbours are alike to the network; distances"
        f" between groups, and their size, mean little.{more}"
    )


def session_name(name: str) -> str:
    """A name as the tip of the map shows it."""
    return name if len(name) <= 80 else f"…{name[-79:]}"


def _points(scope: Scope, vectors: Embedded, places: NDArray[np.float32]) -> tuple[Points, str]:
    reach = coverage.kept(scope, vectors)
    options = tints.options(scope, reach)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tint = url.select("Colour by", list(options), key="tint", format_func=options.__getitem__, width=220)
        draw.meaning("map", "What does this map show?", most=f"{MOST_EMBEDDED:,}")
    place = slot("map points", **scope.facts, features=vectors.source, tint=tint, reach=reach is not None)

    def made() -> Points:
        codes, names, colours = tints.coded(scope, tint, reach)
        return plane.points(places, codes, names, colours)

    return place.kept(made, lambda points: 20 * len(points.rows) + 4096), options[tint]


def _place(scope: Scope, vectors: Embedded) -> Slot:
    return slot("projection", features=vectors.source, pixels=scope.images.pixels_key)


def _known(scope: Scope, vectors: Embedded) -> NDArray[np.float32] | None:
    """The places of the images where they are known, from the shelf or the disk."""
    places: NDArray[np.float32] | None = kept.recall(_place(scope, vectors), np.ndarray)
    return places


def _make(scope: Scope, vectors: Embedded, token: str) -> NDArray[np.float32] | None:
    progress = Stoppable("Drawing the map", f"draw map {token}")
    if progress.stopped:
        return None
    places = projection(vectors.vectors, on_progress=progress)
    kept.keep(_place(scope, vectors), places, places.nbytes)
    progress.done()
    return places
