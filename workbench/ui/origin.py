"""What an exported image says of where it comes from: model, images, page and settings."""

from __future__ import annotations

import contextlib

import streamlit as st

from workbench import __version__
from workbench.errors import InputError
from workbench.ui import choice, url


def record() -> dict[str, object]:
    """Where what is on the page comes from, for the text of a PNG; no folder of this machine is in it."""
    settings = {key: st.query_params.get_all(key) for key in st.query_params if key not in url.SHARED}
    facts: dict[str, object] = {"workbench": __version__, "page": st.session_state.get("drawn page") or "overview"}
    with contextlib.suppress(InputError):  # the page says why
        model = choice.model()
        rule = {"threshold": model.rule.threshold, "temperature": model.rule.temperature}
        facts["model"] = {"name": model.title, "key": model.key, **rule}
        images = choice.images(model)
        facts["images"] = {"name": images.name, "key": vars(images).get("key")}  # None where no file was read yet
    return facts | {"image": st.query_params.get("image"), "settings": settings}
