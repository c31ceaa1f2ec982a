"""Heavy packages, imported in the background while the visitor looks at the first page."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import threading

import streamlit as st

LOADING = ":material/hourglass_top: The model is loading in the background."


def torch_ready() -> bool:
    """Whether torch is loaded, so that asking the model is quick."""
    return "torch" in sys.modules and _warmed.is_set()


_warmed = threading.Event()


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Import the heavy packages in the background, once a server, while the visitor looks at the page."""

    def load() -> None:
        with contextlib.suppress(Exception):
            for name in ("captum.attr", "timm", "workbench.attribution", "workbench.models.loading"):
                importlib.import_module(name)
        gc.freeze()  # Streamlit collects garbage after every run of a page: torch's objects take 0.3 s each time
        _warmed.set()

    threading.Thread(target=load, name="warm-up", daemon=True).start()


@st.fragment(run_every=1.0)
def follow() -> None:
    """Draw the page anew once the packages are there: to be called at the end of a run that began before they were,
    for what only they can say, as that a shortcut is proven, is missing from it."""
    if torch_ready():
        st.rerun()
    st.html('<span class="wb-awaits"></span>')
