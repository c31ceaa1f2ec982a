"""What will probably be asked for next, computed in the background: one thing at a time, the newest wish alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import streamlit as st

from workbench.errors import InputError

Progress = Callable[[int, int], None]
TICK = 0.1
"""Seconds between two looks at whether what is waited for is there."""
log = logging.getLogger("workbench")


class _StoppedError(Exception):
    """The wish was given up."""


class _Wish:
    """A piece of work, whether it was given up, and whether it has ended."""

    def __init__(self, key: str) -> None:
        self.key, self.stop, self.ended = key, threading.Event(), threading.Event()

    def progress(self, done: int, total: int) -> None:
        if self.stop.is_set():
            raise _StoppedError


class Ahead:
    """The one worker of a server: a newer wish gives the older one up, which ends at its next report of progress."""

    def __init__(self) -> None:
        self._lock, self._wish = threading.Lock(), _Wish("")
        self._wish.ended.set()

    def wish(self, key: str, make: Callable[[Progress], object]) -> None:
        """Compute `make`, which keeps its own result, when the work before has ended.

        Args:
            key: All that the result depends on: what is under way already is not begun again.
            make: Given the progress to report to, which is how it is stopped.
        """
        with self._lock:
            before = self._wish
            if before.key == key:
                return
            before.stop.set()
            now = self._wish = _Wish(key)
        threading.Thread(target=_work, args=(before, now, make), name="ahead", daemon=True).start()

    def join(self, key: str, tick: Callable[[], object]) -> None:
        """Wait for what is under way under `key`, calling `tick` meanwhile; give up what is under way for another."""
        with self._lock:
            now = self._wish
            if now.key != key:
                now.stop.set()
                return
        while not now.ended.wait(TICK):
            tick()


def _work(before: _Wish, now: _Wish, make: Callable[[Progress], object]) -> None:
    before.ended.wait()
    try:
        now.progress(0, 1)
        make(now.progress)
    except (_StoppedError, InputError):  # who asks for it will be told
        now.key = ""
    except Exception:
        now.key = ""
        log.exception("computing ahead")
    finally:
        now.ended.set()


@st.cache_resource(show_spinner=False)
def ahead() -> Ahead:
    """The worker of this server."""
    return Ahead()
