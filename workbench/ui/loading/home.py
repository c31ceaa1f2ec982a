"""How the images are read, to take home: a block for workbench.toml, and flags for the command line."""

from __future__ import annotations

import re
import shlex

import streamlit as st

from workbench.catalog import ImagesEntry, load_catalog
from workbench.sets import images_toml, options_flags
from workbench.ui import corrections, draw, session, sets
from workbench.ui.text import seen


def section(ref: str) -> None:
    """The download and the flags."""
    options, entry = corrections.options(ref), load_catalog().images.get(ref)
    name = ref if entry else re.sub(r"[^\w.-]+", "-", re.split(r"[/\\]", ref.removeprefix(sets.YOUR))[-1]).strip("-")
    place = seen(entry.ref if entry else ref.removeprefix(sets.YOUR))
    block = entry or ImagesEntry(title=name or "images", ref=place)
    block = block.model_copy(update={"ref": place, "root": block.root and seen(block.root), "read": options})
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.download(
            "This set for workbench.toml", lambda: images_toml(name or "images", block), "workbench.toml", "images toml"
        )
        with st.popover("For the command line", type="tertiary", icon=":material/terminal:"):
            given = ref if entry else place
            st.code(f"--images {shlex.quote(given)} {options_flags(options)}".strip(), language=None, wrap_lines=True)
            if ref in session.own("sets"):
                st.caption("Give the path of the file on your own machine.")
