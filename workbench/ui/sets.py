"""Image sets on disk that all sessions share, listed again when any of their files changes."""

from __future__ import annotations

import re
import threading
import time

import streamlit as st

from workbench.catalog import stored_path
from workbench.errors import InputError
from workbench.images import ImageSet, load_images, stamp

REST = 10
"""Multiple of a check's duration during which no one repeats it, so that huge sets do not slow every click."""
QUICK = 0.3
"""Longest wait of a visitor for a check, in seconds; a longer one runs aside and shows with the next click."""


YOUR = "Your "
"""How the name of an upload begins."""


def gone(ref: str) -> str | None:
    """Why an upload of this name is not there any more; None for a name that no upload has."""
    if not (ref.startswith(YOUR) and re.search(r"\.(zip|onnx)($|, )", ref.lower())):
        return None
    return f"“{ref}” was uploaded, and uploads last until the page is reloaded: upload it again under “Bring your own”."


def check_there(ref: str, *, here: bool) -> None:
    """Refuse the name of a lost upload; a visitor `here`, at this machine, may have a file of that name."""
    if (why := gone(ref)) and not (here and stored_path(ref).exists()):
        raise InputError(why)


class _Shared:
    """One image set; `ref` and `trusted` are as for `load_images`, which raises its errors here."""

    def __init__(self, ref: str, trusted: bool) -> None:
        self._ref, self._trusted = ref, trusted
        self._lock = threading.Lock()
        self._images = load_images(ref, trusted=trusted)
        self._stamp, self._cost, self._due, self._looking = "", 0.0, 0.0, False
        self._noted(self._images)

    def current(self) -> ImageSet:
        """The set as it is now; the same object while none of its files changes. Errors as `load_images`."""
        with self._lock:
            if self._looking or time.monotonic() < self._due:
                return self._images
            if self._cost <= QUICK:
                self._look()
                return self._images
            images, self._looking = self._images, True
            threading.Thread(target=self._look_aside, name="look at files", daemon=True).start()
            return images

    def _look(self) -> None:
        start = time.monotonic()
        if stamp(self._ref, self._images) == self._stamp:
            self._rest(start)
        else:
            self._noted(load_images(self._ref, trusted=self._trusted))

    def _look_aside(self) -> None:
        """Look without a visitor who waits; why a set cannot be loaded any more is told by the next look, which is not
        taken aside."""
        try:
            self._look()
        except InputError:
            self._cost = self._due = 0.0
        finally:
            self._looking = False

    def _noted(self, images: ImageSet) -> None:
        start = time.monotonic()
        self._stamp, self._images = stamp(self._ref, images), images
        self._rest(start)

    def _rest(self, start: float) -> None:
        self._cost = time.monotonic() - start
        self._due = time.monotonic() + REST * self._cost


@st.cache_resource(max_entries=8, show_spinner=False)
def _shared(ref: str, trusted: bool) -> _Shared:
    return _Shared(ref, trusted)


def shared(ref: str, *, trusted: bool) -> ImageSet:
    """An image set of this machine as it is now. Errors as `load_images`."""
    return _shared(ref, trusted).current()
