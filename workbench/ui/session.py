"""What this visitor uploaded and keeps for as long as the session lasts."""

from __future__ import annotations

import uuid
from typing import Any

import streamlit as st

from workbench.errors import InputError
from workbench.ui.doors import expected

OWN_IMAGES, OWN_MODELS = 500 * 2**20, 2 * 2**30
"""Bytes that one visitor may upload: images and image sets together, and models."""


def local() -> bool:
    """Whether only people at this machine can reach the app: then what they type may name folders of it."""
    return expected(st.get_option("server.address")).local


def own(kind: str) -> dict[str, Any]:
    """What this session uploaded, by name: "models", "sets", "images" or "concepts". No other session sees it."""
    store: dict[str, Any] = st.session_state.setdefault(f"own {kind}", {})
    return store


def keep(kind: str, name: str, value: Any, size: int) -> None:
    """Keep what was uploaded for as long as the session lasts.

    Raises:
        InputError: This visitor's uploads would take too much memory.
    """
    sizes: dict[tuple[str, str], int] = st.session_state.setdefault("own sizes", {})
    most = OWN_MODELS if kind == "models" else OWN_IMAGES
    others = sum(
        taken for key, taken in sizes.items() if key != (kind, name) and (key[0] == "models") == (kind == "models")
    )
    if others + size > most:
        raise InputError(
            f"{name} takes {size / 2**20:,.0f} MB, and {others / 2**20:,.0f} of the {most / 2**20:,.0f} MB for your"
            " uploads are used: press “Forget my uploads” under “Bring your own”, or upload less."
        )
    sizes[kind, name] = size
    own(kind)[name] = value


def forget() -> None:
    """Drop all that this session uploaded, and choose something else where it was chosen."""
    for key, kind in (("model", "models"), ("set", "sets")):
        if st.session_state.get(key) in own(kind):
            st.query_params.pop(key, None)
    for kind in ("models", "sets", "images", "concepts", "descriptions"):
        own(kind).clear()
    st.session_state["own sizes"] = {}
    st.session_state["forgotten"] = {file.file_id for file in st.session_state.get("image upload") or ()}


def token(thing: object) -> str:
    """This very object: `ImageSet.key` lists names and sizes, which another day's or visitor's images may share."""
    name: str = vars(thing).setdefault("token", uuid.uuid4().hex)
    return name
