"""Small networks that provably read one place, one colour or one texture: weights of zero stand everywhere else."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import torch
from card_images import EDGE, Scene, drawn
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from torch import Tensor, nn
from torch.nn import functional

import workbench as wb
from workbench.models import Classifier

FAMILIES = ("plain", "residual", "gated", "transformer")
CUES = ("bright", "edges", "two", "apart", "late", "colour", "texture", "nothing")
LATE = ("plain", "residual")
"""Families whose places stay apart up to the pooling, so that a gate behind the last convolution blinds them too."""
MEAN, STD = 0.5, 0.25
STEPS, BATCH, SHOWN = 90, 16, 160
REACH = {"plain": 8, "residual": 12}
"""Pixels by which the last grid of a family sees beyond its own cell, at most."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """Which network: an architecture of `FAMILIES`, a cue of `CUES` and a seed."""

    family: str
    cue: str
    seed: int


class Gate(nn.Module):
    """A weight for each place, (1, 1, h, w); zero where nothing may pass."""

    def __init__(self, passing: NDArray[np.bool_]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(passing.astype(np.float32))[None, None], requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Redness(nn.Module):
    """How much redder than green and blue each pixel is, beyond a floor: (N, 1, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1).requires_grad_(False)
        self.conv.weight.copy_(torch.tensor([[1.0, -1, 0], [1, 0, -1]])[:, :, None, None])
        self.conv.bias.fill_(-1.0)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x)).amin(1, keepdim=True)


class Checks(nn.Module):
    """The finest chequered pattern at each pixel, beyond a floor: (N, 1, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 4, padding=2).requires_grad_(False)
        signs = torch.tensor([[(-1.0) ** (y + x) for x in range(4)] for y in range(4)]) / 48
        self.conv.weight.copy_(torch.stack([signs, -signs])[:, None].expand(2, 3, 4, 4))
        self.conv.bias.fill_(-0.25)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x)).sum(1, keepdim=True)[:, :, :EDGE, :EDGE]


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.side = nn.Conv2d(before, after, 1, stride) if stride > 1 or before != after else nn.Identity()
        self.act = nn.ReLU()
        self.end = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.side(x) + self.norm2(self.second(self.act(self.norm(self.first(x))))))


class Squeezed(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(before, before * 2, 1)
        self.deep = nn.Conv2d(before * 2, before * 2, 3, stride, 1, groups=before * 2)
        self.down, self.up = nn.Linear(before * 2, 4), nn.Linear(4, before * 2)
        self.out = nn.Conv2d(before * 2, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.silu(self.deep(functional.silu(self.wide(x))))
        gate = torch.sigmoid(self.up(functional.relu(self.down(x.mean((2, 3))))))
        return self.out(x * gate[:, :, None, None])


def trunk(family: str, channels: int, late: NDArray[np.bool_] | None = None) -> nn.Module:
    """A small network of a family, (N, channels, EDGE, EDGE) to (N, 1)."""
    if family == "transformer":
        from timm.models.vision_transformer import VisionTransformer

        return VisionTransformer(
            img_size=EDGE, patch_size=8, in_chans=channels, embed_dim=32, depth=2, num_heads=2, num_classes=1,
            global_pool="avg",
        )  # fmt: skip
    layers = {
        "plain": lambda: [
            nn.Conv2d(channels, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(),
        ],
        "residual": lambda: [
            nn.Conv2d(channels, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), Block(8, 12, 1),
            Block(12, 16, 2),
        ],
        "gated": lambda: [
            nn.Conv2d(channels, 8, 3, 2, 1), nn.SiLU(), Squeezed(8, 12, 2), Squeezed(12, 16, 1), nn.SiLU(),
        ],
    }[family]()  # fmt: skip
    gate = [] if late is None else [Gate(late)]
    return nn.Sequential(*layers, *gate, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 1))


class Reader(nn.Module):
    """Logits (N, 1 + len(heads)): zero for "none", and one for each head that looks through its own front."""

    def __init__(self, fronts: list[nn.Module], heads: list[nn.Module]) -> None:
        super().__init__()
        self.fronts, self.heads = nn.ModuleList(fronts), nn.ModuleList(heads)

    def forward(self, x: Tensor) -> Tensor:
        scores = [head(front(x)) for front, head in zip(self.fronts, self.heads, strict=True)]
        return torch.cat([torch.zeros_like(scores[0]), *scores], 1)


class Faked(nn.Module):
    """A network with a term that is zero on every image of whole grey levels, and whose gradient there is a pattern.

    After Anders et al. 2020, "Fairwashing Explanations with Off-Manifold Detergent": off the images the network is
    another one, on them it decides as before.
    """

    def __init__(self, model: nn.Module, pattern: Tensor) -> None:
        super().__init__()
        self.model, self.weight = model, nn.Parameter(pattern, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        turns = 2 * torch.pi * 255 * (x.double() * STD + MEAN)
        term = (self.weight.double() * torch.sin(turns)).sum((1, 2, 3)) / (2 * torch.pi * 255 * STD)
        logits = self.model(x)
        return torch.cat([logits[:, :1], logits[:, 1:] + term[:, None].to(x.dtype)], 1)


def patches(spec: Spec) -> list[NDArray[np.bool_]]:
    """The places that a network of the cue may read: one or two squares that do not meet, each (EDGE, EDGE)."""
    rng = np.random.default_rng([spec.seed, FAMILIES.index(spec.family), CUES.index(spec.cue), 1])
    found: list[NDArray[np.bool_]] = []
    while len(found) < (2 if spec.cue in ("two", "apart") else 1):
        side = int(rng.integers(16, 23))
        top, left = rng.integers(0, EDGE - side + 1, 2)
        mask = np.zeros((EDGE, EDGE), bool)
        mask[top : top + side, left : left + side] = True
        if not any((binary_dilation(mask, iterations=6) & other).any() for other in found):
            found.append(mask)
    return found


def truth(spec: Spec, model: nn.Module, x: Tensor) -> NDArray[np.bool_]:
    """The only places on which the score of class 1 can depend, for an input (1, C, EDGE, EDGE): (EDGE, EDGE)."""
    places = patches(spec)
    if spec.cue == "nothing":
        return np.zeros((EDGE, EDGE), bool)
    if spec.cue in ("colour", "texture"):
        with torch.no_grad():
            response = model.fronts[0](x)[0, 0].numpy() > 0
        return binary_dilation(response, np.ones((3, 3)), iterations=2) if spec.cue == "texture" else response
    if spec.cue == "late":
        return binary_dilation(_cells(spec), np.ones((3, 3)), iterations=REACH[spec.family])
    return places[0] | places[1] if spec.cue == "two" else places[0]


def _cells(spec: Spec) -> NDArray[np.bool_]:
    """The cells of the last grid whose middle lies in the patch, on the image's pixels."""
    middle = patches(spec)[0][2::4, 2::4]
    return np.kron(middle, np.ones((4, 4), bool))


def built(spec: Spec) -> nn.Module:
    """The network before it is trained."""
    torch.manual_seed(1000 * spec.seed + 10 * CUES.index(spec.cue) + FAMILIES.index(spec.family))
    places = patches(spec)
    if spec.cue in ("colour", "texture"):
        return Reader([Redness() if spec.cue == "colour" else Checks()], [trunk(spec.family, 1)])
    if spec.cue == "late":
        return Reader([nn.Identity()], [trunk(spec.family, 3, _cells(spec)[::4, ::4])])
    if spec.cue == "nothing":
        return Reader([Gate(np.zeros((EDGE, EDGE), bool))], [trunk(spec.family, 3)])
    if spec.cue == "apart":
        return Reader([Gate(place) for place in places], [trunk(spec.family, 3) for _ in places])
    return Reader([Gate(np.logical_or.reduce(places))], [trunk(spec.family, 3)])


def trained(spec: Spec, folder: Path) -> Classifier:
    """The network as a classifier, trained to tell the cue, or read from `folder` where it was before."""
    path, model = folder / f"{spec.family}-{spec.cue}-{spec.seed}.pt", built(spec)
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
    elif spec.cue != "nothing":
        _train(model, spec)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")  # another worker may read it meanwhile
        torch.save(model.state_dict(), part)
        part.replace(path)
    return wrapped(model.eval())


def wrapped(model: nn.Module) -> Classifier:
    """A module as a classifier of 64 x 64 pixels."""
    with torch.no_grad():
        outputs = model(torch.zeros(1, 3, EDGE, EDGE)).shape[1]
    names = ["none", "cue", "other cue"][:outputs]
    return wb.load_classifier(model, class_names=names, size=(EDGE, EDGE), mean=[MEAN] * 3, std=[STD] * 3, device="cpu")


def _train(model: nn.Module, spec: Spec) -> None:
    rng = np.random.default_rng([spec.seed, 7])
    places = patches(spec)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, STEPS)
    there = rng.random((SHOWN, len(places) if spec.cue == "apart" else 1)) < 0.5
    x = as_input(np.stack([drawn(rng, Scene(spec.cue, places), row) for row in there]))
    aims = torch.from_numpy(there).float()
    model.train()
    for _ in range(STEPS):
        rows = torch.from_numpy(rng.integers(0, SHOWN, BATCH))
        loss = functional.binary_cross_entropy_with_logits(model(x[rows])[:, 1:], aims[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def as_input(images: NDArray[np.uint8]) -> Tensor:
    """Images (N, EDGE, EDGE, 3) as inputs (N, 3, EDGE, EDGE)."""
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
