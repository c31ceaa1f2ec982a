"""One suspected label at a time: the image, its twin, why it is suspected, and the keys that write into the journal."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.journal import Note, NoteEntry
from workbench.quality import FOLDED_HEAD, MODEL, LabelCost, LabelIssues
from workbench.ui import draw, logbook, photographs, session, url
from workbench.ui.data.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

LARGE_EDGE = 420
LEAST_SHOWN = 0.4
"""Seconds that an image must have been on the screen: a key that is held decides no second one."""
BY = {
    "all": "any source",
    MODEL: "by the model",
    FOLDED_HEAD: "by a head in folds",
    "twins": "by a twin",
    "mask": "by the mask",
    "intervention": "by editing",
}
NOTE_WORDS = {"confirmed": "confirmed", "changed": "changed to", "doubtful": "held doubtful"}


@dataclasses.dataclass(frozen=True, eq=False)
class Queue:
    """The suspected images that the filters leave, in order, and which one is shown.

    Attributes:
        rows: One row an image, as `LabelIssues.flagged`.
        notes: What people said of each, by name; nothing of those that nobody looked at.
        at: The place of the one that is shown.
    """

    rows: pd.DataFrame
    notes: Mapping[str, NoteEntry]
    at: int

    @property
    def name(self) -> str:
        """The image that is shown."""
        return str(self.rows["name"][self.at])

    def beside(self, step: int) -> str:
        """The name of another one, so many places on."""
        return str(self.rows["name"][(self.at + step) % len(self.rows)])


@st.fragment
@guarded
def review(scope: Scope, issues: LabelIssues, each: Mapping[str, LabelCost]) -> None:
    """The filters, one image with its keys, and the table of all."""
    rows = _filtered(issues, each)
    if rows.empty:
        st.info("No suspected label is of this class, split and source.", icon=":material/filter_alt_off:")
        return
    notes = _notes(scope, rows)
    wanted = url.value(key="issue")
    names = rows["name"].tolist()
    open_ones = [place for place, name in enumerate(names) if name not in notes]
    at = names.index(wanted) if wanted in names else open_ones[0] if open_ones else 0
    queue = Queue(rows, notes, at)
    st.progress(len(notes) / len(rows), text=f"{len(notes):,} of {len(rows):,} looked at")
    _shown(scope, queue, each)
    with st.expander(f"All {len(rows):,} suspected labels", icon=":material/table_rows:"):
        st.dataframe(_table(queue, each), hide_index=True, alt="Suspected labels, with what speaks against each")


def _filtered(issues: LabelIssues, each: Mapping[str, LabelCost]) -> pd.DataFrame:
    rows = issues.flagged
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = _filter("Label", rows["label"], "issue_class")
        split = _filter("Split", rows["split"].dropna(), "issue_split")
        by = url.select("Suspected", list(BY), key="issue_by", default="all", format_func=BY.__getitem__, width=190)
    if label != "all":
        rows = rows[rows["label"] == label.removeprefix("=")]
    if split != "all":
        rows = rows[rows["split"] == split]
    if by in (MODEL, FOLDED_HEAD):
        rows = rows[(rows["source"] == by) & rows["suggestion"].notna()]
    elif by != "all":
        rows = rows[rows["contradiction"].fillna("").str.contains(by)]
    moved = rows["name"].map({name: cost.moves for name, cost in each.items()}).astype(float).fillna(-1.0)
    return rows.loc[moved.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def _filter(title: str, values: pd.Series, key: str) -> str:
    options = ["all", *(url.named(str(value), ("all",)) for value in sorted(values.unique()))]
    words = {"all": "all"} | {option: plain(option.removeprefix("="), 60) for option in options[1:]}
    return url.select(title, options, key=key, default="all", format_func=words.__getitem__, width=160)


def _notes(scope: Scope, rows: pd.DataFrame) -> dict[str, NoteEntry]:
    said, result = logbook.label_decisions(), {}
    for name in rows["name"] if said else ():
        try:
            note = said.get(scope.image(name).id)
        except InputError:
            continue
        if note is not None:
            result[str(name)] = note
    return result


def _shown(scope: Scope, queue: Queue, each: Mapping[str, LabelCost]) -> None:
    row, item = queue.rows.iloc[queue.at], scope.image(queue.name)
    token = f"{item.name} {st.session_state.get('label notes written', 0)}"
    with st.container(border=True, key="label-review"):
        with st.grid(2, min_column_width=280, gap="small"):
            _large(item, f"{row['label']}, {row['split'] or 'no split'}")
            if row["twin"] is not None and row["twin"] in scope.images.by_name:
                twin = scope.image(str(row["twin"]))
                _large(twin, f"Same part: {twin.label}, {twin.split or 'no split'}")
        suggestion = f" Suggestion: **{plain(str(row['suggestion']))}**." if row["suggestion"] is not None else ""
        st.markdown(f"Labelled **{plain(str(row['label']))}**.{suggestion} {plain(str(row['why']), 900)}")
        if item.name in each:
            st.caption(f":material/payments: {plain(each[item.name].sentence, 400)}")
        if note := queue.notes.get(item.name):
            to = f" **{plain(str(note.to))}**" if note.to is not None else ""
            st.caption(f":material/history: Entry {note.number}, {plain(note.user)}: {NOTE_WORDS[note.said]}{to}.")
        _keys(scope, queue, token)
        if refused := st.session_state.pop("label not written", None):
            st.error(plain(refused, 400), icon=":material/error:")
    st.session_state["label shown"] = token, time.monotonic()


def _large(item: ImageItem, facts: str) -> None:
    with st.container(gap="xsmall"):
        thumbnail = photographs.thumbnail(item, LARGE_EDGE)
        if thumbnail is None:
            st.caption(f"{plain(item.name)} cannot be read.")
        else:
            draw.image(thumbnail, item.name)
        st.page_link(url.EXPLAIN, label=plain(item.name, 60), query_params=url.link(image=item.name))
        st.caption(plain(facts, 120))


def _keys(scope: Scope, queue: Queue, token: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="label-keys"):
        _button("Previous", "Left", token, url.choose, ("issue", queue.beside(-1)), icon=":material/arrow_back:")
        _button("Next", "Right", token, url.choose, ("issue", queue.beside(1)), icon=":material/arrow_forward:")
        if not session.local():
            st.caption(f":material/lock: {logbook.SHUT}")
        elif st.session_state.get("user name"):
            _verdicts(scope, queue, token)
    if session.local() and not st.session_state.get("user name"):
        with st.form("who looks at labels", border=False):
            st.text_input("Your name", key="who labels", max_chars=200, placeholder="asked once a session")
            st.form_submit_button("Start deciding", icon=":material/badge:", on_click=_name)
            st.caption("The journal keeps your name beside what you say of each label; an entry is never changed.")


def _verdicts(scope: Scope, queue: Queue, token: str) -> None:
    suggestion = queue.rows["suggestion"][queue.at]
    say = (scope, queue, token)
    _button("Accept the label", "A", token, _say, (*say, "confirmed"), type="primary", icon=":material/check:")
    if suggestion is not None:
        words = f"Relabel to {plain(str(suggestion), 40)}"
        _button(words, "L", token, _say, (*say, "changed"), icon=":material/edit:")
    _button("Doubtful", "D", token, _say, (*say, "doubtful"), icon=":material/help:")
    if last := st.session_state.get("last label note"):
        _button(f"Undo entry {last[0].number:,}", "U", token, _undo, (scope,), type="tertiary", icon=":material/undo:")


def _button(label: str, stroke: str, token: str, call: Any, args: Sequence[object], **settings: Any) -> None:
    st.button(label, key=f"label {stroke} {token}", shortcut=stroke, on_click=call, args=tuple(args), **settings)


def _table(queue: Queue, each: Mapping[str, LabelCost]) -> pd.DataFrame:
    names = ["name", "label", "suggestion", "split", "score", "why"]
    table = queue.rows[names].copy()
    table.insert(0, "said", [queue.notes[name].said if name in queue.notes else "" for name in table["name"]])
    table["moves, points"] = [each[name].moves * 100 if name in each else None for name in table["name"]]
    return table


# Callbacks: what is on the screen is handed to them.


def _name() -> None:
    st.session_state["user name"] = str(st.session_state.get("who labels") or "").strip()


def _say(scope: Scope, queue: Queue, token: str, said: str) -> None:
    """Write what a person says of the label that is shown, and go on to the next that nobody looked at."""
    shown, since = st.session_state.get("label shown", ("", 0.0))
    if shown != token or time.monotonic() - since < LEAST_SHOWN:
        st.session_state["label not written"] = "Nothing was written: the key came before the image could be looked at."
        return
    row, item = queue.rows.iloc[queue.at], scope.image(queue.name)
    before = queue.notes.get(item.name)
    to = str(row["suggestion"]) if said == "changed" else None
    entry = _write(scope, item, said, to, f"Suspected: {row['why']}"[:2000])
    if entry is None:
        return
    st.session_state["last label note"] = entry, before
    places = [(queue.at + step) % len(queue.rows) for step in range(1, len(queue.rows))]
    names = [str(queue.rows["name"][place]) for place in places]
    waiting = [name for name in names if name not in queue.notes]
    url.choose("issue", waiting[0] if waiting else queue.name)


def _undo(scope: Scope) -> None:
    """Take the last note back by another: what stood before holds again."""
    entry, before = st.session_state.pop("last label note")
    item = scope.image(entry.image_name)
    said, to = ("withdrawn", None) if before is None else (before.said, before.to)
    if _write(scope, item, said, to, f"Corrects entry {entry.number}.") is not None:
        url.choose("issue", item.name)


def _write(scope: Scope, item: ImageItem, said: str, to: str | None, reason: str) -> NoteEntry | None:
    state = st.session_state
    try:
        book = logbook.journal(scope.model) if session.local() else None
        if book is None:
            raise InputError(logbook.SHUT)
        note = Note(about="label", user=state["user name"], set_name=scope.images.name, image=item.id,
                    image_name=item.name, label=item.label, said=said, to=to, reason=reason)  # fmt: skip
        entry = book.append(note)
    except InputError as error:
        state["label not written"] = f"Not written. {error}"
        return None
    state["label notes written"] = state.get("label notes written", 0) + 1
    return entry
