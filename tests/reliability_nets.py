"""Planted models whose answer to a corruption is known, and small sets for them."""

import io

import numpy as np
import torch
from PIL import Image
from torch import nn

from workbench.images import BytesSource, ImageItem, ImageSet
from workbench.models.loading import load_classifier

NAMES = ("good", "defective")
EDGE = 32


class DarkSpot(nn.Module):
    """Log-odds of a defect: the darkest pixel is far enough below the mean."""

    def forward(self, x):
        depth = x.mean((1, 2, 3)) - x.mean(1).flatten(1).min(1).values
        return torch.stack([torch.zeros_like(depth), 60 * (depth - 0.3)], 1)


def classifier(model=None, threshold=0.5, **settings):
    """The model with the rule of a line: a defect from the threshold on."""
    flat = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "size": (EDGE, EDGE), "interpolation": "nearest"}
    model = DarkSpot() if model is None else model
    return load_classifier(
        model, class_names=list(NAMES), positive="defective", threshold=threshold, device="cpu", **flat | settings
    )


def part(number, depth, wide=2):
    """A grey part with a dark square of that depth, as PNG bytes; without one where the depth is 0."""
    rng = np.random.default_rng(number)
    pixels = np.full((EDGE, EDGE), 150.0) + rng.normal(0, 1, (EDGE, EDGE))
    y, x = rng.integers(8, EDGE - 10, 2)
    pixels[y : y + wide, x : x + wide] -= depth
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def parts(good=12, depths=(), a_unit=1, split="test"):
    """So many good parts, and a defective one of each depth; `a_unit` images that follow each other are one group."""
    items = []
    for number, depth in enumerate([0] * good + list(depths)):
        label, facts = NAMES[depth > 0], {"group": f"lot {number // a_unit}", "camera": "ab"[number % 2]}
        items.append(ImageItem(f"part{number:03d}.png", BytesSource(part(number, depth)), label, None, split, facts))
    return ImageSet("parts", tuple(items))


def study(turns, kinds=("vibration",), *, good=0, units=None, threshold=0.5):
    """A `Corrupted` by hand: defects that are caught without a corruption, then `good` parts that are accepted.

    Args:
        turns: (M, Q) the severity from which each image is decided the other way; 0 for never.
        kinds: (Q,) names.
        good: How many of the M, at the end, are good parts.
        units: (M,) of the images.
        threshold: The working threshold.
    """
    import pandas as pd

    from workbench.reliability import Corrupted

    turns = np.asarray(turns).reshape(-1, len(kinds))
    truth = np.array([1] * (len(turns) - good) + [0] * good)
    away = (turns[..., None] > 0) & (np.arange(1, 6) >= turns[..., None])
    return Corrupted(
        kinds,
        tuple(f"part{number}.png" for number in range(len(turns))),
        truth,
        truth.copy(),
        np.where(away, 1 - truth[:, None, None], truth[:, None, None]),
        NAMES,
        ("defective",),
        threshold,
        pd.DataFrame({"camera": ["ab"[number % 2] for number in range(len(turns))]}),
        {},
        {},
        {"images": 1000, "drawn": len(turns), "seed": 0, "split": "test"},
        units=None if units is None else np.asarray(units),
    )
