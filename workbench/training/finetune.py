"""Fine-tune the backbone that ships with the workbench on any labelled image set, and write a model that the workbench
opens.

Images are decoded once, into a file that is mapped into memory: what is held at a time does not grow with the set. The
training ends when the validation split gets no better, and goes on after its last finished epoch when it was
interrupted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.images import Deal, ImageItem, ImageSet, deal
from workbench.journal import told_apart_here
from workbench.models import Preprocessing, model_toml
from workbench.predictions import DecisionRule, good_class, units_of_items
from workbench.quality import families, one_side, records_folder
from workbench.reliability import record_text
from workbench.training.continued import SLOWER, before_after, kept_splits, network_of, start_from, told
from workbench.training.loop import Recipe, fit
from workbench.training.own_card import Account, finetune_card
from workbench.training.pretrained import ARCHITECTURE, backbone
from workbench.training.run import (
    FILES,
    Finish,
    Step,
    check_checkpoint,
    reported,
    run,
    training_steps,
    write_model,
)

PATIENCE = 8
"""Epochs without a lower validation loss after which the training ends."""
COMMAND = "train"
VALIDATED = 64
IMAGES = "images.tmp"


def train(
    images: ImageSet,
    out: Path,
    *,
    epochs: int = 30,
    size: int = 224,
    positive: str | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    before: Path | None = None,
) -> Generator[Step]:
    """Fine-tune on a set and write model.safetensors, model.toml, predictions.parquet, MODEL_CARD.md and
    training.json.

    Args:
        images: The set; images without a label are predicted at the end and train nothing.
        out: The folder to write to.
        epochs: Passes at most.
        size: Edge length of the model's input in pixels; images are stretched to it.
        positive: The class that a threshold is chosen for; where missing, and there are two classes of which one reads
            as good, the other.
        seed: Of the splits and of the training.
        checkpoint: As for `run`.
        before: The folder of a model to go on from, with its classes and input size; images that it was made with keep
            the split that they had.

    Yields:
        Progress.

    Raises:
        InputError: As `run`; the set cannot be learnt from, the checkpoint belongs to another run, or the model before
            cannot be trained further.
    """
    classes = _classes(images, positive)
    start = None if before is None else start_from(before, classes, ARCHITECTURE)
    if start is not None:
        classes, size = tuple(start.spec.classes), start.spec.preprocessing.size[0]
        positive = positive or start.spec.positive
    if positive is None and len(classes) == 2 and (good := good_class(classes)):
        positive = next(name for name in classes if name != good)
    _check_own(out, before)

    def learn(path: Path) -> Generator[Step, None, Finish]:
        # Before the images are read, for its weights may be missing
        network = backbone(len(classes)) if start is None else network_of(start)
        photographs = out / IMAGES
        try:
            readable, unreadable = yield from _store(images.items, photographs, size)
            apart = told_apart_here(readable)
            kin = yield from reported(
                "comparing", lambda report: families(readable, apart=apart, folder=records_folder(), on_progress=report)
            )
            sides = one_side(kin, units_of_items(readable, kin.by_name))
            placed = readable if start is None else kept_splits(start, readable, sides.tolist())
            partition = deal(placed, classes, seed, sides.tolist())
            partition = partition if start is None else told(start, partition)
            recipe = recipe_for(partition.splits.count("train"), epochs, size, seed, SLOWER if start else 1.0)
            watch = yield from _train(network, photographs, readable, partition, classes, recipe, path)
        finally:
            photographs.unlink(missing_ok=True)
        if not watch.best:
            raise InputError(
                f"After none of the {len(watch.losses)} epochs the validation loss was a number, so nothing can be"
                " kept: train again with another seed or a larger image size, and remove the checkpoint first."
            )
        network.load_state_dict(watch.best)
        losses = tuple(watch.losses)
        account = Account(images.name, images.synthetic, recipe, PATIENCE, losses, partition, unreadable, kin, start)
        split_of = {item.name: split for item, split in zip(readable, partition.splits, strict=True)}
        items = [dataclasses.replace(item, split=split_of.get(item.name)) for item in images]
        return lambda folder: _finish(folder, network, items, DecisionRule(classes, positive), account)

    yield from run(out, checkpoint, learn)


def recipe_for(count: int, epochs: int, size: int, seed: int, slower: float = 1.0) -> Recipe:
    """A recipe for `count` training images: small sets take small batches, so that an epoch is still several steps; its
    rate times `slower`, the rest as in `train`."""
    batch = min(32, max(8, count // 8))
    average_over = min(100, max(5, 2 * math.ceil(count / batch)))  # steps; about two epochs
    rate = slower * 1e-3 * math.sqrt(batch / 32)
    return Recipe(epochs, (size,), batch, round(rate, 6), averaging=round(1 - 1 / average_over, 4), seed=seed)


def balanced_order(rows: Sequence[Tensor], count: int) -> Callable[[torch.Generator], Tensor]:
    """An order for `fit` that shows every class alike often, whatever the set holds of it.

    Args:
        rows: The row numbers of each of K classes.
        count: Images in one epoch.

    Returns:
        Draws (count,) rows, of each class as many, up to one. No image of a class comes again before all of the class
        have come.
    """
    quota = math.ceil(count / len(rows))

    def order(generator: torch.Generator) -> Tensor:
        samples = []
        for part in rows:
            rounds = [part[torch.randperm(len(part), generator=generator)] for _ in range(math.ceil(quota / len(part)))]
            samples.append(torch.cat(rounds)[:quota])
        # One of each class after another, so that the cut at `count` takes from all classes alike, and then mixed
        sequence = torch.stack(samples, 1).flatten()[:count]
        return sequence[torch.randperm(count, generator=generator)]

    return order


class EarlyStop:
    """Keeps the weights of the epoch with the lowest validation loss, and ends the training when none has come for some
    epochs.

    The loss is the cross-entropy, averaged within each class and then over the classes, as the training shows them
    alike often.

    Attributes:
        best: The weights of the best epoch.
        losses: For each epoch the mean training loss and the validation loss; infinite where that is no number, and so
            never the best.
    """

    def __init__(self, images: Tensor, rows: Tensor, labels: Tensor, run: str, patience: int = PATIENCE) -> None:
        """Take all images (N, 3, H, W) in uint8, the M validation rows, their classes (M,), and a digest of the run."""
        self._images, self._rows, self._labels, self._run, self._patience = images, rows, labels, run, patience
        self.best: dict[str, Tensor] = {}
        self.losses: list[tuple[float, float]] = []

    @property
    def ended(self) -> bool:
        """Whether the last `patience` epochs brought no lower loss."""
        losses = [loss for _, loss in self.losses]
        return len(losses) > self._patience and min(losses[: -self._patience]) <= min(losses[-self._patience :])

    def look(self, average: nn.Module, loss: float) -> None:
        """Measure the `average` model on the validation split, and note it beside the epoch's mean training `loss`."""
        average.eval()
        with torch.inference_mode():
            parts = [average(_scale(self._images[rows])) for rows in self._rows.split(VALIDATED)]
        average.train()
        losses = F.cross_entropy(torch.cat(parts), self._labels, reduction="none")
        mean_loss = torch.stack([losses[self._labels == label].mean() for label in self._labels.unique()]).mean().item()
        mean_loss = math.inf if math.isnan(mean_loss) else mean_loss
        if mean_loss < min((before for _, before in self.losses), default=math.inf):
            self.best = {name: tensor.clone() for name, tensor in average.state_dict().items()}
        self.losses.append((loss, mean_loss))

    def state_dict(self) -> dict[str, object]:
        """All that is remembered."""
        return {"run": self._run, "best": self.best, "losses": self.losses}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from what `state_dict` gave."""
        self.best, self.losses = state["best"], [tuple(pair) for pair in state["losses"]]  # type: ignore[assignment, attr-defined]


def _classes(images: ImageSet, positive: str | None) -> tuple[str, ...]:
    """The classes that occur, in the order of the set."""
    labels = {item.label for item in images} - {None}
    if not labels:
        raise InputError(
            f"{images.name} has no labels: put the images of each class into a folder of its own, or write a manifest."
        )
    classes = tuple(name for name in images.class_names if name in labels)
    if len(classes) < 2:
        raise InputError(
            f"{images.name} has the class {classes[0]!r} only, and a classifier needs two: add images of another class."
        )
    if positive is not None and positive not in classes:
        raise InputError(
            f"There is no class {positive!r} in {images.name}: choose the positive class among {', '.join(classes)}."
        )
    return classes


def _check_own(out: Path, before: Path | None) -> None:
    """Refuse a folder with somebody's own model, or with the one to go on from."""
    if before is not None and out.resolve() == before.resolve():
        raise InputError(f"{out} holds the model to go on from: name another folder with --out, so that it is kept.")
    path = out / FILES[1]
    if path.is_file() and not path.read_bytes().startswith(f"# Written by `workbench {COMMAND}`.".encode()):
        raise InputError(
            f"{out} holds a model that `workbench {COMMAND}` did not write: name another folder with --out."
        )


def _store(
    items: Sequence[ImageItem], path: Path, size: int
) -> Generator[Step, None, tuple[list[ImageItem], dict[str, str]]]:
    """Decode and resize the labelled images into one file, uint8 of shape (N, 3, size, size).

    The file is written, not mapped, so that a full disk is told in a sentence.

    Yields:
        Progress; at the end the N images that it holds, and why others could not be read, by name.
    """
    preprocessing = Preprocessing((size, size))
    labelled = [item for item in items if item.label is not None]
    readable, unreadable = [], {}
    with path.open("wb") as file:
        for done, item in enumerate(labelled, 1):
            try:
                pixels, _ = preprocessing.pixels(item.load()), item.id
            except InputError as error:
                unreadable[item.name] = str(error)
            else:
                file.write((pixels * 255).round().astype(np.uint8).tobytes())
                readable.append(item)
            yield Step("reading", done, len(labelled))
    return readable, unreadable


def _train(
    network: nn.Module,
    photographs: Path,
    items: Sequence[ImageItem],
    partition: Deal,
    classes: tuple[str, ...],
    recipe: Recipe,
    path: Path,
) -> Generator[Step, None, EarlyStop]:
    """Train, and give back the watch with the best weights."""
    size = recipe.sizes[-1]
    pixels = torch.from_file(str(photographs), shared=False, size=len(items) * 3 * size**2, dtype=torch.uint8)
    images = pixels.view(-1, 3, size, size)
    labels = torch.tensor([classes.index(str(item.label)) for item in items])
    splits = np.array(partition.splits)
    rows = {name: torch.from_numpy(np.flatnonzero(splits == name)) for name in ("train", "validation")}
    dealing = [(item.id, item.label, split) for item, split in zip(items, splits, strict=True)]
    digest = hashlib.sha256(repr((recipe, PATIENCE, classes, dealing)).encode()).hexdigest()
    reason = "it belongs to other images, classes, splits or settings"
    check_checkpoint(path, lambda saved: None if saved["watch"]["run"] == digest else reason)
    watch = EarlyStop(images, rows["validation"], labels[rows["validation"]], digest)
    count = math.ceil(len(rows["train"]) / recipe.batch) * recipe.batch
    order = balanced_order([rows["train"][labels[rows["train"]] == label] for label in range(len(classes))], count)

    def best() -> str:
        return f", best validation loss {min(loss for _, loss in watch.losses):.3f}" if watch.losses else ""

    progress = fit(network, images, F.one_hot(labels, len(classes)).float(), recipe, path, order=order, watch=watch)
    yield from training_steps(progress, f"{recipe.epochs} at most", best)
    return watch


def _finish(
    folder: Path,
    network: nn.Module,
    items: Sequence[ImageItem],
    rule: DecisionRule,
    account: Account,
) -> Iterator[Step]:
    """Write everything about a trained network into `folder`."""
    names = rule.class_names
    about = f"Tells {' from '.join(names) if len(names) == 2 else f'{len(names)} classes apart'}."
    about = f"{about} Fine-tuned on {account.name}; see MODEL_CARD.md."

    def toml(threshold: float | None) -> str:
        final = dataclasses.replace(rule, threshold=threshold)
        return model_toml(COMMAND, account.name, about, ARCHITECTURE, final, account.recipe.sizes[-1])

    table = yield from write_model(folder, network, items, toml, kin=account.found.by_name)
    start = account.start
    change = None if start is None else before_after(start, items, table)
    (folder / FILES[3]).write_text(finetune_card(table, account, change), encoding="utf-8")
    trained, chosen = (
        {*table.frame.loc[table.frame["split"] == split, "id"].dropna(), *(() if start is None else start.made(split))}
        for split in ("train", "validation")
    )
    best = int(np.argmin([loss for _, loss in account.losses]))
    key = "" if start is None else start.key
    text = record_text(trained, chosen, account.losses, best + 1, started_from=key)
    (folder / FILES[4]).write_text(text, encoding="utf-8")


def _scale(photographs: Tensor) -> Tensor:
    """uint8 images as the model takes them: float32 in -1 .. 1, as `training.augment` scales them."""
    return (photographs.float() / 127.5 - 1).to(memory_format=torch.channels_last)
