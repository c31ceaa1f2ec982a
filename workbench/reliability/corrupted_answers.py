"""What a model says of one image under corruptions, kept on disk image by image: what stopped work goes on from."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.files import cache_folder, key, read_value, write_value
from workbench.images import SEVERITIES, ImageItem, Pixels, corrupt, shrunk, unsuited

if TYPE_CHECKING:
    from workbench.models import Classifier

CORRUPTED_EDGE = 1024
"""Pixels of the longer side: larger images are shrunk to that before they are corrupted, which would take too long."""
MOST_ANSWERS = 20_000
"""Images whose answers are kept, the newest ones; each takes a few kilobytes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """Logits of one image, which depend on neither threshold nor temperature.

    Attributes:
        clean: (K,) without a corruption.
        under: (5, K) for each kind of corruption, a row a severity.
        unsuited: Why the image cannot have a kind, by its name.
        shrunk: Whether it was shrunk first.
    """

    clean: NDArray[np.float32]
    under: Mapping[str, NDArray[np.float32]]
    unsuited: Mapping[str, str]
    shrunk: bool


def kept_folder() -> Path:
    """Where answers are kept for all sets of this user."""
    return cache_folder() / "corrupted"


def answers_of(
    classifier: Classifier,
    item: ImageItem,
    kinds: Sequence[str],
    folder: Path | None,
    on_cell: Callable[[], object],
    batch: int | None = None,
) -> Answers:
    """Ask about an image under some kinds of corruption at every severity; what is kept is not asked again.

    Args:
        classifier: The model; it reads the corrupted image as it would a file, with its own preprocessing.
        item: The image.
        kinds: Names in `CORRUPTIONS`.
        folder: Where answers are kept; None where they are not.
        on_cell: Called before each corrupted image is made; what it raises stops the work.
        batch: Images in one forward pass; the model's own number where missing.

    Raises:
        InputError: The image cannot be read or is read in tiles, or the model's answer is not a number.
    """
    from workbench.models import BATCH, forwards

    path = None if folder is None else folder / f"{key('corrupted answers', model=classifier.key, image=item.id)}.json"
    past: Answers | None = None if path is None else read_value(path, Answers)
    known = set() if past is None else {*past.under, *past.unsuited}
    wanted = [kind for kind in kinds if kind not in known]
    if past is not None and not wanted:
        return past
    levels = classifier.levels(item)
    pixels = shrunk(levels, CORRUPTED_EDGE)
    reasons = {kind: unsuited(pixels, kind) for kind in wanted}
    suited = [kind for kind in wanted if not reasons[kind]]
    parts = forwards(classifier, _images(pixels, suited, on_cell), batch=batch or BATCH)
    rows = np.concatenate([part.numpy() for part in parts])
    if not np.isfinite(rows).all():
        raise InputError("The model's answer for this image is not a number: look for damaged weights.")
    under = dict(zip(suited, rows[1:].reshape(len(suited), len(SEVERITIES), rows.shape[1]), strict=True))
    why = {kind: reason for kind, reason in reasons.items() if reason}
    if past is not None:
        under, why = {**past.under, **under}, {**past.unsuited, **why}
    result = Answers(rows[0], under, why, max(levels.shape[:2]) > CORRUPTED_EDGE)
    if path is not None:
        write_value(path, result)
    return result


def _images(pixels: Pixels, kinds: Sequence[str], on_cell: Callable[[], object]) -> Iterator[Pixels]:
    yield pixels
    for kind in kinds:
        for severity in SEVERITIES:
            on_cell()
            yield corrupt(pixels, kind, severity)


def prune(folder: Path) -> None:
    """Leave the newest `MOST_ANSWERS` answers."""
    with contextlib.suppress(OSError):
        files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[MOST_ANSWERS:]:
            file.unlink()
