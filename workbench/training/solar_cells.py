"""Train the solar-cell model that ships with the workbench, from published data, weights and a written recipe."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.audit import look, open_summaries
from workbench.bias import maps_of
from workbench.catalog import shared
from workbench.images import ImageItem, ImageSet
from workbench.models import load_classifier, model_toml
from workbench.predictions import DecisionRule, Predictions
from workbench.sets import load_images
from workbench.training.loop import Recipe, cycle_length, fit
from workbench.training.model_card import solar_card
from workbench.training.pretrained import ARCHITECTURE, backbone
from workbench.training.run import (
    DAMAGED,
    FILES,
    LIMITS,
    Finish,
    Step,
    check_checkpoint,
    run,
    training_steps,
    write_model,
)

NAME = "solar-cells"
CLASSES = ("functional", "defective")
AT_RANDOM = "random-split.parquet"
"""Predictions of the model that was trained on cells dealt at random, as the literature does, by the same recipe."""
MAP_METHOD = "grad_cam"
"""The method whose maps the model card tells of."""
ABOUT = "Is this solar cell functional or defective? Fine-tuned on electroluminescence photographs; see MODEL_CARD.md."


class GreyBackbone(nn.Module):
    """Shows a grey image, (N, 1, H, W), to a backbone of three channels; training moves a third of the memory."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (N, K) for grey images of shape (N, 1, H, W)."""
        return self.backbone(x.expand(-1, 3, -1, -1))


def train(
    out: Path | None = None, *, recipe: Recipe | None = None, limit: int | None = None, checkpoint: Path | None = None
) -> Iterator[Step]:
    """Fine-tune on the solar cells and write model.safetensors, model.toml, predictions.parquet and MODEL_CARD.md.

    The threshold is chosen on the validation split; the test split is looked at once, for the card.

    Args:
        out: The folder to write to; assets/models/solar-cells where missing.
        recipe: Schedule and augmentation, those of the shipped model where missing. The last of its sizes becomes the
            input.
        limit: Use at most so many images of each split: a trial run.
        checkpoint: As for `run`.

    Yields:
        Progress.

    Raises:
        InputError: As `run`; the data or weights are not installed, or the checkpoint belongs to another run.
    """
    plan = recipe or Recipe()

    def learn(path: Path) -> Generator[Step, None, Finish]:
        items = _subset(load_images(NAME).items, limit)
        training = [item for item in items if item.split == "train"]
        network = starting_network()
        check_checkpoint(path, lambda saved: length_fault(saved, network, plan, len(training)))
        yield from training_steps(fit(network, *tensors(training), plan, path), str(plan.epochs))
        return lambda folder: _finish(folder, network.backbone, items, plan, trial=limit is not None)

    return run(out or shared(f"models/{NAME}"), checkpoint, learn)


def starting_network() -> GreyBackbone:
    """The backbone with a head of two classes, for grey images."""
    return GreyBackbone(backbone(len(CLASSES)))


def length_fault(saved: dict[str, Any], network: nn.Module, recipe: Recipe, images: int) -> str | None:
    """Why the checkpoint `saved` does not belong to the training of `network` by a recipe on so many images; None where
    it may."""
    if saved["model"].keys() != network.state_dict().keys() or not {"average", "optimizer", "epoch"} <= saved.keys():
        return DAMAGED
    length = saved["schedule"]["total_steps"]
    expected = cycle_length(recipe.epochs * math.ceil(images / recipe.batch))
    return None if length == expected else f"it was made for {length} steps where this training has {expected}"


def tensors(items: Sequence[ImageItem]) -> tuple[Tensor, Tensor]:
    """What `fit` trains on.

    Args:
        items: N cells.

    Returns:
        Grey images, uint8 of shape (N, 1, H, W), and soft targets of shape (N, 2): (1 - P, P) for the experts' defect
        probability P, a whole number of thirds.
    """
    images = torch.from_numpy(np.stack([np.asarray(item.open().convert("L")) for item in items]))[:, None]
    defective = torch.tensor([round(3 * float(str(item.attributes["defect probability"]))) / 3 for item in items])
    return images, torch.stack([1 - defective, defective], 1)


def _finish(
    folder: Path, network: nn.Module, items: Sequence[ImageItem], recipe: Recipe, *, trial: bool
) -> Iterator[Step]:
    """Write everything about a trained backbone into `folder`."""

    def toml(threshold: float | None) -> str:
        rule = DecisionRule(CLASSES, CLASSES[1], threshold)
        return model_toml(f"train-demo {NAME}", "Solar cells", ABOUT, ARCHITECTURE, rule, recipe.sizes[-1], LIMITS)

    table = yield from write_model(folder, network, items, toml)
    images = ImageSet(NAME, tuple(items), CLASSES)
    for progress in look(load_classifier(folder), images, table, folder / "audit", MAP_METHOD):
        yield Step("looking", progress.done, progress.total)
    at_random = Predictions.load(shared(f"models/{NAME}") / AT_RANDOM)
    maps = maps_of(open_summaries(folder / "audit", MAP_METHOD), table)
    (folder / FILES[3]).write_text(solar_card(table, maps, recipe, at_random, trial=trial), encoding="utf-8")


def _subset(items: Sequence[ImageItem], limit: int | None) -> list[ImageItem]:
    """All cells, or at most `limit` of each split, evenly spread, in the order of the set, as the app expects."""
    if limit is None:
        return list(items)
    splits = [[item for item in items if item.split == name] for name in ("train", "validation", "test")]
    names = {item.name for split in splits for item in split[:: math.ceil(len(split) / limit)]}
    return [item for item in items if item.name in names]
