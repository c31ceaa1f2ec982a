"""The app's entry: page config, navigation and the sidebar that all pages share. Start it with `workbench run`.

Streamlit imports this file for the server in it, and runs it as `__main__` for each visit.
"""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from workbench.catalog import home, shared
from workbench.ui import draw, sidebar, url, warm
from workbench.ui.answers import keep_answers
from workbench.ui.doors import Doors, Limits, expected, scripts_of, shown
from workbench.ui.progress import troubles
from workbench.ui.tour import band

PAGES = home() / "pages"
UPLOADS = Limits(bytes=600 * 2**20, files=1000, bytes_of_all=4 * 2**30)
"""What Streamlit holds of uploads before and beside what the app keeps of them."""


def main() -> None:
    """Draw the frame, then the chosen page."""
    complete = warm.torch_ready()
    st.set_page_config(page_title="Explainability workbench", page_icon=str(shared("icon.png")), layout="wide")
    sections = {
        "Look": [
            st.Page(PAGES / "overview.py", title="Overview", icon=":material/home:", url_path="start", default=True),
            st.Page(PAGES / "explain.py", title="Explain", icon=":material/center_focus_strong:"),
            st.Page(PAGES / "probe.py", title="Probe", icon=":material/science:"),
        ],
        "Audit": [
            st.Page(PAGES / "data.py", title="Data", icon=":material/dataset:"),
            st.Page(PAGES / "bias.py", title="Bias", icon=":material/balance:"),
            st.Page(PAGES / "reliability.py", title="Reliability", icon=":material/health_and_safety:"),
        ],
        "Decide": [
            st.Page(PAGES / "defects.py", title="Defects", icon=":material/rule:"),
            st.Page(PAGES / "agreement.py", title="Agreement", icon=":material/handshake:"),
            st.Page(PAGES / "journal.py", title="Journal", icon=":material/history_edu:"),
            st.Page(PAGES / "report.py", title="Report", icon=":material/lab_profile:"),
        ],
        "Read": [st.Page(PAGES / "help.py", title="Help", icon=":material/menu_book:")],
    }
    page = st.navigation({**sections, "": [st.Page(_to_overview, url_path="overview")]}, position="hidden")
    url.begin(page.url_path)
    draw.style()
    sidebar.pages(sections)
    with troubles():
        sidebar.sidebar()
        with band.around(page.url_path) as drawn:
            if drawn:
                page.run()
    warm.warm_up()
    if not complete:
        warm.follow()


def _to_overview() -> None:
    """Who writes the Overview's name behind the address, as with every other page, is led to where it stands."""
    st.switch_page(url.OVERVIEW, query_params=st.query_params.to_dict())


def guarded() -> Middleware:
    """The layer that each request passes before Streamlit sees it."""
    page = Path(st.__file__).parent / "static" / "index.html"
    guests = expected(st.get_option("server.address"))
    return Middleware(Doors, guests, scripts_of(page.read_text(encoding="utf-8")), UPLOADS, _held)


def _held() -> dict[str, list[int]]:
    """The sizes of the files that Streamlit holds of uploads, by session."""
    files = getattr(st.runtime.get_instance().uploaded_file_mgr, "file_storage", {})
    return {session: [len(file.data) for file in list(kept.values())] for session, kept in list(files.items())}


@asynccontextmanager
async def window(server: st.App) -> AsyncIterator[None]:
    """Open the visitor's browser once the server stands, unless it was started without a window."""
    if not st.get_option("server.headless"):
        address = shown(st.get_option("server.address"), st.get_option("server.port"))
        threading.Timer(0.5, webbrowser.open, [f"{address}/{st.get_option('server.baseUrlPath').strip('/')}"]).start()
    yield


if __name__ == "__main__":
    main()
else:
    keep_answers()
    app = st.App(__file__, lifespan=window, middleware=[guarded()])
