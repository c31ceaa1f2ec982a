"""Parts that are shown six times each: does the accuracy on a card hold on parts never seen?

    python tests/benchmarks/bench_parts.py [SEEDS]

For each seed a set is drawn whose file names tell nothing, trained on as `workbench train` does, with timm's smallest
ResNet to be quick, and the model is asked about new parts. Counted is how often the 95 % interval of the test split
holds their accuracy: as the card says it, as Wilson's interval would of as many images, and where the images are dealt
and counted as if each were a part of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from PIL import Image

from workbench.files import CACHE_VARIABLE
from workbench.images import ImageItem, ImageSet
from workbench.images.stamped_part import CAMERAS, LIGHTS, Part, draw
from workbench.models import load_classifier, predict
from workbench.models.architectures import build
from workbench.predictions import Predictions, headline
from workbench.quality import Families
from workbench.sets import load_images
from workbench.stats import Rate, wilson
from workbench.training import finetune, run

SIZE, PARTS, NEW, SHOTS, EPOCHS = 64, 60, 100, 6, 12
NET = "timm:test_resnet"
WAYS = ("by part, as the card says", "the same images counted singly", "images dealt and counted singly")


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


def lay(folder: Path, seed: int, parts: int) -> tuple[ImageSet, dict[str, int]]:
    """A folder for each class with all shots of its parts, and which image shows which part."""
    names = np.random.default_rng([seed, 1]).permutation(parts * SHOTS)
    part_of = {}
    for number in range(parts):
        label = ("good", "scratch", "stain")[number % 3]
        (folder / label).mkdir(parents=True, exist_ok=True)
        for shot, image in enumerate(shots(seed, number, label)):
            name = f"{label}/{names[number * SHOTS + shot]:05d}.png"
            image.save(folder / name)
            part_of[name] = number
    return load_images(str(folder)), part_of


def small(classes: int) -> torch.nn.Module:
    """timm's smallest ResNet."""
    torch.manual_seed(0)
    return build(NET, trusted=True, options={"num_classes": classes})[0]


def singly(items: Sequence[ImageItem], **_: object) -> Families:
    """As if no two images showed one part."""
    names = [item.name for item in items]
    return Families(pd.DataFrame({"name": names, "family": names}), pd.DataFrame({"first": [], "second": []}), 1.0)


def trained(images: ImageSet, out: Path, seed: int, *, by_part: bool) -> Predictions:
    """What `workbench train` writes, or what it would if it did not look for parts."""
    changes = {"backbone": small, "ARCHITECTURE": NET} | ({} if by_part else {"families": singly})
    with mock.patch.multiple(finetune, **changes):
        for _ in finetune.train(images, out, epochs=EPOCHS, size=SIZE, seed=seed):
            pass
    return Predictions.load(out / run.FILES[2])


def tried(seed: int, unseen: ImageSet) -> tuple[list[tuple[Rate, float]], int]:
    """Of each of `WAYS` the accuracy on the test split, and on new parts; and how many parts the deal split."""
    with tempfile.TemporaryDirectory() as place:
        images, part_of = lay(Path(place, "set"), seed, PARTS)
        results, broken = [], 0
        for by_part in (True, False):
            out = Path(place, f"out{by_part}")
            table = trained(images, out, seed, by_part=by_part)
            frame, new = table.frame, headline(predict(load_classifier(out), list(unseen)))["accuracy"].value
            assert new is not None
            test = (frame["split"] == "test").to_numpy()
            rate = headline(table, test)["accuracy"]
            results.append((rate, new))
            if by_part:
                results.append((wilson(rate.count, rate.support), new))
                broken = int((frame.groupby(frame["name"].map(part_of))["split"].nunique() > 1).sum())
        return results, broken


def main() -> None:
    """Print a line a seed, and how often each promise held."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    with tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ, {CACHE_VARIABLE: place + "/cache"}):
        unseen, _ = lay(Path(place, "new"), 10**6, NEW)
        held, widths, broken = np.zeros(3, int), np.zeros(3), 0
        for seed in range(seeds):
            results, over = tried(seed, unseen)
            broken += over
            texts = []
            for way, (rate, new) in enumerate(results):
                assert rate.low is not None
                assert rate.high is not None
                held[way] += rate.low <= new <= rate.high
                widths[way] += (rate.high - rate.low) / seeds
                texts.append(f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%}), new parts {new:.1%}")
            print(f"seed {seed}:", "; ".join(texts), flush=True)
        print(f"parts on two sides: {broken} of {seeds * PARTS}")
        for way, count, width in zip(WAYS, held.tolist(), widths.tolist(), strict=True):
            print(f"{way}: held in {count} of {seeds}, {width:.0%} wide")


if __name__ == "__main__":
    main()
