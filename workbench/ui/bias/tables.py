"""How the Bias page shows figures: a table of text, and as downloads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.bias import Breakdown
from workbench.drawing import charts
from workbench.ui import draw, terms, url
from workbench.ui.bias import words
from workbench.ui.bias.scope import Scope
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

WORST_SHOWN = 50
MOST_LINKS = 12
_GREY = "color: #8b9492; font-style: italic"


def figures(breakdown: Breakdown, names: Sequence[str], first: str) -> None:
    """The worst rows with their figures, those with too few images in grey."""
    frame = words.table(breakdown, names, first, WORST_SHOWN)
    few = ~breakdown.frame["enough"].head(WORST_SHOWN).to_numpy(bool)
    if len(breakdown.frame) > WORST_SHOWN:
        st.caption(f"The {WORST_SHOWN} worst of {len(breakdown.frame):,}; the CSV holds all.")
    st.caption(f":material/swap_horiz: {len(frame.columns)} columns: scroll sideways for those that do not fit.")
    columns = {name: st.column_config.TextColumn(name, help=terms.entry("metrics", name)) for name in names}
    st.dataframe(
        frame.style.apply(lambda row: [_GREY if few[row.name] else ""] * len(row), axis=1),
        hide_index=True,
        column_config={first: st.column_config.TextColumn(first, pinned=True, width=130), **columns},
        alt=f"Figures by {first}",
    )


def wide(frame: pd.DataFrame, alt: str) -> None:
    """A table of many columns, the first of them fixed; it says that it scrolls, for the rest cannot be seen."""
    first = str(frame.columns[0])
    st.caption(f":material/swap_horiz: {len(frame.columns)} columns: scroll sideways for those that do not fit.")
    st.dataframe(
        frame, hide_index=True, column_config={first: st.column_config.TextColumn(first, pinned=True)}, alt=alt
    )


def downloads(scope: Scope, breakdown: Breakdown, figure: str, stem: str) -> None:
    """The figures as CSV, and one of them as an image."""
    with st.container(horizontal=True, vertical_alignment="center"):
        csv("Figures (CSV)", words.numbers(breakdown), f"{stem}-{scope.stem}")
        if len(_measurements(breakdown, figure)):
            label = f"{figure[0].upper()}{figure[1:]} (PNG)"
            draw.download(label, partial(_png, scope, breakdown, figure), f"{stem}-{scope.stem}.png", f"png {stem}")


def chart(scope: Scope, breakdown: Breakdown, figure: str) -> Figure | None:
    """One figure of the worst rows with its intervals; None where no row has enough images."""
    frame = _measurements(breakdown, figure).head(WORST_SHOWN)
    if frame.empty:
        return None
    return charts.interval_bars(
        frame["name"].tolist(),
        *(frame[column] for column in ("value", "low", "high")),
        title=f"{figure} by {'class' if breakdown.by == 'label' else breakdown.by}",
        unit=figure,
        footer=scope.footer,
    )


def _png(scope: Scope, breakdown: Breakdown, figure: str) -> Figure:
    drawn = chart(scope, breakdown, figure)
    assert drawn is not None
    return drawn


def csv(label: str, frame: pd.DataFrame, stem: str) -> None:
    """A table as CSV."""
    draw.table(label, lambda: frame, f"{stem}.csv", f"csv {stem}")


def links(scope: Scope, lines: Sequence[tuple[str, int, dict[str, str]]], what: str) -> None:
    """Where to look at the mistakes.

    Args:
        scope: What they are part of.
        lines: A name, how many mistakes, and the query of the link, for each row of the table.
        what: Of which table of the page they are.
    """
    wrong = [line for line in lines if line[1]]
    if not wrong:
        st.caption(f":material/check: No mistakes in any {what}.")
        return
    st.caption(f"See the mistakes by {what}:")
    with st.container(horizontal=True, gap="small"):
        for name, count, query in wrong[:MOST_LINKS]:
            label = f"{plain(name, 40)}: {count:,} wrong"
            st.page_link(
                url.EXPLAIN, label=label, icon=":material/center_focus_strong:", query_params=scope.link(**query)
            )
    if len(wrong) > MOST_LINKS:
        _any_other(scope, wrong, what)


def _any_other(scope: Scope, lines: Sequence[tuple[str, int, dict[str, str]]], what: str) -> None:
    by_name = {name: (count, query) for name, count, query in lines}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Any other", list(by_name), index=None, key=f"any other {what}", width=260)
        if name is not None:
            count, query = by_name[name]
            st.page_link(url.EXPLAIN, label=f"{plain(name, 40)}: {count:,} wrong", query_params=scope.link(**query))


def _measurements(breakdown: Breakdown, figure: str) -> pd.DataFrame:
    """The rows with enough cases: name, value, low, high, said."""
    frame, rates = breakdown.frame, breakdown.rates(figure)
    names = frame["group"].astype(str).to_numpy()
    enough = frame["enough"].to_numpy(bool) & np.array([words.enough(rates[name], figure) for name in names], bool)
    part = frame[enough]
    return part.assign(
        name=names[enough],
        value=part[figure],
        low=part[f"{figure} low"],
        high=part[f"{figure} high"],
        said=[words.interval(rates[name], figure) for name in names[enough]],
    )[["name", "value", "low", "high", "said"]].reset_index(drop=True)
