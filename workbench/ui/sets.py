"""Image sets on disk that all sessions share, listed again when any of their files changes."""

from __future__ import annotations

import dataclasses
import re
import threading
import time

import streamlit as st

from workbench.catalog import ReadOptions, stored_path
from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.sets import Tree, images_from_zip, load_images, options_from, stamp, zip_tree
from workbench.ui import session
from workbench.ui.visitors import minutes

REST = 10
"""Multiple of a check's duration during which no one repeats it, so that huge sets do not slow every click."""
QUICK = 0.3
"""Longest wait of a visitor for a check, in seconds; a longer one runs aside and shows with the next click."""


KEPT = 4
"""Ways of reading an upload that are kept."""
YOUR = "Your "
"""How the name of an upload begins."""


def gone(ref: str) -> str | None:
    """Why an upload of this name is not there any more; None for a name that no upload has."""
    if not (ref.startswith(YOUR) and re.search(r"\.(zip|onnx)($|, )", ref.lower())):
        return None
    if why := session.shelf().why:
        return f"“{ref}” is not there any more: {why}. Upload it again under “Bring your own”."
    return (
        f"“{ref}” was uploaded, and is not there: uploads stay in the browser that they came from, until"
        f" {minutes():g} minutes after its last page is closed or the server restarts. Upload it again under “Bring"
        " your own”."
    )


def check_there(ref: str, *, here: bool) -> None:
    """Refuse the name of a lost upload; a visitor `here`, at this machine, may have a file of that name."""
    if (why := gone(ref)) and not (here and stored_path(ref).exists()):
        raise InputError(why)


class _Shared:
    """One image set; `ref`, `trusted` and `follow` are as for `load_images`, which raises its errors here.

    Args:
        text: How it is to be read, as `options_text` writes it; empty as the catalog says.
    """

    def __init__(self, ref: str, trusted: bool, follow: bool = False, text: str = "") -> None:
        self._ref, self._trusted, self._follow = ref, trusted, follow
        self._options: ReadOptions | None = options_from(text) if text else None
        self._lock = threading.Lock()
        self._images = self._load()
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

    def _load(self) -> ImageSet:
        return load_images(self._ref, trusted=self._trusted, options=self._options, follow=self._follow)

    def _look(self) -> None:
        start = time.monotonic()
        if stamp(self._ref, self._images, follow=self._follow) == self._stamp:
            self._rest(start)
        else:
            self._noted(self._load())

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
        self._stamp, self._images = stamp(self._ref, images, follow=self._follow), images
        self._rest(start)

    def _rest(self, start: float) -> None:
        self._cost = time.monotonic() - start
        self._due = time.monotonic() + REST * self._cost


@st.cache_resource(max_entries=8, show_spinner=False)
def _shared(ref: str, trusted: bool, follow: bool, text: str) -> _Shared:
    return _Shared(ref, trusted, follow, text)


def shared(ref: str, *, trusted: bool, follow: bool, text: str = "") -> ImageSet:
    """An image set of this machine as it is now, read as `text` says; `trusted` and `follow` are as for `load_images`.
    Errors as that and `options_from`."""
    return _shared(ref, trusted, follow, text).current()


class Upload:
    """A zip of images that a visitor uploaded, which can be read in several ways."""

    def __init__(self, data: bytes, file: str) -> None:
        self._data, self._file = data, file
        self._read: dict[str, ImageSet] = {}
        self._lock = threading.Lock()

    def images(self, text: str = "") -> ImageSet:
        """The set, read as `text` says; the same object each time. Errors as `images_from_zip` and `options_from`."""
        with self._lock:  # two tabs may ask at once
            if text not in self._read:
                images = images_from_zip(self._data, self._file, options_from(text))
                while len(self._read) >= KEPT:
                    del self._read[next(iter(self._read))]
                self._read[text] = dataclasses.replace(images, name=f"{YOUR}{self._file}")
            return self._read[text]

    def tree(self) -> Tree:
        """Its files. Errors as `zip_tree`."""
        return zip_tree(self._data, self._file)
