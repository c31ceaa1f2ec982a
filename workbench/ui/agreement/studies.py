"""Where studies lie, and which one is open: on this machine, or in the session where model or images were uploaded."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from workbench.agreement import Study, StudyPlan, open_study, studies_in
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.journal import journal_path
from workbench.ui import choice, logbook, url
from workbench.ui.text import plain
from workbench.ui.view import View

OWN_STUDIES = "own studies"
"""Where in the session the folder stands that is the visitor's own."""


def root_of(model: choice.ModelChoice) -> Path:
    """Where studies of this model and the chosen set are written: beside the journal, or for the session."""
    if not logbook.own(model):
        return journal_path().parent / "studies"
    if OWN_STUDIES not in st.session_state:
        st.session_state[OWN_STUDIES] = tempfile.TemporaryDirectory(prefix="workbench-")
    return Path(st.session_state[OWN_STUDIES].name)


def planned(view: View) -> list[StudyPlan]:
    """The studies of the chosen model and set, the newest first."""

    def fits(plan: StudyPlan) -> bool:
        return (plan.model, plan.set_name) == (view.model.key, view.images.name)

    return studies_in(root_of(view.model), fits)


def chosen(view: View, plans: Sequence[StudyPlan]) -> Study | None:
    """The study that the address names, or the newest one; None, and what to do, where there is none."""
    titles = {plan.key: f"{plan.title} ({plan.planned[:10]}, {plan.key[:6]})" for plan in plans}
    if not titles:
        return None
    if st.query_params.get("study", next(iter(titles))) not in titles:
        st.info("The study in this link is none of this model and image set. The newest one is shown.")
    key = url.select("Study", list(titles), key="study", format_func=titles.__getitem__, width=420)
    return open_study([root_of(view.model)], key)


def image_of(view: View, study: Study, part: int) -> ImageItem:
    """The image of a part.

    Raises:
        InputError: It is no longer what it was when the study was planned.
    """
    wanted = study.plan.parts[part]
    item = view.images.by_name.get(wanted.name)
    if item is None or item.readable_id != wanted.image:
        raise InputError(
            "The image of this part is no longer as it was when the study was planned: restore it, or choose the set of"
            " the study."
        )
    return item


def model_note(study: Study, view: View) -> str:
    """What a study is about, as Markdown."""
    plan = study.plan
    arms = "without and with maps, crossed over" if len(plan.arms) > 1 else "without maps"
    trials = "1 trial" if plan.trials == 1 else f"{plan.trials} trials"
    defects = sum(part.defect for part in plan.parts)
    close = sum(part.borderline for part in plan.parts)
    return (
        f"**{plain(plan.title)}**: {len(plan.parts)} parts ({defects} defective, {close} near the threshold),"
        f" {len(plan.inspectors)} inspectors, {trials} each, {arms}. Sealed"
        f" {plan.planned[:16].replace('T', ' ')} UTC, digest `{plan.digest[:16]}`."
    )
