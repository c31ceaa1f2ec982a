"""Cover a place of a picture so that what was there is gone and no seam shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from workbench.errors import InputError
from workbench.images import ImageItem

FILLS = {
    "patch": "texture from other places of the same picture",
    "exchange": "the same place of other pictures of the set",
    "inpaint": "what lies around it, continued smoothly",
    "mean": "the mean colour around it",
    "blur": "the picture itself, heavily blurred",
}
"""What a region is covered with. A patch leaves no mark of its own: a flat or blurred one may look like a defect."""
RANDOM = frozenset(("patch", "exchange"))
"""The fills that are drawn: covering again gives another picture."""
COARSE = 128
"""Pixels of the longer side at which a picture is inpainted."""
SEEN = 0.01
"""A feathered cover that is fainter than this changes no pixel by more than two levels of 255."""


def covered(
    picture: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    fill: str,
    others: Sequence[ImageItem],
    rng: np.random.Generator,
    texture: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """A picture with a region covered, its edge feathered over 1/64 of the picture so that no seam shows.

    Args:
        picture: (H, W, 3).
        inside: (H, W), True where it is to be covered.
        fill: One of `FILLS`.
        others: Pictures to exchange with.
        rng: Which of them, and from where a patch comes.
        texture: What patches are cut from, (H, W, 3), with ends that meet; the picture's own where missing.

    Raises:
        InputError: None of the pictures to exchange with can be read.
    """
    from scipy.ndimage import gaussian_filter

    own, near = picture.astype(np.float32), _near(inside)
    alpha = gaussian_filter(inside.astype(np.float32), max(inside.shape) / 64)[..., None]
    if fill == "mean":
        cover = np.broadcast_to(own[near].mean(0), own.shape)
    elif fill == "blur":
        cover = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(max(inside.shape) / 16)), np.float32)
    elif fill == "inpaint":
        cover = _inpainted(picture, alpha[..., 0] > SEEN)
    else:
        height, width = inside.shape
        cover = _patch(tile(picture) if texture is None else texture, rng) if fill == "patch" else _other(others, (width, height), rng)
        cover = cover + own[near].mean(0) - cover[near].mean(0)  # as bright as what is near
    return np.asarray((alpha * cover + (1 - alpha) * own).round().clip(0, 255).astype(np.uint8))


def _inpainted(picture: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A picture (H, W, 3) with what lies inside continued from around it.

    Biharmonic inpainting: Damelin and Hoang 2018, "On surface completion and image inpainting by biharmonic functions". As what it
    paints is smooth, it is done on a copy of at most `COARSE` pixels a side, in a fraction of the time.
    """
    from skimage.restoration import inpaint_biharmonic

    height, width = inside.shape
    shrunk = min(COARSE / max(inside.shape), 1.0)
    size = max(round(width * shrunk), 1), max(round(height * shrunk), 1)
    known = Image.fromarray((~inside * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    hidden = np.asarray(known) < 255
    if hidden.all() or not hidden.any():
        return np.broadcast_to(picture.reshape(-1, 3).mean(0, dtype=np.float32), picture.shape)
    coarse = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    found = (255 * inpaint_biharmonic(coarse, hidden, channel_axis=-1)).astype(np.float32)
    planes = [Image.fromarray(found[..., c]).resize((width, height), Image.Resampling.BICUBIC) for c in range(3)]
    return np.stack([np.asarray(plane) for plane in planes], -1)


def _near(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a cover takes its brightness from (H, W): a ring around the region.

    From a region of more than half of the picture it is the region itself, for what such a one surrounds may be a defect.
    """
    from scipy.ndimage import binary_dilation

    ring = binary_dilation(inside, iterations=max(min(inside.shape) // 16, 1)) & ~inside
    return ring if ring.any() and inside.mean() < 0.5 else inside if inside.any() else ~inside


def tile(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture (H, W, 3) less what keeps its ends from meeting, so that it can be shifted without a seam.

    It is the periodic component of Moisan 2011, "Periodic plus smooth image decomposition".
    """
    from scipy.fft import irfft2, rfft2

    own, jumps = picture.astype(np.float32), np.zeros(picture.shape, np.float32)
    for axis in (0, 1):
        ends, edges = np.moveaxis(own, axis, 0), np.moveaxis(jumps, axis, 0)
        edges[0] += ends[-1] - ends[0]
        edges[-1] += ends[0] - ends[-1]
    down, across = (2 * np.cos(2 * np.pi * np.arange(n) / n) for n in picture.shape[:2])
    divisor = down[:, None] + across[: picture.shape[1] // 2 + 1] - 4
    divisor[0, 0] = 1
    smooth = irfft2(rfft2(jumps, axes=(0, 1)) / divisor[..., None], picture.shape[:2], axes=(0, 1))
    return np.asarray(own - smooth, np.float32)


def _patch(texture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A texture (H, W, 3), shifted by at least a quarter each way."""
    return np.roll(texture, [int(rng.integers(n // 4, max(n - n // 4, n // 4 + 1))) for n in texture.shape[:2]], axis=(0, 1))


def _other(others: Sequence[ImageItem], size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """One of some pictures that can be read, resized to (width, height), as (H, W, 3)."""
    for i in rng.permutation(len(others)):
        try:
            return np.asarray(others[i].open().resize(size, Image.Resampling.BILINEAR), np.float32)
        except InputError:
            continue
    raise InputError("No other picture can be read to exchange with: choose another fill.")
