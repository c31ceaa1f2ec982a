"""What this visitor uploaded."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from workbench.ui.doors import expected
from workbench.ui.visitors import VISITORS, Uploads, login_of, tokens_of

OWN_IMAGES, OWN_MODELS = 500 * 2**20, 2 * 2**30
"""Bytes that one visitor may upload: images and image sets together, and models."""


def local() -> bool:
    """Whether only people at this machine can reach the app: then what they type may name folders of it."""
    return expected(st.get_option("server.address")).local


def shelf() -> Uploads:
    """This visitor's shelf of uploads: that of the browser, for all its pages; without a cookie, of this session."""
    context = get_script_run_ctx(suppress_warning=True)
    own: Uploads | None = st.session_state.get("shelf")
    if own is None or own.ended:
        headers = st.context.headers.items()
        own = st.session_state["shelf"] = VISITORS.shelf(tokens_of(st.context.cookies), login_of(headers))
    if context is not None:
        VISITORS.touch(own, context.session_id)
    return own


def own(kind: str) -> Mapping[str, Any]:
    """What this visitor uploaded, by name: "models", "sets", "images", "concepts" or "descriptions". Nobody else sees
    it."""
    return VISITORS.own(shelf(), kind)


def keep(kind: str, name: str, value: Any, size: int = 0) -> None:
    """Keep what was uploaded, of `size` bytes. Errors as `Visitors.keep`."""
    VISITORS.keep(shelf(), kind, name, value, size, OWN_MODELS if kind == "models" else OWN_IMAGES)


def has_uploads() -> bool:
    """Whether anything of this visitor's is kept."""
    return bool(shelf().sizes)


def drop(kind: str, name: str) -> None:
    """Forget one upload."""
    VISITORS.drop(shelf(), kind, name)


def forget() -> None:
    """Forget all that this visitor uploaded, and choose something else where it was chosen."""
    for key, kind in (("model", "models"), ("set", "sets")):
        if st.session_state.get(key) in own(kind):
            st.query_params.pop(key, None)
    VISITORS.forget(shelf())
    st.session_state["forgotten"] = {file.file_id for file in st.session_state.get("image upload") or ()}


def token(thing: object) -> str:
    """This very object: `ImageSet.key` lists names and sizes, which another day's or visitor's images may share."""
    name: str = vars(thing).setdefault("token", uuid.uuid4().hex)
    return name
