"""Where decisions are written down: the journal of this machine, or the session's own for what its visitor uploaded."""

from __future__ import annotations

import contextlib
import getpass
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.defects import Decision
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.journal import Draft, Entry, Journal, journal_path, map_digest
from workbench.ui import choice, session
from workbench.ui.cache import slot
from workbench.ui.defects.scope import Scope
from workbench.ui.defects.threshold import Setting
from workbench.ui.progress import guarded, troubles
from workbench.ui.text import plain

if TYPE_CHECKING:
    from workbench.attribution import Attribution

AGREE = "The verdict is right"


SHUT = (
    "This server is open to others without a login, so the author of a decision cannot be known: the journal is"
    " read-only here. To record decisions, start the app where only you can reach it; workbench run does so by default."
)


def journal(model: choice.ModelChoice) -> Journal | None:
    """The journal that decisions of this model are written to; None where others reach the server and there is none to
    read.

    Raises:
        InputError: It cannot be opened.
    """
    if not session.local():
        path = None if own(model) else journal_path()
        return (
            Journal(path, create=False, called="The journal of this server")
            if path is not None and path.exists()
            else None
        )
    if own(model):
        if "own journal" not in st.session_state:
            st.session_state["own journal"] = tempfile.TemporaryDirectory(prefix="workbench-")
        return Journal(Path(st.session_state["own journal"].name, "journal.sqlite"))
    return Journal(journal_path())


def own(model: choice.ModelChoice) -> bool:
    """Whether model or images were uploaded, which no other visitor may see anything of."""
    return model.ref in session.own("models") or choice.set_ref(model) in session.own("sets")


def latest(scope: Scope) -> dict[str, Entry]:
    """The newest entry about each image by this model, by the image's digest."""
    book = journal(scope.model)
    if book is None:
        return {}
    place = slot("latest entries", journal=book.path, head=book.head().hash, model=scope.model.key)
    return place.kept(
        lambda: {str(entry.image): entry for entry in book.entries(model=scope.model.key)},
        lambda entries: 2048 * len(entries),
    )


def overruled(scope: Scope) -> NDArray[np.bool_]:
    """Which images' newest entry overrules the model, (N,); none if the journal cannot be read, as `form` says."""
    try:
        names = {image for image, entry in latest(scope).items() if entry.overruled is not None}
    except InputError:
        names = set()
    return scope.predictions.frame["id"].isin(names).to_numpy(bool)


@guarded
def form(scope: Scope, setting: Setting, item: ImageItem, decision: Decision, attribution: Attribution | None) -> None:
    """Agree with the machine or overrule it, with a reason; and what was decided about this image before."""
    if (before := latest(scope).get(item.id)) is not None:
        st.caption(f":material/history: {_history(before)}")
    if not session.local():
        st.info(SHUT, icon=":material/lock:")
        return
    # What was filled in for one image must not stand there for the next, nor once it was written.
    this = f"{item.id[:12]} {st.session_state.get('entries written', 0)}"
    with st.form(f"verdict {this}", border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            # By key: with a default that changes, Streamlit would take it for another field and drop what was typed
            # meanwhile.
            st.session_state.setdefault("who", st.session_state.get("user name") or _at_this_machine())
            user = st.text_input("Who decides", key="who", max_chars=200, width=220)
            says = st.selectbox(
                "You say",
                [AGREE, *(f"It is {label}" for label in scope.predictions.class_names)],
                key=f"says {this}",
                width=260,
            )
        reason = st.text_area(
            "Why",
            key=f"why {this}",
            max_chars=2000,
            height=80,
            placeholder="Required to overrule: what do you see, or how do you know?",
        )
        sent = st.form_submit_button("Record in the journal", icon=":material/edit_note:", type="primary")
    if own(scope.model):
        st.caption(
            ":material/info: This is your upload, so the entry goes into a journal of this session: export it on the"
            " Journal page."
        )
    if sent:
        with troubles():
            person = {
                "user": user,
                "overruled": None if says == AGREE else str(says).removeprefix("It is "),
                "reason": reason.strip(),
            }
            write(scope, setting, item, decision, attribution, person)


def _history(entry: Entry) -> str:
    what = "confirmed"
    if entry.overruled:
        what = f"overruled to **{plain(entry.overruled)}**: {plain(entry.reason, 300)}"
    return (
        f"Entry {entry.number}, {plain(str(entry.time)[:16].replace('T', ' '))} UTC, {plain(entry.user)}: "
        f"{plain(entry.verdict)} at {plain(figure(entry.threshold))}, {what}."
    )


def figure(value: object) -> str:
    """A figure of an entry, which may hold anything where somebody changed it."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _at_this_machine() -> str:
    """Who sits at this machine, where visitors do; some systems do not know."""
    if session.local():
        with contextlib.suppress(KeyError, OSError):
            return getpass.getuser()
    return ""


def write(
    scope: Scope,
    setting: Setting,
    item: ImageItem,
    decision: Decision,
    attribution: Attribution | None,
    person: Mapping[str, Any],
) -> None:
    """Write a decision into the journal, and draw the page again.

    Args:
        scope: What the page speaks of.
        setting: How the threshold was found.
        item: The image.
        decision: What the machine says of it.
        attribution: The map that was shown, if any.
        person: The fields `user`, `overruled` and `reason` of the entry.

    Raises:
        InputError: The entry lacks something, or the journal cannot be written to, as where others reach the server.
    """
    book = journal(scope.model) if session.local() else None
    if book is None:
        raise InputError(SHUT)
    st.session_state["user name"] = person["user"]
    draft = Draft(
        **person,
        **_rule(scope, setting),
        model=scope.model.key,
        model_name=scope.model.title,
        image=item.id,
        image_name=item.name,
        set_name=scope.images.name,
        label=item.label,
        positive=scope.positive,
        label_known=item.label in scope.predictions.class_names,
        threshold=decision.band.threshold,
        review_from=decision.band.low,
        review_to=decision.band.high,
        score=decision.score,
        verdict=decision.verdict,
        map_digest=None if attribution is None else map_digest(attribution.values),
        map_method=None if attribution is None else attribution.method,
    )
    entry = book.append(draft)
    st.session_state["entries written"] = st.session_state.get("entries written", 0) + 1
    st.session_state["written"] = f"Entry {entry.number:,} recorded in the journal (hash {entry.hash[:12]})."
    st.rerun()


def _rule(scope: Scope, setting: Setting) -> dict[str, Any]:
    """How the threshold was found, as fields of an entry."""
    costs = scope.costs
    by_cost = (
        {"escape_cost": costs.escape, "overkill_cost": costs.overkill, "prevalence": costs.prior}
        if setting.way == "cost"
        else {}
    )
    return {
        "threshold_by": setting.way, "coverage": setting.coverage, "ceiling": setting.ceiling,
        "chosen_on": setting.chosen_on, **by_cost,
    }  # fmt: skip


def confirmation() -> None:
    """What was just written."""
    if note := st.session_state.pop("written", None):
        st.toast(note, icon=":material/check_circle:")
