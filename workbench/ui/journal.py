"""The parts of the Journal page: whether the record is sound, its entries, and the ways to hand it on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from workbench.errors import InputError
from workbench.files import key
from workbench.images import ImageItem, ImageSet
from workbench.journal import (
    Entry,
    Journal,
    NoteEntry,
    Record,
    RulingEntry,
    Verdict,
    kept_digest,
    relabel,
    to_csv,
    to_json,
)
from workbench.texts import shortened
from workbench.ui import choice, draw, photographs, session, url
from workbench.ui.defects.record import figure
from workbench.ui.progress import guarded
from workbench.ui.text import plain

AT_ONCE = 5000
"""Up to so many entries are checked without being asked."""
PAGE, SHOWN, CARD_EDGE = 25, 20, 128


def place(book: Journal, own: bool) -> None:
    """Where the journal lies; people elsewhere need not know the server's folders."""
    if own:
        st.caption(":material/info: This journal belongs to this session alone: export it below before you leave.")
    elif session.local():
        st.caption(f"It lies at {plain(book.path, 300)}.")


def soundness(book: Journal) -> bool:
    """Whether no entry was changed, removed or reordered; False also while a long journal is unchecked."""
    count = book.count_records()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Your digest", key="expected digest", placeholder="64 characters, optional", width=420)
        wanted = count <= AT_ONCE or st.button(f"Check all {count:,} entries", icon=":material/verified_user:")
        draw.meaning("hash-chain", "What does the check find?")
    try:
        expect = kept_digest(text) if text.strip() else None
    except InputError as error:
        st.warning(f"Not checked. {plain(error, 400)}", icon=":material/error:")
        return False
    if not wanted:
        return False
    verdict = book.verify(expect)
    for problem in verdict.problems[:SHOWN]:
        st.error(plain(problem, 400), icon=":material/gpp_bad:")
    if len(verdict.problems) > SHOWN:
        st.error(f"And {len(verdict.problems) - SHOWN:,} more.", icon=":material/gpp_bad:")
    if count:
        _verdict(verdict)
    return verdict.sound


def _verdict(verdict: Verdict) -> None:
    """What the check found besides problems."""
    if verdict.sound:
        entries = "entry" if verdict.count == 1 else "entries"
        st.success(
            f"Sound: {verdict.count:,} {entries}, {_time(verdict.first)} to {_time(verdict.last)} UTC.",
            icon=":material/verified:",
        )
    for note in verdict.notes:
        st.warning(plain(note, 600), icon=":material/schedule:")
    if verdict.covered is not None:
        st.success(
            f"Your digest is that of entry {verdict.covered:,}: nothing up to it was changed.", icon=":material/lock:"
        )
    st.caption("Digest of the last entry, to keep elsewhere:")
    st.code(verdict.head, language=None, wrap_lines=True)


@guarded
def entries(book: Journal, images: ImageSet) -> None:
    """The entries, newest first, a card each."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.header("Entries", anchor=False)
        only = url.segments(
            "Which entries",
            ["all", "overruled", *(["notes"] if book.count_records(notes=True) else [])],
            key="entries",
            default="all",
            format_func=str.capitalize,
            label_visibility="collapsed",
        )
    count, read = _read(book, only)
    if not count:
        st.info("No decision has been overruled yet.", icon=":material/inbox:")
        return
    pages = -(-count // PAGE)
    page = url.pages(pages, key="sheet", max_visible_pages=5) if pages > 1 else 1
    for entry in read(newest_first=True, limit=PAGE, offset=(page - 1) * PAGE):
        _card(entry, images)


def _read(book: Journal, only: str) -> tuple[int, Callable[..., tuple[Record, ...]]]:
    """How many entries there are of those that are asked for, and what reads a page of them."""
    if only == "overruled":
        return book.count(overruled=True), partial(book.entries, overruled=True)
    return book.count_records(notes=only == "notes"), partial(book.records, notes=only == "notes")


def _card(entry: Record, images: ImageSet) -> None:
    """One entry: its image, what was decided, by whom and why; all its fields on request."""
    number = entry.number if isinstance(entry.number, int) else "?"
    if isinstance(entry, RulingEntry):
        _ruling(entry, number)
        return
    item, lack = _image(entry, images)
    with st.container(border=True, horizontal=True, key=f"entry-{number}"):
        thumbnail = None if item is None else photographs.thumbnail(item, CARD_EDGE)
        with st.container(width=CARD_EDGE):
            if thumbnail is not None:
                draw.image(thumbnail, f"{entry.image_name}")
            else:
                st.caption(f":material/image_not_supported: {lack or 'The image cannot be read.'}")
        with st.container(width="stretch", gap="xsmall"):
            st.markdown(f"**Entry {number}** · {plain(_time(entry.time))} UTC · {plain(str(entry.user))}")
            for line in (told(entry),) if isinstance(entry, NoteEntry) else (_decided(entry), _person(entry)):
                st.markdown(line)
            _more(entry)


def _ruling(entry: RulingEntry, number: int | str) -> None:
    """A ruling, which is about no one image."""
    with st.container(border=True, key=f"entry-{number}", gap="xsmall"):
        st.markdown(f"**Entry {number}** · {plain(_time(entry.time))} UTC · {plain(str(entry.user))}")
        st.markdown(ruled(entry))
        _fields(entry)


def ruled(entry: RulingEntry) -> str:
    """A ruling in a sentence of Markdown."""
    about = f"{plain(str(entry.model_name))} on {plain(str(entry.set_name))}"
    said = {
        ("finding", "accepted"): f"A finding was **accepted** until {plain(str(entry.until))}",
        ("finding", "withdrawn"): "The acceptance of a finding was **taken back**",
        ("criteria", "set"): "The **criteria** of the verdict were **set**",
    }.get((str(entry.about), str(entry.said)), "A ruling that cannot be read")
    subject = "" if entry.about == "criteria" else f" ({plain(str(entry.subject))})"
    reason = f" Reason: {plain(str(entry.reason), 600)}" if entry.reason else ""
    return f"{said}{subject}, {about}: {plain(str(entry.text), 600)}{reason}"


def _image(entry: Entry | NoteEntry, images: ImageSet) -> tuple[ImageItem | None, str]:
    """The image that an entry is about, by its digest; None, and why, where these very bytes are not there."""
    there = images.by_name.get(str(entry.image_name))
    if there is None:
        return None, f"Not in {plain(images.name)}."
    try:
        return (there, "") if there.id == entry.image else (None, "The file of this name holds another image now.")
    except InputError:
        return None, "The file cannot be read now."


def _decided(entry: Entry) -> str:
    word = {"pass": ":green-badge[passed]", "reject": ":red-badge[rejected]", "review": ":orange-badge[for review]"}
    name = plain(shortened(str(entry.image_name), 40))
    verdict = word.get(str(entry.verdict), plain(str(entry.verdict)))
    label = f", labelled {plain(str(entry.label))}" if entry.label else ", without a label"
    return (
        f"{verdict} {name}{label}. Score {plain(figure(entry.score))}, threshold {plain(figure(entry.threshold))}; "
        f"{plain(str(entry.model_name))}."
    )


def _person(entry: Entry) -> str:
    said = f"Overruled: it is **{plain(str(entry.overruled))}**." if entry.overruled else "Agreed."
    return f"{said} {plain(str(entry.reason), 600)}" if entry.reason else said


def told(note: NoteEntry) -> str:
    """A note on a label or a pair, in a sentence of Markdown."""
    name, second = (f"`{plain(shortened(str(text), 40))}`" for text in (note.image_name, note.second_name))
    label = f"**{plain(str(note.label))}**" if note.label else "none"
    said = {
        ("label", "confirmed"): f"The label of {name} was looked at and **confirmed**: {label}.",
        ("label", "changed"): f"The label of {name} was **changed** from {label} to **{plain(str(note.to))}**.",
        ("label", "doubtful"): f"The label of {name}, {label}, is **doubtful**.",
        ("label", "withdrawn"): f"What was said of the label of {name} was **taken back**.",
        ("pair", "same part"): f"{name} and {second} show the **same part**.",
        ("pair", "not the same"): f"{name} and {second} are **not the same part**.",
        ("pair", "withdrawn"): f"What was said of {name} and {second} was **taken back**.",
    }.get((str(note.about), str(note.said)), f"A note that cannot be read: {plain(str(note.said))}.")
    return f"{said} {plain(str(note.reason), 600)}" if note.reason else said


def _more(entry: Entry | NoteEntry) -> None:
    if isinstance(entry, NoteEntry):
        query = url.link(image=str(entry.image_name))
        st.page_link(url.EXPLAIN, label="Open this image", icon=":material/center_focus_strong:", query_params=query)
    elif entry.model == choice.model().key:
        query = url.link(view="decisions", queue="all", image=str(entry.image_name), on="all")
        st.page_link(url.DEFECTS, label="Open this image", icon=":material/center_focus_strong:", query_params=query)
    _fields(entry)


def _fields(entry: Record) -> None:
    with st.expander("All fields"):
        st.json({name: str(value) for name, value in vars(entry).items() if value is not None}, expanded=True)


@guarded
def export(book: Journal, images: ImageSet, sound: bool) -> None:
    """The whole journal as files, and overruled labels to train with."""
    st.header("Export", anchor=False)
    if not sound:
        book.records()  # says here what a download could only say in the server's log
    with st.container(horizontal=True):
        draw.download("Journal (CSV)", lambda: to_csv(book.records()), "journal.csv", "csv journal")
        draw.download("Journal with its chain (JSON)", lambda: to_json(book.records()), "journal.json", "json journal")
    st.caption("The JSON contains everything needed to check the chain without this program.")
    _labels(book, images)


def _labels(book: Journal, images: ImageSet) -> None:
    """The manifest of overruled labels, made first because every image is read for it; faults are reported here."""
    facts = key("corrected labels", journal=book.path, head=book.head().hash, images=images.key)
    if st.button(
        f"Make labels of {plain(images.name)} as people see them", icon=":material/edit_note:", key="make labels"
    ):
        st.session_state["labels made"] = (facts, relabel(images, book.records()))
    ready, text = st.session_state.get("labels made", (None, ""))
    if ready == facts:
        draw.download("Labels (manifest.csv)", lambda: text, "manifest.csv", "csv labels")
    st.caption(
        "The manifest lists every image of the set with its label after the latest overruling: put it into the set's"
        " folder and train again with `workbench train`."
    )


def _time(text: object) -> str:
    return "" if text is None else str(text)[:19].replace("T", " ")
