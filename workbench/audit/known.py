"""What is known of a model's outputs for an image set as it is now, whenever and wherever they were computed.

Outputs belong to a model and to the bytes of an image. Labels, splits, attributes and the threshold belong to the set
and the rule of today, and are joined with the outputs each time: so a table never tells of the images of another day.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.audit.outputs import Index, files_of, own_files, predictions_of
from workbench.audit.reader import NO_EMBEDDING
from workbench.errors import InputError
from workbench.files import DamagedError, open_parquet
from workbench.images import ImageSet
from workbench.predictions import DecisionRule, Predictions

EMBEDDING = "embedding"


@dataclasses.dataclass(frozen=True, eq=False)
class Outputs:
    """What is known for the N images of a set.

    Attributes:
        predictions: A row an image in the order of the set; None while outputs are missing.
        ids: Digest of each image, N; None where it has no bytes that can be read.
        missing: How many images have no outputs yet.
        elsewhere: Digests of images whose outputs are not the audit's own and come without embeddings.
        own: The audit's files.
        others: Further files that hold embeddings, as they come with a model.
        damaged: Files that do not hold what was written to them.
    """

    predictions: Predictions | None
    ids: tuple[str | None, ...]
    missing: int
    elsewhere: frozenset[str]
    own: tuple[Path, ...]
    others: tuple[Path, ...]
    damaged: tuple[Path, ...]

    def embeddings(self) -> NDArray[np.float32]:
        """What goes into the model's last layer: (N, D); NaN where an image cannot be read.

        Raises:
            InputError: The model has none; the message says why.
            DamagedError: A file does not hold what was written to it.
        """
        index = Index([*self.own, *self.others])
        if EMBEDDING not in index.widths:
            raise InputError(f"There are no embeddings: {NO_EMBEDDING}.")
        return index.take(self.ids, (EMBEDDING,))[EMBEDDING]


def known_outputs(
    images: ImageSet, model: str, rule: DecisionRule, folder: Path, others: Sequence[Path] = ()
) -> Outputs:
    """Join what an audit's folder and other files hold with a set as it is now.

    Args:
        images: The set; files that were not read before, or that changed, are read for their digests.
        model: Digest of the model; files of another one, or of another version of the computation, do not count.
        rule: How probabilities become a class.
        folder: Of the audit, which need not be there.
        others: Further tables of predictions, as they come with a model.
    """
    own = tuple(own_files(folder, model))
    with_embeddings = {path: _embeds(path) for path in files_of(others, model)}
    full_files = tuple(path for path, full in with_embeddings.items() if full)
    plain_files = [path for path, full in with_embeddings.items() if not full]
    full_index = Index([*own, *full_files])
    index = Index([*own, *full_files, *plain_files]) if plain_files else full_index
    ids = tuple(item.readable_id for item in images)
    positions = [i for i, digest in enumerate(ids) if digest is None or digest not in index.rows]
    elsewhere = frozenset(digest for digest in ids if digest in index.rows and digest not in full_index.rows)
    errors, table, damaged = _errors(images, positions), None, tuple(index.damaged)
    missing = len(positions) if len(errors) < len(positions) else 0
    if not missing:
        try:
            table = predictions_of(index, images, ids, errors, rule, model)
        except DamagedError as error:
            missing, damaged = len(ids), (*damaged, error.path)
    return Outputs(table, ids, missing, elsewhere, own, full_files, damaged)


def _embeds(path: Path) -> bool:
    """Whether a table holds embeddings; one that is damaged holds none."""
    try:
        return EMBEDDING in open_parquet(path).schema_arrow.names
    except (OSError, pa.ArrowException):
        return False


def _errors(images: ImageSet, positions: Sequence[int]) -> dict[int, str]:
    """Why images without outputs cannot be read; stops at the first readable one: the outputs are then incomplete."""
    errors: dict[int, str] = {}
    for i in positions:
        try:
            images.items[i].open()
        except InputError as error:
            errors[i] = str(error)
        else:
            break
    return errors
