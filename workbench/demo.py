"""Train the model that ships with the workbench, from published data, weights and a written recipe, and write its model card."""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from workbench.audit import look, open_summaries
from workbench.bias.where import maps_of
from workbench.cards import CLASSES, DROP_PATH, DROPOUT, NAME, model_card
from workbench.catalog import shared
from workbench.classifier import predict
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet
from workbench.layouts import load_images
from workbench.loading import build, load_classifier
from workbench.metrics import best_threshold
from workbench.modelfolder import model_toml, read_spec, weights_path
from workbench.predictions import DecisionRule, Predictions, concatenated, tabulate
from workbench.training import Recipe, cycle_length, fit
from workbench.weights import fit_weights, read_weights

ARCHITECTURE = "timm:tf_efficientnet_lite0"
FILES = ("model.safetensors", "model.toml", "predictions.parquet", "MODEL_CARD.md")
CHUNK = 64
MAPS = "grad_cam"
"""The method whose maps the model card tells of."""


@dataclasses.dataclass(frozen=True)
class Step:
    """How far the work is.

    Attributes:
        stage: "training", "predicting" or "looking": making maps for the card.
        done: Steps done in this stage.
        total: Steps of this stage.
        detail: What else there is to say: epoch and loss.
    """

    stage: str
    done: int
    total: int
    detail: str = ""


class GreyBackbone(nn.Module):
    """Shows a grey picture, (N, 1, H, W), to a backbone that takes three channels. Trained on one, a third of the memory moves."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (N, K) for grey pictures of shape (N, 1, H, W)."""
        return self.backbone(x.expand(-1, 3, -1, -1))


def train(
    out: Path | None = None, *, recipe: Recipe | None = None, limit: int | None = None, checkpoint: Path | None = None
) -> Iterator[Step]:
    """Fine-tune on the solar cells and write model.safetensors, model.toml, predictions.parquet and MODEL_CARD.md.

    The threshold is chosen on the validation split; the test split is looked at once, for the card.

    Args:
        out: The folder to write to; assets/models/solar-cells where missing. Its files change only once all are ready.
        recipe: Schedule and augmentation, those of the shipped model where missing. The last of its sizes becomes the input.
        limit: Use at most so many pictures of each split: a trial run.
        checkpoint: Kept after each epoch and resumed from where it exists; `out`/training.ckpt where missing, removed at the end.

    Yields:
        Progress.

    Raises:
        InputError: The folder cannot be written to, the data or weights are not installed, or the checkpoint belongs to another run.
    """
    out = shared(f"models/{NAME}") if out is None else out
    recipe = recipe or Recipe()
    check_writable(out)
    items = _chosen(load_images(NAME).items, limit)
    training = [item for item in items if item.split == "train"]
    kept = checkpoint or out / "training.ckpt"
    network = starting_network()
    check_checkpoint(kept, network, recipe, len(training))
    for p in fit(network, *tensors(training), recipe, kept):
        yield Step("training", p.done, p.total, f"epoch {p.epoch} of {recipe.epochs}, loss {p.loss:.3f}")
    with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as made:
        yield from _finish(Path(made), network.backbone, items, recipe, trial=limit is not None)
        for name in FILES:
            os.replace(Path(made, name), out / name)
    if checkpoint is None:
        kept.unlink(missing_ok=True)


def backbone(classes: int) -> nn.Module:
    """EfficientNet-Lite0 with its published ImageNet weights and a new head of so many classes, the same on every machine.

    Raises:
        InputError: The package that holds the weights is not installed.
    """
    folder = shared("models/everyday")
    spec = read_spec(folder)
    options = {"num_classes": len(spec.classes), "drop_rate": DROPOUT, "drop_path_rate": DROP_PATH}
    weights = read_weights(weights_path(folder, spec))
    found, _ = build(ARCHITECTURE, trusted=True, options=options)
    fit_weights(found, weights, spec.weights, by_order=spec.order)
    torch.manual_seed(0)
    found.reset_classifier(classes)  # type: ignore[operator]
    return found


def starting_network() -> GreyBackbone:
    """The backbone with a head of two classes, for grey pictures."""
    return GreyBackbone(backbone(len(CLASSES)))


def tensors(items: Sequence[ImageItem]) -> tuple[Tensor, Tensor]:
    """What `fit` trains on.

    Args:
        items: N cells.

    Returns:
        Grey pictures, uint8 of shape (N, 1, H, W), and soft targets of shape (N, 2): (1 - P, P) for the experts' defect
        probability P, a whole number of thirds.
    """
    pictures = torch.from_numpy(np.stack([np.asarray(item.open().convert("L")) for item in items]))[:, None]
    defective = torch.tensor([round(3 * _probability(item)) / 3 for item in items])
    return pictures, torch.stack([1 - defective, defective], 1)


def _finish(folder: Path, network: nn.Module, items: Sequence[ImageItem], recipe: Recipe, trial: bool) -> Iterator[Step]:
    """Write everything about a trained backbone into `folder`."""
    table = yield from judged(folder, network, items, lambda threshold: _model_toml(recipe.sizes[-1], threshold))
    images = ImageSet(NAME, tuple(items), CLASSES)
    for seen in look(load_classifier(folder), images, table, folder / "audit", MAPS):
        yield Step("looking", seen.done, seen.total)
    maps = maps_of(open_summaries(folder / "audit", MAPS), table)
    (folder / FILES[3]).write_text(model_card(table, maps, recipe, trial=trial), encoding="utf-8")


def judged(
    folder: Path, network: nn.Module, items: Sequence[ImageItem], toml: Callable[[float | None], str]
) -> Generator[Step, None, Predictions]:
    """Write model.safetensors, model.toml and predictions.parquet of a trained network into `folder`.

    The weights are read back, so that what is judged is what ships. Where `toml` names a positive class, its threshold is chosen on
    the validation split.

    Args:
        folder: An empty one.
        network: Takes pictures as `toml` says.
        items: What to predict, with their splits.
        toml: The contents of model.toml for a threshold, or for none.

    Yields:
        Progress; at the end the predictions come back.
    """
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, folder / FILES[0])
    (folder / FILES[0]).chmod(0o644)  # safetensors lets nobody but the owner read
    (folder / FILES[1]).write_text(toml(None), encoding="utf-8")
    classifier = load_classifier(folder)
    parts = []
    for start in range(0, len(items), CHUNK):
        parts.append(predict(classifier, items[start : start + CHUNK]))
        yield Step("predicting", min(start + CHUNK, len(items)), len(items))
    table = concatenated(parts)
    if classifier.positive is not None:
        threshold = round(best_threshold(where(table, table.frame["split"] == "validation")), 4)
        (folder / FILES[1]).write_text(toml(threshold), encoding="utf-8")
        rule, frame = load_classifier(folder).rule, table.frame
        errors = {row: str(error) for row, error in enumerate(frame["error"]) if error is not None}
        table = tabulate(items, table.logits, table.probabilities, errors, rule, table.model, list(frame["id"]))
    table.save(folder / FILES[2])
    return table


def where(table: Predictions, rows: object) -> Predictions:
    """The predictions of some rows."""
    chosen = np.asarray(rows, dtype=bool)
    frame = table.frame[chosen].reset_index(drop=True)
    return dataclasses.replace(table, frame=frame, probabilities=table.probabilities[chosen], logits=table.logits[chosen])


def check_writable(out: Path) -> None:
    """Make the folder `out` where it is missing, or refuse one that cannot be written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {out} cannot be made ({error.strerror}): name another with --out.") from None
    if not os.access(out, os.W_OK):
        raise InputError(f"The folder {out} cannot be written to: name another with --out.")


def _chosen(items: Sequence[ImageItem], limit: int | None) -> list[ImageItem]:
    """All cells, or at most `limit` of each split, evenly spread; always in the order of the set, by which the app knows them again."""
    if limit is None:
        return list(items)
    splits = [[item for item in items if item.split == name] for name in ("train", "validation", "test")]
    kept = {item.name for split in splits for item in split[:: math.ceil(len(split) / limit)]}
    return [item for item in items if item.name in kept]


def _probability(item: ImageItem) -> float:
    return float(str(item.attributes["defect probability"]))


def check_checkpoint(path: Path, network: nn.Module, recipe: Recipe, images: int) -> None:
    """Refuse a checkpoint of another training; one that is not there is none."""
    if not path.exists():
        return
    why = "it is damaged or no checkpoint of this training"
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
        same = saved["model"].keys() == network.state_dict().keys() and {"average", "optimizer", "epoch"} <= saved.keys()
        length = saved["schedule"]["total_steps"]
    except Exception:  # whatever torch raises on a file that is something else
        raise InputError(f"{path.name} cannot be resumed from, for {why}: name another file or remove it.") from None
    wanted = recipe.epochs * math.ceil(images / recipe.batch)
    if same and length != cycle_length(wanted):
        why, same = f"it was made for {length} steps where this training has {cycle_length(wanted)}", False
    if not same:
        raise InputError(f"{path.name} cannot be resumed from, for {why}: name another file or remove it.")


def _model_toml(size: int, threshold: float | None) -> str:
    about = "Is this solar cell functional or defective? Fine-tuned on electroluminescence photographs; see MODEL_CARD.md."
    return model_toml(f"train-demo {NAME}", "Solar cells", about, ARCHITECTURE, DecisionRule(CLASSES, CLASSES[1], threshold), size)
