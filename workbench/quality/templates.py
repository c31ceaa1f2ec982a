"""Laying images onto what they all show, where that is one thing: boards of one layout, castings of one mould.

What a set shares can be taken from an image only where the image lies as the others do.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.quality.canvases import CANVAS_EDGE
from workbench.quality.registration import LEAST_STRANGERS, correlate
from workbench.quality.residuals import Array, Residuals
from workbench.quality.warps import ALIGNED_AT_ONCE, Motions, aligned, warped

SAMPLED, ROUNDS = 200, 2
"""Images that say whether there is a template, and how often it is made from images that lie better each time."""
AT_FIRST, ONE_LAYOUT, GAINED = 0.4, 0.6, 0.1
"""Likeness of the typical image to the template, as the images lie and once they are laid on it, from which on a set
shows one thing, and by how much it must rise for it to be worth it."""
LIES_ELSEWHERE, SOME = 0.6, 0.1
"""Pixels of the canvas from which on an image lies elsewhere, and the share of them from which on it is worth it."""
OWN_SHARE = 0.12
"""Share of the texture below which what is left without the layout may be noise alone."""


def laid(residuals: Residuals, rows: NDArray[np.integer], folder: Path) -> tuple[Residuals, Motions] | None:
    """The textures as they lie on the template of their set, and how each image was moved; None where there is none.

    Args:
        residuals: Of N images.
        rows: Which of them to lay.
        folder: Where the textures are put, mapped into memory.
    """
    sample = rows[:: max(len(rows) // SAMPLED, 1)]
    images = residuals.raw(sample)
    template = images.mean(0)
    before = float(np.median(_unit(images).reshape(len(images), -1) @ _unit(template[None]).ravel()))
    if len(rows) < LEAST_STRANGERS or before < AT_FIRST:
        return None
    for _ in range(ROUNDS):
        motions, likeness, total = _onto(template, residuals, sample)
        template = total / len(sample)
    if np.median(likeness) < max(ONE_LAYOUT, before + GAINED) or (_distances(motions) > LIES_ELSEWHERE).mean() < SOME:
        return None
    textures = np.lib.format.open_memmap(folder / "laid.npy", "w+", np.float16, residuals.textures.shape)
    result = np.zeros((len(residuals.textures), 2), complex)
    for start in range(0, len(rows), ALIGNED_AT_ONCE):
        some = rows[start : start + ALIGNED_AT_ONCE]
        result[some] = _onto(template, residuals, some)[0]
        textures[some] = warped(residuals.raw(some), result[some]).reshape(len(some), -1)
    return dataclasses.replace(residuals, textures=textures), result


def composed(motions: Motions, first: Motions, second: Motions) -> Motions:
    """The motion between images as they were, from that between images each of which was moved itself."""
    scale = (1 + second[:, 0]) * (1 + motions[:, 0]) / (1 + first[:, 0])
    place = (1 + second[:, 0]) * motions[:, 1] + second[:, 1] - scale * first[:, 1]
    return np.stack([scale - 1, place], 1)


def _onto(template: Array, residuals: Residuals, rows: NDArray[np.integer]) -> tuple[Motions, Array, Array]:
    """How images are moved to lie on a template, how like it they are then, and their sum."""
    motions, likeness = np.zeros((len(rows), 2), complex), np.zeros(len(rows), np.float32)
    total = np.zeros_like(template)
    for start in range(0, len(rows), ALIGNED_AT_ONCE):
        images = residuals.raw(rows[start : start + ALIGNED_AT_ONCE])
        here = slice(start, start + len(images))
        wanted = np.broadcast_to(template, images.shape)
        _, shifts = correlate(template[None], images)
        starts = np.stack([np.zeros(len(images)), -(shifts[:, 1] + 1j * shifts[:, 0])], 1)
        found, small = aligned(wanted, images, starts)
        motions[here] = np.where(small[:, None], found, 0)
        moved = warped(images, motions[here])
        norms = np.linalg.norm(moved, axis=(1, 2)) * np.linalg.norm(template)
        likeness[here] = (moved * template).sum((1, 2)) / np.maximum(norms, 1e-6)
        total += moved.sum(0)
    return motions, likeness, total


def _unit(images: Array) -> Array:
    return images / np.maximum(np.linalg.norm(images, axis=(1, 2), keepdims=True), 1e-6)


def _distances(motions: Motions) -> NDArray[np.float64]:
    """By how many pixels of the canvas a corner and the middle move at most."""
    corner = CANVAS_EDGE / 2 * (1 + 1j)
    return np.maximum(np.abs(motions[:, 1]), np.abs(motions[:, 1] + corner * motions[:, 0]))
