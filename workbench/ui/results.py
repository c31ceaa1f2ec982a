"""What pages compute through the library and keep: predictions, attributions, findings, audits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from workbench.attribution import METHODS
from workbench.errors import InputError
from workbench.images import SAMPLE, ImageItem, ImageSet
from workbench.predictions import Predictions
from workbench.ui import audits, choice, photographs, session
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.progress import Stoppable, offer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from workbench.attribution import Attribution
    from workbench.audit import Progress as AuditProgress
    from workbench.audit import Summaries
    from workbench.evidence import Finding
    from workbench.models import Input


def map_slot(
    model: choice.ModelChoice,
    images: ImageSet,
    item: ImageItem,
    method: str,
    aim: Mapping[str, Any],
    params: Mapping[str, Any],
) -> Slot:
    """The place of a map."""
    return slot("map", **model.identity, image=item.id, **_aim(images, method, aim, params))


def _aim(images: ImageSet, method: str, aim: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, object]:
    """What a map of an image depends on beside model and image."""
    background = images.key if METHODS[method].background else None
    return {"method": method, "aim": aim, "settings": params, "background": background}


def attribution(
    model: choice.ModelChoice,
    images: ImageSet,
    item: ImageItem,
    method: str,
    aim: Mapping[str, Any],
    params: Mapping[str, Any],
) -> Attribution | str | None:
    """The map, kept or computed with progress; a sentence where the method refuses; None where the user stopped it."""

    def make(progress: Stoppable) -> Attribution | str:
        from workbench.attribution import attribute

        try:
            return attribute(
                choice.classifier(model),
                ready(model, item),
                method,
                **aim,
                **params,
                background=images,
                on_progress=progress,
            )
        except InputError as error:
            return str(error)

    return computed(map_slot(model, images, item, method, aim, params), METHODS[method].title, make, _map_size)


def map_of_pixels(
    model: choice.ModelChoice, item: ImageItem, image: Image.Image, edits: Hashable, method: str, target: int
) -> Attribution | str | None:
    """As `attribution`, of the logit of a class, for an image in memory: that of `item` after some edits."""

    def make(progress: Stoppable) -> Attribution | str:
        from workbench.attribution import attribute

        try:
            return attribute(choice.classifier(model), image, method, target, on_progress=progress)
        except InputError as error:
            return str(error)

    facts = {"image": item.id, "size": image.size, "edits": edits, "method": method, "target": target}
    return computed(slot("edited map", **model.identity, **facts), METHODS[method].title, make, _map_size)


def _map_size(made: Attribution | str) -> int:
    return 1024 if isinstance(made, str) else made.values.nbytes + 1024


def findings(
    model: choice.ModelChoice, images: ImageSet, item: ImageItem, found: Attribution, budget: Literal["quick", "full"]
) -> list[Finding] | None:
    """What the checks find about a map, kept or computed with progress; None where the user stopped them."""

    def make(progress: Stoppable) -> list[Finding]:
        from workbench.evidence import examine

        given, mask = ready(model, item), photographs.mask_of(item)
        return list(
            examine(
                choice.classifier(model), given, found, mask, background=images, budget=budget, on_progress=progress
            )
        )

    aim = _aim(images, found.method, {"target": found.target, "score": found.score}, found.params)
    place = slot("findings", **model.identity, image=item.id, mask=item.mask_id, **aim, budget=budget)
    return computed(place, "Checking", make, lambda kept: 64 * 1024)


def known_predictions(model: choice.ModelChoice, images: ImageSet) -> Predictions | None:
    """The table of what the model says of each image, where that needs no computing; None too where the user stopped
    the reading.

    To know which image is which, each file is read once, with progress.
    """
    return audits.known(model, images).predictions if _read(images) else None


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


def audited(model: choice.ModelChoice, images: ImageSet, *, embeddings: bool = False) -> Predictions | None:
    """The table for the whole set, computed with progress for the images whose outputs are not known; None where the
    user stopped it.

    What an interrupted run computed is kept, so that the next one goes on where it was; where another tab or process is
    at it already, this one joins and shows how far that has come.

    Args:
        model: The chosen model.
        images: The chosen image set.
        embeddings: Whether embeddings are wanted too, which the outputs that come with a model do not hold.
    """
    from workbench.audit import Index, own_files, run

    outputs = audits.known(model, images)
    wanted = len(outputs.elsewhere) * embeddings + outputs.missing
    if not wanted:
        return outputs.predictions
    audits.clear_damaged(outputs)
    folder, given = audits.folder_of(model, images), frozenset() if embeddings else outputs.elsewhere

    def start() -> Generator[AuditProgress, None, None]:
        return run(choice.classifier(model), images, folder, given=given)

    def count() -> int:
        return len(Index(own_files(folder, model.key)).rows)

    place = f"audit {model.key[:12]} {session.token(images)[:12]}"
    if not _ran(f"Running the model on {wanted:,} images", place, start, folder, count, len(images)):
        return None
    outputs = audits.known(model, images)
    if outputs.missing:
        raise InputError(
            "The images changed while the model was running on them: start again once the files are complete."
        )
    return outputs.predictions


def summaries(model: choice.ModelChoice, images: ImageSet, known: Predictions, method: str) -> Summaries | None:
    """The summed maps of a sample of the set, computed with progress if missing; None if the user stopped it."""
    from workbench.audit import ATTRIBUTIONS, Parts, look

    result = audits.summaries(model, images, known, method)
    if result is None:
        folder = audits.folder_of(model, images)

        def start() -> Generator[AuditProgress, None, None]:
            return look(choice.classifier(model), images, known, folder, method)

        def count() -> int:
            return len(Parts(folder / ATTRIBUTIONS / method).paths())

        if _ran(METHODS[method].title, f"look {method} {session.token(images)[:12]}", start, folder, count, SAMPLE):
            result = audits.summaries(model, images, known, method)
    return result


def _ran(
    label: str,
    key: str,
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

    progress = Stoppable(label, key)
    while not progress.stopped:
        try:
            with contextlib.closing(start()) as steps:
                for step in steps:
                    progress(step.done, step.total)
        except BusyError:
            audits.joined(folder, count, total, progress)
        else:
            progress.done()
            return True
    return False


def offer_predictions(model: choice.ModelChoice, images: ImageSet, why: str) -> None:
    """A button that predicts the images whose outputs are not known, and why they are not."""
    if not _read(images):
        return
    outputs = audits.known(model, images)
    if reason := audits.why(model, images, outputs):
        st.info(reason, icon=":material/published_with_changes:")
    part = outputs.missing < len(images)
    label = f"Predict the {outputs.missing:,} that are missing" if part else f"Predict all {len(images):,} images"
    offer(f"{label}{why}", f"audit {model.key[:12]} {session.token(images)[:12]}", lambda: audited(model, images))


def prediction(
    model: choice.ModelChoice, images: ImageSet, item: ImageItem, known: Predictions | None
) -> tuple[Predictions, int]:
    """A table of predictions with the row of `item` in it: the known one, or computed for this image alone."""
    if known is not None and images.by_name.get(item.name) is item:
        row = known.frame.index[known.frame["name"] == item.name][0]
        if known.frame["id"].loc[row] in (item.id, None):  # else the file is another one than when they were made
            return known, row
    place = slot("prediction", **model.identity, item=item.key)
    result = place.get()
    if result is None:
        from workbench.models import predict

        result = predict(choice.classifier(model), _askable(model, item))
        place.put(result, 4096 + 8 * len(result.class_names))
    return result, 0


def asked(model: choice.ModelChoice, item: ImageItem, image: Image.Image, edits: Hashable) -> NDArray[np.float32]:
    """The probabilities, (K,), for an image in memory: that of `item` after some edits."""
    place = slot("edited prediction", **model.identity, image=item.id, size=image.size, edits=edits)
    result: NDArray[np.float32] | None = place.get()
    if result is None:
        import numpy as np

        from workbench.models import ask

        result = ask(choice.classifier(model), [np.asarray(image.convert("RGB"))])[0]
        place.put(result, 4096 + result.nbytes)
    return result


def ready(model: choice.ModelChoice, item: ImageItem) -> Input:
    """The image made ready for the model."""
    return choice.classifier(model).input(item, photographs.photograph(item))


def _askable(model: choice.ModelChoice, item: ImageItem) -> Input | ImageItem:
    """The same; one that cannot be read as it is, for the table to say why."""
    try:
        return ready(model, item)
    except InputError:
        return item
