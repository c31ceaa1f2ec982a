"""Making the report with progress, and handing it on with its verifier and what other programs read."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Mapping

import streamlit as st

from workbench.audit import PREDICTIONS, Audit, open_audit
from workbench.catalog import load_catalog
from workbench.files import stamp_of
from workbench.predictions import Predictions, with_families
from workbench.report import (
    VERIFIER,
    Choices,
    Subject,
    compiled,
    criteria_digest,
    metadata_of,
    report_of,
    verifier,
)
from workbench.ui import audits, choice, draw, kept, kin, logbook, runs
from workbench.ui.cache import Slot, slot
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.reliability.scope import Scope
from workbench.ui.view import View

REPORT_FILE = "report.html"
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The time that stands in a zip, so that the same files give the same bytes."""


def refused(view: View) -> str:
    """Why no report of this model and these images can be made here; empty where one can."""
    if logbook.own(view.model):
        return (
            "What a report rests on is kept on the disk of this server, where nothing of an upload may lie: run"
            " workbench report where your files are."
        )
    if view.model.label is not None:
        return (
            "A report is about a model of which one of several classes is true: this one answers with several labels."
        )
    return ""


@guarded
def section(view: View, predictions: Predictions, choices: Choices) -> None:
    """The button, or what it made."""
    st.header("The file", divider="gray", anchor="file")
    place = _place(view, predictions, choices)
    files: Mapping[str, str] | None = place.get()
    if files is None:
        st.markdown(
            ":material/radio_button_unchecked: **Not made yet.** What of the twelve checks is not known is computed"
            " first, which can take minutes; then each decision that is shown is explained. It can be stopped, and goes"
            " on where it was."
        )
        offer("Make the report", f"make report {place.key[:12]}", lambda: _made(view, predictions, choices, place))
    else:
        _handed_on(files)
    st.code(choices.command, language="sh")
    if choices.study is None:
        st.caption("This command makes the same file.")
    else:
        st.caption(
            "This command makes the same file but for what the study's record says of it; answers.csv is to be had on"
            " the page Agreement, under Result."
        )


def _place(view: View, predictions: Predictions, choices: Choices) -> Slot:
    """Where a report is kept: as long as neither the criteria, nor what lies beside the model, nor the day changes, on
    which an acceptance may end."""
    book, folder = logbook.journal(view.model), view.model.folder
    beside = sorted((path.name, stamp_of(path)) for path in folder.iterdir() if path.is_file()) if folder else []
    return slot(
        "report",
        **view.model.identity,
        **Scope(view.model, view.images, predictions).stored,
        journal="" if book is None else book.head().hash,
        choices=repr(choices.told),
        criteria=criteria_digest(load_catalog().criteria),
        day=datetime.datetime.now(datetime.UTC).date().isoformat(),
        beside=repr(beside),
    )


def _made(view: View, predictions: Predictions, choices: Choices, place: Slot) -> Mapping[str, str] | None:
    """The files, made now with progress and kept; None where the user stopped it."""
    from workbench.quality import look_for_families

    progress, stages = Stoppable("Making the report", f"report {place.key[:12]}"), [""]
    if progress.stopped:
        return None

    def report(stage: str, done: int, total: int) -> None:
        if stage != stages[-1]:
            stages.append(stage)
            progress.step(stage.capitalize())
        progress(done, max(total, 1))

    answers = _answers(view)
    if answers is None:
        return None
    apart, found_in = kin.apart(view.images), kin.kept_in(own=logbook.own(view.model))
    families = look_for_families(view.images, apart, found_in, lambda *at: report("comparing images", *at))
    table = with_families(predictions, families.by_name)
    folder = audits.folder_of(view)
    classifier = choice.classifier(view.model)
    subject = Subject(
        view.model.ref, classifier, view.images, answers, table, folder, report, kept.lasting(), found_in, apart
    )
    dossier = compiled(subject)
    text = report_of(dossier, choices, logbook.journal(view.model))
    files = {REPORT_FILE: text, "headline": dossier.verdict.headline, **metadata_of(dossier, choices)}
    place.put(files, 2 * sum(map(len, files.values())))
    _place(view, predictions, choices).put(files, 2 * sum(map(len, files.values())))  # families may be known by now
    progress.done()
    return files


def _answers(view: View) -> Audit | None:
    """What the model said of each image, with embeddings; None where the user stopped its computing."""
    folders = [audits.folder_of(view), *([view.model.folder] if view.model.folder else [])]
    outputs = audits.outputs_of(view)
    if (outputs.elsewhere or outputs.missing) and runs.audited(view, embeddings=True) is None:
        return None
    found = [folder for folder in folders if (folder / PREDICTIONS).is_file()]
    return open_audit(found[0]) if found else None


def _handed_on(files: Mapping[str, str]) -> None:
    """The downloads, and how the file is checked."""
    st.markdown(f"**{files['headline']}**")
    size = len(files[REPORT_FILE].encode()) / 2**20
    st.caption(
        f"{size:.1f} MB, {files[REPORT_FILE].count('data-figure='):,} named parts, each of which can be computed again."
    )
    with st.container(horizontal=True):
        draw.download("Report (HTML)", lambda: files[REPORT_FILE], REPORT_FILE, "report html")
        draw.download("Verifier (Python)", verifier, VERIFIER, "report verifier")
        draw.download("For other programs (zip)", lambda: _zip(files), "report-metadata.zip", "report metadata")
    st.markdown("Its reader checks it with the workbench, figure by figure, or without it, by digests:")
    st.code(f"workbench report --verify {REPORT_FILE}\npython {VERIFIER} {REPORT_FILE} --images FOLDER", language="sh")


def _zip(files: Mapping[str, str]) -> bytes:
    """What other programs read, as a zip of the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files.keys() - {REPORT_FILE, "headline"}):
            archive.writestr(zipfile.ZipInfo(name, ZIP_TIME), files[name])
    return buffer.getvalue()
