"""What every page says of how the images were read: a link to the report, and that questions are open."""

from __future__ import annotations

import streamlit as st

from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.ui import choice, corrections, url

TITLE = "How these images were read"
LINK_KEY, OPEN, LABELS = "images_read", "open", "labels"
"""The key of the address that opens the report, and its values: open, or with the labels to be mapped to classes."""
JUST_UPLOADED = "uploaded set to look at"
"""In the session: the upload whose report is to open, as it tells of something."""


def link(label: str, value: str = OPEN) -> None:
    """One line that leads to the report, from any page."""
    st.page_link(url.OVERVIEW, label=label, icon=":material/fact_check:", query_params=url.link(**{LINK_KEY: value}))


def is_asked_for(ref: str) -> bool:
    """Whether a link, an upload or a correction asks for the report."""
    state = st.session_state
    return (
        st.query_params.get(LINK_KEY) in (OPEN, LABELS)
        or state.get(JUST_UPLOADED) == ref
        or bool(corrections.text() and corrections.text() == state.get(corrections.APPLIED, {}).get("text"))
    )


def is_first(images: ImageSet, ref: str) -> bool:
    """Whether the report stands before all else."""
    report = images.report
    return report is not None and (is_asked_for(ref) or bool(report.questions or report.findings))


def open_questions() -> None:
    """A line below the title of a page whose figures rest on what nobody has answered yet."""
    model = choice.whole()
    try:
        report = choice.whole_images(model).report
    except InputError:  # the page says why
        return
    if report is None:
        return
    count = len(report.questions)
    if count:
        are = (
            "1 question about how these images were read is"
            if count == 1
            else (f"{count:,} questions about how these images were read are")
        )
        _line(f"{are} open: the figures rest on what was taken until somebody answers.", "Answer")
    elif st.session_state.get(JUST_UPLOADED) == choice.set_ref(model):
        _line("Your images were read; the report tells of what was left out or contradicts itself.", "See the report")


def _line(sentence: str, label: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="open-questions"):
        st.markdown(f":material/help: {sentence}", width="content")
        st.page_link(
            url.OVERVIEW,
            label=label,
            icon=":material/arrow_forward:",
            icon_position="right",
            query_params=url.link(**{LINK_KEY: OPEN}),
        )
