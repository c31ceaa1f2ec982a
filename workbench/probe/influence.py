"""The training images behind a decision: the nearest ones, those that speak for it, and those that speak against it.

Nothing is asked of the model again for the training images: what goes into its last layer and what comes out of it
stand in the audit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.predictions import Predictions, units_of
from workbench.stats import cosine

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from workbench.models import Askable, Classifier

HELD_AT_ONCE = 4096
"""Training images that Captum compares at once: with 1,280 numbers each, 40 MB."""
SURE = 0.9
"""From this confidence on, a label that contradicts the model is worth a look."""
TWIN = 0.9999
"""From this similarity on, two images are the same for the model."""
OPAQUE = (
    "No layer of the model takes the stored embeddings to the stored logits, so only the nearest images are known:"
    " audit the set again if the model has changed, or else choose one that ends in a linear layer."
)


@dataclasses.dataclass(frozen=True, eq=False)
class Behind:
    """Training images behind the decision on one image.

    Each table has one row a training image: row (of the predictions), unit (its number; None where each image is taken
    as independent), name, label, predicted, confidence (of the
    predicted class), similarity (cosine between the embeddings, 1 at most), influence (see `behind`; NaN where it is
    not known) and look (why somebody should look at its label; None where nothing is odd).

    Attributes:
        target: The class whose decision is traced.
        confidence: The model's probability of it.
        nearest: The most similar, first the nearest.
        proponents: Whose influence speaks for the class, first the strongest; only those above 0.
        opponents: Whose influence speaks against it, likewise; only those below 0.
        among: How many training images there are to choose from.
        why: Why there are neither proponents nor opponents; None where there are.
        labelled: How many of them have a label.
        alike: How many of them are labelled as the class.
        units: In how many units (groups and families) those with a label come, and of how many the label is the class:
            a unit of several labels counts by its share. None where each image is taken as independent.
    """

    target: str
    confidence: float
    nearest: pd.DataFrame
    proponents: pd.DataFrame
    opponents: pd.DataFrame
    among: int
    why: str | None = None
    labelled: int = 0
    alike: int = 0
    units: tuple[int, float] | None = None


def behind(
    classifier: Classifier,
    embeddings: NDArray[np.floating],
    predictions: Predictions,
    rows: NDArray[np.bool_],
    asked: int | Askable,
    *,
    target: int | str | None = None,
    k: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
) -> Behind:
    """Find the training images behind a decision.

    Influence is Captum's TracInCPFast (Pruthi et al. 2020, "Estimating Training Data Influence by Tracing Gradient
    Descent") on the last layer and for one checkpoint, the model's own weights: (x · x') (g · g'), with x what goes
    into the last layer for the training image and g the gradient of its cross-entropy to the logits, x' and g' the same
    for the image asked about, with `target` as its class. It says how much one more small step of training on that
    image would lower the loss of calling the other one `target`, were only the last layer's weights to move (its bias
    is left out), to first order and for a learning rate of 1. It is not what the training did: earlier checkpoints and
    all other layers are missing. Nor does it say what a model trained without the image would answer. An image that the
    model has learned to the last has hardly any gradient and so hardly any influence: those that it still gets wrong
    stand out, among them mislabelled ones. Its size means something only within one answer.

    Args:
        classifier: The model.
        embeddings: (N, D) what goes into the model's last layer (`workbench.audit.Audit.embeddings`).
        predictions: What the model says of the N images.
        rows: (N,) which of them it was trained on; without a label of one of its classes, or unreadable, they have no
            influence.
        asked: Whose decision: a row, which is never its own training image, or another image.
        target: The class, by name or column; the predicted one where missing.
        k: How many at most in each table.
        on_progress: Called with (done, total) training images; what it raises stops the work.

    Raises:
        InputError: There is no such class, image or row, no training image that can be compared, or the model has no
            embedding.
    """
    import torch

    if embeddings.shape[:1] != rows.shape or len(rows) != len(predictions):
        raise ValueError(
            f"expected {len(predictions)} rows everywhere, got embeddings {embeddings.shape} and rows {rows.shape}"
        )
    image = _image_of(classifier, embeddings, predictions, asked)
    free = rows & np.isfinite(embeddings).all(1) & np.isfinite(predictions.logits).all(1)
    if image.row is not None:
        free[image.row] = False
    among = np.flatnonzero(free)
    if not len(among):
        raise InputError(
            "There is no readable training image to compare with: choose a set with a training split and audit it."
        )
    probabilities = classifier.probabilities(torch.from_numpy(image.logits[None])).numpy()[0]
    column = int(predictions.rule.decide(probabilities[None])[0][0]) if target is None else classifier.index(target)
    similarity = np.full(len(rows), np.nan)
    similarity[among] = cosine(embeddings[among], image.embedding)
    influence, why = _trace(classifier, embeddings, predictions, among, (image.embedding, column), on_progress)
    units = units_of(predictions.frame)
    table = _Table(predictions, similarity, influence, image, k, units)
    labels = predictions.frame["label"].iloc[among]
    own = (labels == classifier.class_names[column])[labels.notna()]
    return Behind(
        target=classifier.class_names[column],
        confidence=float(probabilities[column]),
        nearest=table.of(among, -similarity),
        proponents=table.of(among[influence[among] > 0], -influence),
        opponents=table.of(among[influence[among] < 0], influence),
        among=len(among),
        why=why,
        labelled=len(own),
        alike=int(own.sum()),
        units=None if units is None else _counted(own.to_numpy(), units[among[labels.notna().to_numpy()]]),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Image:
    """The image asked about: embedding (D,), logits (K,), digest, label and, if it is among the predictions, row."""

    embedding: NDArray[np.floating]
    logits: NDArray[np.float64]
    digest: str | None
    label: str | None
    row: int | None = None


def _image_of(
    classifier: Classifier, embeddings: NDArray[np.floating], predictions: Predictions, asked: int | Askable
) -> _Image:
    """What is known of a row, or what the model says of another image."""
    if isinstance(asked, int | np.integer):
        if not 0 <= asked < len(embeddings):
            raise InputError(f"There is no row {asked}: choose one of 0 to {len(embeddings) - 1}.")
        line, logits = predictions.frame.iloc[asked], predictions.logits[asked].astype(np.float64)
        if not (np.isfinite(embeddings[asked]).all() and np.isfinite(logits).all()):
            raise InputError(f"{line['name']} cannot be read: choose another image.")
        return _Image(embeddings[asked], logits, line["id"], line["label"], int(asked))
    from workbench.audit import NO_EMBEDDING, Reading, compute, matrix

    ready = classifier.input(asked)
    digest, label = (ready.item.id, ready.item.label) if ready.item else (None, None)
    table = compute(classifier, 0, [Reading(digest or "asked", ready.x)], set()).table
    if table is None or "embedding" not in table.column_names:
        raise InputError(f"There are no embeddings: {NO_EMBEDDING}.")
    embedding, logits = matrix(table.column("embedding"))[0], matrix(table.column("logits"))[0].astype(np.float64)
    if embedding.shape != embeddings.shape[1:]:
        raise InputError(
            f"The embeddings have {embeddings.shape[1]} numbers and this model's {len(embedding)}: use the audit of"
            " this model."
        )
    if not (np.isfinite(embedding).all() and np.isfinite(logits).all()):
        raise InputError("The model's answer for this image is not a number: look for damaged weights.")
    return _Image(embedding, logits, digest, label)


def _trace(
    classifier: Classifier,
    embeddings: NDArray[np.floating],
    predictions: Predictions,
    among: NDArray[np.intp],
    asked: tuple[NDArray[np.floating], int],
    on_progress: Callable[[int, int], None] | None,
) -> tuple[NDArray[np.float64], str | None]:
    """Influence (N,) of training images `among` on calling an embedding (D,) a class, else NaN; why there is none."""
    influence = np.full(len(embeddings), np.nan)
    columns = {name: column for column, name in enumerate(classifier.class_names)}
    labels = np.array([columns.get(label, -1) for label in predictions.frame["label"]])
    taught = among[labels[among] >= 0]
    if not len(taught):
        return influence, "No training image has a label of one of the model's classes: choose a set with such labels."
    head = _head(classifier, embeddings[among], predictions.logits[among])
    if head is None:
        return influence, OPAQUE
    influence[taught] = _influences(head, asked, embeddings[taught], labels[taught], on_progress)
    if not influence[taught].any():
        return (
            influence,
            "The model is so sure of this class that no training image moves its loss: ask about another class.",
        )
    return influence, None


def _counted(own: NDArray[np.bool_], units: NDArray[np.intp]) -> tuple[int, float]:
    """How many units some images come in, and the sum of the shares of each that is of the class."""
    sizes, hits = np.bincount(units), np.bincount(units, own)
    return int((sizes > 0).sum()), float((hits[sizes > 0] / sizes[sizes > 0]).sum())


def _head(classifier: Classifier, embeddings: NDArray[np.floating], logits: NDArray[np.floating]) -> nn.Linear | None:
    """The model's last layer as a copy that takes embeddings (N, D) to logits (N, K) or (N, 1), found by its doing so.

    A convolution of one pixel is a linear layer for embeddings that are averaged over places.
    """
    import torch
    from torch import nn

    x, stored = torch.from_numpy(embeddings[:64]).double(), torch.from_numpy(logits[:64]).double()
    stored = stored[:, 1:] - stored[:, :1] if classifier.single else stored
    with classifier.lock:
        for module in reversed(list(classifier.model.modules())):
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            if (
                not isinstance(weight, torch.Tensor)
                or weight.ndim < 2
                or weight.numel() != stored.shape[1] * x.shape[1]
            ):
                continue
            head = nn.Linear(x.shape[1], stored.shape[1], dtype=torch.float64)
            head.weight.data = weight.detach().cpu().double().reshape(len(head.weight), -1)
            head.bias.data = (
                torch.zeros_like(head.bias)
                if not isinstance(bias, torch.Tensor)
                else bias.detach().cpu().double().reshape(-1)
            )
            with torch.no_grad():
                if torch.allclose(head(x), stored, rtol=1e-3, atol=1e-3 * max(1.0, float(stored.abs().max()))):
                    return head
    return None


def _influences(
    head: nn.Linear,
    asked: tuple[NDArray[np.floating], int],
    embeddings: NDArray[np.floating],
    labels: NDArray[np.intp],
    on_progress: Callable[[int, int], None] | None,
) -> NDArray[np.float64]:
    """Influence of M training images, (M,), on calling an embedding (D,) a class, in double precision.

    In single precision the gradient of a decision that the model is sure of is lost.
    """
    import torch
    from captum.influence import TracInCPFast
    from torch import nn
    from torch.utils.data import TensorDataset

    single = head.out_features == 1
    loss = nn.BCEWithLogitsLoss(reduction="sum") if single else nn.CrossEntropyLoss(reduction="sum")

    def tensors(vectors: NDArray[np.floating], classes: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        truth = torch.from_numpy(classes)
        return torch.from_numpy(vectors).double(), truth.double()[:, None] if single else truth.long()

    inputs, parts = tensors(asked[0][None], np.array([asked[1]])), []
    for start in range(0, len(labels), HELD_AT_ONCE):
        if on_progress:
            on_progress(start, len(labels))
        part = slice(start, start + HELD_AT_ONCE)
        data = TensorDataset(*tensors(embeddings[part], labels[part]))
        tracing = TracInCPFast(head, head, data, [0], lambda model, checkpoint: 1.0, loss, batch_size=HELD_AT_ONCE)
        with torch.inference_mode(False), torch.enable_grad():
            parts.append(tracing.influence(inputs)[0].detach().numpy())
    if on_progress:
        on_progress(len(labels), len(labels))
    return np.concatenate(parts)


@dataclasses.dataclass(frozen=True, eq=False)
class _Table:
    """What goes into the tables: similarity and influence (N,) of N images to the one asked about."""

    predictions: Predictions
    similarity: NDArray[np.float64]
    influence: NDArray[np.float64]
    asked: _Image
    k: int
    units: NDArray[np.intp] | None

    def of(self, rows: NDArray[np.intp], order: NDArray[np.float64]) -> pd.DataFrame:
        """The first `k` of some rows in an order (N,)."""
        import pandas as pd

        chosen = rows[np.argsort(order[rows], kind="stable")][: self.k]
        frame = self.predictions.frame.iloc[chosen][["name", "label", "predicted", "confidence"]].reset_index(drop=True)
        frame.insert(0, "row", chosen)
        frame.insert(1, "unit", None if self.units is None else self.units[chosen])
        frame["similarity"], frame["influence"] = self.similarity[chosen], self.influence[chosen]
        frame["look"] = pd.Series([self._odd(row) for row in chosen.tolist()], dtype=object)
        return frame

    def _odd(self, row: int) -> str | None:
        """Why the label of a training image should be looked at."""
        line = self.predictions.frame.iloc[row]
        label, predicted, confidence = line["label"], line["predicted"], float(line["confidence"])
        if label is None:
            return None
        same = self.asked.digest is not None and line["id"] == self.asked.digest
        if self.asked.label not in (None, label) and (same or self.similarity[row] >= TWIN):
            which = "It is the image asked about" if same else "For the model it is the image asked about"
            return f"{which}, which is labelled {self.asked.label}, not {label}: one of the two labels is wrong."
        if label != predicted and confidence >= SURE and label in self.predictions.class_names:
            return (
                f"It is labelled {label}, but the model is {confidence:.0%} sure of {predicted}: perhaps it is"
                " mislabelled."
            )
        return None
