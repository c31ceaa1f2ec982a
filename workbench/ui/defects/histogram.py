"""The histogram of scores with a threshold that can be dragged: the counts follow in the browser, the page when it is let go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.catalog import shared
from workbench.defects import CHOSEN_ON, REPORTED_ON
from workbench.predictions import as_scores
from workbench.ui import url
from workbench.ui.defects.scope import Scope
from workbench.ui.defects.threshold import Setting, moved

BINS, PLACES = 60, 1000
REACH = 9.0
"""Log-odds from which on scores share the outermost bins."""
SCALES = {"probability": "Probability", "odds": "Log-odds"}
_HTML = """<svg role="slider" tabindex="0" aria-label="Threshold" aria-valuemin="0" aria-valuemax="1"></svg><div class="readout"></div>"""


def draw(scope: Scope, setting: Setting) -> None:
    """Draw it for the split that is reported on."""
    scale = url.segments(
        "Scale of the scores",
        list(SCALES),
        key="axis",
        default="probability",
        format_func=SCALES.__getitem__,
        help="Log-odds spread out what lies close to 0 and 1. The height of a bar is the square root of its count.",
    )
    place = _probability if scale == "probability" else _odds
    fixed = scope.kept(("histogram", scale), lambda: _fixed(scope, place))
    found = setting.band
    low, at, high = place(np.array([found.low, found.threshold, found.high])).tolist()
    here = [[int(_counted(scores, passed, found.threshold)) for _, scores, passed in kinds] for _, kinds in _kinds(scope)]
    data = {**fixed, "here": here, "at": round(at * PLACES), "threshold": found.threshold, "band": [low, high]}
    _component()(key="histogram", data=data, on_moved_change=moved)
    st.caption(
        f"{_caption(scope)} Left of the line a part passes, right of it, it is rejected. Drag the line, or click it and use the arrow keys."
    )


def _caption(scope: Scope) -> str:
    cases = scope.cases[REPORTED_ON]
    if not cases.rows.any():
        return "These pictures have no labels that the model knows, so nothing can be counted but what is rejected."
    words = scope.words[REPORTED_ON]
    return f"{words[0].upper()}{words[1:]}: {cases.good:,} good parts above the axis, {cases.defects:,} defects below."


def _fixed(scope: Scope, place: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> dict[str, Any]:
    """What does not change with the threshold."""
    cases, grid = scope.cases[REPORTED_ON], _grid(place)
    labelled = bool(cases.rows.any())
    above, below = (cases.scores[~cases.defect], cases.scores[cases.defect]) if labelled else (_readable(scope), np.empty(0))
    lines = [
        {
            "name": f"{name[0].upper()}{name[1:]}",
            "counts": [
                {"words": words, "all": len(scores), "grid": _counted(scores, passed, grid).tolist()} for words, scores, passed in kinds
            ],
        }
        for name, kinds in _kinds(scope)
    ]
    return {
        "grid": grid.tolist(),
        "good": _binned(place(above)),
        "defect": _binned(place(below)),
        "sides": ["good parts", "defects"] if labelled else ["pictures", ""],
        "ticks": _ticks(place),
        "lines": lines,
    }


Kind = tuple[str, NDArray[np.float64], bool]
"""What is counted, the scores of such pictures in rising order, and whether those that pass are counted or those that are rejected."""


def _kinds(scope: Scope) -> list[tuple[str, list[Kind]]]:
    """What is counted of each split, by its name; of all pictures where none has a label."""

    def found() -> list[tuple[str, list[Kind]]]:
        named = [(scope.words[split], scope.cases[split]) for split in (CHOSEN_ON, REPORTED_ON) if scope.cases[split].rows.any()]
        return [
            (
                name,
                [
                    ("defects escape", np.sort(cases.scores[cases.defect]), True),
                    ("good parts rejected", np.sort(cases.scores[~cases.defect]), False),
                ],
            )
            for name, cases in named
        ] or [("all pictures", [("rejected", np.sort(_readable(scope)), False)])]

    return scope.kept("kinds", found)


def _readable(scope: Scope) -> NDArray[np.float64]:
    return scope.scores[np.isfinite(scope.scores)]


def _counted(scores: NDArray[np.float64], passed: bool, at: NDArray[np.float64] | float) -> NDArray[np.intp]:
    """How many of sorted scores pass, or are rejected, at each threshold."""
    below = np.searchsorted(scores, as_scores(at))
    return below if passed else len(scores) - below


def _binned(places: NDArray[np.float64]) -> list[int]:
    found: list[int] = np.bincount((places * BINS).astype(int).clip(0, BINS - 1), minlength=BINS).tolist()
    return found


def _probability(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores


def _odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where scores lie on a scale of log-odds, 0 .. 1."""
    inner = scores.clip(1e-9, 1 - 1e-9)
    return ((np.log(inner / (1 - inner)) + REACH) / (2 * REACH)).clip(0, 1)


def _grid(place: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    """The threshold at each of the places that the line can stand at."""
    steps = np.linspace(0, 1, PLACES + 1)
    return steps if place is _probability else 1 / (1 + np.exp(REACH - 2 * REACH * steps))


def _ticks(place: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> list[tuple[float, str]]:
    values = [0, 0.25, 0.5, 0.75, 1] if place is _probability else [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999]
    return [(float(place(np.array([value]))[0]), f"{value:g}") for value in values]


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css, js = (shared(name).read_text(encoding="utf-8") for name in ("threshold.css", "threshold.js"))
    return st.components.v2.component("workbench.threshold", html=_HTML, css=css, js=js)
