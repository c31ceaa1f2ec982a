"""A correction of how the images are read: tried, kept in the address, its effect told, and taken back."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from workbench.catalog import ReadOptions
from workbench.errors import LONGEST, InputError
from workbench.images import LoadReport
from workbench.sets import options_from
from workbench.ui import choice, corrections
from workbench.ui.loading import words
from workbench.ui.text import plain

TROUBLES = "correction troubles"


def apply(ref: str, make: Callable[[], ReadOptions]) -> None:
    """Callback of a form: read the set so, if it can be read so; otherwise say why, and leave all as it is."""
    state = st.session_state
    try:
        before, wanted = corrections.text(), make()
        text = corrections.text_of(ref, wanted)
        if text == before:
            return
        options_from(text)
        after = choice.images_read(ref, text).report
        state[corrections.APPLIED] = {"text": text, "before": before, "was": _report(ref, before), "is": after}
        corrections.choose(text)
    except InputError as error:
        state.setdefault(TROUBLES, []).append(str(error))


def told() -> None:
    """What the last correction changed, with the way back; or why it was not made."""
    for trouble in st.session_state.pop(TROUBLES, ()):
        st.error(f"Not read so, and nothing was changed. {plain(trouble, 2 * LONGEST)}", icon=":material/error:")
    last = st.session_state.get(corrections.APPLIED)
    if last and last["text"] == corrections.text():
        was = f"**Before:** {_words(last['was'])}" if last["was"] else "**Before:** it could not be read"
        st.success(f"Read anew. {was}. **Now:** {_words(last['is'])}.", icon=":material/check:")
        st.button("Read as before", on_click=_back, icon=":material/undo:")
    elif corrections.text():
        st.info("Read as the link says, not as it was recognised.", icon=":material/rule_settings:")
        st.button("Read as recognised", on_click=corrections.choose, args=("",), icon=":material/undo:")


def _back() -> None:
    last = st.session_state.pop(corrections.APPLIED)
    corrections.choose(last["before"])


def _report(ref: str, text: str) -> LoadReport | None:
    try:
        return choice.images_read(ref, text).report
    except InputError:
        return None


def _words(report: LoadReport | None) -> str:
    """The counts of a report, for Markdown."""
    if report is None:
        return "no report"
    return plain(", ".join(words.summary(report)), LONGEST)
