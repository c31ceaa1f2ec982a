"""Parts that are shown several times each: training keeps each on one side without being told, and the card says so."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.images.stamped_part import Part, draw
from workbench.models import load_classifier, predict
from workbench.models.architectures import build
from workbench.predictions import Predictions, headline
from workbench.sets.layouts import load_images
from workbench.stats import wilson
from workbench.training import finetune

torch.set_num_threads(1)
PARTS, SHOTS = 24, 3


def shown(folder, seed, parts):
    """Good and scratched parts, each under three exposures, with names that tell nothing; and which image shows which
    part."""
    rng, part_of = np.random.default_rng(seed), {}
    for number in range(parts):
        label = ("good", "scratch")[number % 2]
        (folder / label).mkdir(parents=True, exist_ok=True)
        pixels, _ = draw(Part((seed, number), label, "A", "bright field", 1, False), 64)
        for gain in np.linspace(0.7, 1.3, SHOTS):
            name = f"{label}/{rng.integers(1 << 40):012x}.png"
            shot = pixels * gain + rng.normal(0, 3, pixels.shape)
            Image.fromarray(shot.clip(0, 255).astype(np.uint8)).save(folder / name)
            part_of[name] = number
    return load_images(str(folder)), part_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a model, and which image shows which part."""

    def small(classes):
        torch.manual_seed(0)
        return build("timm:test_resnet", trusted=True, options={"num_classes": classes})[0]

    folder = tmp_path_factory.mktemp("shown")
    images, part_of = shown(folder, 5, PARTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune, "backbone", small)
        patch.setattr(finetune, "ARCHITECTURE", "timm:test_resnet")
        list(finetune.train(images, folder / "out", epochs=1, size=32))
    return folder / "out", part_of


def test_each_part_stands_on_one_side_and_counts_once(trained) -> None:
    out, part_of = trained
    frame = Predictions.load(out / "predictions.parquet").frame
    part = frame["name"].map(part_of)
    assert (frame.groupby(part)["split"].nunique() == 1).all()
    assert (frame.groupby(part)["family"].nunique() == 1).all()
    assert frame["family"].nunique() == PARTS
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"show {PARTS} parts several times: {PARTS} parts in all." in card
    tested = frame["split"] == "test"
    assert re.search(rf"\| test \| [^|]* of {tested.sum()} in {part[tested].nunique()} units\)", card)


def test_the_interval_holds_on_parts_never_seen_and_is_wider_than_that_of_single_images(trained, tmp_path) -> None:
    out, _ = trained
    table = Predictions.load(out / "predictions.parquet")
    rate = headline(table, (table.frame["split"] == "test").to_numpy())["accuracy"]
    new = headline(predict(load_classifier(out), list(shown(tmp_path, 6, 30)[0])))["accuracy"].value
    assert rate.low <= new <= rate.high
    alone = wilson(rate.count, rate.support)
    assert rate.low < alone.low < alone.high < rate.high
