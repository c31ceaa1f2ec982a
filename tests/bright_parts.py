"""Dark parts that are good, bright ones that are defective, and models that tell them apart by a stated edge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

NAMES = ("good", "defective")
MODULE = """
import torch

class Bright(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.edge, self.sign = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))

    def forward(self, x):
        score = self.sign * 20 * (x.mean((1, 2, 3)) - self.edge)
        return torch.stack([-score, score], 1)

class Gaps(Bright):
    def forward(self, x):
        return torch.where((x.mean((1, 2, 3)) > 0.738)[:, None], torch.nan, super().forward(x))

class Three(Bright):
    def forward(self, x):
        return torch.cat([super().forward(x), torch.full((len(x), 1), -9.0)], 1)
"""


def bright_set(folder: Path, names=NAMES, count: int = 120) -> None:
    """Images of 16 x 16, in a folder a class: the dark ones and the bright ones."""
    rng = np.random.default_rng(0)
    for number in range(count):
        grey = (80, 175)[number % 2] + 6 * rng.standard_normal((16, 16, 3))
        path = folder / names[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(path)


def bright_model(
    folder: Path, edge: float = 0.0, sign: float = 1.0, kind: str = "Bright", classes=NAMES, size: int = 16, half=False
) -> None:
    """A folder with a model; its module must lie where Python looks for `bright_models`."""
    folder.mkdir(exist_ok=True)
    weights = {"edge": torch.tensor([edge]), "sign": torch.tensor([sign])}
    torch.save({name: value.half() if half else value for name, value in weights.items()}, folder / "model.pt")
    listed = ", ".join(f'"{name}"' for name in classes)
    positive = "defective" if "defective" in classes else classes[1]
    (folder / "model.toml").write_text(
        f'architecture = "python:bright_models:{kind}"\nweights = "model.pt"\nclasses = [{listed}]\n'
        f'positive = "{positive}"\nthreshold = 0.5\n[preprocessing]\nsize = [{size}, {size}]\n'
        "mean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.25, 0.25]\n"
    )
