"""Images that somebody selected on the map: a link holds a digest of their names, which are kept beside the cache.

A selection of images that a visitor uploaded stays with that visitor.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import streamlit as st

from workbench.errors import InputError
from workbench.files import cache_folder, read_file
from workbench.images import ImageSet
from workbench.ui import choice, session, url
from workbench.ui.view import View

SELECTED = "selection"
STEM = re.compile(r"[0-9a-f]{24}")
MOST_SELECTIONS = 500
"""Selections on the disk; the oldest go first."""
LARGEST_SELECTION = 16 * 2**20
"""Bytes of one."""


def keep(view: View, names: Iterable[str]) -> str:
    """Keep a selection of images of a set and give what a link to it says.

    Raises:
        InputError: No image is selected, or the selection cannot be kept.
    """
    text = json.dumps(sorted(set(names)), ensure_ascii=False)
    if text == "[]":
        raise InputError("No image is selected: draw round some on the map.")
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    if choice.set_ref(view.model) in session.own("sets"):
        session.keep("selections", digest, text, len(text))
        return digest
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".part", delete=False, encoding="utf-8") as file:
            file.write(text)
        os.replace(file.name, folder / f"{digest}.json")
    except OSError as error:
        raise InputError(f"The selection cannot be kept ({error.strerror}): free some space on the disk.") from None
    _prune(folder)
    return digest


def names_of(digest: str) -> tuple[str, ...] | None:
    """The names that a digest stands for; None where no such selection is kept here."""
    if not STEM.fullmatch(digest):
        return None
    text = session.own("selections").get(digest)
    try:
        names = json.loads(text if text is not None else read_file(_folder() / f"{digest}.json", LARGEST_SELECTION))
    except (OSError, ValueError, RecursionError):
        return None
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def digest_now() -> str:
    """What the address of this page says of a selection; empty where it says nothing."""
    return url.value(key=SELECTED)


def chosen(images: ImageSet) -> frozenset[str] | None:
    """The names of the selected images of a set; None where none are, or where the selection is not known here or holds
    no image of this set."""
    digest = digest_now()
    names = names_of(digest) if digest else None
    return frozenset(names or ()) & images.by_name.keys() or None


def title(count: int) -> str:
    """What a selection of so many images is called."""
    return f"selection of {count:,} image{'s' * (count != 1)} from the map"


def chip(view: View) -> None:
    """What is selected, why a selection does not hold, and the way to leave it; nothing where none is."""
    digest = digest_now()
    if not digest:
        return
    names, here = names_of(digest), chosen(view.images)
    with st.container(horizontal=True, vertical_alignment="center", key="selection-chip"):
        if names is None:
            st.warning("The selection of this link is not kept here: all images are shown.", icon=":material/link_off:")
        elif here is None:
            st.warning("The selection holds no image of this set: all images are shown.", icon=":material/link_off:")
        else:
            lost = len(set(names)) - len(here)
            words = f"**S{title(len(here))[1:]}**" + (f", {lost:,} more are not in this set" if lost else "")
            st.markdown(f":material/lasso_select: {words}")
        st.button(
            "Leave the selection", icon=":material/close:", on_click=url.drop, args=(SELECTED,), key="leave selection"
        )


def _folder() -> Path:
    return cache_folder() / "selections"


def _prune(folder: Path) -> None:
    with contextlib.suppress(OSError):
        kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-MOST_SELECTIONS]:
            path.unlink(missing_ok=True)
