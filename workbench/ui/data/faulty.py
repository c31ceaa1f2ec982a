"""Which files are broken or odd, and which images are unlike their kind: counts, and the images behind each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench.quality import FAULTS, Faults, fault_results, faults_of
from workbench.ui import checks, draw, url
from workbench.ui.cache import slot
from workbench.ui.data import distribution, facts, thumbs
from workbench.ui.data.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

LISTED_OUT = 50
SAID_OF_SEVERAL = {
    "broken": "cannot be read",
    "damaged": "are read, but not as they were saved",
    "odd": "are unlike the others of their kind",
}
"""What is said of several images, by severity."""
PER_CENT = ("brightness", "contrast", "black", "white", "border")
"""Measures that are shares."""


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """The faults of the set, or what to do to know of them."""
    draw.meaning("image-faults", "What counts as a fault?")
    table = facts.known_or_asked(scope)
    if table is None:
        return
    result = of(scope, table)
    fine = _fine(result)
    _headline(result, fine)
    if result.counts:
        _table(result, fine)
        _behind(scope, result, table)
    _rest(result)
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.table("Faults (CSV)", lambda: result.frame, "faults.csv", "csv faults")
        draw.table("Measures (CSV)", lambda: table.drop(columns=["corners", "edge"]), "measures.csv", "csv measures")


def of(scope: Scope, table: pd.DataFrame) -> Faults:
    """The faults of the set, of what was measured of its images; kept."""
    names = None if scope.families is None else scope.families.by_name
    report = scope.images.report
    left = () if report is None else report.left_out
    place = slot("image faults", images=scope.images.key, families=scope.facts["families"], report=left)
    return place.kept(
        lambda: faults_of(scope.images.items, table, names, report), lambda made: 8192 + 800 * len(made.frame)
    )


def _fine(result: Faults) -> list[str]:
    """The faults that a person has seen and found to be none, as the address keeps them."""
    if not result.counts:
        return []
    return url.pills("Seen and fine", list(result.counts), key="fine", default=[])


def _headline(result: Faults, fine: Sequence[str]) -> None:
    left = result.frame[~result.frame["fault"].isin(fine)]
    if left.empty:
        told = "Nothing else was found" if len(result.frame) else "None was found"
        st.markdown(f":green[:material/check_circle:] **{told}** in {result.count:,} images, of what is looked for.")
        return
    signs = {"broken": ":red[:material/broken_image:]", "damaged": ":orange[:material/warning:]"}
    for severity, words in SAID_OF_SEVERAL.items():
        own = left[left["severity"] == severity]
        if len(own):
            kinds = ", ".join(own["fault"].value_counts().index)
            count = own["image"].nunique()
            sign = signs.get(severity, ":material/help_center:")
            st.markdown(f"{sign} **{count:,} of {result.count:,} images** {words}: {plain(kinds, 300)}.")


def _table(result: Faults, fine: Sequence[str]) -> None:
    import pandas as pd

    rows = [
        {
            "Fault": name,
            "Images": count,
            "Share": f"{100 * count / result.count:.2g} %",
            "Severity": "seen and fine" if name in fine else FAULTS[name].severity,
            "The image": FAULTS[name].meaning,
        }
        for name, count in result.counts.items()
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "Fault": st.column_config.TextColumn("Fault", pinned=True, width=150),
            "The image": st.column_config.TextColumn("The image", width="large"),
        },
        alt="Faults with their number of images",
    )


def _behind(scope: Scope, result: Faults, table: pd.DataFrame) -> None:
    """The images of one fault, with their figures, and one of them in the distribution of its kind."""
    counts = result.counts
    fault = url.select(
        "Look at", list(counts), key="fault", format_func=lambda name: f"{name}: {counts[name]:,}", width=260
    )
    rows = result.frame[result.frame["fault"] == fault].drop_duplicates("image").set_index("image")
    figures = dict(zip(rows.index.tolist(), rows["figure"].tolist(), strict=True))
    usual = dict(zip(rows.index.tolist(), rows["usual"].tolist(), strict=True))

    def words(name: str) -> str:
        return _said(fault, figures[name]) + ("" if usual[name] is None else f" / {_said(fault, usual[name])}")

    thumbs.paged(scope, list(figures), "faults", _page, words)
    below = " Below an image: what it says or measures / what is usual." if any(usual.values()) else ""
    st.caption(f"Each {FAULTS[fault].meaning}. {FAULTS[fault].advice}{below}")
    if FAULTS[fault].sign and len(rows):
        _one(result, table, fault, rows)
    with st.expander("Leave these images out", icon=":material/playlist_remove:"):
        st.caption(
            "Originals are never touched. Patterns for `leave_out`, under **How the images are read** on Overview or in"
            " `workbench.toml`:"
        )
        names = list(rows.index[:LISTED_OUT])
        st.code("\n".join(_pattern(name) for name in names), language=None)
        if len(rows) > len(names):
            st.caption(f"The first {len(names)} of {len(rows):,}; the CSV holds all.")


def _page(pages: int) -> int:
    return url.pages(pages, key="fault_page", max_visible_pages=5)


def _pattern(name: str) -> str:
    """A name as a pattern that it alone fits."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _one(result: Faults, table: pd.DataFrame, fault: str, rows: pd.DataFrame) -> None:
    import pandas as pd

    measure = FAULTS[fault].measure
    name = url.select("In its kind", list(rows.index), key="faulty", width=320)
    row: Any = rows.loc[name].to_dict()
    if pd.isna(row["low"]) or pd.isna(row["z"]) or measure not in result.kinds:
        against = f"{_said(fault, row['figure'])}, against {_said(fault, row['usual'])}"
        note = f" {plain(str(row['note']).capitalize(), 200)}." if row["note"] else ""
        st.caption(f"{plain(name)}: {against}; {plain(row['kind'], 200)}.{note}")
        return
    kinds = result.kinds[measure]
    place = int(np.flatnonzero(table["name"].to_numpy() == name)[0])
    values = _column(table, measure)[kinds.codes == kinds.codes[place]]
    distribution.marked(values[np.isfinite(values)], measure, float(row["figure"]), (row["low"], row["high"]))
    note = f" {str(row['note']).capitalize()}." if row["note"] else ""
    st.caption(
        f"{plain(name)}: {_said(fault, row['figure'])}; usual is {_said(fault, row['usual'])} in {row['support']:,}"
        f" images of its kind ({plain(row['kind'], 200)}), and what lies in the shaded range is no fault. Robust"
        f" z-score {row['z']:.1f}; a fault from 3.5. Heights are square roots of counts.{note}"
    )


def _column(table: pd.DataFrame, measure: str) -> np.ndarray:
    if measure == "pixels":
        return np.asarray(table["width"] * table["height"], np.float64)
    return np.asarray(table["width"] / table["height"] if measure == "aspect" else table[measure], np.float64)


def _said(fault: str, figure: object) -> str:
    if figure is None or figure != figure:
        return fault
    if not isinstance(figure, float):
        return str(figure)
    if FAULTS[fault].measure in PER_CENT:
        return f"{100 * figure:.3g} %"
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def _rest(result: Faults) -> None:
    lines = [line for line in fault_results(result) if line.verdict in ("ok", "unknown")]
    with st.expander(f"Looked for and not found, or not to be told ({len(lines)})"):
        checks.lines(lines)
