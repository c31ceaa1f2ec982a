"""Which journal counts here: that of this machine, or the session's own for what its visitor uploaded."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.journal import Journal, NoteEntry, journal_path, pairs_among
from workbench.ui import choice, session
from workbench.ui.cache import slot

SHUT = (
    "This server is open to others without a login, so the author of a decision cannot be known: the journal is"
    " read-only here. To record decisions, start the app where only you can reach it; workbench run does so by default."
)
ENTRY_BYTES = 2048


def journal(model: choice.ModelChoice) -> Journal | None:
    """The journal that decisions of this model are written to; None where others reach the server and there is none to
    read.

    Raises:
        InputError: It cannot be opened.
    """
    return _journal(own(model))


def own(model: choice.ModelChoice) -> bool:
    """Whether model or images were uploaded, which no other visitor may see anything of."""
    return _own(model.ref, choice.set_ref(model))


def label_decisions() -> dict[str, NoteEntry]:
    """What people say of labels, by the image's digest; nothing where the journal cannot be read."""
    book = _chosen()
    if book is None:
        return {}
    place = slot("label decisions", journal=book.path, head=book.head().hash)
    return place.kept(book.label_decisions, lambda notes: ENTRY_BYTES * len(notes))


def pairs_apart(images: ImageSet) -> tuple[tuple[str, str], ...]:
    """The pairs of digests of images of a set that a person told apart; none where the journal cannot be read."""
    book = _chosen()
    if book is None or not book.count_records(notes=True):
        return ()
    place = slot("pairs apart", journal=book.path, head=book.head().hash, images=images.pixels_key)
    return place.kept(lambda: pairs_among(images, book.pairs_apart()), lambda pairs: 256 * len(pairs))


def _chosen() -> Journal | None:
    """The journal that is there for what is chosen; None where there is none yet, or it cannot be read."""
    model = st.session_state.get("model") or choice.default_model()
    is_own = _own(model, st.session_state.get("set") or choice.default_set(model))
    if "own journal" not in st.session_state if is_own else not journal_path().exists():
        return None
    try:
        return _journal(is_own)
    except InputError:
        return None


def _own(model: str, images: str) -> bool:
    return model in session.own("models") or images in session.own("sets")


def _journal(is_own: bool) -> Journal | None:
    if not session.local():
        path = None if is_own else journal_path()
        return (
            Journal(path, create=False, called="The journal of this server")
            if path is not None and path.exists()
            else None
        )
    if is_own:
        if "own journal" not in st.session_state:
            st.session_state["own journal"] = tempfile.TemporaryDirectory(prefix="workbench-")
        return Journal(Path(st.session_state["own journal"].name, "journal.sqlite"))
    return Journal(journal_path())
