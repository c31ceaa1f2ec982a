"""The head of the Overview: what is being judged, on what, and the link to it."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import streamlit as st

from workbench.errors import LONGEST
from workbench.predictions import good_class
from workbench.ui import draw, gallery, labels
from workbench.ui.choice import ModelChoice
from workbench.ui.overview.scope import Scope
from workbench.ui.text import plain, seen
from workbench.ui.tour import band
from workbench.ui.view import View

FEW = 3
"""So many classes are named in a title."""


def head(view: View, scope: Scope | None) -> None:
    """The title, one line on what was tried on what, and the link."""
    question, rest = asked(view.model)
    st.title(f"{plain(view.model.title)}: {question}", anchor=False)
    tried = f"Tried on {scope.where}." if scope else f"No figures on {plain(view.images.name)}."
    with st.container(horizontal=True, vertical_alignment="center", key="subject"):
        st.markdown(f"{rest} {tried}".strip(), width="content")
        if view.images.synthetic:
            st.html(gallery.chip("synthetic: generated, not photographed", "doubt"), width="content")
        _link()
        band.offer()
    labels.banner(view)


def asked(model: ModelChoice) -> tuple[str, str]:
    """The question that a model answers, and what else its description says, both for Markdown."""
    first, mark, rest = model.about.partition("?")
    if mark and not re.search(r"[.!]\s", first):
        first = first.strip()
        return plain(f"{first[:1].lower()}{first[1:]}?", LONGEST), plain(rest.strip(), LONGEST)
    names = model.rule.class_names
    if len(names) <= FEW:
        question = f"{' or '.join(names)}?"
    elif good := good_class(names):
        question = f"{good}, or which of {len(names) - 1:,} defects?"
    else:
        question = f"which of {len(names):,} classes?"
    return plain(question, LONGEST), plain(model.about, LONGEST)


def _link() -> None:
    """The address that restores this view, to copy."""
    address = f"{(st.context.url or '').partition('?')[0]}?{urlencode(st.query_params.to_dict(), doseq=True)}"
    with st.popover("Copy link", icon=":material/link:", type="tertiary"):
        st.code(seen(address.rstrip("?")), language=None, wrap_lines=True)
        st.caption("It opens this view where the same server runs. Uploads are not in it.")
        draw.meaning("links", "What is in a link?")
