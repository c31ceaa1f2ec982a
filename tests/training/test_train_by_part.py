"""Parts that are shown several times each: training keeps each on one side without being told, and the card says so."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.images.stamped_part import Part, draw
from workbench.models.architectures import build
from workbench.predictions import Predictions
from workbench.sets.layouts import load_images
from workbench.training import finetune

torch.set_num_threads(1)
PARTS, SHOTS = 24, 3


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A folder of good and scratched parts, each under three exposures, with names that tell nothing."""
    folder, rng = tmp_path_factory.mktemp("shown"), np.random.default_rng(0)
    part_of = {}
    for number in range(PARTS):
        label = ("good", "scratch")[number % 2]
        (folder / label).mkdir(exist_ok=True)
        pixels, _ = draw(Part((5, number), label, "A", "bright field", 1, False), 64)
        for gain in np.linspace(0.7, 1.3, SHOTS):
            name = f"{label}/{rng.integers(1 << 40):012x}.png"
            shot = pixels * gain + rng.normal(0, 3, pixels.shape)
            Image.fromarray(shot.clip(0, 255).astype(np.uint8)).save(folder / name)
            part_of[name] = number
    return folder, part_of


def test_each_part_stands_on_one_side_and_counts_once(shown, tmp_path, monkeypatch) -> None:
    def small(classes):
        torch.manual_seed(0)
        return build("timm:test_resnet", trusted=True, options={"num_classes": classes})[0]

    monkeypatch.setattr(finetune, "backbone", small)
    monkeypatch.setattr(finetune, "ARCHITECTURE", "timm:test_resnet")
    folder, part_of = shown
    list(finetune.train(load_images(str(folder)), tmp_path / "out", epochs=1, size=32))
    frame = Predictions.load(tmp_path / "out" / "predictions.parquet").frame
    part = frame["name"].map(part_of)
    assert (frame.groupby(part)["split"].nunique() == 1).all()
    assert (frame.groupby(part)["family"].nunique() == 1).all()
    assert frame["family"].nunique() == PARTS
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"they show {PARTS} different parts." in card
    tested = frame["split"] == "test"
    assert re.search(rf"\| test \| [^|]* of {tested.sum()} in {part[tested].nunique()} units\)", card)
