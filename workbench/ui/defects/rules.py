"""The rules for a threshold as one table: what each would let pass, reject, cost and send to a person."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.catalog import shared
from workbench.defects import CHOSEN_ON, REPORTED_ON, band, dearer, point_at, promised, useless
from workbench.ui import url
from workbench.ui.defects import threshold
from workbench.ui.defects.scope import Scope
from workbench.ui.defects.threshold import WAYS, Asked, Setting
from workbench.ui.text import plain, seen

if TYPE_CHECKING:
    import pandas as pd

RULE_HEADS = ("rule", "threshold", "defects that escape", "good parts rejected", "cost a part", "to review")


def table(scope: Scope, now: str, asked: Asked) -> None:
    """Draw the table; choosing a row chooses its rule."""
    rows = [_row(scope, way, asked) for way in threshold.ways(scope)]
    _component()(
        key="rules",
        data={"columns": RULE_HEADS, "rows": rows, "chosen": now, "label": "Rules"},
        on_chosen_change=_chosen,
    )
    cases = scope.cases[REPORTED_ON]
    where = (
        f"Measured on the {scope.words[REPORTED_ON]}: {cases.defects:,} defects"
        f"{cases.of(cases.defect).independence.origin}, {cases.good:,} good parts"
        f"{cases.of(~cases.defect).independence.origin}."
        if len(cases)
        else "Without labels no rates can be reported."
    )
    free = " What a review costs is not counted." if asked.coverage is not None else ""
    st.caption(f"{where} Ranges are 95 % intervals.{free} Choose a row to use its rule.")


def _chosen() -> None:
    way = st.session_state["rules"].chosen
    if isinstance(way, str) and way in WAYS:  # a browser may send anything
        url.choose("choose", way)


def _row(scope: Scope, way: str, asked: Asked) -> dict[str, Any]:
    at, _, refusal = threshold.found(scope, way, asked)
    name = WAYS[way] + (f", {100 * asked.ceiling:.3g} %" if way in ("escape", "overkill") else "")
    if at is None:
        return {"way": way, "name": name, "cells": [f"none can be chosen: {seen(refusal)}"]}
    cells = [f"{at:.4f}"]
    if len(scope.cases[REPORTED_ON]):
        doubt = band(scope.cases[CHOSEN_ON], at, asked.coverage)
        point = point_at(scope.cases[REPORTED_ON], doubt, scope.costs)
        total = point["defects"] + point["good"]
        review = f"{point['review']:,.0f} of {total:,.0f}" if asked.coverage is not None else "none"
        cells += [_share(point, "escape rate"), _share(point, "overkill rate"), _cost(point), review]
    return {"way": way, "name": name, "cells": cells}


def _share(point: pd.Series, name: str) -> str:
    value, low, high = (100 * float(point[f"{name}{end}"]) for end in ("", " low", " high"))
    return "n/a" if math.isnan(value) else f"{value:.1f} % ({low:.1f} to {high:.1f})"


def _cost(point: pd.Series) -> str:
    value, low, high = (float(point[f"cost{end}"]) for end in ("", " low", " high"))
    return "n/a" if math.isnan(value) else f"{value:.3g} ({low:.3g} to {high:.3g})"


def warning(scope: Scope, setting: Setting) -> None:
    """Say so where nobody could work with this threshold."""
    chosen, reported = scope.cases[CHOSEN_ON], scope.cases[REPORTED_ON]
    if not len(reported) or not setting.band.empty:
        return
    if says := useless(setting.way, setting.ceiling, setting.threshold, chosen, reported):
        st.warning(says, icon=":material/warning:")


def outcome(scope: Scope, setting: Setting, point: pd.Series | None, asked: Asked) -> None:
    """What became of the promise, and the cost beside the lowest, under the histogram."""
    where = scope.words[REPORTED_ON]
    if setting.ceiling is not None and len(scope.cases[REPORTED_ON]) and setting.way in ("escape", "overkill"):
        alone = "" if setting.band.empty else " That is of the threshold alone, without the review band."
        said = promised(setting.way, setting.ceiling, scope.cases[REPORTED_ON], setting.threshold, where)
        st.markdown(f"**{plain(said, 400)}**{alone}")
    at, _, _ = threshold.found(scope, "cost", asked)
    if point is not None and at is not None and "cost" in threshold.ways(scope):
        best = point_at(scope.cases[REPORTED_ON], band(scope.cases[CHOSEN_ON], at, asked.coverage), scope.costs)
        said = dearer(point, best, scope.costs, where)
        st.markdown(plain(said, 500))


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css, js = (shared(name).read_text(encoding="utf-8") for name in ("rules.css", "rules.js"))
    return st.components.v2.component("workbench.rules", html="<table></table>", css=css, js=js)
