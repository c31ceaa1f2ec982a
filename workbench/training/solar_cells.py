"""Train the solar-cell model that ships with the workbench, from published data, weights and a written recipe."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.audit import ATTRIBUTIONS, open_summaries
from workbench.audit import run as audited
from workbench.bias import maps_of
from workbench.catalog import shared
from workbench.images import ImageItem, ImageSet
from workbench.models import load_classifier, model_toml
from workbench.predictions import GROUP, DecisionRule, Predictions
from workbench.reliability import read_record, record_text
from workbench.sets import load_images
from workbench.training.loop import Recipe, cycle_length, fit
from workbench.training.model_card import QUESTION, TITLES, solar_about, solar_card
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

BY_MODULE, AT_RANDOM = SOLAR_MODELS = ("solar-cells", "solar-cells-random")
"""The models and their sets: whole modules dealt to a split, and cells dealt at random, as the literature does."""
CLASSES = ("functional", "defective")
MAP_METHOD = "grad_cam"
"""The method whose maps the model card tells of."""


class GreyBackbone(nn.Module):
    """Shows a grey image, (N, 1, H, W), to a backbone of three channels; training moves a third of the memory."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (N, K) for grey images of shape (N, 1, H, W)."""
        return self.backbone(x.expand(-1, 3, -1, -1))


def train(
    name: str = BY_MODULE,
    out: Path | None = None,
    *,
    recipe: Recipe | None = None,
    limit: int | None = None,
    checkpoint: Path | None = None,
) -> Iterator[Step]:
    """Fine-tune on the solar cells and write model.safetensors, model.toml, MODEL_CARD.md, training.json,
    predictions.parquet with embeddings, and the maps of a sample.

    The threshold is chosen on the validation split; the test split is looked at once, for the card.

    Args:
        name: One of `SOLAR_MODELS`.
        out: The folder to write to; assets/models/`name` where missing.
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
        items = _subset(load_images(name).items, limit)
        training = [item for item in items if item.split == "train"]
        network = starting_network()
        check_checkpoint(path, lambda saved: length_fault(saved, network, plan, len(training)))
        yield from training_steps(fit(network, *tensors(training), plan, path), str(plan.epochs))
        return lambda folder: _finish(name, folder, network.backbone, items, plan, trial=limit is not None)

    return run(out or shared(f"models/{name}"), checkpoint, learn)


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
    name: str, folder: Path, network: nn.Module, items: Sequence[ImageItem], recipe: Recipe, *, trial: bool
) -> Iterator[Step]:
    """Write everything about a trained backbone into `folder`."""

    def toml(threshold: float | None, about: str = QUESTION) -> str:
        rule = DecisionRule(CLASSES, CLASSES[1], threshold)
        return model_toml(f"train-demo {name}", TITLES[name], about, ARCHITECTURE, rule, recipe.sizes[-1], LIMITS)

    table = yield from write_model(folder, network, items, toml)
    modules = {item.name: item.attributes[GROUP] for item in load_images(BY_MODULE)}
    said = {deal: Predictions.load(shared(f"models/{deal}/{FILES[2]}")) for deal in SOLAR_MODELS if deal != name} | {
        name: table
    }
    deals = {deal: _grouped(said[deal], modules) for deal in SOLAR_MODELS}
    description, predictions, card, record = (folder / file for file in FILES[1:])
    description.write_text(toml(table.rule.threshold, solar_about(name, deals)), encoding="utf-8")
    images, audit = ImageSet(name, tuple(items), CLASSES), folder / "audit"
    for progress in audited(load_classifier(folder), images, audit, attributions=MAP_METHOD):
        yield Step("looking", progress.done, progress.total)
    maps = maps_of(open_summaries(audit, MAP_METHOD), deals[name])
    trained, chosen = ([item.id for item in items if item.split == split] for split in ("train", "validation"))
    record.write_text(record_text(trained, chosen), encoding="utf-8")
    text = solar_card(name, deals, maps, recipe, read_record(folder), trial=trial)
    card.write_text(text, encoding="utf-8")
    (audit / predictions.name).replace(predictions)
    (audit / ATTRIBUTIONS).replace(folder / ATTRIBUTIONS)
    shutil.rmtree(audit)


def _grouped(table: Predictions, modules: Mapping[str, object]) -> Predictions:
    """Predictions with the module of each cell as its group."""
    return dataclasses.replace(table, frame=table.frame.assign(**{GROUP: table.frame["name"].map(modules)}))


def _subset(items: Sequence[ImageItem], limit: int | None) -> list[ImageItem]:
    """All cells, or at most `limit` of each split, evenly spread, in the order of the set, as the app expects."""
    if limit is None:
        return list(items)
    splits = [[item for item in items if item.split == name] for name in ("train", "validation", "test")]
    names = {item.name for split in splits for item in split[:: math.ceil(len(split) / limit)]}
    return [item for item in items if item.name in names]
