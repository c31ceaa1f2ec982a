"""The queues of decisions that wait to be looked at, and the way through one with a click or a key."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.defects import CHOSEN_ON, HALVES, QUEUES, REPORTED_ON, cases_of, queue
from workbench.ui import choice, gallery, url
from workbench.ui.defects import record
from workbench.ui.defects.scope import REST, SPLIT_NAMES, Scope
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


def choose(scope: Scope, setting: Setting) -> int | None:
    """Draw the queues with their lengths and the way through the chosen one.

    Returns:
        The row of the image to look at; None, and what to do, where the queue is empty.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        rows = _images(scope)
        overruled = record.overruled(scope)
        cases = cases_of(scope.predictions, scope.positive, rows)
        waiting = {name: queue(cases, scope.scores, rows, setting.band, name, overruled) for name in QUEUES}
        words = QUEUE_NAMES if setting.coverage is None else QUEUE_NAMES | {"near": DOUBT}
        name = url.segments(
            "Queue",
            list(QUEUES),
            key="queue",
            default="escapes",
            format_func=lambda q: f"{words[q]} ({len(waiting[q]):,})",
        )
    if not len(waiting[name]):
        st.info(f"{EMPTY[name]} Choose another queue or other images above.", icon=":material/inbox:")
        return None
    return _walk(scope, waiting[name], words[name])


def _images(scope: Scope) -> NDArray[np.bool_]:
    """Which images are listed, (N,): by default those of the reported figures, so that counts agree."""
    splits = scope.predictions.frame["split"]
    there = [split for split in ON if (splits == split).any()]
    parts = {split: scope.cases[split].mask for split in (REPORTED_ON, CHOSEN_ON)}
    words = {f"{split} half": _capital(scope.words[split]) for split in parts if scope.words[split] == HALVES[split]}
    if scope.words[REPORTED_ON] == REST:
        words[REST] = _capital(REST)
    options = [*words, *there, "all"]
    same = {SPLIT_NAMES[split]: split for split in SPLIT_NAMES} | {"training split": "train"}
    default = options[0] if words else same.get(scope.words[REPORTED_ON], "all")
    titles = ON | words
    on = url.select(
        "Images",
        options,
        key="on",
        default=default if default in options else "all",
        format_func=titles.__getitem__,
        width=180,
    )
    if on in words:
        return parts[CHOSEN_ON if on == f"{CHOSEN_ON} half" else REPORTED_ON]
    return np.ones(len(splits), bool) if on == "all" else (splits == on).to_numpy(bool)


def _capital(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


def _walk(scope: Scope, rows: NDArray[np.intp], title: str) -> int:
    names = scope.predictions.frame["name"].to_numpy()[rows]
    before = str(st.session_state.get("image name") or "")
    now = str(st.query_params.get("image") or before)
    places = np.flatnonzero(names == now)
    at = int(places[0]) if len(places) else 0
    if not len(places) and now != before:  # else it was chosen here, before the queue was
        st.info(f"The image “{plain(now)}” in this link is not among these. This is the first of them.")
    choice.choose_image(str(names[at]))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous", icon=":material/arrow_back:", shortcut="P", disabled=at == 0, **_going(names, at - 1))
        st.markdown(f"**{title}**: {at + 1:,} of {len(rows):,}")
        st.button(
            "Next", icon=":material/arrow_forward:", shortcut="N", disabled=at == len(rows) - 1, **_going(names, at + 1)
        )
    first = min(max(at - STRIP // 2, 0), max(len(rows) - STRIP, 0))
    with st.grid(STRIP, min_column_width=72, gap="xsmall", key="gallery"):
        for number, name in enumerate(names[first : first + STRIP]):
            gallery.thumbnail(number, scope.image(name), None, name == names[at])
    return int(rows[at])


def _going(names: NDArray[np.object_], at: int) -> dict[str, Any]:
    return {"on_click": choice.choose_image, "args": (str(names[min(max(at, 0), len(names) - 1)]),)}
