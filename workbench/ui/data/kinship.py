"""Which images belong together: groups that are stated, families that were found, and what follows for every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import InputError
from workbench.journal import Note
from workbench.predictions import GROUP
from workbench.quality import GRADES, LIKENESS_BINS, Families, family_results, look_for_families
from workbench.ui import checks, draw, kin, logbook, session, url
from workbench.ui.data import relatives, twins
from workbench.ui.data.scope import Scope
from workbench.ui.progress import Stoppable, guarded, offer

if TYPE_CHECKING:
    import pandas as pd

KIN_SHOWN, WHO = 4, "who tells pairs apart"
TOGETHER = {"joined": "of one part", "similar": "very similar"}
"""Which pairs are shown, as the address says it."""


@guarded
def section(scope: Scope) -> None:
    """What joins images, or that each is taken as independent."""
    draw.meaning("families", "What is a family?")
    stated = {item.attributes[GROUP] for item in scope.images if GROUP in item.attributes}
    if stated:
        st.markdown(f"**Groups**: {len(stated):,} are stated in the attribute `{GROUP}`.")
    found = scope.families
    if found is None:
        if not stated:
            st.markdown("**Each image is taken as independent**: no group is stated, and families were not looked for.")
        offer("Look for images of one part", "look for families", lambda: look(scope))
        return
    checks.lines(family_results(found))
    _pairs(scope, found)
    relatives.section(scope, found)
    with st.container(horizontal=True):
        draw.table("Families (CSV)", lambda: found.frame, "families.csv", "csv families")
        draw.table("Pairs (CSV)", lambda: found.pairs, "family-pairs.csv", "csv family pairs")
    if found.threshold is not None:
        with st.expander("How alike strangers are, and where the threshold lies", icon=":material/bar_chart:"):
            _likeness(found, found.threshold)


def look(scope: Scope) -> Families | None:
    """The families of the set, looked for now with progress and kept; None where the user stopped it."""
    progress = Stoppable(f"Comparing {len(scope.images):,} images", "families")
    if progress.stopped:
        return None
    found = look_for_families(
        scope.images, kin.apart(scope.images), kin.kept_in(own=logbook.own(scope.model)), progress
    )
    progress.done()
    return found


@st.fragment
@guarded
def _pairs(scope: Scope, found: Families) -> None:
    """The pairs, those first that stand in two splits or under two labels."""
    if not len(found.pairs):
        return
    which = url.segments("Pairs", list(TOGETHER), key="kin", default="joined", format_func=TOGETHER.__getitem__)
    joined = found.pairs["grade"] != GRADES[-1]
    pairs = _ordered(scope, found.pairs[joined if which == "joined" else ~joined])
    count = "1 pair" if len(pairs) == 1 else f"{len(pairs):,} pairs"
    st.caption(f"{count}, those in two splits or with two labels first.")
    pages = -(-len(pairs) // KIN_SHOWN)
    page = url.pages(pages, key="kin_page", max_visible_pages=5) if pages > 1 else 1
    if session.local() and not st.session_state.get("user name"):
        st.text_input("Your name, to tell pairs apart", key=WHO, max_chars=200, on_change=_named, width=300)
    for row in pairs.iloc[(page - 1) * KIN_SHOWN : page * KIN_SHOWN].to_dict("records"):
        names = (str(row["first"]), str(row["second"]))
        limit = "" if found.threshold is None else f" (threshold {found.threshold:.2f})"
        turn = f"turned: {row['turn']}" if row["turn"] else "as it stands"
        words = (str(row["grade"]), f"likeness {row['score']:.2f}{limit}", turn)
        twins.pair(scope, names, words, f"kin {names}", str(row["turn"] or ""))
        _word(scope, names)


def _ordered(scope: Scope, pairs: pd.DataFrame) -> pd.DataFrame:
    of = scope.images.by_name
    ends = [(of[first], of[second]) for first, second in zip(pairs["first"], pairs["second"], strict=True)]
    splits = [one.split == other.split for one, other in ends]
    labels = [one.label == other.label for one, other in ends]
    table = pairs.assign(split=splits, label=labels)
    return table.sort_values(["split", "label", "score"], ascending=[True, True, False], kind="stable")


def _word(scope: Scope, names: tuple[str, str]) -> None:
    """What a person says of a pair, and the button to say it or take it back."""
    first, second = (scope.images.by_name[name] for name in names)
    if first.id == second.id or not session.local():
        return
    apart = tuple(sorted((first.id, second.id))) in kin.apart(scope.images)
    said = "withdrawn" if apart else "not the same"
    if apart:
        st.caption(":material/call_split: A person said: not the same. The pair is not joined.")
    user = st.session_state.get("user name")
    if not user:
        return
    label = "Take back" if apart else "Not the same"
    if st.button(label, key=f"word {names}", icon=":material/undo:" if apart else ":material/call_split:"):
        book = logbook.journal(scope.model)
        if book is None:
            raise InputError(logbook.SHUT)
        book.append(
            Note(
                about="pair",
                user=user,
                set_name=scope.images.name,
                image=first.id,
                image_name=first.name,
                label=first.label,
                said=said,
                second=second.id,
                second_name=second.name,
                second_label=second.label,
            )
        )
        st.rerun()


def _named() -> None:
    st.session_state["user name"] = str(st.session_state.get(WHO) or "").strip()


def _likeness(found: Families, threshold: float) -> None:
    """Shares of strangers and of candidates at each likeness, with the threshold."""
    import pandas as pd

    kinds = {"strangers": found.strangers, "candidates": found.compared}
    rows = pd.DataFrame(
        [
            {"from": low, "to": high, "pairs": count, "share": count / max(sum(counts), 1), "of": name}
            for name, counts in kinds.items()
            for low, high, count in zip(LIKENESS_BINS[:-1], LIKENESS_BINS[1:], counts, strict=True)
        ]
    )
    x = {"field": "from", "type": "quantitative", "title": "Likeness"}
    y = {"field": "share", "type": "quantitative", "title": "Share of pairs", "axis": {"format": "%"}}
    colour = {"field": "of", "type": "nominal", "title": None}
    tips = [{"field": name, "type": "nominal"} for name in ("of", "from", "to", "pairs")]
    encoding = {"x": x, "y": y, "color": colour, "tooltip": tips}
    bars = {"mark": {"type": "line", "interpolate": "step-after"}, "encoding": encoding}
    rule = {
        "data": {"values": [{"at": threshold}]},
        "mark": {"type": "rule", "strokeDash": [4, 4], "strokeWidth": 2},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }
    st.vega_lite_chart(rows, {"height": 180, "layer": [bars, rule]}, width="stretch")
    st.caption(f"Pairs from {threshold:.2f} on are looked at closely; 0.1 strangers are expected above it.")
