"""Cues of known truth, small networks that learn them, and sets on which the search for cues is tried."""

from __future__ import annotations

import copy
import dataclasses
import functools
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, gaussian_filter
from torch import nn

from workbench.images import ImageSet
from workbench.images.stamped_part import CAMERAS, LIGHTS, Part, draw
from workbench.models import Classifier, load_classifier
from workbench.models.architectures import build
from workbench.sets import load_images

SIZE, LABELS = 64, ("good", "scratch", "stain")
EDGES, INKS = (10, 8, 7), (0.9, 0.7, 0.5)
"""Of the stamp and the mark, strongest first: pixels a side, and how much of the image they cover up."""
TRAIN, TEST = 400, 120
"""Images of each class."""
SHARE = 0.98
"""Of the images of its class that carry a shortcut in training, and of the others that do not."""
SEEN_AT, FROZEN_STAGES = 112, 5
"""Pixels a side at which the pretrained network looks at photographs, and how many of its seven stages are taken."""
EPOCHS: Mapping[bool, tuple[int, int]] = {True: (0, 24), False: (45, 8)}
"""Before the cue is shown, and with it, of planted models and of sound ones: a network that has learnt the parts takes
up a cue less, and a residual one hardly."""
Planted = Callable[[NDArray[np.uint8], NDArray[np.bool_], np.random.Generator], NDArray[np.uint8]]


@dataclasses.dataclass(frozen=True)
class Case:
    """One model.

    Attributes:
        family: One of `FAMILIES`.
        strength: 0, 1 or 2, strongest first.
        net: As `network`.
        seed: Of the parts, the weights and the cue's place.
        shortcut: Whether the cue went with one class in training; else it stood on half of each.
    """

    family: str
    strength: int
    net: str
    seed: int
    shortcut: bool


def glyph(edge: int) -> NDArray[np.float64]:
    """A ring with a bar, (edge, edge), 0 to 1."""
    rows, columns = np.mgrid[:edge, :edge] / (edge - 1) * 2 - 1
    ring = (np.abs(np.hypot(rows, columns) - 0.75) < 0.22) | ((np.abs(rows) < 0.18) & (np.abs(columns) < 0.75))
    return np.asarray(gaussian_filter(ring.astype(np.float64), 0.4))


def place_of(seed: int, edge: int) -> tuple[int, int]:
    """Top and left of the fixed stamp, in pixels."""
    rng = np.random.default_rng([seed, 7])
    return int(rng.integers(2, SIZE - edge - 2)), int(rng.integers(2, SIZE - edge - 2))


def stamped(image: NDArray[np.uint8], top: int, left: int, edge: int, ink: float) -> NDArray[np.uint8]:
    """The glyph laid on, blended by `ink`."""
    result = image.astype(np.float64)
    alpha = ink * glyph(edge)[..., None]
    cut = result[top : top + edge, left : left + edge]
    result[top : top + edge, left : left + edge] = alpha * np.array([40, 60, 150]) + (1 - alpha) * cut
    return result.clip(0, 255).astype(np.uint8)


def _stamp(strength: int, seed: int) -> Planted:
    edge, ink = EDGES[strength], INKS[strength]
    return lambda image, mask, rng: stamped(image, *place_of(seed, edge), edge, ink)


def _mark(strength: int, seed: int) -> Planted:
    edge, ink = EDGES[strength], INKS[strength]

    def plant(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
        for _ in range(20):
            top, left = (int(value) for value in rng.integers(1, SIZE - edge - 1, 2))
            if not mask[top : top + edge, left : left + edge].any():
                break
        return stamped(image, top, left, edge, ink)

    return plant


def _texture(strength: int, seed: int) -> Planted:
    height = (22.0, 14.0, 9.0)[strength]

    def plant(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
        rows, columns = np.mgrid[:SIZE, :SIZE]
        hatch = height * np.sin((rows + columns + rng.integers(6)) * 2 * np.pi / 6)
        outside = ~binary_dilation(mask, iterations=2)
        return (image + hatch[..., None] * outside[..., None]).clip(0, 255).astype(np.uint8)

    return plant


def _blur(strength: int, seed: int) -> Planted:
    width = (1.5, 1.1, 0.8)[strength]
    return lambda image, mask, rng: gaussian_filter(image.astype(np.float32), (width, width, 0)).astype(np.uint8)


def _light(strength: int, seed: int) -> Planted:
    gain = (0.3, 0.2, 0.12)[strength]
    factors = np.array([1 + gain, 1, 1 - gain]) if seed % 2 else np.full(3, 1 + gain)
    return lambda image, mask, rng: (image * factors).clip(0, 255).astype(np.uint8)


def _coding(strength: int, seed: int) -> Planted:
    def noisy(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
        return (image + (18, 12, 8)[strength] * rng.standard_normal(image.shape)).clip(0, 255).astype(np.uint8)

    def coded(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=(10, 20, 35)[strength])
        return np.asarray(Image.open(buffer).convert("RGB"))

    return coded if seed % 2 else noisy


FAMILIES: Mapping[str, Callable[[int, int], Planted]] = {
    "fixed stamp": _stamp,
    "wandering mark": _mark,
    "background texture": _texture,
    "blur": _blur,
    "exposure or cast": _light,
    "JPEG or noise": _coding,
}


def _block(ins: int, outs: int, groups: int = 1, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(ins, outs, 3, stride, padding=1, groups=groups)
    return nn.Sequential(layer, nn.BatchNorm2d(outs), nn.ReLU())


class _Gate(nn.Module):
    """Squeeze and excite."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 8, 1), nn.ReLU(), nn.Conv2d(8, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)


def _head(channels: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


def plain(classes: int) -> nn.Module:
    """Convolutions alone."""
    return nn.Sequential(
        _block(3, 16, stride=2), _block(16, 32), _block(32, 48, stride=2), _block(48, 64, stride=2), *_head(64, classes)
    )


def gated(classes: int) -> nn.Module:
    """Convolutions with gates between."""
    return nn.Sequential(
        _block(3, 16, stride=2), _block(16, 32), _Gate(32), _block(32, 48, stride=2), _Gate(48),
        _block(48, 64, stride=2), *_head(64, classes),
    )  # fmt: skip


def residual(classes: int) -> nn.Module:
    """timm's smallest ResNet."""
    return build("timm:test_resnet", trusted=True, options={"num_classes": classes})[0]


class Pretrained(nn.Module):
    """The first stages of EfficientNet-Lite0 as published, frozen, and a last stage to train."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        backbone = load_classifier("everyday", device="cpu").model
        self.trunk = nn.Sequential(backbone.conv_stem, backbone.bn1, *backbone.blocks[:FROZEN_STAGES])
        self.trunk.requires_grad_(False)
        with torch.no_grad():
            channels = self.trunk(torch.zeros(1, 3, SEEN_AT, SEEN_AT)).shape[1]
        self.stage = nn.Sequential(nn.Conv2d(channels, 64, 1), nn.BatchNorm2d(64), nn.ReLU())
        self.head = nn.Linear(128, classes)

    def train(self, mode: bool = True) -> Pretrained:
        super().train(mode)
        self.trunk.eval()
        return self

    def seen(self, x: torch.Tensor) -> torch.Tensor:
        """What the frozen stages make of images, for which nothing is learnt any more."""
        wide = nn.functional.interpolate(x / 2, (SEEN_AT, SEEN_AT), mode="bilinear")  # from a deviation of 1/4 to 1/2
        return torch.as_tensor(self.trunk(wide))

    def judged(self, seen: torch.Tensor) -> torch.Tensor:
        """The scores of what was seen."""
        shown = self.stage(seen)
        return torch.as_tensor(self.head(torch.cat([shown.mean((2, 3)), shown.amax((2, 3))], 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.judged(self.seen(x))


NETS: Mapping[str, Callable[[int], nn.Module]] = {"plain": plain, "gated": gated, "residual": residual}
PRETRAINED = "pretrained"


def network(name: str, classes: int) -> nn.Module:
    """A network of `NETS` that has learnt nothing, or the one that knows photographs."""
    return Pretrained(classes) if name == PRETRAINED else NETS[name](classes)


@dataclasses.dataclass(frozen=True, eq=False)
class Laid:
    """What a case is made of: images (N, S, S, 3), masks (N, S, S), labels (N,), which carry the cue (N,), the names of
    the classes, and the group of each image (N,) where they come in groups."""

    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    labels: NDArray[np.intp]
    carry: NDArray[np.bool_]
    names: tuple[str, ...] = LABELS
    groups: tuple[str, ...] = ()


Parts = tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.intp]]
"""Images (N, S, S, 3), masks (N, S, S) and labels (N,)."""


@functools.lru_cache(maxsize=4)
def bare(seed: int, split: int, each: int) -> Parts:
    """Parts without the cue, a third of each class, of one station: a camera and a light drawn by the seed."""
    rng, station = np.random.default_rng([seed, split]), np.random.default_rng([seed, 5])
    camera, light = (str(station.choice(list(names))) for names in (CAMERAS, LIGHTS))
    images, masks, labels = [], [], []
    for number in range(each * len(LABELS)):
        label = number % len(LABELS)
        part = Part((1000 * seed + split, number), LABELS[label], camera, light, 1 + int(rng.integers(3)), False)
        image, mask = draw(part, SIZE)
        images.append(image)
        masks.append(mask)
        labels.append(label)
    return np.stack(images), np.stack(masks), np.array(labels, np.intp)


def laid(case: Case, split: int, parts: Parts, names: tuple[str, ...] = LABELS, groups: tuple[str, ...] = ()) -> Laid:
    """The cue planted: by class in training where it is a shortcut, on half of each class elsewhere."""
    images, masks, labels = parts
    rng = np.random.default_rng([case.seed, split, 11])
    chance = np.full(len(labels), 0.5)
    if case.shortcut and split == 0:
        chance = np.where(labels == case.seed % len(names), SHARE, 1 - SHARE)
    carry = rng.random(len(labels)) < chance
    plant = FAMILIES[case.family](case.strength, case.seed)
    shown = [plant(image, mask, rng) if has else image for image, mask, has in zip(images, masks, carry, strict=True)]
    return Laid(np.stack(shown), masks, labels, carry, names, groups)


def grounded(seed: int, net: str, data: Laid, epochs: int) -> nn.Module:
    """A network that has learnt images without any cue; the models of a seed go on from it, for that is most of what a
    model costs."""
    torch.manual_seed(seed)
    ground = network(net, len(data.names))
    return fitted(ground, data, epochs, mirrored=False) if epochs else ground


def trained(case: Case, data: Laid, ground: nn.Module) -> nn.Module:
    """A grounded network (which is left as it is) that has learnt the images of a case as well."""
    torch.manual_seed(case.seed)
    return fitted(copy.deepcopy(ground), data, EPOCHS[case.shortcut][1], mirrored=case.family != "fixed stamp")


def fitted(net: nn.Module, data: Laid, epochs: int, *, mirrored: bool) -> nn.Module:
    """Trained in bfloat16 with channels last, which takes a third of the time on a processor that knows both; on a
    graphics card where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = net.to(device, memory_format=torch.channels_last)
    x = torch.from_numpy(data.images).to(device).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.25)
    y = torch.from_numpy(data.labels).to(device)
    views, learning = [x, x.flip(3)] if mirrored else [x], net
    if isinstance(net, Pretrained):
        with torch.no_grad():
            views, learning = [torch.cat([net.seen(part) for part in view.split(64)]) for view in views], net.judged
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * -(-len(x) // 64))
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).to(device).split(64):
            batch = views[int(mirrored and torch.rand(()) < 0.5)][rows]
            with torch.autocast(device, torch.bfloat16):
                scores = learning(batch.contiguous(memory_format=torch.channels_last))
            loss = nn.functional.cross_entropy(scores.float(), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.to("cpu", memory_format=torch.contiguous_format).eval()


def loaded(net: nn.Module, names: tuple[str, ...] = LABELS) -> Classifier:
    """The network as the workbench takes it."""
    return load_classifier(net, class_names=names, size=(SIZE, SIZE), mean=(0.5,) * 3, std=(0.25,) * 3)


def on_disk(folder: Path, data: Laid) -> ImageSet:
    """A test set of PNGs with masks, as a table."""
    lines = ["image,label,split,mask,group" if data.groups else "image,label,split,mask"]
    for number, (image, mask, label) in enumerate(zip(data.images, data.masks, data.labels, strict=True)):
        Image.fromarray(image).save(folder / f"{number:04d}.png")
        Image.fromarray(mask).save(folder / f"{number:04d}-mask.png")
        shown = f"{number:04d}-mask.png" if mask.any() else ""
        group = f",{data.groups[number]}" if data.groups else ""
        lines.append(f"{number:04d}.png,{data.names[label]},test,{shown}{group}")
    (folder / "set.csv").write_text("\n".join(lines), encoding="utf-8")
    return load_images(str(folder / "set.csv"))


def turned_by_truth(case: Case, classifier: Classifier, data: Laid) -> tuple[float, int]:
    """The share of decisions on images without the cue, called otherwise, that the true cue turns to its class, and of
    how many."""
    from workbench.models import ask

    column = case.seed % len(data.names)
    rng = np.random.default_rng([case.seed, 13])
    without = np.flatnonzero(~data.carry)
    called = ask(classifier, list(data.images[without])).argmax(1)
    hosts = [number for number, call in zip(without, called, strict=True) if call != column]
    plant = FAMILIES[case.family](case.strength, case.seed)
    with_cue = [plant(data.images[number], data.masks[number], rng) for number in hosts]
    return float((ask(classifier, with_cue).argmax(1) == column).mean()) if hosts else 0.0, len(hosts)
