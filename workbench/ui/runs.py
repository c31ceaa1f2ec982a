"""What pages compute of a whole set through the library: predictions, and maps summed up."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import InputError
from workbench.images import SAMPLE, ImageSet
from workbench.predictions import Predictions
from workbench.ui import audits, choice, session
from workbench.ui.progress import Stoppable, offer
from workbench.ui.view import View

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.audit import Progress as AuditProgress
    from workbench.audit import Summaries


def current_view() -> View:
    """The chosen model and image set, and what the model says of each image, where that needs no computing."""
    model = choice.model()
    view = View(model, choice.images(model), None)
    return dataclasses.replace(view, predictions=known_predictions(view))


def known_predictions(view: View) -> Predictions | None:
    """The table of what the model says of each image, where that needs no computing; None too where the user stopped
    the reading.

    To know which image is which, each file is read once, with progress.
    """
    return audits.outputs_of(view).predictions if _read(view.images) else None


def _read(images: ImageSet) -> bool:
    """Read the files of a set that were not read before; False where the user stopped it."""
    if "key" not in vars(images):
        progress = Stoppable("Reading the images", f"read {session.token(images)}")
        if progress.stopped:
            return False
        for done, item in enumerate(images):
            progress(done, len(images))
            with contextlib.suppress(InputError):
                item.id  # noqa: B018
        images.key  # noqa: B018
        progress.done()
    return True


def audited(view: View, *, embeddings: bool = False) -> Predictions | None:
    """The table for the whole set, computed with progress for the images whose outputs are not known; None where the
    user stopped it.

    What an interrupted run computed is kept, so that the next one goes on where it was; where another tab or process is
    at it already, this one joins and shows how far that has come.

    Args:
        view: The chosen model and image set.
        embeddings: Whether embeddings are wanted too, which the outputs that come with a model may lack.
    """
    from workbench.audit import Index, own_files, run

    outputs = audits.outputs_of(view)
    number = len(outputs.elsewhere) * embeddings + outputs.missing
    if not number:
        return outputs.predictions
    audits.clear_damaged(outputs)
    folder, stored = audits.folder_of(view), frozenset() if embeddings else outputs.elsewhere

    def start() -> Generator[AuditProgress, None, None]:
        return run(choice.classifier(view.model), view.images, folder, given=stored)

    def count() -> int:
        return len(Index(own_files(folder, view.model.key)).rows)

    place = _button(view)
    progress = Stoppable(f"Running the model on {number:,} images", place)
    if not _finish(progress, start, folder, count, len(view.images)):
        return None
    progress.done()
    outputs = audits.outputs_of(view)
    if outputs.missing:
        raise InputError(
            "The images changed while the model was running on them: start again once the files are complete."
        )
    return outputs.predictions


def summaries(view: View, predictions: Predictions, method: str, progress: Stoppable) -> Summaries | None:
    """The summed maps of a sample of the set, computed with `progress` if missing; None if the user stopped it."""
    from workbench.audit import ATTRIBUTIONS, Parts, look

    result = audits.summaries(view, predictions, method)
    if result is None:
        folder = audits.folder_of(view)

        def start() -> Generator[AuditProgress, None, None]:
            return look(choice.classifier(view.model), view.images, predictions, folder, method)

        def count() -> int:
            return len(Parts(folder / ATTRIBUTIONS / method).paths())

        if _finish(progress, start, folder, count, SAMPLE):
            result = audits.summaries(view, predictions, method)
    return result


def _finish(
    progress: Stoppable,
    start: Callable[[], Generator[AuditProgress, None, None]],
    folder: Path,
    count: Callable[[], int],
    total: int,
) -> bool:
    """Run to the end with progress; False where the user stopped it, now or before.

    Where another run works in the folder already, this one joins it: its progress, `count` of `total`, is shown until
    it ends, and what it left undone is done here.
    """
    from workbench.audit import BusyError

    while not progress.stopped:
        try:
            with contextlib.closing(start()) as steps:
                for step in steps:
                    progress(step.done, step.total)
        except BusyError:
            audits.joined(folder, count, total, progress)
        else:
            return True
    return False


def offer_predictions(view: View, why: str) -> None:
    """A button that predicts the images whose outputs are not known, and why they are not."""
    if not _read(view.images):
        return
    outputs = audits.outputs_of(view)
    if reason := audits.why(view, outputs):
        st.info(reason, icon=":material/published_with_changes:")
    part = outputs.missing < len(view.images)
    label = f"Predict the {outputs.missing:,} that are missing" if part else f"Predict all {len(view.images):,} images"
    offer(f"{label}{why}", _button(view), lambda: audited(view))


def _button(view: View) -> str:
    return f"audit {view.model.key[:12]} {session.token(view.images)[:12]}"
