"""Image sets on disk that all sessions share, listed again when any of their files changes."""

from __future__ import annotations

import threading
import time

import streamlit as st

from workbench.images import ImageSet
from workbench.layouts import load_images, stamp

REST = 10
"""How many times as long as a look at the files takes nobody looks again: a set of a hundred thousand files is no brake on every click."""


class _Shared:
    """One image set.

    Attributes:
        ref: As for `load_images`.
        trusted: As for `load_images`.
    """

    def __init__(self, ref: str, trusted: bool) -> None:
        self.ref, self.trusted = ref, trusted
        self._lock = threading.Lock()
        self._images = load_images(ref, trusted=trusted)
        self._stamp, self._rests = stamp(ref, self._images), 0.0

    def current(self) -> ImageSet:
        """The set as it is now; the same object while none of its files changes. Errors as `load_images`."""
        with self._lock:
            started = time.monotonic()
            if started >= self._rests:
                if stamp(self.ref, self._images) != self._stamp:
                    self._images = load_images(self.ref, trusted=self.trusted)
                    self._stamp = stamp(self.ref, self._images)
                self._rests = time.monotonic() + REST * (time.monotonic() - started)
            return self._images


@st.cache_resource(max_entries=8, show_spinner=False)
def _shared(ref: str, trusted: bool) -> _Shared:
    return _Shared(ref, trusted)


def shared(ref: str, *, trusted: bool) -> ImageSet:
    """An image set of this machine as it is now. Errors as `load_images`."""
    return _shared(ref, trusted).current()
