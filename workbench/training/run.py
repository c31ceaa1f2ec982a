"""One training from its start to the files of a model: what every training here has in common."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.models import WEIGHTS, load_classifier, predict
from workbench.predictions import Limits, Predictions, best_threshold, concatenate, tabulate, with_families
from workbench.reliability import RECORD
from workbench.training.loop import Progress

FILES = (WEIGHTS, "model.toml", "predictions.parquet", "MODEL_CARD.md", RECORD)
LIMITS = Limits(escapes=0.05)
"""Of the models that ship with the workbench: an example, for what is acceptable is the user's to say."""
CHECKPOINT = "training.ckpt"
PREDICTED = 64
"""Images that are predicted at a time."""
DAMAGED = "it is damaged or no checkpoint of this training"


@dataclasses.dataclass(frozen=True)
class Step:
    """How far the work is.

    Attributes:
        stage: "reading" or "drawing" the images, "comparing" them, "training", "predicting" or "judging", or
            "looking": making maps for the card.
        done: Steps done in this stage.
        total: Steps of this stage.
        detail: What else there is to say: epoch and loss.
    """

    stage: str
    done: int
    total: int
    detail: str = ""


T = TypeVar("T")
Finish = Callable[[Path], Iterator[Step]]
"""Writes all of `FILES`, and what else comes with a model, into an empty folder."""
Learn = Callable[[Path], Generator[Step, None, Finish]]
"""Prepares and trains, with its checkpoint at a path; at the end comes back what writes the result."""


def run(out: Path, checkpoint: Path | None, learn: Learn) -> Generator[Step]:
    """Train, judge and write a model; the files in `out` change only once all are ready.

    Args:
        out: The folder to write to; made where missing.
        checkpoint: Kept after each epoch and resumed from where it exists; `out`/training.ckpt where missing, removed
            at the end.
        learn: The training.

    Yields:
        Progress.

    Raises:
        InputError: The folder cannot be written to; and whatever `learn` refuses.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {out} cannot be made ({error.strerror}): name another with --out.") from None
    if not os.access(out, os.W_OK):
        raise InputError(f"The folder {out} cannot be written to: name another with --out.")
    path = checkpoint or out / CHECKPOINT
    finish = yield from learn(path)
    with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as temporary:
        yield from finish(Path(temporary))
        for made in sorted(Path(temporary).rglob("*")):
            target = out / made.relative_to(temporary)
            if made.is_dir():
                target.mkdir(exist_ok=True)
            else:
                os.replace(made, target)
    if checkpoint is None:
        path.unlink(missing_ok=True)


def training_steps(progress: Iterator[Progress], epochs: str, more: Callable[[], str] = str) -> Iterator[Step]:
    """The steps of `fit` as those of a training of so many `epochs`, each followed by what `more` says."""
    for p in progress:
        yield Step("training", p.done, p.total, f"epoch {p.epoch} of {epochs}, loss {p.loss:.3f}{more()}")


def reported(stage: str, work: Callable[[Callable[[int, int], None]], T]) -> Generator[Step, None, T]:
    """The steps of work that reports its progress to a callback, which runs in a thread of its own.

    Args:
        stage: What the progress calls it.
        work: Takes the callback, for how much is done and of how much; it ends where the callback raises, as it does
            once nobody asks for further steps.

    Yields:
        Progress; at the end what the work returned comes back.
    """
    steps: Queue[tuple[int, int] | None] = Queue()
    ended = threading.Event()

    def report(done: int, total: int) -> None:
        if ended.is_set():
            raise InterruptedError
        steps.put((done, total))

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work, report)
        result.add_done_callback(lambda _: steps.put(None))
        try:
            while (step := steps.get()) is not None:
                yield Step(stage, *step)
        finally:
            ended.set()
        return result.result()


def check_checkpoint(path: Path, fault: Callable[[dict[str, Any]], str | None]) -> None:
    """Refuse a checkpoint of another training; one that is not there is none.

    Args:
        path: Where it would lie.
        fault: Says why its contents do not fit; None where they do. A contents that it stumbles over is none of a
            training.

    Raises:
        InputError: It does not fit, or cannot be read.
    """
    if not path.exists():
        return
    try:
        why = fault(torch.load(path, weights_only=True, map_location="cpu"))
    except Exception:  # whatever torch raises on a file that is something else
        why = DAMAGED
    if why:
        raise InputError(
            f"{path.name} cannot be resumed from, for {why}: remove it, or name another file with --checkpoint."
        )


def write_model(
    folder: Path,
    network: nn.Module,
    items: Sequence[ImageItem],
    toml: Callable[[float | None], str],
    stage: str = "predicting",
    kin: Mapping[str, str] | None = None,
) -> Generator[Step, None, Predictions]:
    """Write model.safetensors, model.toml and predictions.parquet of a trained network into `folder`.

    The weights are read back, so that what is judged is what ships. Where `toml` names a positive class, its threshold
    is chosen on the validation split.

    Args:
        folder: An empty one.
        network: Takes images as `toml` says.
        items: What to predict, with their splits.
        toml: The contents of model.toml for a threshold, or for none.
        stage: What the progress calls it.
        kin: The family of each image by its name, where families were looked for.

    Yields:
        Progress; at the end the predictions come back.
    """
    from safetensors.torch import save_file

    weights, description, predictions = (folder / name for name in FILES[:3])
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, weights)
    weights.chmod(0o644)  # safetensors lets nobody but the owner read
    description.write_text(toml(None), encoding="utf-8")
    classifier = load_classifier(folder)
    parts = []
    for start in range(0, len(items), PREDICTED):
        parts.append(predict(classifier, items[start : start + PREDICTED]))
        yield Step(stage, min(start + PREDICTED, len(items)), len(items))
    table = concatenate(parts) if kin is None else with_families(concatenate(parts), kin)
    if classifier.positive is not None:
        threshold = round(best_threshold(where(table, table.frame["split"] == "validation")), 4)
        description.write_text(toml(threshold), encoding="utf-8")
        rule, frame = load_classifier(folder).rule, table.frame
        errors = {row: str(error) for row, error in enumerate(frame["error"]) if error is not None}
        table = tabulate(items, table.logits, table.probabilities, errors, rule, table.model, list(frame["id"]))
        table = table if kin is None else with_families(table, kin)
    table.save(predictions)
    return table


def where(table: Predictions, rows: ArrayLike) -> Predictions:
    """The predictions of some rows: booleans of shape (N,)."""
    mask = np.asarray(rows, dtype=bool)
    frame = table.frame[mask].reset_index(drop=True)
    probabilities, logits = table.probabilities[mask], table.logits[mask]
    return dataclasses.replace(table, frame=frame, probabilities=probabilities, logits=logits)
