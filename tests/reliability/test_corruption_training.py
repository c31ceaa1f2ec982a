"""A model that was trained on blurred parts is the better one under blur, and the worse one under noise."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from reliability_nets import NAMES, classifier
from torch import nn

from workbench.images import BytesSource, ImageItem, ImageSet, corrupt
from workbench.models import predict
from workbench.reliability import cells, corrupted

torch.set_num_threads(1)
EDGE, EACH = 64, 60


class Darkest(nn.Module):
    """A network of two weights on the depth of the darkest pixel below the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(1, 1)

    def forward(self, x):
        grey = x.mean(1).flatten(1)
        odds = self.last(20 * (grey.mean(1) - grey.min(1).values)[:, None])
        return torch.cat([torch.zeros_like(odds), odds], 1)


def part(number: int, defective: bool) -> np.ndarray:
    rng = np.random.default_rng(number)
    pixels = 150 + rng.normal(0, 0.5, (EDGE, EDGE))
    if defective:
        y, x = rng.integers(8, EDGE - 10, 2)
        pixels[y : y + 2, x : x + 2] -= rng.uniform(30, 70)
    return np.repeat(pixels.round().clip(0, 255).astype(np.uint8)[..., None], 3, -1)


def trained(images: list[np.ndarray], labels: torch.Tensor) -> nn.Module:
    torch.manual_seed(0)
    model = Darkest()
    inputs = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = nn.functional.cross_entropy(model(inputs), labels) + 1e-4 * model.last.weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return model.eval()


@pytest.fixture(scope="module")
def rates():
    """The cells of both models on the same parts, by model, kind and severity."""
    labels = torch.tensor([0, 1] * 100)
    clean = [part(number, bool(label)) for number, label in enumerate(labels)]
    blurred = [corrupt(pixels, "gaussian_blur", 5) for pixels in clean]
    items = []
    for number in range(2 * EACH):
        buffer = io.BytesIO()
        Image.fromarray(part(1000 + number, number % 2 == 1)).save(buffer, "PNG")
        items.append(ImageItem(f"{number}.png", BytesSource(buffer.getvalue()), NAMES[number % 2], None, "test"))
    images, result = ImageSet("parts", tuple(items)), {}
    for name, seen in (("clean", clean), ("blurred", blurred)):
        clf = classifier(trained(seen, labels), size=(EDGE, EDGE))
        study = corrupted(clf, images, predict(clf, images), ("gaussian_blur", "gain_noise"))
        result[name] = cells(study).set_index(["kind", "severity"])
    return result


def test_both_models_know_the_parts_as_they_are(rates) -> None:
    for name in ("clean", "blurred"):
        assert rates[name]["accuracy before"].min() > 0.97


def test_the_one_trained_on_blur_is_the_better_one_under_blur(rates) -> None:
    ours, theirs = (rates[name].loc[("gaussian_blur", 5)] for name in ("blurred", "clean"))
    assert ours["accuracy low"] > theirs["accuracy high"]
    assert theirs["escapes"] > 0.3 > ours["escapes"]


def test_and_the_worse_one_under_noise(rates) -> None:
    ours, theirs = (rates[name].loc[("gain_noise", 2)] for name in ("blurred", "clean"))
    assert ours["accuracy high"] < theirs["accuracy low"]
    assert ours["overkill"] > 0.3 > theirs["overkill"]
