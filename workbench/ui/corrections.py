"""How the chosen image set is to be read, where a visitor corrected it: text of the address, as `options_text` writes
it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from urllib.parse import parse_qsl

import streamlit as st

from workbench.catalog import IMAGES_VARIABLE, READ_VARIABLE, ReadOptions, load_catalog
from workbench.errors import InputError
from workbench.sets import options_from, options_of, options_text
from workbench.ui import url
from workbench.ui.text import plain

QUERY, APPLIED = "read", "applied corrections"
"""The key of the address, and that of the session for the last correction that was made here."""
AS_RECOGNISED = "masks=auto"
"""Options that change nothing, where those of the catalog are to be left."""


def follow(ref: str, *, outside: bool) -> None:
    """Take the corrections of the address for the set `ref`; those of another set go.

    Args:
        ref: The chosen set.
        outside: Whether the address was not written here: a link, or the back button.
    """
    state = st.session_state
    if state.get("read of", ref) != ref and not outside:
        url.drop(QUERY)
    state["read of"] = ref
    if text := url.value(key=QUERY):
        try:
            options_from(text)
        except InputError as error:
            url.drop(QUERY)
            st.info(
                f"The corrections of the image set in this link are ignored. {plain(str(error)[:1].upper())}"
                f"{plain(str(error)[1:], 400)}",
                icon=":material/rule_settings:",
            )


def mark(ref: str) -> str:
    """This very reading of the set `ref` in keys of widgets, which reach the browser: so without the folder's name."""
    return hashlib.sha256(f"{ref}\0{text()}".encode(errors="surrogatepass")).hexdigest()[:16]


def text() -> str:
    """The corrections of the chosen set as in the address; empty where there are none."""
    return str(st.session_state.get(QUERY) or "")


def options(ref: str) -> ReadOptions:
    """How the chosen set `ref` is read: as corrected, or as the catalog says."""
    if said := text():
        return options_from(said)
    return _stated(ref)


def _stated(ref: str) -> ReadOptions:
    """How the catalog, or the command line that started the server, says that a set is to be read."""
    entry = load_catalog().images.get(ref)
    if entry is None and ref == os.environ.get(IMAGES_VARIABLE):
        return options_from(os.environ.get(READ_VARIABLE, ""))
    return entry.read if entry else ReadOptions()


def text_of(ref: str, wanted: ReadOptions) -> str:
    """What the address says so that the set `ref` is read as `wanted`."""
    if wanted == _stated(ref):
        return ""
    return options_text(wanted) or AS_RECOGNISED


def changed(before: ReadOptions, pairs: Sequence[tuple[str, str]]) -> ReadOptions:
    """Options with other values of some, by their names in questions, as ("split.dev", "test").

    Raises:
        InputError: A value does not exist.
    """
    names = {name for name, _ in pairs}
    kept = [(n, v) for n, v in parse_qsl(options_text(before), keep_blank_values=True) if n not in names]
    return options_of([*kept, *pairs])


def choose(words: str) -> None:
    """In a callback: read the chosen set so."""
    if words:
        url.choose(QUERY, words)
    else:
        url.drop(QUERY)
