"""What leaks between splits: the figures with and without it, by class, and the images behind every count."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from workbench.quality import GRADES, SAME_PART, Cut, Leaks, Side, leak_results
from workbench.stats import Rate
from workbench.ui import checks, draw, leaked, url
from workbench.ui.data import resplit, twins
from workbench.ui.data.scope import Scope
from workbench.ui.progress import guarded

if TYPE_CHECKING:
    import pandas as pd

PAIRS_SHOWN = 4
COUNTED_AS = {"part": "one part", "similar": "one part, or very similar"}
"""What counts as a leak, as the address says it."""


@guarded
def section(scope: Scope) -> None:
    """The leaks of the set, or what to do to know of them."""
    draw.meaning("leak", "What is a leak?")
    similar = _has_similar(scope) and (
        url.segments(
            "Counts as a leak", list(COUNTED_AS), key="leak", default="part", format_func=COUNTED_AS.__getitem__
        )
        == "similar"
    )
    found = leaked.of(scope, similar=similar)
    if found is None:
        st.info(
            "Leaks are unknown: look for images of one part above, or state a group (lot, module, part) for each"
            " image.",
            icon=":material/help:",
        )
        return
    if found.missing:
        st.info(found.missing, icon=":material/help:")
        return
    checks.lines(leak_results(found))
    for side in found.leaking:
        _side(scope, side)
    _pairs(scope, found)
    if len(found.groups):
        with st.expander(f"The {len(found.groups):,} groups on both sides", icon=":material/workspaces:"):
            st.dataframe(found.groups, hide_index=True, alt="Stated groups with images in several splits")
            draw.table(
                "Groups on both sides (CSV)", lambda: found.groups, "groups-on-both-sides.csv", "csv leak groups"
            )
    if found.leaking:
        resplit.section(scope)


def _has_similar(scope: Scope) -> bool:
    return scope.families is not None and bool((scope.families.pairs["grade"] == GRADES[-1]).any())


def _side(scope: Scope, side: Side) -> None:
    if not side.cuts:
        return
    title = "one part" if side.kind == SAME_PART else "one group"
    label = f"Figures of the {side.measured} split: leaks of {title} from {side.source}"
    name = f"leaks-{side.kind}-{side.measured}-{side.source}"
    with st.expander(label, icon=":material/table_chart:"):
        st.dataframe(_table(side.cuts), hide_index=True, alt=label)
        st.caption(
            "Ranges are 95 % intervals that count parts and groups, not images, where those are known. “Without” leaves"
            " out all images that leak."
        )
        draw.table("Figures (CSV)", lambda: side.table, f"{name}.csv", f"csv {name}")
        draw.table("Leaked images (CSV)", lambda: side.images, f"{name}-images.csv", f"csv images {name}")


def _table(cuts: Sequence[Cut]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "Figure": [cut.figure for cut in cuts],
            "Among": [cut.among for cut in cuts],
            "As reported": [_rate(cut.reported) for cut in cuts],
            "Without leaked": [_rate(cut.without) for cut in cuts],
            "Leaked only": [_rate(cut.leaked) for cut in cuts],
        }
    )


def _rate(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "no images"
    return f"{rate.value:.1%} ({100 * rate.low:.1f} to {100 * rate.high:.1f}), {rate.count:,} of {rate.support:,}"


@st.fragment
@guarded
def _pairs(scope: Scope, found: Leaks) -> None:
    """The pairs on both sides, a page of them side by side."""
    pairs = found.pairs
    if not len(pairs):
        return
    with st.expander(f"The {len(pairs):,} pairs in two splits", icon=":material/compare:"):
        pages = -(-len(pairs) // PAIRS_SHOWN)
        page = url.pages(pages, key="leak_page") if pages > 1 else 1
        rows = pairs.iloc[(page - 1) * PAIRS_SHOWN : page * PAIRS_SHOWN].to_dict("records")
        twins.page(scope, [_told(row) for row in rows], "leak")
        draw.table("Pairs in two splits (CSV)", lambda: pairs, "leaked-pairs.csv", "csv leaked pairs")


def _told(row: Mapping[Hashable, object]) -> twins.Pair:
    """The names of a pair, and what is said of it."""
    agrees = row["agrees"]
    labels = "a label is missing" if agrees is None else "same label" if agrees else "other labels"
    words = f"{row['grade']}, {labels}", f"{row['first split']} and {row['second split']}"
    return (str(row["first"]), str(row["second"])), words, str(row["turn"] or "")
