"""Where to start, and the figures behind the verdict: mistakes first, overall and by group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from workbench.catalog import load_catalog
from workbench.predictions import inspection
from workbench.stats import ENOUGH, FEW_UNITS
from workbench.ui import draw, gallery, independence, terms, url
from workbench.ui.overview import worst
from workbench.ui.overview.scope import Scope

EXAMPLE = "metal-shortcut"
"""The model of the catalog in which a shortcut was planted."""


def start(scope: Scope) -> None:
    """Four ways into the case."""
    with st.container(key="start"):
        st.header("Start here", anchor="start")
        verdict, noun = ("escape", "missed defect") if scope.cases.positive else ("wrong", "wrong decision")
        links: list[tuple[Path, str, Mapping[str, str]]] = []
        rows = scope.surest[verdict]
        if len(rows):
            links.append((url.EXPLAIN, f"See one {noun}, and why", worst.query(scope, verdict, rows[0])))
        links.append((url.BIAS, "For whom is it worse?", {}))
        if scope.cases.positive:
            links.append((url.DEFECTS, "Choose a threshold", {}))
        query = url.link()
        with st.grid(len(links) + 1, min_column_width=200, gap="small"):
            for number, (page, label, own) in enumerate(links, 1):
                st.page_link(page, label=f"{number} {label}", query_params={**query, **own})
            if EXAMPLE in load_catalog().models and scope.model.ref != EXAMPLE:
                planted = {"model": EXAMPLE, "set": load_catalog().models[EXAMPLE].images or "", "shortcuts": "on"}
                st.page_link(url.BIAS, label=f"{len(links) + 1} What a found shortcut looks like", query_params=planted)


def section(scope: Scope) -> None:
    """The figures with intervals and support, and by group."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("Figures", anchor="figures")
        draw.meaning("headline-metrics", "What are these figures?", metrics=terms.entries("metrics", scope.figures))
    with st.grid(len(scope.figures), min_column_width=130, key="figures"):
        for name, figure in scope.figures.items():
            draw.rate(name[0].upper() + name[1:], figure, terms.entry("metrics", name))
    known = independence.of(scope.cases)
    few = " **Too few images for a verdict.**" if len(scope.cases) < ENOUGH else ""
    if known.units is not None and known.units < min(FEW_UNITS, known.images):
        few = f" **Too few {known.unit} for a verdict: {known.counted}.**"
    st.caption(f"Measured on {scope.where}. Ranges are 95 % intervals.{few}")
    independence.note(scope, known, "figures")
    with st.expander("By group", icon=":material/groups:"):
        _by_group(scope)


def _by_group(scope: Scope) -> None:
    import pandas as pd

    lines = []
    for name, values in gallery.groups(scope.images).items():
        for value in values:
            inside = gallery.in_group(scope.images, scope.predictions.frame, name, value).to_numpy()
            figures = inspection(scope.cases.where(inside))
            line: dict[str, object] = {"group": f"{name}: {value}", "images": figures["accuracy"].support}
            if figures["accuracy"].groups is not None:
                line["units"] = figures["accuracy"].groups
            for figure, rate in figures.items():
                if rate.value is None:  # as AUC where the group holds one class
                    line[figure] = "n/a"
                elif rate.support < ENOUGH or rate.few_units:
                    line[figure] = f"too few ({rate.support if rate.support < ENOUGH else f'{rate.groups} units'})"
                else:
                    text = f"{rate.value:.3f}" if figure == "AUC" else f"{rate.value:.1%}"
                    line[figure] = f"{text} ({draw.interval(rate, figure)})"
            lines.append(line)
    if not lines:
        st.caption("These images come with no attribute that divides them into a few groups.")
        return
    frame = pd.DataFrame(lines)
    st.dataframe(frame, hide_index=True)
    draw.table("Figures by group (CSV)", lambda: frame, "overview-groups.csv", "csv groups")
