"""Cover a place of an image so that what was there is gone and no seam shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from workbench.errors import InputError
from workbench.images.item import ImageItem
from workbench.images.levels import Pixels, alike, resized

FILLS = {
    "patch": "texture from other places of the same image",
    "exchange": "the same place of other images of the set",
    "inpaint": "its surroundings, continued smoothly (inpainting)",
    "mean": "the mean colour around it",
    "blur": "the image itself, heavily blurred",
}
"""What a region is covered with. A patch leaves no mark of its own: a flat or blurred one may look like a defect."""
RANDOM = frozenset(("patch", "exchange"))
"""The fills that are drawn: covering again gives another image."""
COARSE = 128
"""Pixels of the longer side at which an image is inpainted."""
SEEN = 0.01
"""A feathered cover that is fainter than this changes no pixel by more than two levels of 255."""
TRIES = 20
"""How many random places are looked at for one that covers nothing that is to be spared."""


def cover_region(
    image: Pixels,
    inside: NDArray[np.bool_],
    fill: str,
    others: Sequence[ImageItem],
    rng: np.random.Generator,
    texture: NDArray[np.float32] | None = None,
    coarse: int = COARSE,
) -> Pixels:
    """An image with a region covered, its edge feathered over 1/64 of the image so that no seam shows.

    Args:
        image: (H, W, C).
        inside: (H, W), True where it is to be covered.
        fill: One of `FILLS`.
        others: Images to exchange with.
        rng: Which of them, and from where a patch comes.
        texture: What patches are cut from, (H, W, 3), with ends that meet; the image's own where missing.
        coarse: Pixels of the longer side of the copy on which "inpaint" is worked out.

    Raises:
        InputError: None of the images to exchange with can be read, or the image holds more than 8 bits.
    """
    from scipy.ndimage import gaussian_filter

    own, (height, width) = image.astype(np.float32), inside.shape
    alpha = gaussian_filter(inside.astype(np.float32), max(inside.shape) / 64)[..., None]
    if fill == "blur":
        cover = _blur(image, max(inside.shape) / 16)
    elif fill == "inpaint":
        cover = _inpaint(image, alpha[..., 0] > SEEN, coarse)
    elif fill == "mean":
        cover = np.broadcast_to(own[_near(inside)].mean(0), own.shape)
    else:
        near = _near(inside)
        if fill == "patch":
            cover = _patch(tile(image) if texture is None else texture, rng)
        else:
            cover = _other(image, others, (width, height), rng)
        cover = cover + own[near].mean(0) - cover[near].mean(0)  # as bright as what is near
    return alike(alpha * cover + (1 - alpha) * own, image)


def _blur(image: Pixels, width: float) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    if image.dtype == np.uint8:
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(width)), np.float32)
    return np.asarray(gaussian_filter(image, (width, width, 0), mode="nearest"))


def _inpaint(image: Pixels, inside: NDArray[np.bool_], edge: int) -> NDArray[np.float32]:
    """An image (H, W, C) with what lies inside continued from around it.

    Biharmonic inpainting: Damelin and Hoang 2018, "On surface completion and image inpainting by biharmonic functions".
    As what it paints is smooth, it is done on a copy of at most `edge` pixels a side, in a fraction of the time.
    """
    from skimage.restoration import inpaint_biharmonic

    height, width = inside.shape
    scale = min(edge / max(inside.shape), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    outside = Image.fromarray((~inside * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    hidden = np.asarray(outside) < 255
    if hidden.all() or not hidden.any():
        return np.broadcast_to(image.reshape(-1, image.shape[2]).mean(0, dtype=np.float32), image.shape)
    if image.dtype == np.uint8:
        coarse = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    else:
        coarse = resized(image, size, Image.Resampling.BOX) / np.float32(255)
    smooth = (255 * inpaint_biharmonic(coarse, hidden, channel_axis=-1)).astype(np.float32)
    return resized(smooth, (width, height), Image.Resampling.BICUBIC)


def elsewhere(
    inside: NDArray[np.bool_], spared: NDArray[np.bool_] | None, rng: np.random.Generator, *, mirrored: bool = True
) -> NDArray[np.bool_]:
    """A region at another place, of the same area, that covers nothing that is to be spared, or the least of it among
    those tried.

    Args:
        inside: (H, W), the region.
        spared: (H, W), what it should not cover.
        rng: Which place.
        mirrored: Its mirror images, where they do not meet it, have the first turn, for they lie to the edges alike;
            then it is shifted, what leaves the image on one side coming back on the other. Else it lies anywhere within
            the image, turned by quarters where that fits.
    """
    best, least = inside, inside.size + 1
    for place in _mirror_images(inside, rng) if mirrored else _random_places(inside, rng):
        hit = 0 if spared is None else int((place & spared).sum())
        if hit < least:
            best, least = place, hit
        if not least:
            break
    return best


def _mirror_images(inside: NDArray[np.bool_], rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """The mirror images of a region (H, W) that do not meet it, in random order, and then the region shifted."""
    mirrored = [place for place in (inside[::-1], inside[:, ::-1], inside[::-1, ::-1]) if not (place & inside).any()]
    yield from (mirrored[i] for i in rng.permutation(len(mirrored)))
    yield from (np.roll(inside, [int(rng.integers(n)) for n in inside.shape], axis=(0, 1)) for _ in range(TRIES))


def _random_places(inside: NDArray[np.bool_], rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """A region (H, W) at random places within the image, turned by quarters where that fits."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    shape = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    for _ in range(TRIES):
        piece = np.rot90(shape, int(rng.integers(4)))
        if piece.shape[0] > inside.shape[0] or piece.shape[1] > inside.shape[1]:
            piece = shape
        top, left = (int(rng.integers(n - m + 1)) for n, m in zip(inside.shape, piece.shape, strict=True))
        place = np.zeros_like(inside)
        place[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
        yield place


def _near(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a cover takes its brightness from (H, W): a ring around the region.

    From a region of more than half of the image it is the region itself, for what such a one surrounds may be a defect.
    """
    from scipy.ndimage import binary_dilation

    ring = binary_dilation(inside, iterations=max(min(inside.shape) // 16, 1)) & ~inside
    return ring if ring.any() and inside.mean() < 0.5 else inside if inside.any() else ~inside


def tile(image: Pixels) -> NDArray[np.float32]:
    """An image (H, W, C) less what keeps its ends from meeting, so that it can be shifted without a seam.

    It is the periodic component of Moisan 2011, "Periodic plus smooth image decomposition".
    """
    from scipy.fft import irfft2, rfft2

    own, jumps = image.astype(np.float32), np.zeros(image.shape, np.float32)
    for axis in (0, 1):
        ends, edges = np.moveaxis(own, axis, 0), np.moveaxis(jumps, axis, 0)
        edges[0] += ends[-1] - ends[0]
        edges[-1] += ends[0] - ends[-1]
    down, across = (2 * np.cos(2 * np.pi * np.arange(n) / n) for n in image.shape[:2])
    divisor = down[:, None] + across[: image.shape[1] // 2 + 1] - 4
    divisor[0, 0] = 1
    smooth = irfft2(rfft2(jumps, axes=(0, 1)) / divisor[..., None], image.shape[:2], axes=(0, 1))
    return np.asarray(own - smooth, np.float32)


def _patch(texture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A texture (H, W, 3), shifted by at least a quarter each way."""
    return np.roll(
        texture, [int(rng.integers(n // 4, max(n - n // 4, n // 4 + 1))) for n in texture.shape[:2]], axis=(0, 1)
    )


def _other(
    image: Pixels, others: Sequence[ImageItem], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """One of some images that can be read, resized to (width, height), as (H, W, 3)."""
    if image.dtype != np.uint8:
        raise InputError(
            "Images of more than 8 bits, or of other channels, are not exchanged with others: choose another fill."
        )
    for i in rng.permutation(len(others)):
        try:
            return np.asarray(others[i].open().resize(size, Image.Resampling.BILINEAR), np.float32)
        except InputError:
            continue
    raise InputError("No other image can be read to exchange with: choose another fill.")
