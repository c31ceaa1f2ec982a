"""An image set that is there but cannot be read: why, which layouts are known, and the form to say how it is laid
out."""

from __future__ import annotations

import streamlit as st

from workbench.errors import LONGEST, InputError
from workbench.ui import choice, corrections, draw, help, url
from workbench.ui.loading import applied, form
from workbench.ui.lost import WITHOUT
from workbench.ui.text import plain


def lead_on(ref: str) -> None:
    """Where the chosen set cannot be read, say so, lead to what can be done, and end a page that needs it."""
    if st.session_state["drawn page"] in WITHOUT:
        return
    try:
        choice.images_read(ref, corrections.text())
    except InputError as error:
        st.title("These images could not be read")
        st.error(plain(error, 2 * LONGEST), icon=":material/error:")
        applied.told()
        st.markdown("Say how they are laid out, or lay them out in one of the ways below.")
        draw.meaning("how-images-read", "What does this mean?")
        form.correct(ref, None)
        _known()
        st.stop()


def _known() -> None:
    st.subheader("Layouts that are known", anchor=False)
    with st.grid(2, min_column_width=320, gap="medium"):
        for topic, (title, example) in help.layouts().items():
            with st.container(border=True):
                st.markdown(f"**{title}**\n\n{example}")
                page = url.OVERVIEW.with_name("help.py")
                st.page_link(page, label="More", icon=":material/menu_book:", query_params=url.link(topic=topic))
