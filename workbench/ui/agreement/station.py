"""The inspection station: one part, one decision, nothing else that could tell what is right."""

from __future__ import annotations

import datetime
import time
from urllib.parse import urlencode

import streamlit as st
from PIL import Image

from workbench.agreement import NO_MAPS, Look, Study
from workbench.attribution import METHODS
from workbench.drawing import render
from workbench.errors import InputError
from workbench.ui import draw, photographs, results, url
from workbench.ui.agreement import studies
from workbench.ui.agreement.planning import aim_of
from workbench.ui.progress import guarded
from workbench.ui.text import plain
from workbench.ui.view import View

STATION_EDGE, STATION_WIDTH = 960, 500
"""Longest side of an image in pixels, and how wide it stands on the screen, alike in both arms."""
LEAST_SECONDS = 0.4
"""So long a part must have been on the screen: a key that is held decides no other part."""


@guarded
def section(view: View, study: Study) -> None:
    """Who inspects, then part after part."""
    plan = study.plan
    name = url.value(key="inspector")
    if name not in plan.inspectors:
        if name:
            st.info("This study knows no inspector of that name.", icon=":material/badge:")
        _who(view, study)
        return
    _part(view, study, name)


def _who(view: View, study: Study) -> None:
    """The names of the plan, each with the link to hand out."""
    st.markdown("**Who inspects?** Each name opens where it stopped. Hand every inspector the link of their own.")
    answers = study.answers()
    total = len(study.plan.parts) * study.plan.sessions
    for place, name in enumerate(study.plan.inspectors):
        done = sum(given.inspector == name for given in answers)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                plain(name), key=f"inspector {place}", icon=":material/badge:", on_click=_sit, args=(name,), width=220
            )
            st.caption(f"{done:,} of {total:,} decisions")
            query = {**url.link(study=study.plan.key, step="inspect"), "inspector": name}
            st.code(f"/agreement?{urlencode(query)}", language=None, wrap_lines=True)
    st.caption(
        ":material/info: Names are as they were typed; nobody checks who sits there. A link opens on every machine that"
        " reaches this app."
    )


def _sit(name: str) -> None:
    url.choose("inspector", name)


def _leave() -> None:
    url.drop("inspector")
    st.session_state.pop("part since", None)


@st.fragment
@guarded
def _part(view: View, study: Study, name: str) -> None:
    due = study.due(name, datetime.datetime.now(datetime.UTC))
    with st.container(key="station"):
        if due.look is None:
            st.success("All decisions are given. Thank you.", icon=":material/task_alt:")
        elif due.opens is not None:
            _wait(study, due.look, due.opens)
        else:
            _decide(view, study, name, due.look)
        with st.container(horizontal=True, vertical_alignment="center", key="station-foot"):
            st.caption(f":material/badge: {plain(name)}")
            st.button("Leave", type="tertiary", icon=":material/logout:", key="leave station", on_click=_leave)


def _wait(study: Study, look: Look, opens: datetime.datetime) -> None:
    st.info(
        f"Session {look.session - 1} of {study.plan.sessions} is done. The next one opens on"
        f" {opens:%d %B %Y at %H:%M} UTC, so that no part is remembered.",
        icon=":material/hourglass:",
    )


def _decide(view: View, study: Study, name: str, look: Look) -> None:
    """The image, with a map beside it where this look has one, and the two answers."""
    plan, token = study.plan, f"{study.plan.key} {name} {look.session} {look.number}"
    total = len(plan.parts)
    st.progress(
        (look.number - 1) / total, text=f"Session {look.session} of {plan.sessions}, part {look.number} of {total}"
    )
    item = studies.image_of(view, study, look.part)
    image = photographs.fitted(item, STATION_EDGE)
    overlay = None if look.arm == NO_MAPS else _overlay(view, study, look)
    with st.container(horizontal=True, horizontal_alignment="center", key="station-images"):
        with st.container(width=STATION_WIDTH):
            draw.image(image, f"Part {look.number}")
        if overlay is not None:
            with st.container(width=STATION_WIDTH):
                draw.image(overlay, f"Part {look.number} with the map")
    if overlay is not None:
        st.caption(
            f"The map ({METHODS[plan.method].title}) shows where the model sees signs of a defect, right or not."
        )
    with st.container(horizontal=True, horizontal_alignment="center", key="station-answers"):
        for label, key, rejects in (("Pass", "P", False), ("Reject", "X", True)):
            icon = ":material/block:" if rejects else ":material/check:"
            st.button(
                label, key=f"{label} {token}", shortcut=key, icon=icon, width=200,
                on_click=_give, args=(study, name, look, rejects, token),
            )  # fmt: skip
    if trouble := st.session_state.pop("station trouble", ""):
        st.warning(plain(trouble, 400), icon=":material/error:")
    if st.session_state.get("part since", ("", 0.0))[0] != token:
        st.session_state["part since"] = token, time.monotonic()


def _overlay(view: View, study: Study, look: Look) -> Image.Image:
    part = study.plan.parts[look.part]
    item = studies.image_of(view, study, look.part)
    made = results.attribution(view.of(item), study.plan.method, aim_of(view, study.plan, part), {})
    if made is None or isinstance(made, str):
        raise InputError(f"The map of this part cannot be made, so that it is not asked about now. {made or ''}")
    image = photographs.fitted(item, STATION_EDGE)
    return render.overlay(image, made.placement.scaled(image).to_original(made.ranking), False)


def _give(study: Study, name: str, look: Look, rejects: bool, token: str) -> None:
    shown, since = st.session_state.get("part since", ("", 0.0))
    seconds = time.monotonic() - since
    if shown != token or seconds < LEAST_SECONDS:
        return
    try:
        study.answer(name, look, rejects, seconds, datetime.datetime.now(datetime.UTC))
    except InputError as error:
        st.session_state["station trouble"] = str(error)
