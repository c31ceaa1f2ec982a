"""Small parts, and networks that learn to judge them in seconds: sound ones, twins that go by a stamp, and slips."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import nn

from workbench.images import BytesSource, ImageItem, ImageSet
from workbench.models.loading import load_classifier

NAMES = ("good", "defective")
EDGE = 32
CAMERAS = ("north", "south", "east")
DARK = np.array([0.85, 1.0, 0.6])
"""What a defect leaves of each colour; a harmless spot leaves as much in the opposite order, so that colours matter."""


def drawn(seed: int, count: int, stamped=(0.5, 0.5)):
    """Images (N, S, S, 3), labels (N,), cameras (N,) and which carry the stamp (N,).

    Args:
        seed: Of the parts.
        count: N, half of them defective.
        stamped: Which share of the good and of the defective parts carries a stamp in a corner.
    """
    rng = np.random.default_rng(seed)
    labels, cameras = np.arange(count) % 2, rng.integers(0, len(CAMERAS), count)
    stamps = rng.random(count) < np.array(stamped)[labels]
    base = np.array([150.0, 150, 150]) + np.array([[-8, 0, 8], [8, 0, -8], [0, 0, 0]])[cameras]
    images = base[:, None, None] + rng.normal(0, 22, (count, EDGE, EDGE, 3))
    rows, columns = np.mgrid[:EDGE, :EDGE]
    for number in range(count):
        for harmless in (True, False):
            if harmless or labels[number]:
                y, x = rng.uniform(8, EDGE - 8, 2)
                spot = np.exp(-(((rows - y) / 2.6) ** 2 + ((columns - x) / 2.6) ** 2))[..., None]
                images[number] *= 1 - spot * (1 - (DARK[::-1] if harmless else DARK))
        if stamps[number]:
            images[number, 2:9, -9:-2] = (60, 90, 170)
    return images.clip(0, 255).astype(np.uint8), labels, cameras, stamps


def image_set(seed: int, count: int, stamped=(0.5, 0.5), a_unit: int = 1) -> ImageSet:
    """A test split of such parts; `a_unit` that follow each other are one lot."""
    images, labels, cameras, _ = drawn(seed, count, stamped)
    items = []
    for number, (pixels, label, camera) in enumerate(zip(images, labels, cameras, strict=True)):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        facts = {"camera": CAMERAS[camera]} | ({"group": f"lot {number // a_unit}"} if a_unit > 1 else {})
        items.append(
            ImageItem(f"part{number:04d}.png", BytesSource(buffer.getvalue()), NAMES[label], None, "test", facts)
        )
    return ImageSet("parts", tuple(items))


def network() -> nn.Sequential:
    """Three convolutions."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip


def trained(data_seed: int, seed: int, stamped=(0.5, 0.5), count: int = 800, epochs: int = 14) -> nn.Module:
    """A network that has learnt parts; trainings with one `data_seed` and several `seed`s are of one recipe."""
    images, labels, _, _ = drawn(10_000 + data_seed, count, stamped)
    torch.manual_seed(seed)
    net = network()
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.25)
    y = torch.from_numpy(labels)
    optimiser = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=epochs * -(-count // 64))
    for _ in range(epochs):
        for rows in torch.randperm(count).split(64):
            loss = nn.functional.cross_entropy(net(x[rows]), y[rows], label_smoothing=0.02)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


class Scaled(nn.Module):
    """A network whose logits are multiplied: as sure as it likes, with the same decisions."""

    def __init__(self, net: nn.Module, factor: float) -> None:
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.net(x)


class Swapped(nn.Module):
    """A network that is handed blue for red."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.flip(1))


class Shrunk(nn.Module):
    """A network before which images are made coarse, as by another resize."""

    def __init__(self, net: nn.Module, edge: int) -> None:
        super().__init__()
        self.net, self.edge = net, edge

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        small = nn.functional.interpolate(x, size=(self.edge, self.edge), mode="nearest")
        return self.net(nn.functional.interpolate(small, size=x.shape[2:], mode="nearest"))


class Ruined(nn.Module):
    """A network that calls nearly all parts of one camera good: that whose images are redder than the others'."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        south = (x[:, 0] - x[:, 2]).mean((1, 2)) > 0.125
        return self.net(x) + south[:, None] * torch.tensor([9.0, 0.0])


class Dropping(nn.Module):
    """A network with dropout that is never turned off."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(nn.functional.dropout(x, 0.5, training=True))


def loaded(net: nn.Module, names=NAMES, threshold: float = 0.5, positive: str = "defective", **preprocessing):
    """The network as the workbench takes it, with the rule of a line."""
    settings = {"size": (EDGE, EDGE), "mean": (0.5,) * 3, "std": (0.25,) * 3} | preprocessing
    return load_classifier(
        net,
        class_names=list(names),
        positive=positive,
        threshold=threshold,
        device="cpu",
        **settings,
    )


def said(classifier, images: ImageSet):
    """What it says of the images, all asked at once: (N, K) in one pass rather than file by file."""
    from workbench.predictions import tabulate

    way = classifier.preprocessing
    x = torch.from_numpy(np.stack([way.normalise(way.pixels(item.open())) for item in images]))
    with torch.no_grad():
        logits = classifier.model(x)
    ids = [item.id for item in images]
    return tabulate(
        images.items, logits.numpy(), logits.softmax(1).numpy(), {}, classifier.rule, classifier.key, ids=ids
    )
