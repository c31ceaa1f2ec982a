"""The parts of the Journal page: whether the record is sound, its entries, and the ways to hand it on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from workbench.catalog import home
from workbench.images import ImageSet
from workbench.journal import Entry, Journal, relabelled, to_csv, to_json
from workbench.ui import choice, draw, url

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 5000
"""Up to so many entries are checked without being asked."""
PAGE = 25
DEFECTS = home() / "pages" / "defects.py"
_HELP = """
Each entry's hash covers the whole entry and the hash of the one before. A changed, removed, inserted or reordered entry breaks the chain,
and a note of the last entry beside the journal shows a cut-off end.

Whoever may write all these files could make a new chain from beginning to end. Against that, keep the **digest** of the last entry out of
their reach: in a mail, in a signed report, on paper. Later, put it in here: everything up to that entry is then as it was on that day.

The same check without the app: `workbench journal verify --expect DIGEST`.
"""


def place(kept: Journal, own: bool) -> None:
    """Where the journal lies; people elsewhere need not know the server's folders."""
    if own:
        st.caption(":material/info: This journal belongs to this session alone: hand it on below before you leave.")
    elif choice.local():
        st.caption(f"It lies at {choice.plain(kept.path, 300)}.")


def soundness(kept: Journal) -> None:
    """Whether nobody changed, removed or reordered an entry since."""
    count = kept.count()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = (
            st.text_input("Digest that you kept", key="expected digest", placeholder="64 characters, optional", width=420).strip().lower()
        )
        asked = count <= AT_ONCE or st.button(f"Check all {count:,} entries", icon=":material/verified_user:")
        draw.meaning(_HELP)
    if typed and not re.fullmatch("[0-9a-f]{64}", typed):
        st.warning("A digest has 64 characters, 0 to 9 and a to f: copy it whole.", icon=":material/error:")
        typed = ""
    if not asked:
        return
    found = kept.verify(typed or None)
    for problem in found.problems[:20]:
        st.error(choice.plain(problem, 400), icon=":material/gpp_bad:")
    if len(found.problems) > 20:
        st.error(f"And {len(found.problems) - 20:,} more.", icon=":material/gpp_bad:")
    if found.sound:
        entries = "entry" if found.count == 1 else "entries"
        st.success(f"Sound: {found.count:,} {entries}, {_time(found.first)} to {_time(found.last)} UTC.", icon=":material/verified:")
    if found.covered is not None:
        st.success(f"The digest that you kept is that of entry {found.covered:,}: up to it nothing was changed.", icon=":material/lock:")
    st.caption("Digest of the last entry, to keep elsewhere:")
    st.code(found.head, language=None)


def entries(kept: Journal) -> None:
    """The entries, newest first, and one of them in full."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        only = url.segments("Entries", ["all", "overruled"], key="entries", default="all", format_func=str.capitalize)
    count = kept.count(overruled=only == "overruled")
    if not count:
        st.info("No decision was overruled yet.", icon=":material/inbox:")
        return
    pages = -(-count // PAGE)
    page = url.pages(pages, key="sheet", max_visible_pages=5) if pages > 1 else 1
    shown = kept.entries(newest_first=True, limit=PAGE, offset=(page - 1) * PAGE, overruled=only == "overruled")
    picked = st.dataframe(
        _table(shown), hide_index=True, on_select="rerun", selection_mode="single-row", key=f"journal {only} {page}", alt="Journal entries"
    )
    rows = picked["selection"]["rows"]
    if rows and rows[0] < len(shown):
        _whole(shown[rows[0]])
    else:
        st.caption("Choose a row to see the whole entry.")


def _table(shown: tuple[Entry, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "no.": entry.number,
                "time (UTC)": _time(entry.time),
                "who": entry.user,
                "picture": entry.image_name,
                "score": round(entry.score, 4),
                "threshold": round(entry.threshold, 4),
                "verdict": entry.verdict,
                "person": f"it is {entry.overruled}" if entry.overruled else "agrees",
                "why": entry.reason,
                "ground truth": entry.label or "",
            }
            for entry in shown
        ]
    )


def _whole(entry: Entry) -> None:
    with st.container(border=True):
        st.markdown(f"**Entry {entry.number:,}**")
        facts = {name: str(value) for name, value in vars(entry).items() if value is not None}
        st.json(facts, expanded=True)
        if entry.model == choice.model().key:
            query = choice.link(view="decisions", queue="all", image=entry.image_name, on="all")
            st.page_link(DEFECTS, label="Look at this picture again", icon=":material/center_focus_strong:", query_params=query)


def hand_on(kept: Journal, images: ImageSet) -> None:
    """The whole journal as files, and overruled labels to train with."""
    st.subheader("Hand it on", anchor=False)
    with st.container(horizontal=True):
        draw.download("Journal (CSV)", lambda: to_csv(kept.entries()), "journal.csv", "text/csv", "csv journal")
        draw.download("Journal with its chain (JSON)", lambda: to_json(kept.entries()), "journal.json", "application/json", "json journal")
        draw.download(
            f"Labels of {images.name} as people see them (manifest.csv)",
            lambda: relabelled(images, kept.entries()),
            "manifest.csv", "text/csv", "csv labels",
        )  # fmt: skip
    st.caption(
        "The JSON holds all that it takes to check the chain without this program. The manifest lists every picture of the set, with "
        "the label that the newest overruling gave it: put it into the set's folder and train again with `workbench train`."
    )


def _time(text: str | None) -> str:
    return "" if text is None else text[:19].replace("T", " ")
