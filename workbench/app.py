"""The app's entry: page config, navigation and the sidebar that all pages share. Start it with `workbench run`."""

from __future__ import annotations

import streamlit as st

from workbench.catalog import home, shared
from workbench.ui import choice, draw, url, work

PAGES = home() / "pages"


def main() -> None:
    """Draw the frame, then the chosen page."""
    st.set_page_config(page_title="Explainability workbench", page_icon=str(shared("icon.png")), layout="wide")
    page = st.navigation(
        {
            "Look": [
                st.Page(PAGES / "overview.py", title="Overview", icon=":material/home:", default=True),
                st.Page(PAGES / "explain.py", title="Explain", icon=":material/center_focus_strong:"),
                st.Page(PAGES / "probe.py", title="Probe", icon=":material/science:"),
            ],
            "Audit": [st.Page(PAGES / "bias.py", title="Bias", icon=":material/balance:")],
            "Decide": [
                st.Page(PAGES / "defects.py", title="Defects", icon=":material/rule:"),
                st.Page(PAGES / "journal.py", title="Journal", icon=":material/history_edu:"),
            ],
        }
    )
    url.begin(page.url_path)
    draw.style()
    with work.troubles():
        choice.sidebar()
        page.run()
    work.warm_up()


main()
