"""What the report is to hold: sections and their order, decisions, notes."""

from __future__ import annotations

from urllib.parse import parse_qsl

import streamlit as st

from workbench.agreement import open_study
from workbench.predictions import Predictions, mistakes
from workbench.report import ALWAYS_IN, MOST_DECISIONS, SECTIONS, Choices, GivenStudy, study_here
from workbench.ui import choice, draw, url
from workbench.ui.agreement import studies
from workbench.ui.progress import guarded
from workbench.ui.text import plain
from workbench.ui.view import View

MOST_OFFERED = 300
"""Images that are offered by name."""
NOTE_ON_TOP = "verdict"


@guarded
def section(view: View, predictions: Predictions) -> Choices:
    """The controls, and what they say.

    Raises:
        InputError: A note is too long, or there are too many decisions.
    """
    st.header("What it holds", divider="gray", anchor="holds")
    sections = url.several(
        "Sections, in this order",
        list(SECTIONS),
        key="sections",
        default=list(SECTIONS),
        format_func=SECTIONS.__getitem__,
        help="Take one away and add it again to move it to the end.",
    )
    decisions: list[str] = []
    if "decisions" in sections:
        decisions = url.several(
            "Decisions shown",
            _offered(predictions),
            key="decisions",
            default=(),
            format_func=plain,
            max_selections=MOST_DECISIONS,
            placeholder="By the rule: the gravest escapes and overkills, and what is nearest to the threshold",
        )
    st.caption(f"Always in it: {' · '.join(ALWAYS_IN.values())}. What is left out is named there.")
    study = _study(view) if "journal" in sections else None
    notes = _notes(sections)
    draw.meaning("report", "What is the report?")
    read = tuple(f"{name}={value}" for name, value in parse_qsl(st.query_params.get("read", "")))
    shown = tuple(sections), notes, tuple(decisions)
    return Choices(view.model.ref, choice.set_ref(view.model), read, *shown, study=study)


def _study(view: View) -> GivenStudy | None:
    """The agreement study that is added to who decided what, where one is chosen."""
    titles = {plan.key: f"{plan.title} ({plan.planned[:10]}, {plan.key[:6]})" for plan in studies.planned(view)}
    if not titles:
        return None
    key = url.select(
        "Agreement study",
        ["", *titles],
        key="study",
        format_func=lambda name: titles.get(name, "None"),
        help="What it came to is added to who decided what, with the answers and the names of the inspectors.",
    )
    if not key:
        return None
    given = study_here(open_study([studies.root_of(view.model)], key))
    if given is None:
        st.info("Nobody has decided in this study yet.", icon=":material/inbox:")
    return given


def _offered(predictions: Predictions) -> list[str]:
    """Names of images: mistakes first, then what is unsure, then the others, and those that a link names."""
    frame, kinds = predictions.frame, mistakes(predictions)
    wrong = (frame["verdict"] == "wrong").to_numpy(bool)
    unsure = frame["unsure"].to_numpy(bool)
    rank = [
        0 if kind else 1 if bad else 2 if close else 3 for kind, bad, close in zip(kinds, wrong, unsure, strict=True)
    ]
    names = frame["name"].tolist()
    order = [names[row] for row in sorted(range(len(names)), key=lambda row: (rank[row], row))][:MOST_OFFERED]
    linked = [name for name in st.query_params.get_all("decisions") if name in predictions.by_name]
    return list(dict.fromkeys([*order, *linked]))


def _notes(sections: list[str]) -> dict[str, str]:
    """Notes by section, of those that hold any."""
    titles = {NOTE_ON_TOP: "On top", **{name: SECTIONS[name] for name in sections}}
    with st.expander("Add notes", icon=":material/edit_note:"):
        st.caption("Markdown. A note stands in the report as yours; no link keeps it.")
        texts = {name: st.text_area(title, key=f"note {name}", height=80) for name, title in titles.items()}
    return {name: text for name, text in texts.items() if text.strip()}
