"""What becomes of the evidence: planted nets that look at the defect, and pixels that survive or do not."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from reliability_nets import classifier
from torch import nn

from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem
from workbench.reliability import corrupted_evidence
from workbench.reliability.corrupted_evidence import traced

torch.set_num_threads(1)


class SpotSum(nn.Module):
    """Log-odds of a defect: how much darker than grey the pixels are, summed where that is much."""

    def forward(self, x):
        dark = (0.45 - x.mean(1)).clamp(min=0).flatten(1).sum(1)
        return torch.stack([torch.zeros_like(dark), 4 * dark - 1], 1)


def item(masked=True):
    pixels = np.full((32, 32), 150, np.uint8)
    pixels[10:16, 12:20] = np.random.default_rng(0).integers(20, 90, (6, 8))
    mask = np.zeros((32, 32), np.uint8)
    mask[10:16, 12:20] = 255
    parts = []
    for array in (pixels, mask):
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG")
        parts.append(BytesSource(buffer.getvalue()))
    return ImageItem("spot.png", parts[0], "defective", parts[1] if masked else None, "test")


@pytest.fixture(scope="module")
def clf():
    return classifier(SpotSum())


def test_evidence_that_survives_is_still_looked_at(clf) -> None:
    result = traced(clf, item(), "shift", 2)
    assert (result.fate, result.marked) == ("still looked at", True)
    assert result.inside_before > 0.95
    assert result.likeness > 0.99
    assert result.area == pytest.approx(48 / 1024)
    assert result.left == pytest.approx(7 / 8)  # one of the eight columns has left the mask
    assert "Evidence still looked at" in result.sentence


def test_evidence_that_is_blurred_away_is_destroyed(clf) -> None:
    result = traced(clf, item(), "speckle_noise", 5)
    strong = traced(clf, item(), "gain_noise", 5)
    assert strong.likeness > result.likeness
    assert traced(clf, item(), "gaussian_noise", 5).fate == "destroyed"


def test_without_a_mask_the_strongest_tenth_stands_in(clf) -> None:
    result = traced(clf, item(masked=False), "underexposed", 1)
    assert not result.marked
    assert result.area == pytest.approx(0.1, abs=0.001)
    assert "the strongest 10% of the clean map" in result.sentence


def test_likeness_is_that_of_numpy_at_the_best_shift() -> None:
    rng = np.random.default_rng(3)
    clean = rng.random((64, 64, 1)).astype(np.float32) * 255
    moved = np.roll(clean, (1, -1), (0, 1)) + rng.normal(0, 30, clean.shape).astype(np.float32)
    region = np.zeros((64, 64), bool)
    region[20:40, 20:40] = True
    wanted = np.corrcoef(clean[20:40, 20:40].ravel(), moved[21:41, 19:39].ravel())[0, 1]
    assert corrupted_evidence._likeness(clean, moved, region) == pytest.approx(wanted, abs=1e-5)
    assert corrupted_evidence._likeness(clean, np.full_like(clean, 9), region) == 0.0


@pytest.mark.parametrize(
    ("inside", "left", "likeness", "fate"),
    [
        (0.6, 0.6, 0.9, "still looked at"),
        (0.6, 0.2, 0.9, "abandoned"),
        (0.6, 0.2, 0.4, "destroyed"),
        (0.1, 0.1, 0.9, "never looked at"),
    ],
)
def test_a_fate_follows_from_its_figures(inside, left, likeness, fate) -> None:
    assert corrupted_evidence._fate(inside, left, 0.1, likeness) == fate


def test_a_map_of_nothing_says_that_nothing_is_known() -> None:
    class Blind(nn.Module):
        def forward(self, x):
            return torch.stack([x.mean((1, 2, 3)) * 0, x.mean((1, 2, 3)) * 0 + 1], 1)

    with pytest.raises(InputError, match=r"not known|suits"):
        traced(classifier(Blind()), item(), "shift", 1)
