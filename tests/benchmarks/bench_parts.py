"""Parts that are shown six times each: does the accuracy on a card hold on parts never seen?

For each seed a set is drawn, trained on as `workbench train` does, with timm's smallest ResNet to be quick, and the
model is asked about new parts. Counted is how often the 95 % interval of the test split holds their accuracy, with the
images of one part kept together, and as if each image were a part of its own.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from workbench.images.stamped_part import CAMERAS, LABELS, LIGHTS, Part, draw
from workbench.models import load_classifier, predict
from workbench.models.architectures import build
from workbench.predictions import Predictions, headline
from workbench.sets import load_images
from workbench.stats import wilson
from workbench.training import finetune, run

SIZE, PARTS, NEW, SHOTS = 64, 60, 200, 6
SEEDS = int(sys.argv[1]) if len(sys.argv) > 1 else 10


def shots(seed: int, number: int, label: str) -> list[Image.Image]:
    """One part under six exposures, each with its own noise and place."""
    rng = np.random.default_rng([seed, number])
    camera, light = rng.choice(list(CAMERAS)), rng.choice(list(LIGHTS))
    pixels, _ = draw(Part((seed, number), label, str(camera), str(light), 1 + number % 3, False), SIZE)
    result = []
    for gain in np.linspace(0.6, 1.4, SHOTS):
        shot = np.roll(pixels, rng.integers(-1, 2, 2), (0, 1)).astype(np.float64) * gain
        result.append(Image.fromarray((shot + rng.normal(0, 3, shot.shape)).clip(0, 255).astype(np.uint8)))
    return result


def lay(folder: Path, seed: int, parts: int) -> Path:
    """A folder for each class, with all shots of its parts."""
    for number in range(parts):
        label = ("good", "scratch", "stain")[number % 3]
        (folder / label).mkdir(parents=True, exist_ok=True)
        for shot, image in enumerate(shots(seed, number, label)):
            image.save(folder / label / f"{np.random.default_rng([number, shot, seed]).integers(1 << 40):012x}.png")
    return folder


def small(classes: int) -> torch.nn.Module:
    """timm's smallest ResNet."""
    torch.manual_seed(0)
    return build("timm:test_resnet", trusted=True, options={"num_classes": classes})[0]


def tried(seed: int, apart: bool, unseen: list) -> tuple[float, float, float, float]:
    """Accuracy on the test split with its interval, and on new parts."""
    with tempfile.TemporaryDirectory() as place, mock.patch.object(finetune, "backbone", small):
        folder, out = lay(Path(place, "set"), seed, PARTS), Path(place, "out")
        alone = mock.patch.object(finetune, "_units", lambda items, kin: list(range(len(items))))
        with mock.patch.object(finetune, "ARCHITECTURE", "timm:test_resnet"), alone if apart else mock.MagicMock():
            for _ in finetune.train(load_images(str(folder)), out, epochs=12, size=SIZE, seed=seed):
                pass
        table = Predictions.load(out / run.FILES[2])
        if apart:
            table = run.where(table, np.ones(len(table), bool))
            table.frame.drop(columns="family", inplace=True)
        rate = headline(table, (table.frame["split"] == "test").to_numpy())["accuracy"]
        new = headline(predict(load_classifier(out), unseen))["accuracy"]
    assert None not in (rate.value, rate.low, rate.high, new.value)
    return rate.value, rate.low, rate.high, new.value  # type: ignore[return-value]


def main() -> None:
    """Print a line a seed, and how often the promise held."""
    torch.set_num_threads(2)
    assert set(LABELS) >= {"good", "scratch", "stain"}
    with tempfile.TemporaryDirectory() as place:
        unseen = list(load_images(str(lay(Path(place), 10**6, NEW))))
        for apart in (False, True):
            held = 0
            for seed in range(SEEDS):
                value, low, high, new = tried(seed, apart, unseen)
                held += low <= new <= high
                print(f"seed {seed}: test {value:.1%} ({low:.1%} to {high:.1%}), new parts {new:.1%}", flush=True)
            share = wilson(held, SEEDS)
            way = "each image its own part" if apart else "images of one part together"
            print(f"{way}: held in {held} of {SEEDS} ({share.low:.0%} to {share.high:.0%})")


if __name__ == "__main__":
    main()
