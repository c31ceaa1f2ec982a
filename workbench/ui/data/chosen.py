"""What is selected on the map: its images, where they lead, and how to select without drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.quality import Proposal, manifest
from workbench.stats import cosine
from workbench.texts import apart, shown
from workbench.ui import draw, gallery, selection, url
from workbench.ui.data import tiles
from workbench.ui.data.embedded import Embedded
from workbench.ui.data.scope import Scope
from workbench.ui.data.support import table_of
from workbench.ui.progress import guarded

if TYPE_CHECKING:
    import pandas as pd

MOST_NEAREST = 50
PROPOSED = ("manifest.csv", "csv proposed selection")
"""Name and key of the download of the set with what is proposed."""


def panel(scope: Scope, rows: NDArray[np.intp], vectors: Embedded) -> None:
    """The selection with its ways out, and a list to select by.

    Args:
        scope: What the page speaks of.
        rows: The images that the map shows.
        vectors: What nearness is measured in.
    """
    selection.chip(scope)
    names = selection.chosen(scope.images)
    if names is not None:
        _selected(scope, [item.name for item in scope.images if item.name in names])
    with st.expander("Select without drawing", icon=":material/checklist:"):
        _by_value(scope, rows)
        _by_nearness(scope, rows, vectors)


def _selected(scope: Scope, names: Sequence[str]) -> None:
    digest = selection.digest_now()
    table = table_of(scope)
    own = table[table["name"].isin(set(names))]
    judged = "verdict" in own and bool(own["verdict"].notna().any())
    tiles.row(scope, names, "selected")
    with st.container(horizontal=True, vertical_alignment="center"):
        if judged:
            tested = bool((own["verdict"].notna() & (own["split"] == "test")).any())
            query = url.link(selection=digest, on="test" if tested else "all")
            st.page_link(url.BIAS, label="Figures of this slice on Bias", icon=":material/balance:", query_params=query)
        query = url.link(selection=digest, image=names[0])
        st.page_link(url.EXPLAIN, label="Look at them on Explain", icon=":material/frame_inspect:", query_params=query)
        draw.table("Selection (CSV)", lambda: _frame(own), "selection.csv", "csv selection")
        label = "Propose to leave them out (manifest)"
        draw.download(label, lambda: manifest(scope.images, left_out(names), families=scope.families), *PROPOSED)
    if judged:
        right = int((own["verdict"] == "right").sum())
        st.caption(f"{right:,} of {int(own['verdict'].notna().sum()):,} of them are decided right, over all splits.")


def left_out(names: Sequence[str]) -> list[Proposal]:
    """The proposals to leave out selected images."""
    return [Proposal(name, "leave out", None, None, "selected on the map of the set") for name in names]


def _frame(own: pd.DataFrame) -> pd.DataFrame:
    columns = [name for name in ("name", "label", "split", "group", "family", "predicted", "verdict") if name in own]
    return own[columns]


@guarded
def _by_value(scope: Scope, rows: NDArray[np.intp]) -> None:
    table = table_of(scope).iloc[rows]
    columns = [name for name in ("label", "split", "verdict", "predicted") if name in table]
    columns += [name for name in gallery.groups(scope.images) if name in table]
    pairs = [(name, value) for name in columns for value in sorted(table[name].dropna().unique(), key=str)]
    options = dict(zip(apart(f"{name}: {shown(value)}" for name, value in pairs), pairs, strict=True))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.multiselect(
            "All images with",
            list(options),
            key="map values",
            help="Values of one attribute add up; those of several attributes must all hold.",
        )
        if st.button("Select", key="select values", disabled=not picked):
            holds = np.ones(len(table), bool)
            wished = [options[words] for words in picked]
            for name in {column for column, _ in wished}:
                wanted = [value for column, value in wished if column == name]
                holds &= table[name].isin(wanted).to_numpy(bool)
            _take(scope, table["name"].to_numpy(dtype=object)[holds].tolist())


@guarded
def _by_nearness(scope: Scope, rows: NDArray[np.intp], vectors: Embedded) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("The images nearest to", key="map image", placeholder="name of an image", width=260)
        count = st.number_input("How many", 1, 1000, min(MOST_NEAREST, len(rows)), key="map count", width=130)
        if not st.button("Select", key="select nearest", disabled=not name):
            return
    place = {item.name: row for row, item in enumerate(scope.images)}.get(name.strip())
    if place is None or place not in set(rows.tolist()):
        st.warning("There is no image of this name on the map: take a name as the gallery shows it in full.")
        return
    alike = cosine(vectors.vectors[rows], vectors.vectors[place])
    nearest = rows[np.argsort(-alike, kind="stable")[: int(count)]]
    _take(scope, [scope.images.items[row].name for row in nearest.tolist()])


def _take(scope: Scope, names: Sequence[str]) -> None:
    if not names:
        st.warning("No image has all of these values.")
        return
    url.choose(selection.SELECTED, selection.keep(scope, names))
    st.rerun()
