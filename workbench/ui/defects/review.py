"""What a person says to a decision: agree or overrule by a click or a key, with a reason, then on to the next."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from workbench.defects import alternatives, reasons
from workbench.errors import InputError
from workbench.ui import choice, draw, logbook, session, url
from workbench.ui.defects import record
from workbench.ui.defects.queue import Place
from workbench.ui.defects.record import Seen
from workbench.ui.progress import guarded
from workbench.ui.text import plain

LEAST_LOOK = 0.4
"""Seconds that an image must have been on the screen: a key that is held or struck twice does not decide the next.

They begin when the page is complete, for a key that is struck before waits until then, and is then refused.
"""
MOST_KEYS = 9
TOLD = (
    "The journal stores your name with each decision, beside the time, the image, the model, the score, the threshold,"
    " the verdict, the map on screen and your reason. An entry is never changed or removed."
)


@guarded
def panel(seen: Seen, place: Place) -> None:
    """The buttons for one image, or what must come first."""
    before = record.latest(seen.scope).get(seen.decision.item_id)
    if not session.local():
        st.info(logbook.SHUT, icon=":material/lock:")
    elif not st.session_state.get("user name"):
        _ask_name()
    else:
        _decide(seen, place)
    if before is not None:
        st.caption(f":material/history: {record.history(before)}")
    if logbook.own(seen.scope.model) and session.local():
        st.caption(
            ":material/info: This is your upload, so the entry goes into a journal of this session: export it on the"
            " Journal page."
        )


def drawn(seen: Seen) -> None:
    """Note that all of the page stands: from now on the image can be looked at."""
    token = _token(seen)
    if st.session_state.get("up since", ("", 0.0))[0] != token:
        st.session_state["up since"] = token, time.monotonic()


def _ask_name() -> None:
    with st.form("who decides", border=True):
        st.text_input("Your name", key="who", max_chars=200, placeholder="asked once a session")
        st.form_submit_button("Start deciding", icon=":material/badge:", type="primary", on_click=_name)
        st.caption(TOLD)


def _name() -> None:
    st.session_state["user name"] = str(st.session_state.get("who") or "").strip()


def _forget_name() -> None:
    st.session_state["user name"] = ""


def _decide(seen: Seen, place: Place) -> None:
    """Agree or overrule; where it is being overruled, to what and why."""
    token = _token(seen)
    doing, to = st.session_state.get("overruling", ("", None))
    if doing == token:
        st.markdown("**What is it?**" if to is None else f"**It is {plain(to)}. Why?**")
    with st.container(horizontal=True, vertical_alignment="center", key="verdict-buttons"):
        if doing != token:
            _first_step(seen, place, token)
        elif to is None:
            _what(seen, token)
        else:
            _why(seen, place, token, to)
    label = "Note (optional)" if doing != token else "Or in your own words"
    if doing != token or to is not None:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(label, key=f"note {token}", max_chars=2000)
            if doing == token and to is not None:
                _button("Save", token, icon=":material/edit_note:", on_click=_save, args=(seen, place, token, to, None))
    _messages(seen)
    _who()


def _first_step(seen: Seen, place: Place, token: str) -> None:
    words = "Agree: leave it for review" if seen.decision.verdict == "review" else "Agree"
    _button(
        words, token, type="primary", icon=":material/check:", shortcut="A",
        on_click=_save, args=(seen, place, token, None, None),
    )  # fmt: skip
    _button("Overrule", token, icon=":material/gavel:", shortcut="O", on_click=_overrule, args=(seen, token))
    if last := st.session_state.get("last decision"):
        _button(
            f"Undo entry {last['number']:,}", token, type="tertiary", icon=":material/undo:", shortcut="U",
            on_click=_undo, help="Go back and decide again: the new entry corrects the old one, which stays.",
        )  # fmt: skip


def _what(seen: Seen, token: str) -> None:
    names = _alternatives(seen)
    if len(names) > MOST_KEYS:
        place = f"what {token}"
        st.selectbox("What is it?", names, key=place, index=None, label_visibility="collapsed")
        if name := st.session_state.get(place):
            _button("Go on", token, on_click=_choose_class, args=(token, name))
    else:
        for number, name in enumerate(names, 1):
            _button(plain(name), token, shortcut=str(number), on_click=_choose_class, args=(token, name))
    _button("Back", token, type="tertiary", shortcut="Escape", on_click=_back)


def _why(seen: Seen, place: Place, token: str, to: str) -> None:
    for number, reason in enumerate(reasons(seen.decision.verdict, to, seen.scope.positive), 1):
        _button(reason, token, shortcut=str(number), on_click=_save, args=(seen, place, token, to, reason))
    _button("Back", token, type="tertiary", shortcut="Escape", on_click=_back)


def _messages(seen: Seen) -> None:
    """What became of the last key, and what the next will do."""
    if refused := st.session_state.pop("not recorded", None):
        st.error(plain(refused, 600), icon=":material/error:")
    number = _corrected(seen)
    if number is not None:
        st.caption(
            f":material/undo: Entry {number:,} stands until you decide again: the new entry will say that it corrects"
            " it."
        )
    else:
        recorded()


def recorded() -> None:
    """What was just written, once."""
    if note := st.session_state.pop("recorded", None):
        st.caption(f":material/check_circle: {note}")


def _who() -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="who-line"):
        st.caption(f"Deciding as **{plain(st.session_state['user name'])}**", width="content")
        st.button("Change name", type="tertiary", on_click=_forget_name)
        draw.meaning("journal-entry", "What does the journal store?")


def _button(label: str, token: str, **settings: Any) -> None:
    """A button that is another one for each image and each entry: a late click never meets the next image."""
    st.button(label, key=f"{settings.get('shortcut', label)} {token}", **settings)


def _token(seen: Seen) -> str:
    """This image, as it is drawn after so many entries."""
    return f"{seen.decision.item_id[:16]} {st.session_state.get('entries written', 0)}"


def _alternatives(seen: Seen) -> list[str]:
    predictions = seen.scope.predictions
    called = str(predictions.frame["predicted"][predictions.by_name[seen.name]])
    return alternatives(seen.decision.verdict, predictions.class_names, seen.scope.positive, called)


# Callbacks: what is on the screen is handed to them.


def _overrule(seen: Seen, token: str) -> None:
    names = _alternatives(seen)
    st.session_state["overruling"] = token, names[0] if len(names) == 1 else None


def _choose_class(token: str, name: str) -> None:
    st.session_state["overruling"] = token, name


def _back() -> None:
    st.session_state.pop("overruling", None)


def _save(seen: Seen, place: Place, token: str, to: str | None, reason: str | None) -> None:
    """Write the entry and go on to the next image; say so where nothing was written."""
    state = st.session_state
    if token != _token(seen) or state.get("image name") != seen.name:
        return  # the click was on its way when the next image was drawn
    shown, since = state.get("up since", ("", 0.0))
    if shown != token or time.monotonic() - since < LEAST_LOOK:
        state["up since"] = "", 0.0  # a key that is still held begins anew
        state["not recorded"] = "Nothing was recorded: the key came before the image could be looked at."
        return
    typed = str(state.get(f"note {token}") or "").strip()
    number = _corrected(seen)
    words = [f"Corrects entry {number}." if number is not None else "", reason or "", typed]
    if to is not None and not (reason or typed):
        state["not recorded"] = "Not recorded: to overrule, choose a reason or write one."
        return
    try:
        entry = record.write(seen, state["user name"], to, " ".join(filter(None, words)))
    except InputError as error:
        state["not recorded"] = f"Not recorded. {error}"
        return
    _go_on(seen, place, entry.number, to)


def _go_on(seen: Seen, place: Place, number: int, to: str | None) -> None:
    state = st.session_state
    state["entries written"] = state.get("entries written", 0) + 1
    for key in ("overruling", "corrects"):
        state.pop(key, None)
    state["last decision"] = {"name": seen.name, "image": seen.decision.item_id, "number": number}
    what = "agreed" if to is None else f"overruled to {plain(to)}"
    state["recorded"] = f"Entry {number:,} recorded: {plain(seen.name)}, {what}."
    if place.after is None:
        state["recorded"] += " That was the last in this queue."
    else:
        choice.choose_image(place.names[place.at + 1])


def _undo() -> None:
    last = st.session_state.pop("last decision")
    st.session_state["corrects"] = last["image"], last["number"]
    if st.session_state.get("queue") == "overruled":  # which it may have left
        url.choose("queue", "all")
    choice.choose_image(last["name"])


def _corrected(seen: Seen) -> int | None:
    """The entry that the next one about this image corrects."""
    image, number = st.session_state.get("corrects", ("", None))
    return number if image == seen.decision.item_id else None
