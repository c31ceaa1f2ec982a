"""What tests of trainings share: the smallest backbone, and sets whose classes are told apart in a few epochs."""

import numpy as np
import torch
from PIL import Image

from workbench.models.architectures import build
from workbench.quality import families
from workbench.training import finetune


def small_backbone(monkeypatch):
    """The training with timm's smallest ResNet for its backbone."""

    def backbone(classes):
        torch.manual_seed(0)
        return build("timm:test_resnet", trusted=True, options={"num_classes": classes})[0]

    monkeypatch.setattr(finetune, "backbone", backbone)
    monkeypatch.setattr(finetune, "ARCHITECTURE", "timm:test_resnet")
    monkeypatch.setattr(finetune, "families", compared_once)


COMPARED = {}


def compared_once(items, apart=(), folder=None, on_progress=None):
    """The families of these images as they are; a set that was compared before is not compared again, which takes
    seconds whatever its size."""
    key = tuple((item.name, item.id) for item in items), tuple(sorted(apart))
    if key not in COMPARED:
        COMPARED[key] = families(items, apart=apart, folder=folder)
    if on_progress:
        on_progress(len(items), len(items))
    return COMPARED[key]


def lay(folder, counts, seed=0, size=(40, 36)):
    """Writes grey noise; in every class but the first there is a bright square, whose place tells the class."""
    rng = np.random.default_rng(seed)
    for number, (kind, count) in enumerate(counts.items()):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = rng.integers(60, 120, (*size, 3), dtype=np.uint8)
            if number:
                row, column = rng.integers(2, 20, 2)
                pixels[row : row + 10, column : column + 10] = [(250, 250, 250), (250, 20, 20)][number - 1]
            Image.fromarray(pixels).save(folder / kind / f"{i:02}.png")
    return folder
