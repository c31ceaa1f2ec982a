"""Accept a finding, and record the criteria: sealed entries of the journal."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from workbench.catalog import load_catalog
from workbench.errors import InputError
from workbench.ui import logbook, session
from workbench.ui.overview.scope import Scope
from workbench.ui.text import plain

if TYPE_CHECKING:
    from workbench.journal import Ruling
    from workbench.report import Standing

HALF_A_YEAR = datetime.timedelta(days=182)
REFUSED = "ruling not written"


def finding(scope: Scope, standing: Standing) -> None:
    """The form that accepts what a check found; nothing where the journal takes no entry."""
    from workbench.report import acceptance_draft

    if not session.local():
        return
    name = standing.check.name
    with st.popover("Accept", icon=":material/handshake:", type="tertiary", key=f"accept {name}"):
        st.caption("It stays what it is, and reads as accepted until its last day, or until a figure changes.")
        who = st.text_input("Your name", key=f"who accepts {name}", max_chars=200)
        why = st.text_area("Reason", key=f"why {name}", max_chars=10_000)
        today = datetime.datetime.now(datetime.UTC).date()
        until = st.date_input("Until", today + HALF_A_YEAR, min_value=today, key=f"until {name}")

        def draft() -> Ruling:
            return acceptance_draft(standing, user=who, reason=why, until=until, **_of(scope))

        st.button("Accept this finding", key=f"accepted {name}", on_click=_write, args=(scope, draft))
    _refused()


def withdrawal(scope: Scope, standing: Standing) -> None:
    """The form that takes an acceptance back; nothing where the journal takes no entry."""
    from workbench.report import withdrawal_draft

    if not session.local():
        return
    name = standing.check.name
    with st.popover("Take back", icon=":material/undo:", type="tertiary", key=f"take back {name}"):
        st.caption("The finding counts again from now on; that it was accepted stays in the journal.")
        who = st.text_input("Your name", key=f"who takes back {name}", max_chars=200)
        why = st.text_area("Reason (may be left out)", key=f"why not {name}", max_chars=10_000)

        def draft() -> Ruling:
            return withdrawal_draft(standing, user=who, reason=why, **_of(scope))

        st.button("Take the acceptance back", key=f"taken back {name}", on_click=_write, args=(scope, draft))
    _refused()


def criteria(scope: Scope) -> None:
    """The form that records the criteria in force."""
    from workbench.report import criteria_draft

    if not session.local():
        return
    with st.popover("Record these criteria", icon=":material/rule:", type="tertiary", key="record criteria"):
        st.caption("Record them before the test split is opened: later none can tell that they were not fitted to it.")
        who = st.text_input("Your name", key="who sets criteria", max_chars=200)

        def draft() -> Ruling:
            return criteria_draft(load_catalog().criteria, user=who, reason="", **_of(scope))

        st.button("Record", key="criteria recorded", on_click=_write, args=(scope, draft))
    _refused()


def _of(scope: Scope) -> dict[str, str]:
    return {"model": scope.model.key, "model_name": scope.model.title, "set_name": scope.images.name}


def _write(scope: Scope, draft: Callable[[], Ruling]) -> None:
    """Callback: write an entry, or keep why that cannot be."""
    try:
        book = logbook.journal(scope.model) if session.local() else None
        if book is None:
            raise InputError(logbook.SHUT)
        book.append(draft())
    except InputError as error:
        st.session_state[REFUSED] = str(error)


def _refused() -> None:
    if why := st.session_state.pop(REFUSED, None):
        st.error(f"Not written. {plain(why, 400)}", icon=":material/error:")
