"""The words for which images are independent, the same on every page that shows an interval, a test or a promise."""

from __future__ import annotations

import streamlit as st

from workbench.predictions import GROUP, Cases, Independence, independence_of
from workbench.ui import kin, url
from workbench.ui.view import View

HIDDEN = (
    " **The order of the files hides a group** that is not stated: intervals are too narrow and p-values too small."
)
LABEL = "Which images belong together?"


def of(cases: Cases) -> Independence:
    """How independent the images are that a page judges."""
    return cases.independence


def hides_group(view: View) -> bool:
    """Whether images, or the parts that they show, are taken as independent although the order of the files is known to
    hide a group: no group is stated."""
    if view.predictions is None or GROUP in independence_of(view.predictions.frame).by:
        return False
    tested = kin.order_of(view.images)
    return tested is not None and tested.hides


def note(view: View, known: Independence, key: str) -> None:
    """What the figures nearby count, and the way to change it; never in green.

    Args:
        view: The model and the set that the figures are of.
        known: Of the images that the figures rest on.
        key: A word for the place on the page.
    """
    hidden = HIDDEN if hides_group(view) else ""
    icon = ":material/help:" if known.units is None else ":material/info:"
    with st.container(horizontal=True, vertical_alignment="center", key=f"independence-{key}"):
        st.caption(f"{icon} {known.sentence}{hidden}", width="content")
        st.page_link(url.DATA, label=LABEL, icon=":material/dataset:", query_params=url.link())
