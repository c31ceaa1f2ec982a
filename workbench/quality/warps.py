"""Bringing one image onto another that is shifted, turned by a few degrees, or of another scale.

Gauss-Newton in the inverse compositional form (Baker and Matthews, "Lucas-Kanade 20 years on", 2004), from coarse to
fine, over similarities: places are complex numbers z = x + iy from the middle of the image, and the second image is
read at m z + t.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.quality.residuals import Array

Motions = NDArray[np.complex128]
"""(M, 2): m - 1 and t of each pair; 0 and 0 leave an image where it is."""
LEVELS = ((2, 2.0, 12), (1, 0.7, 6))
"""From coarse to fine: pixels averaged along each edge, blur in the pixels that result, and steps."""
MOST_SCALED, MOST_TURNED, MOST_MOVED = 0.16, 0.12, 0.13
"""By how much the scale, the angle (in radians) and the place (as a share of the edge) may change."""
ALIGNED_AT_ONCE = 128


def aligned(first: Array, second: Array, start: Motions | None = None) -> tuple[Motions, NDArray[np.bool_]]:
    """The motion that brings the second of each pair (M, S, S) onto the first, and whether it is a small one: (M,)."""
    motions = np.zeros((len(first), 2), complex) if start is None else start.astype(complex)
    for part in np.array_split(np.arange(len(first)), max(len(first) // ALIGNED_AT_ONCE, 1)):
        for reduced, blur, steps in LEVELS:
            one, other = (_level(images[part], reduced, blur) for images in (first, second))
            motions[part] = _descended(one, other, motions[part], reduced, steps)
    change = 1 + motions[:, 0]
    small = (np.abs(np.abs(change) - 1) < MOST_SCALED) & (np.abs(np.angle(change)) < MOST_TURNED)
    return motions, small & (np.abs(motions[:, 1]) < MOST_MOVED * first.shape[-1])


def warped(images: Array, motions: Motions) -> Array:
    """Images (M, S, S) moved so; 0 where nothing is known."""
    size = images.shape[-1]
    down, right = np.mgrid[:size, :size].astype(np.float32) - (size - 1) / 2
    place = (right + 1j * down).astype(np.complex64)
    where = (1 + motions[:, 0, None, None]).astype(np.complex64) * place + motions[:, 1, None, None].astype(
        np.complex64
    )
    return _read(images, where.imag + (size - 1) / 2, where.real + (size - 1) / 2)


def _level(images: Array, reduced: int, blur: float) -> Array:
    from scipy.ndimage import gaussian_filter

    size = images.shape[-1] // reduced
    small = images.reshape(len(images), size, reduced, size, reduced).mean((2, 4))
    return np.asarray(gaussian_filter(small, (0, blur, blur), mode="constant"), np.float32)


def _read(images: Array, down: Array, right: Array) -> Array:
    """Images (M, S, S) at places (M, S, S), by linear interpolation; 0 outside."""
    size = images.shape[-1]
    flat = images.reshape(len(images), -1)
    inside = (down >= 0) & (down <= size - 1) & (right >= 0) & (right <= size - 1)
    top = np.clip(np.floor(down), 0, size - 2).astype(np.int32)
    left = np.clip(np.floor(right), 0, size - 2).astype(np.int32)
    low, far = (down - top).astype(np.float32), (right - left).astype(np.float32)
    corner = (top * size + left).reshape(len(images), -1)
    values = [np.take_along_axis(flat, corner + step, 1).reshape(images.shape) for step in (0, 1, size, size + 1)]
    upper = values[0] + far * (values[1] - values[0])
    lower = values[2] + far * (values[3] - values[2])
    return np.where(inside, upper + low * (lower - upper), 0)


def _descended(first: Array, second: Array, motions: Motions, reduced: int, steps: int) -> Motions:
    size = first.shape[-1]
    down, right = np.mgrid[:size, :size].astype(np.float32) - (size - 1) / 2
    slope_down, slope_right = np.gradient(first, axis=(1, 2))
    columns = np.stack(
        [slope_right * right + slope_down * down, slope_down * right - slope_right * down, slope_right, slope_down], 1
    ).reshape(len(first), 4, -1)
    bend = columns @ columns.swapaxes(1, 2)
    bend += 1e-3 * np.trace(bend, axis1=1, axis2=2)[:, None, None] / 4 * np.eye(4, dtype=np.float32)
    motions = motions / (1, reduced)
    for _ in range(steps):
        moved = warped(second, motions)
        known = moved != 0
        gain = (first * moved).sum((1, 2)) / np.maximum((moved**2).sum((1, 2)), 1e-6)
        error = np.where(known, np.maximum(gain, 0.1)[:, None, None] * moved - first, 0).reshape(len(first), -1)
        step = np.linalg.solve(bend, columns @ error[..., None])[..., 0]
        turn = 1 + step[:, 0] + 1j * step[:, 1]
        change = (1 + motions[:, 0]) / turn
        motions = np.stack([change - 1, motions[:, 1] - change * (step[:, 2] + 1j * step[:, 3])], 1)
    return motions * (1, reduced)
