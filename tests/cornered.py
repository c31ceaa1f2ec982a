"""Parts of two classes and a network that goes by their bottom right corner, and by nothing else."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.cues import Turned
from workbench.stats import mean_of, share

CORNER = slice(24, 32)


class ReadsCorner(nn.Module):
    """Two classes: the second where the bottom right corner is bright, and nothing else counts."""

    def __init__(self):
        super().__init__()
        self.register_buffer("gain", torch.tensor(20.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        light = x[:, :, CORNER, CORNER].mean((1, 2, 3))
        return torch.stack([0.5 - light, light - 0.5], 1) * self.gain


@dataclasses.dataclass(frozen=True)
class Painted:
    """Paints a square bright or dark; a decoy paints another square."""

    at: slice
    elsewhere: slice

    def put(self, host, rng, *, decoy):
        return self._with(host, 255, decoy)

    def take(self, carrier, rng, *, decoy):
        return self._with(carrier, 0, decoy)

    def carries(self, image):
        return bool(image[self.at, self.at].mean() > 200)

    def _with(self, image, value, decoy):
        place = self.elsewhere if decoy else self.at
        result = image.copy()
        result[place, place] = value
        return result


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    for label, value in (("dark", 0), ("bright", 255)):
        for number in range(60):
            pixels = rng.integers(60, 190, (32, 32, 3)).astype(np.uint8)
            pixels[CORNER, CORNER] = value
            (folder / label).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return wb.load_images(folder)


@pytest.fixture(scope="module")
def classifier():
    return wb.load_classifier(
        ReadsCorner(), class_names=("bright", "dark")[::-1], size=(32, 32), mean=(0, 0, 0), std=(1, 1, 1)
    )


def turned(flips, decoys, count=80):
    """What an edit of so many images comes to: the cue turns some, its decoy the last of them."""
    own, decoy = np.arange(count) < flips * count, np.arange(count) >= (1 - decoys) * count
    frame = pd.DataFrame({"turned": own * 1.0, "decoy": decoy * 1.0, "unit": np.arange(count)})
    return Turned(frame, share(own), share(decoy), mean_of(own * 1.0 - decoy), 0.0001)
