"""Long work on a page: progress with time left, a way to stop, and no traceback."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import streamlit as st

from workbench.errors import LONGEST, InputError
from workbench.texts import duration
from workbench.ui.text import plain

P = ParamSpec("P")
R = TypeVar("R")
BAR_AFTER = 0.4
"""Seconds before a progress bar shows: quicker work would only make it flash."""
log = logging.getLogger("workbench")


@contextlib.contextmanager
def troubles() -> Iterator[None]:
    """Show what the user can fix as one sentence, and anything else as one with a reference to the log."""
    try:
        yield
    except InputError as error:
        st.error(plain(error, 2 * LONGEST), icon=":material/error:")
    except Exception:
        number = uuid.uuid4().hex[:8]
        log.exception("error %s", number)
        st.error(
            f"Unexpected error (reference {number}; details are in the server log). "
            "Your choices are kept: choose another image or reload the page.",
            icon=":material/bug_report:",
        )


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """`troubles` around a function: fragments need their own, for they run again without the app around them."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R | None:
        with troubles():
            return function(*args, **kwargs)
        return None

    return inside


class Stoppable:
    """Work that shows its progress in a place of the page and can be stopped by a button there.

    Attributes:
        stopped: Whether the user stopped this work: then it must not start again by itself.
    """

    def __init__(self, label: str, key: str) -> None:
        self._label, self._key = label, f"stop {key}"
        self._place, self._started = st.empty(), time.monotonic()
        self._first: tuple[int, float] | None = None
        self._bar: Any = None
        self._drawn = 0.0
        self.stopped = self._key in _stopped()
        if self.stopped:
            with self._place.container(horizontal=True, vertical_alignment="center"):
                st.caption(f"{label}: stopped.")
                st.button("Continue", key=f"go {key}", icon=":material/play_arrow:", on_click=self._resume)

    def __call__(self, done: int, total: int) -> None:
        """Report progress. A click on Stop ends the work inside this call."""
        now = time.monotonic()
        first, since = self._first = self._first or (done, now)
        if now - self._started < BAR_AFTER or now - self._drawn < 0.15:
            return
        self._drawn = now
        if self._bar is None:
            with self._place.container(horizontal=True, vertical_alignment="center"):
                self._bar = st.progress(0.0)
                st.button("Stop", key=self._key, icon=":material/stop:", on_click=self._stop)
        steps = done - first  # what was kept from an earlier run took no time
        ahead = f", about {duration(max((now - since) / steps * (total - done), 1))} left" if steps > 0 else ""
        self._bar.progress(min(done / total, 1.0), text=f"{self._label}: {done:,} of {total:,}{ahead}")

    def step(self, label: str) -> None:
        """Go on with the next step of the same work: the time left is counted anew, the bar and its Stop stay."""
        self._label, self._started, self._first = label, time.monotonic(), None

    def done(self) -> None:
        """Clear the place."""
        if not self.stopped:
            self._place.empty()

    def _stop(self) -> None:
        _stopped().add(self._key)

    def _resume(self) -> None:
        _stopped().discard(self._key)


def _stopped() -> set[str]:
    """The works that this session's visitor stopped."""
    names: set[str] = st.session_state.setdefault("stopped works", set())
    return names


def offer(label: str, key: str, run: Callable[[], object]) -> None:
    """A button for long work that continues through reruns; the page restarts once `run` returns a result."""
    if st.button(label, icon=":material/playlist_play:", key=key):
        st.session_state["running"] = key
    if st.session_state.get("running") == key:
        try:
            result = run()
        except Exception:
            st.session_state.pop("running")  # else it would start again, and fail again, with every click
            raise
        if result is not None:
            st.session_state.pop("running")
            st.rerun()


def ask_all(questions: Iterable[Callable[[], object]]) -> bool | None:
    """Put one question after the other, each taken when the one before is answered; None where the user stopped.

    Raises:
        InputError: Some cannot be answered, which does not stop the others: the reason of the first.
    """
    reasons: list[InputError] = []
    for question in questions:
        try:
            if question() is None:
                return None
        except InputError as error:
            reasons.append(error)
    if reasons:
        raise reasons[0]
    return True
