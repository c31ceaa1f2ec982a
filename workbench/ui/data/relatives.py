"""The parts that are shown several times, by size, with their images, and one of them alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.quality import Families, family_sizes
from workbench.ui import draw, selection, url
from workbench.ui.data import thumbs, tiles
from workbench.ui.data.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

FAMILIES_A_PAGE, TILES_A_FAMILY = 5, 8
ONE_FAMILY = "family"
"""The key of the address for the family that is shown alone."""


@st.fragment
@guarded
def section(scope: Scope, found: Families) -> None:
    """The families with several images, the largest first; nothing where there is none."""
    rows = family_sizes(found, scope.images)
    if rows.empty:
        return
    count = "The part that is" if len(rows) == 1 else f"The {len(rows):,} parts that are"
    chosen = url.value(key=ONE_FAMILY)
    with st.expander(f"{count} shown several times, by size", icon=":material/stacks:", expanded=bool(chosen)):
        own = rows[rows["family"] == chosen]
        if len(own):
            _alone(scope, own.iloc[0].to_dict())
        else:
            _list(scope, rows)
        draw.table("Families by size (CSV)", lambda: rows, "families-by-size.csv", "csv family sizes")


def _list(scope: Scope, rows: pd.DataFrame) -> None:
    pages = -(-len(rows) // FAMILIES_A_PAGE)
    place = st.container()
    page = url.pages(pages, key="family_page", max_visible_pages=5) if pages > 1 else 1
    with place:
        for number, row in enumerate(rows[(page - 1) * FAMILIES_A_PAGE : page * FAMILIES_A_PAGE].to_dict("records")):
            with st.container(border=True, gap="xsmall", key=f"family-{number}"):
                with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                    st.markdown(_facts(row), width="content")
                    st.button(
                        "All of its images",
                        key=f"show family {number}",
                        icon=":material/open_in_full:",
                        on_click=url.choose,
                        args=(ONE_FAMILY, row["family"]),
                    )
                tiles.row(scope, row["names"], f"family {number}", TILES_A_FAMILY)


def _facts(row: Mapping[Any, Any]) -> str:
    splits = f"in {plain(row['splits'])}" if row["splits"] else "in no split"
    labels = plain(row["labels"], 200) if row["labels"] else "no label"
    return f"**{row['images']:,} images** of {plain(row['family'], 60)}: {row['grade']}; {splits}; {labels}"


def _alone(scope: Scope, row: Mapping[Any, Any]) -> None:
    """One family with all of its images, and the ways on."""
    st.markdown(_facts(row))
    of = scope.images.by_name

    def words(name: str) -> str:
        return " · ".join(fact for fact in (of[name].label, of[name].split) if fact) or "no label, no split"

    thumbs.paged(scope, row["names"], "relatives", _page, words)
    with st.container(horizontal=True):
        st.button(
            "All families", icon=":material/arrow_back:", key="all families", on_click=url.drop, args=(ONE_FAMILY,)
        )
        st.button(
            "Select them",
            icon=":material/lasso_select:",
            key="select family",
            on_click=_select,
            args=(scope, row["names"]),
        )


def _page(pages: int) -> int:
    return url.pages(pages, key="relative_page", max_visible_pages=5)


@guarded
def _select(scope: Scope, names: list[str]) -> None:
    """Callback: make these images the selection of this page."""
    url.choose(selection.SELECTED, selection.keep(scope, names))
