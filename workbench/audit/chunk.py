"""What every engine computes for some images at once: digests, logits, probabilities and embeddings."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.audit.parts import lists
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.models import BATCH

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.models import Classifier


@dataclasses.dataclass(frozen=True)
class Reading:
    """One image, read.

    Attributes:
        id: SHA-256 of its bytes in hex; None where there are none.
        x: The model's input of shape (C, H, W), or what it says of an image in tiles, (K,); None where it is not
            wanted or cannot be made.
        error: Why it cannot be read.
    """

    id: str | None = None
    x: Tensor | None = None
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some neighbouring images of a set, computed.

    Attributes:
        start: Position of the first in the set.
        ids: Digest of each; None where there are no bytes.
        errors: Why an image cannot be read, by its position in the set.
        table: A row for each image that was computed, as `compute` gives it; None where none was.
    """

    start: int
    ids: tuple[str | None, ...]
    errors: Mapping[int, str]
    table: pa.Table | None


def read(classifier: Classifier, item: ImageItem, digests: Container[str]) -> Reading:
    """Read one image, and make it an input of the classifier unless its digest is among `digests`."""
    digest = None
    try:
        held = item.held()
        digest = held.id
        if digest in digests:
            return Reading(digest)
        from workbench.models import forwards

        if classifier.preprocessing.tiles:  # its pixels are not held together, what is said of them is
            return Reading(digest, next(forwards(classifier, [held]))[0])
        return Reading(digest, classifier.prepare(held))
    except InputError as error:
        return Reading(digest, error=str(error))


def compute(classifier: Classifier, start: int, images: Sequence[Reading], digests: set[str]) -> Chunk:
    """Ask the model about neighbouring images.

    A forward pass takes what `workbench.models.classifier.predict` would give it, less what is known: so a first run
    over images that all differ finds the same numbers to the last bit, and every run the same up to the rounding of
    other batches.

    Args:
        classifier: The model.
        start: Position of the first image in the set, a multiple of `BATCH`.
        images: As `read` gives them.
        digests: Those that need no computing; those that are computed here are added.
    """
    tables = []
    for first in range(0, len(images), BATCH):
        inputs = {
            p.id: p.x
            for p in images[first : first + BATCH]
            if p.id is not None and p.x is not None and p.id not in digests
        }
        if inputs:
            tables.append(_answers(classifier, inputs))
            digests.update(inputs)
    errors = {start + i: p.error for i, p in enumerate(images) if p.error is not None}
    return Chunk(start, tuple(p.id for p in images), errors, pa.concat_tables(tables) if tables else None)


def _answers(classifier: Classifier, inputs: Mapping[str, Tensor]) -> pa.Table:
    """One forward pass: id, logits (K), probabilities (K) and, where the model has one, embedding (D), all float32."""
    import torch

    from workbench.models import untouched

    if classifier.preprocessing.tiles:
        logits = torch.stack(list(inputs.values()))
        return _table(classifier, inputs, logits, None)
    with untouched(classifier), _watch(classifier) as calls:
        logits = classifier.forward(torch.stack(list(inputs.values())))
        embedding = _embedding(calls, len(inputs))
    return _table(classifier, inputs, logits, embedding)


def _table(
    classifier: Classifier, inputs: Mapping[str, Tensor], logits: Tensor, embedding: NDArray[np.float32] | None
) -> pa.Table:
    columns = {"logits": logits.numpy(), "probabilities": classifier.probabilities(logits).numpy()}
    if embedding is not None:
        columns["embedding"] = embedding
    return pa.table({"id": pa.array(inputs, pa.string()), **{name: lists(values) for name, values in columns.items()}})


@contextlib.contextmanager
def _watch(classifier: Classifier) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Note what goes into each layer that has one output a class, in the order of execution."""
    from torch import Tensor

    calls: list[tuple[nn.Module, Tensor]] = []

    def keep(module: nn.Module, args: tuple[object, ...], named: dict[str, object]) -> None:
        calls.extend((module, x) for x in (*args, *named.values())[:1] if isinstance(x, Tensor))

    # An anomaly score has no head
    width = 0 if classifier.scored else classifier.head.width
    heads = [
        m
        for m in classifier.model.modules()
        if (w := m._parameters.get("weight")) is not None and w.ndim > 1 and len(w) == width
    ]
    handles = [head.register_forward_pre_hook(keep, with_kwargs=True) for head in heads]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _embedding(calls: Sequence[tuple[nn.Module, Tensor]], count: int) -> NDArray[np.float32] | None:
    """The input of the last layer that ran, averaged over places or tokens: (N, D), or None if not one row an image."""
    import torch

    if not calls:
        return None
    head = calls[-1][0]
    x = torch.cat([activation for module, activation in calls if module is head]).float()
    if len(x) != count or x.ndim < 2:
        return None
    weight = head._parameters["weight"]
    places = tuple(range(2, x.ndim)) if weight is not None and weight.ndim > 2 else tuple(range(1, x.ndim - 1))
    return (x.mean(places) if places else x).cpu().numpy()
