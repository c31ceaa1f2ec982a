"""Fit: images that the model learned from beside those it never saw, heads on frozen features, and the history."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.files import CheckResult
from workbench.predictions import groupable
from workbench.quality import frozen_features
from workbench.reliability import (
    FIT_CHECKS,
    Fit,
    HeadStudy,
    TrainingRecord,
    fit_of,
    fit_results,
    fit_tables,
    fit_verdict,
    head_study,
    read_record,
)
from workbench.report import record_words
from workbench.stats import ENOUGH, FEW_UNITS, Rate
from workbench.ui import checks, draw, gallery, kin, session, url
from workbench.ui import kept as on_disk
from workbench.ui.cache import Slot, slot
from workbench.ui.data import embedded
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.reliability import fit_charts
from workbench.ui.reliability.scope import Scope
from workbench.ui.text import plain

NO_ATTRIBUTE = "classes alone"
MOST_FIT_VALUES = 60
"""Values of an attribute that a table is offered for."""
FIT_WORDS = {  # a kind of chip, and what stands on it
    "memorised": ("bad", "memorised"),
    "too simple": ("doubt", "too simple"),
    "neither shown": ("good", "neither memorised nor too simple, as far as can be seen"),
    "unknown": ("plain", "whether it memorised or is too simple cannot be told"),
}
CSV_NAMES = {
    "fit-splits": "Splits (CSV)",
    "fit-gaps": "Gaps (CSV)",
    "fit-distributions": "Distributions (CSV)",
    "fit-learning-curve": "Learning curve (CSV)",
    "fit-history": "History (CSV)",
}


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """The verdict, the figures of both sides, the ways to know more, and the tables."""
    record = record_of(scope)
    by = _attribute(scope)
    result, study = _fit(scope, record, by), known_study(scope, record)
    results = fit_results(result, study, record)
    kind, words = FIT_WORDS[fit_verdict(results)]
    st.html(gallery.chip(words, kind))
    checks.lines(results)
    _said(result)
    if result.known in ("recorded", "stated") and not result.reason:
        if study is None:
            _offer(scope, record)
        fit_charts.sides(result, scope.footer)
        with st.expander("Gaps by class" + (f" and {plain(by)}" if by else ""), expanded=bool(by)):
            fit_charts.gaps(result)
        fit_charts.spread(result, scope.footer)
        if study is not None and not study.reason:
            fit_charts.curve(study, scope.footer)
    if record is not None and not record.history.empty:
        fit_charts.history(record)
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, table in fit_tables(result, study, record).items():
            draw.table(CSV_NAMES[name], lambda table=table: table, f"{name}.csv", f"csv {name}")  # type: ignore[misc]
        draw.meaning("fit", "What does this mean?", enough=ENOUGH, few=FEW_UNITS)


def known(scope: Scope) -> list[CheckResult]:
    """The checks by what is known without long work; whether more images help is another question."""
    try:
        record = record_of(scope)
    except InputError:  # the section says why
        return []
    results = fit_results(_fit(scope, record, ""), known_study(scope, record), record)
    return [result for result in results if result.check != FIT_CHECKS[2]]


def asked(scope: Scope) -> bool:
    """Whether heads were fitted, or cannot be: then there is nothing to look for."""
    try:
        record = record_of(scope)
    except InputError:
        return True
    result = _fit(scope, record, "")
    if embedded.network() is None or result.known not in ("recorded", "stated") or result.reason:
        return True
    return known_study(scope, record) is not None


def record_of(scope: Scope) -> TrainingRecord | None:
    """What is recorded of the chosen model's training. Errors as `read_record`."""
    return read_record(scope.model.folder)


def _fit(scope: Scope, record: TrainingRecord | None, by: str) -> Fit:
    return scope.kept(("fit", record_words(record), by), lambda: fit_of(scope.predictions, record, by=by))


def _attribute(scope: Scope) -> str:
    """What to compare by beside the classes: an attribute of few values."""
    frame = scope.predictions.frame
    names = [name for name in groupable(scope.predictions) if 1 < frame[name].nunique() <= MOST_FIT_VALUES]
    if not names:
        return ""
    chosen = url.select(
        "Compare by", [NO_ATTRIBUTE, *names], key="fit_by", format_func=lambda name: plain(name), width=260
    )
    return "" if chosen == NO_ATTRIBUTE else chosen


def _said(result: Fit) -> None:
    """How it is known what trained the model."""
    if result.known == "recorded":
        st.caption(f"Which images trained the model is read from {plain(result.source)} beside it.")
    elif result.known == "stated":
        st.caption(
            "Which images trained the model is not recorded beside it: the set's training split is taken for them."
            " `workbench train` writes a training.json that says so."
        )


def known_study(scope: Scope, record: TrainingRecord | None) -> HeadStudy | None:
    """What heads make of the images; None where they were not fitted yet."""
    place = _place(scope, record)
    result: HeadStudy | None = None if place is None else on_disk.recall(place, HeadStudy, Rate)
    return result


def _place(scope: Scope, record: TrainingRecord | None) -> Slot | None:
    network = embedded.network()
    if network is None:
        return None
    facts = {"images": scope.images.key, "families": kin.family_key(scope.images), "dealt": scope.proposed}
    return slot("head study", **scope.model.identity, **facts, record=record_words(record), features=network)


def _offer(scope: Scope, record: TrainingRecord | None) -> None:
    if embedded.network() is None:
        st.caption("Whether a better fit exists is not looked for: the ImageNet network is not installed here.")
        return
    st.markdown(
        ":material/radio_button_unchecked: **Not looked for yet**: whether these images can be fitted better, whether"
        " the held-out ones are harder, and whether more would help. Logistic heads on what the frozen ImageNet network"
        " sees would tell; a minute or two for a thousand images."
    )
    offer("Fit heads on frozen features", f"heads {session.token(scope.images)[:12]}", lambda: look(scope, record))


def look(scope: Scope, record: TrainingRecord | None) -> HeadStudy | None:
    """What heads make of the images, found now with progress and kept; None where the user stopped it."""
    place = _place(scope, record)
    progress = Stoppable("Looking with the ImageNet network", f"heads {session.token(scope.images)[:12]}")
    if progress.stopped or place is None:
        return None
    features = _by_row(scope, frozen_features(scope.images.items, progress))
    progress.step("Fitting heads")
    study = head_study(scope.predictions, features, record, on_progress=progress)
    on_disk.keep(place, study, 64 * 1024)
    progress.done()
    return study


def _by_row(scope: Scope, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of the set's images in the order of the predictions; NaN for those that are not in the set."""
    row = {item.name: number for number, item in enumerate(scope.images.items)}
    places = np.array([row.get(name, -1) for name in scope.predictions.frame["name"]], np.intp)
    result = vectors[places].copy()
    result[places < 0] = np.nan
    return result
