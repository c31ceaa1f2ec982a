"""The histogram of scores with a draggable threshold: counts follow in the browser, the page on release."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.catalog import shared
from workbench.defects import CHOSEN_ON, REPORTED_ON, Band, reach
from workbench.predictions import as_scores
from workbench.ui import url
from workbench.ui.defects.scope import Scope
from workbench.ui.defects.threshold import Setting, moved

BARS, PLACES = 60, 1000
REACH = 9.0
"""Log-odds from which on scores share the outermost bins."""
SCALES = {"probability": "Probability", "odds": "Log-odds"}
_HTML = """<svg role="slider" tabindex="0" aria-label="Threshold" aria-valuemin="0" aria-valuemax="1"></svg>
<div class="readout"></div>"""


def draw(scope: Scope, setting: Setting) -> None:
    """Draw it for the split that is reported on."""
    scale = url.segments(
        "Scale of the scores",
        list(SCALES),
        key="axis",
        default="probability",
        format_func=SCALES.__getitem__,
        help="Log-odds spread out scores close to 0 and 1. The height of a bar is the square root of its count.",
    )
    place = _probability if scale == "probability" else _odds
    fixed = scope.kept(("histogram", scale, setting.coverage), lambda: _fixed(scope, place, setting.coverage))
    band = setting.band
    low, at, high = place(np.array([band.low, band.threshold, band.high])).clip(0, 1).tolist()
    ends = _Ends(*(np.array([end]) for end in (band.low, band.high)))
    counts = [[int(_counted(kind, ends)[0]) for kind in kinds] for _, kinds in _kinds(scope, setting.coverage)]
    data = {**fixed, "here": counts, "at": round(at * PLACES), "threshold": band.threshold, "band": [low, high]}
    _component()(key="histogram", data=data, on_moved_change=moved)
    st.caption(f"{_caption(scope)} {_sides(band)} Drag the line, or click it and use the arrow keys.")


def _sides(band: Band) -> str:
    if band.empty:
        return "Parts left of the line pass; parts right of it are rejected."
    passes = "parts left of it pass, " if band.low > 0 else ""
    rejected = "parts right of it are rejected." if band.high <= 1 else "and none is rejected."
    return f"Parts in the band are for review; {passes or 'none passes unseen, '}{rejected}"


def _caption(scope: Scope) -> str:
    cases = scope.cases[REPORTED_ON]
    if not len(cases):
        return "These images have no labels that the model knows, so only the rejected parts can be counted."
    words = scope.words[REPORTED_ON]
    return f"{words[0].upper()}{words[1:]}: {cases.good:,} good parts above the axis, {cases.defects:,} defects below."


def _fixed(
    scope: Scope, place: Callable[[NDArray[np.float64]], NDArray[np.float64]], coverage: float | None
) -> dict[str, Any]:
    """What does not change with the threshold."""
    cases, grid = scope.cases[REPORTED_ON], _grid(place)
    low, high = (1.0, 0.0) if coverage is None else reach(scope.cases[CHOSEN_ON], coverage)
    ends = _Ends(np.minimum(grid, low), np.maximum(grid, high))
    labelled = bool(len(cases))
    above, below = (
        (cases.scores[~cases.defect], cases.scores[cases.defect]) if labelled else (_readable(scope), np.empty(0))
    )
    lines = [
        {
            "name": f"{name[0].upper()}{name[1:]}",
            "counts": [
                {"words": kind.words, "all": len(kind.scores), "grid": _counted(kind, ends).tolist()} for kind in kinds
            ],
        }
        for name, kinds in _kinds(scope, coverage)
    ]
    return {
        "grid": grid.tolist(),
        "good": _binned(place(above)),
        "defect": _binned(place(below)),
        "sides": ["good parts", "defects"] if labelled else ["images", ""],
        "ticks": _ticks(place),
        "lines": lines,
    }


@dataclasses.dataclass(frozen=True, eq=False)
class _Ends:
    """Where review begins and ends at T places of the line, each (T,); both at the line where there is no band."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class _Kind:
    """What is counted: which verdict, among which scores (in rising order), and in which words."""

    words: str
    scores: NDArray[np.float64]
    verdict: str


def _kinds(scope: Scope, coverage: float | None) -> list[tuple[str, list[_Kind]]]:
    """What is counted of each split, by its name; of all images where none has a label."""

    def found() -> list[tuple[str, list[_Kind]]]:
        named = [
            (scope.words[split], scope.cases[split]) for split in (CHOSEN_ON, REPORTED_ON) if len(scope.cases[split])
        ]
        labelled = [
            (
                name,
                [
                    _Kind("defects escape", np.sort(cases.scores[cases.defect]), "pass"),
                    _Kind("good parts rejected", np.sort(cases.scores[~cases.defect]), "reject"),
                    _Kind("go to a person", np.sort(cases.scores), "review"),
                ],
            )
            for name, cases in named
        ]
        every = np.sort(_readable(scope))
        return labelled or [
            ("all images", [_Kind("rejected", every, "reject"), _Kind("go to a person", every, "review")])
        ]

    kinds = scope.kept("kinds", found)
    return (
        kinds
        if coverage is not None
        else [(name, [kind for kind in each if kind.verdict != "review"]) for name, each in kinds]
    )


def _readable(scope: Scope) -> NDArray[np.float64]:
    return scope.scores[np.isfinite(scope.scores)]


def _counted(kind: _Kind, ends: _Ends) -> NDArray[np.intp]:
    """How many get the verdict at each place of the line, (T,): below `low` passes, from `high` on is rejected."""
    passed, unrejected = (np.searchsorted(kind.scores, as_scores(end)) for end in (ends.low, ends.high))
    return {"pass": passed, "reject": len(kind.scores) - unrejected, "review": unrejected - passed}[kind.verdict]


def _binned(places: NDArray[np.float64]) -> list[int]:
    counts: list[int] = np.bincount((places * BARS).astype(int).clip(0, BARS - 1), minlength=BARS).tolist()
    return counts


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
