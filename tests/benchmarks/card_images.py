"""Drawn images with a cue at a known place, and the same kind of thing elsewhere where it means nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

EDGE = 64


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a network is shown: the cue (of `card_nets.CUES`) and the places that it may lie at, each (EDGE, EDGE)."""

    cue: str
    places: list[NDArray[np.bool_]]


def drawn(rng: np.random.Generator, scene: Scene, there: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """One image (EDGE, EDGE, 3) of a scene; `there` says for each head whether its cue is shown."""
    image = _ground(rng)
    if scene.cue in ("colour", "texture"):
        spot = _spot(rng)
        image = 0.75 * image + 0.25 * image.mean(2, keepdims=True)
        image = _grey(image)
        mark = _red if scene.cue == "colour" else _chequered
        if there[0]:
            image = mark(image, spot, rng)
        return _levels(image)
    mark = _striped if scene.cue == "edges" else _brighter
    for _ in range(2):  # the same elsewhere, which says nothing
        if rng.random() < 0.7:
            image = mark(image, _spot(rng) & ~np.logical_or.reduce(scene.places), rng, rng.random() < 0.5)
    shown = there if scene.cue == "apart" else np.repeat(there, len(scene.places))
    for place, present in zip(scene.places, shown, strict=True):
        image = mark(image, place, rng, bool(present))
    return _levels(image)


def _ground(rng: np.random.Generator) -> NDArray[np.float64]:
    """Coloured noise, smooth and rough, with a few discs: (EDGE, EDGE, 3) around a half."""
    coarse = gaussian_filter(rng.normal(size=(EDGE, EDGE, 3)), (6, 6, 0), mode="wrap")
    fine = gaussian_filter(rng.normal(size=(EDGE, EDGE, 1)), (1, 1, 0), mode="wrap")
    image = 0.5 + 0.10 * coarse / coarse.std() + 0.04 * fine / fine.std()
    y, x = np.mgrid[:EDGE, :EDGE]
    for _ in range(int(rng.integers(2, 5))):
        cy, cx, radius = [*rng.uniform(0, EDGE, 2).tolist(), rng.uniform(4, 12)]
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] += rng.uniform(-0.2, 0.2, 3)
    return image


def _grey(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without strong colours and without the finest pattern."""
    level = image.mean(2, keepdims=True)
    return gaussian_filter(level + 0.3 * (image - level), (0.8, 0.8, 0))


def _spot(rng: np.random.Generator) -> NDArray[np.bool_]:
    """An ellipse of 4 to 15 % of the image, wholly inside: (EDGE, EDGE)."""
    a, b = rng.uniform(8, 14, 2)
    cy, cx = rng.uniform(a, EDGE - a), rng.uniform(b, EDGE - b)
    y, x = np.mgrid[:EDGE, :EDGE]
    return ((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 < 1


def _brighter(
    image: NDArray[np.float64], place: NDArray[np.bool_], rng: np.random.Generator, present: bool = True
) -> NDArray[np.float64]:
    shift = rng.uniform(0.18, 0.3) * (1 if present else -1)
    return image + shift * place[..., None]


def _striped(
    image: NDArray[np.float64], place: NDArray[np.bool_], rng: np.random.Generator, present: bool = True
) -> NDArray[np.float64]:
    """Stripes where present, as much light without them where not."""
    if not present:
        return image
    y, x = np.mgrid[:EDGE, :EDGE]
    angle, period = rng.uniform(0, np.pi), rng.uniform(3.5, 6)
    wave = np.sign(np.sin(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period))
    return image + 0.2 * (wave * place)[..., None]


def _red(image: NDArray[np.float64], place: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    return image + place[..., None] * np.array([0.28, -0.15, -0.15]) * rng.uniform(0.9, 1.2)


def _chequered(image: NDArray[np.float64], place: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    y, x = np.mgrid[:EDGE, :EDGE]
    return image + (rng.uniform(0.14, 0.2) * (-1.0) ** (y + x) * place)[..., None]


def _levels(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)
