"""The queues of decisions that wait to be looked at, and the way through one with a click or a key."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.defects import CHOSEN_ON, HALVES, QUEUES, REPORTED_ON, cases_of, queue
from workbench.ui import choice, gallery, url
from workbench.ui.defects import record
from workbench.ui.defects.scope import PROPOSED, REST, SPLIT_NAMES, TRAINING, Scope
from workbench.ui.defects.threshold import Setting
from workbench.ui.text import plain

QUEUE_NAMES = {
    "escapes": "Escapes",
    "overkill": "Overkill",
    "near": "Near the threshold",
    "overruled": "Overruled",
    "all": "All",
}
EMPTY = {
    "escapes": "No labelled defect passes here.",
    "overkill": "No labelled good part is rejected here.",
    "near": "No score is near the threshold or in the review band.",
    "overruled": "No decision about these images has been overruled yet.",
    "all": "None of these images could be read.",
}
DOUBT = "For review or near the threshold"
"""What waits near the threshold where there is a review band."""
ON = {"test": "Test split", "validation": "Validation split", "train": "Training split", "all": "All images"}
STRIP = 12


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """A place in a queue.

    Attributes:
        queue: One of `QUEUES`.
        names: The images that wait in it, in their order.
        rows: Their rows.
        at: Which of them is looked at.
    """

    queue: str
    names: list[str]
    rows: NDArray[np.intp]
    at: int

    @property
    def row(self) -> int:
        """The row of the image that is looked at."""
        return int(self.rows[self.at])

    @property
    def after(self) -> int | None:
        """The row of the next one; None at the end."""
        return int(self.rows[self.at + 1]) if self.at + 1 < len(self.rows) else None


def choose(scope: Scope, setting: Setting) -> Place | None:
    """Draw the queues with their lengths and the way through the chosen one.

    Returns:
        The image to look at; None, and what to do, where the queue is empty.
    """
    with st.container(horizontal=True, vertical_alignment="center", key="queues"):
        rows = _images(scope)
        decided, overruled = record.decided(scope)
        cases = cases_of(scope.predictions, scope.positive, rows)
        waiting = {name: queue(cases, scope.scores, rows, setting.band, name, overruled) for name in QUEUES}
        words = QUEUE_NAMES if setting.coverage is None else QUEUE_NAMES | {"near": DOUBT}
        name = url.segments(
            "Queue",
            list(QUEUES),
            key="queue",
            default="escapes",
            format_func=lambda q: f"{words[q]} ({len(waiting[q]):,})",
            label_visibility="collapsed",
        )
    if not len(waiting[name]):
        st.info(f"{EMPTY[name]} Choose another queue or other images above.", icon=":material/inbox:")
        return None
    place = _place(scope, name, waiting[name])
    _steps(place, words[name], int(decided[place.rows].sum()))
    return place


def _images(scope: Scope) -> NDArray[np.bool_]:
    """Which images are listed, (N,): by default those of the reported figures, so that counts agree."""
    splits = scope.predictions.frame["split"]
    there = [split for split in ON if (splits == split).any()]
    parts = {split: scope.cases[split].mask for split in (REPORTED_ON, CHOSEN_ON)}
    words = {f"{split} half": _capital(scope.words[split]) for split in parts if scope.words[split] == HALVES[split]}
    if scope.words[REPORTED_ON] == REST:
        words[REST] = _capital(REST)
    options = [*words, *there, "all"]
    same = {SPLIT_NAMES[split]: split for split in SPLIT_NAMES} | {TRAINING: "train"}
    default = options[0] if words else same.get(scope.words[REPORTED_ON].removeprefix(PROPOSED), "all")
    titles = ON | words
    on = url.select(
        "Images",
        options,
        key="on",
        default=default if default in options else "all",
        format_func=titles.__getitem__,
        width=180,
        label_visibility="collapsed",
    )
    if on in words:
        return parts[CHOSEN_ON if on == f"{CHOSEN_ON} half" else REPORTED_ON]
    return np.ones(len(splits), bool) if on == "all" else (splits == on).to_numpy(bool)


def _capital(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


def _place(scope: Scope, queue: str, rows: NDArray[np.intp]) -> Place:
    names = [str(name) for name in scope.predictions.frame["name"].to_numpy()[rows]]
    before = str(st.session_state.get("image name") or "")
    now = str(st.query_params.get("image") or before)
    at = names.index(now) if now in names else 0
    if now not in names and now != before:  # else it was chosen here, before the queue was
        st.info(f"The image “{plain(now)}” in this link is not among these. This is the first of them.")
    choice.choose_image(names[at])
    return Place(queue, names, rows, at)


def _steps(place: Place, title: str, decided: int) -> None:
    """How far the queue is, and the way to its neighbours."""
    count = len(place.names)
    with st.container(horizontal=True, vertical_alignment="center", key="queue-steps"):
        st.button("Previous", icon=":material/arrow_back:", shortcut="P", disabled=not place.at, **_going(place, -1))
        st.button(
            "Next", icon=":material/arrow_forward:", shortcut="N", disabled=place.after is None, **_going(place, 1)
        )
        done = f"{decided:,} decided" if decided else "none decided yet"
        st.progress(decided / count, text=f"**{title}: {place.at + 1:,} of {count:,}**, {done}")


def strip(scope: Scope, place: Place) -> None:
    """The images around this one, to choose from."""
    first = min(max(place.at - STRIP // 2, 0), max(len(place.rows) - STRIP, 0))
    with st.grid(STRIP, min_column_width=72, gap="xsmall", key="gallery"):
        for number, name in enumerate(place.names[first : first + STRIP]):
            gallery.thumbnail(number, scope.image(name), None, name == place.names[place.at])


def _going(place: Place, step: int) -> dict[str, Any]:
    return {"on_click": choice.choose_image, "args": (place.names[min(max(place.at + step, 0), len(place.names) - 1)],)}
