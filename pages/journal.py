"""The decision journal: who decided what and when, and whether anybody changed it since."""

from __future__ import annotations

import streamlit as st

from workbench.catalog import home
from workbench.ui import choice, journal, logbook, session, url
from workbench.ui.loading import notice

st.title("Journal")
notice.open_questions()
st.markdown("Who decided what about which part, when, with which model and map. And was any entry changed since?")
model = choice.model()
images = choice.images(model)
book = logbook.journal(model)
if not session.local():
    st.info(logbook.SHUT, icon=":material/lock:")
if book is None:
    st.info("No decision about this model and image set can be read here.", icon=":material/inbox:")
elif book.count_records():
    journal.place(book, logbook.own(model))
    sound = journal.soundness(book)
    journal.entries(book, images)
    journal.export(book, images, sound)
elif journal.soundness(book):
    open_one = " Open an image on the Defects page and record your verdict." if session.local() else ""
    st.info(f"No decisions yet.{open_one}", icon=":material/inbox:")
    st.page_link(
        home() / "pages" / "defects.py",
        label="Go to the decisions",
        icon=":material/rule:",
        query_params=url.link(view="decisions"),
    )
