"""What is worst: one line a finding, each with its proof behind a link and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from workbench.ui import draw, findings, gallery, photographs, url, warm
from workbench.ui.findings import Line
from workbench.ui.overview.scope import Scope
from workbench.ui.text import plain

TILES, CHECKED = 5, 10
"""How many of the worst images stand beside their line, and of how many the maps can be checked."""
CHIP = 150
"""The width of the words for how sure a finding is, in pixels."""
LABEL = 280


def section(scope: Scope) -> Callable[[], None]:
    """The lines that stand at once; what is returned fills in those that take a moment."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("What is worst", anchor="worst")
        draw.meaning("findings", "How sure is this?")
    top = st.container(gap="small")
    _wrong(scope)
    rest = st.container(gap="small")

    def fill() -> None:
        lines = [*findings.of(scope), *_maps(scope)]
        for place, proven in ((top, True), (rest, False)):
            with place:
                for line in lines:
                    if (line.grade == "proven") == proven:
                        _line(line)

    return fill


def _line(line: Line) -> None:
    with st.container(key=f"finding-{line.grade}-{line.key}", horizontal=True, vertical_alignment="center"):
        st.html(findings.chip(line), width=CHIP)
        st.markdown(line.text, width="content" if line.action else "stretch")
        if line.link:
            page, query = line.link
            st.page_link(
                page, label="Proof", icon=":material/arrow_forward:", icon_position="right", query_params=query
            )
        if line.action:
            line.action()


def _wrong(scope: Scope) -> None:
    """The mistakes that the model is surest of, as images that lead to their explanation."""
    if scope.cases.positive:
        _mistakes(scope, "escape", ("missed defect", "missed defects"))
        _mistakes(scope, "overkill", ("good part rejected", "good parts rejected"))
    else:
        _mistakes(scope, "wrong", ("wrong decision", "wrong decisions"))


def _maps(scope: Scope) -> list[Line]:
    """Whether the maps of the gravest mistakes hold their checks."""
    defects = bool(scope.cases.positive)
    verdict, what = ("escape", "surest missed defects") if defects else ("wrong", "surest wrong decisions")
    rows = scope.surest[verdict][:CHECKED]
    if not len(rows) or not warm.torch_ready():
        return []
    return [findings.maps_of(scope, rows, what, query(scope, verdict, rows[0]))]


def _mistakes(scope: Scope, verdict: str, names: tuple[str, str]) -> None:
    rows = scope.surest[verdict]
    with st.container(key=f"finding-measured-{verdict}", horizontal=True, vertical_alignment="center"):
        if not len(rows):
            st.html(gallery.chip("none seen", "plain"), width=CHIP)
            st.markdown(f"No {names[0]} among {len(scope.cases):,} images.", width="content")
            return
        st.html(gallery.chip("measured", "doubt" if verdict == "overkill" else "bad"), width=CHIP)
        label = f"**{len(rows):,} {names[len(rows) > 1]}**" + (", the surest first" if len(rows) > 1 else "")
        st.page_link(url.EXPLAIN, label=label, query_params=query(scope, verdict, rows[0]), width=LABEL)
        with st.container(horizontal=True, gap="xsmall", key=f"tiles-{verdict}", width="content"):
            for row in rows[:TILES]:
                _tile(scope, verdict, row)


def _tile(scope: Scope, verdict: str, row: int) -> None:
    item, (score, what) = scope.at(row), _score(scope, row)
    with st.container(key=f"thumb-{verdict}-{row}", width=72, gap=None):
        thumbnail = photographs.thumbnail(item)
        if thumbnail is not None:
            draw.image(thumbnail, item.name)
        hint = f"{plain(item.name)}: {what} {100 * score:.1f} %"
        st.page_link(url.EXPLAIN, label=f"{100 * score:.0f} %", query_params=query(scope, verdict, row), help=hint)


def _score(scope: Scope, row: int) -> tuple[float, str]:
    """What an image was decided by: the score that the threshold is for, or the probability of the class."""
    predictions, rule = scope.predictions, scope.model.rule
    if rule.positive is not None and rule.threshold is not None:
        column = rule.class_names.index(rule.positive)
        return float(predictions.probabilities[row, column]), f"P({plain(rule.positive)})"
    return float(predictions.frame["confidence"][row]), f"called {plain(predictions.frame['predicted'][row])} with"


def query(scope: Scope, verdict: str, row: int) -> Mapping[str, str]:
    """The link to an image among its kind, in the same order."""
    return url.link(verdict=verdict, sort="sure", image=scope.at(row).name, **_split(scope))


def _split(scope: Scope) -> dict[str, str]:
    return {"split": scope.split} if scope.split else {}
