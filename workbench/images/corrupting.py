"""An image under one of the everyday corruptions, as a camera would hand it over: before any preprocessing of a model.

Each function takes levels between 0 and 1 and gives such levels, cut to that range by its caller.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images.corruption_kinds import CORRUPTIONS, PUBLISHED_EDGE, SEVERITIES
from workbench.images.levels import Pixels, alike, resized

Levels = NDArray[np.float32]
Rng = np.random.Generator
SPECK, SPECK_DEPTH = (1.5, 4.0), 0.6
"""Radii of dust in pixels of an image of 224, and the share of the light that its middle takes."""


def corrupt(pixels: Pixels, kind: str, severity: int) -> Pixels:
    """Pixels under a corruption. What is random depends on the pixels and the kind alone: the same noise, specks and
    direction at all severities, so that these differ in nothing but their strength.

    An image whose channels are all alike is one of a monochrome camera, whose noise is alike in all of them too.

    Args:
        pixels: (H, W, C) bytes or levels, the original image.
        kind: A name in `CORRUPTIONS`.
        severity: One of `SEVERITIES`.

    Raises:
        InputError: There is no such kind or severity, or the image cannot have it (`unsuited`).

    Example:
        >>> import numpy as np
        >>> from workbench.images import corrupt
        >>> grey = np.full((4, 4, 3), 100, np.uint8)
        >>> corrupt(grey, "underexposed", 4)[0, 0].tolist()
        [50, 50, 50]
    """
    if reason := unsuited(pixels, kind):
        raise InputError(reason)
    if severity not in SEVERITIES:
        raise InputError(f"There is no severity {severity}: choose one of 1 to {SEVERITIES[-1]}.")
    grey = _is_grey(pixels)
    levels = (pixels[..., :1] if grey else pixels).astype(np.float32) / np.float32(255)
    content = hashlib.sha256(np.ascontiguousarray(pixels).data).digest()
    rng = np.random.default_rng([*content[:16], *kind.encode()])
    scale = min(pixels.shape[:2]) / PUBLISHED_EDGE
    done = _FUNCTIONS[kind](levels, CORRUPTIONS[kind].constants[severity - 1], rng, scale)
    return alike(np.broadcast_to(255 * done.clip(0, 1), pixels.shape), pixels)


def unsuited(pixels: Pixels, kind: str) -> str:
    """Why an image cannot have a kind of corruption, in a sentence; empty where it can.

    Raises:
        InputError: There is no such kind.
    """
    if kind not in CORRUPTIONS:
        raise InputError(f"There is no corruption {kind[:40]!r}: choose one of {', '.join(CORRUPTIONS)}.")
    needs = CORRUPTIONS[kind].needs
    if needs == "bytes" and pixels.dtype != np.uint8:
        return "A JPEG holds 8 bits in RGB, and this image more or other channels: choose another corruption."
    if needs == "colour" and (pixels.shape[2] != 3 or _is_grey(pixels)):
        return "This image has no colour that could be more or less saturated: choose another corruption."
    return ""


def _is_grey(pixels: Pixels) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _underexposed(x: Levels, stops: float, _: Rng, __: float) -> Levels:
    return x * np.float32(2**-stops)


def _overexposed(x: Levels, stops: float, _: Rng, __: float) -> Levels:
    return x * np.float32(2**stops)


def _gain_noise(x: Levels, constants: tuple[float, float], rng: Rng, _: float) -> Levels:
    """Photon noise, whose variance is the light, and read noise."""
    electrons, read = constants
    return x + np.sqrt(x / np.float32(electrons) + np.float32(read**2)) * _normal(rng, x.shape)


def _gaussian_noise(x: Levels, deviation: float, rng: Rng, _: float) -> Levels:
    return x + np.float32(deviation) * _normal(rng, x.shape)


def _speckle_noise(x: Levels, deviation: float, rng: Rng, _: float) -> Levels:
    return x + np.float32(deviation) * x * _normal(rng, x.shape)


def _shot_noise(x: Levels, photons: float, rng: Rng, _: float) -> Levels:
    """Poisson's counts; the photons of a higher severity are some of those of the lower one."""
    steps = [step for step in CORRUPTIONS["shot_noise"].constants if isinstance(step, float) and step >= photons]
    counts = rng.poisson(x.astype(np.float64) * steps[0])
    for more, fewer in itertools.pairwise(steps):
        counts = rng.binomial(counts, fewer / more)
    return (counts / photons).astype(np.float32)


def _impulse_noise(x: Levels, amount: float, rng: Rng, _: float) -> Levels:
    hit, white = rng.random(x.shape) < amount, rng.random(x.shape) < 0.5
    return np.where(hit, white, x).astype(np.float32)


def _gaussian_blur(x: Levels, deviation: float, _: Rng, scale: float) -> Levels:
    from scipy.ndimage import gaussian_filter

    width = deviation * scale
    return np.asarray(gaussian_filter(x, (width, width, 0), mode="nearest"))


def _defocus_blur(x: Levels, constants: tuple[float, float], _: Rng, scale: float) -> Levels:
    radius, softness = constants
    return _disc(x, radius * scale, softness * scale)


def _slight_defocus(x: Levels, radius: float, _: Rng, scale: float) -> Levels:
    return _disc(x, radius * scale, 0)


def _disc(x: Levels, radius: float, softness: float) -> Levels:
    """The mean over a disc whose edge is antialiased, and softened by a Gaussian of that standard deviation."""
    from scipy.ndimage import gaussian_filter
    from scipy.signal import fftconvolve

    reach = math.ceil(radius + 0.5 + 2 * softness)
    y, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (radius + 0.5 - np.hypot(y, columns)).clip(0, 1)
    if softness:
        disc = gaussian_filter(disc, softness, mode="constant", truncate=2)
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    return np.asarray(fftconvolve(padded, (disc / disc.sum())[..., None], mode="valid", axes=(0, 1)), np.float32)


def _motion_blur(x: Levels, constants: tuple[float, float], rng: Rng, scale: float) -> Levels:
    """Half a Gaussian that trails behind each pixel, as ImageMagick's; within 45 degrees of the rows."""
    radius, deviation = (constant * scale for constant in constants)
    taps = np.arange(2 * math.ceil(radius) + 1)
    weights, angle = np.exp(-(taps**2) / (2 * deviation**2)), math.radians(rng.uniform(-45, 45))
    down, right = np.rint(taps * math.sin(angle)).astype(int), np.rint(taps * math.cos(angle)).astype(int)
    return _trail(x, weights / weights.sum(), down, right)


def _vibration(x: Levels, length: float, _: Rng, scale: float) -> Levels:
    """The mean along the rows over that length, of which the outermost pixels have their share."""
    half = length * scale / 2
    reach = math.ceil(half - 0.5)
    right = np.arange(-reach, reach + 1)
    weights = (half + 0.5 - np.abs(right)).clip(0, 1)
    return _trail(x, weights / weights.sum(), np.zeros_like(right), right)


def _trail(x: Levels, weights: NDArray[np.float64], down: NDArray[np.int_], right: NDArray[np.int_]) -> Levels:
    """A weighted mean of the image moved by whole pixels; beyond its edges the outermost pixel goes on."""
    reach = int(max(np.abs(down).max(), np.abs(right).max()))
    padded, (height, width) = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="edge"), x.shape[:2]
    result = np.zeros_like(x)
    for weight, dy, dx in zip(weights, down, right, strict=True):
        result += np.float32(weight) * padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]
    return result


def _zoom_blur(x: Levels, constants: tuple[float, float], _: Rng, __: float) -> Levels:
    """The mean of the image and of its centre, enlarged by each factor below the first constant."""
    factors = np.arange(1, *constants)
    return np.asarray((x + sum(_enlarged(x, factor) for factor in factors)) / (len(factors) + 1), np.float32)


def _enlarged(x: Levels, factor: float) -> Levels:
    """Its centre, as large as it was, bilinear."""
    height, width = x.shape[:2]
    step = 1 / factor
    data = (step, 0, width / 2 * (1 - step), 0, step, height / 2 * (1 - step))
    planes = (Image.fromarray(np.ascontiguousarray(x[..., c])) for c in range(x.shape[2]))
    how = Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
    return np.stack([np.asarray(plane.transform((width, height), *how)) for plane in planes], -1)


def _turn(x: Levels, degrees: float, rng: Rng, _: float) -> Levels:
    """About the centre, either way; beyond its edges the image goes on mirrored."""
    from scipy.ndimage import affine_transform

    angle = math.radians(degrees) * (1 if rng.random() < 0.5 else -1)
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = (np.array(x.shape[:2]) - 1) / 2
    offset = centre - matrix @ centre
    planes = [affine_transform(x[..., c], matrix, offset, order=3, mode="reflect") for c in range(x.shape[2])]
    return np.stack(planes, -1)


def _shift(x: Levels, length: float, rng: Rng, scale: float) -> Levels:
    """By whole pixels, at least one, in one of eight directions, so that nothing is resampled."""
    by, way = max(round(length * scale), 1), rng.integers(8)
    dy, dx = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)][way]
    height, width = x.shape[:2]
    padded = np.pad(x, ((by, by), (by, by), (0, 0)), mode="symmetric")
    top, left = by - dy * by, by - dx * by
    return padded[top : top + height, left : left + width]


def _dead_lines(x: Levels, count: float, rng: Rng, scale: float) -> Levels:
    """Rows and columns by turns, where they lie drawn once for all severities."""
    result, wide = x.copy(), max(round(scale), 1)
    places = rng.random(int(CORRUPTIONS["dead_lines"].constants[-1]))  # type: ignore[arg-type]
    for number, place in enumerate(places[: int(count)]):
        axis = number % 2
        start = int(place * max(x.shape[axis] - wide, 1))
        np.moveaxis(result, axis, 0)[start : start + wide] = 0
    return result


def _dust(x: Levels, count: float, rng: Rng, scale: float) -> Levels:
    specks = rng.random((int(CORRUPTIONS["dust"].constants[-1]), 3))  # type: ignore[arg-type]
    height, width = x.shape[:2]
    light = np.ones((height, width), np.float32)
    for down, right, size in specks[: int(count)]:
        radius = (SPECK[0] + size * (SPECK[1] - SPECK[0])) * scale
        y, columns = np.ogrid[:height, :width]
        squared = (y - down * height) ** 2 + (columns - right * width) ** 2
        light *= (1 - SPECK_DEPTH * np.exp(-((squared / radius**2) ** 2))).astype(np.float32)
    return x * light[..., None]


def _vignetting(x: Levels, missing: float, _: Rng, __: float) -> Levels:
    height, width = x.shape[:2]
    y, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return x * (1 - missing * (y**2 + columns**2) / 2).astype(np.float32)[..., None]


def _brightness(x: Levels, added: float, _: Rng, __: float) -> Levels:
    """More value at the same hue and saturation."""
    value = x.max(-1, keepdims=True)
    more = np.minimum(value + np.float32(added), 1)
    return np.where(value > 0, x * (more / np.where(value > 0, value, 1)), more)


def _contrast(x: Levels, left: float, _: Rng, __: float) -> Levels:
    mean = x.mean((0, 1), keepdims=True)
    return (x - mean) * np.float32(left) + mean


def _saturate(x: Levels, constants: tuple[float, float], _: Rng, __: float) -> Levels:
    from skimage.color import hsv2rgb, rgb2hsv

    factor, added = constants
    colours = rgb2hsv(x)
    colours[..., 1] = (colours[..., 1] * factor + added).clip(0, 1)
    return np.asarray(hsv2rgb(colours), np.float32)


def _jpeg(x: Levels, quality: float, _: Rng, __: float) -> Levels:
    whole = (255 * x).round().astype(np.uint8)
    buffer = io.BytesIO()
    try:
        Image.fromarray(whole[..., 0] if x.shape[2] == 1 else whole).save(buffer, "JPEG", quality=round(quality))
    except OSError:
        raise InputError("A JPEG has at most 65,535 pixels a side: choose another corruption.") from None
    return np.asarray(Image.open(buffer), np.float32).reshape(x.shape) / np.float32(255)


def _pixelate(x: Levels, share: float, _: Rng, scale: float) -> Levels:
    size = (x.shape[1], x.shape[0])
    few = tuple(max(min(int(edge * share / scale), edge), 1) for edge in size)
    small = resized(x, (few[0], few[1]), Image.Resampling.BOX)
    return resized(small, size, Image.Resampling.BOX)


def _elastic(x: Levels, constants: tuple[float, float, float], rng: Rng, scale: float) -> Levels:
    """Three points moved at random, and a smooth random field, both in pixels of an image of 224."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    strength, smoothness, corner = constants
    shape = np.array(x.shape[:2])
    small = tuple(max(round(edge / scale), 1) for edge in shape)
    centre, reach = shape // 2, min(shape) // 3
    points = centre + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = points + scale * corner * rng.uniform(-1, 1, (3, 2))
    ones = np.ones((3, 1))
    back = np.linalg.solve(np.hstack([moved, ones]), points)  # (3, 2): from the new place to the old
    fields = [
        gaussian_filter(rng.uniform(-1, 1, small), smoothness, mode="reflect", truncate=3)[..., None] for _ in range(2)
    ]
    size = (x.shape[1], x.shape[0])
    down, right = (strength * scale * resized(field.astype(np.float32), size)[..., 0] for field in fields)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    new = np.stack([rows + down, columns + right, np.ones(x.shape[:2])], -1) @ back
    planes = [map_coordinates(x[..., c], np.moveaxis(new, -1, 0), order=1, mode="reflect") for c in range(x.shape[2])]
    return np.stack(planes, -1)


def _normal(rng: Rng, shape: tuple[int, ...]) -> Levels:
    return rng.standard_normal(shape, np.float32)


_FUNCTIONS: Mapping[str, Callable[..., Levels]] = MappingProxyType(
    {
        "underexposed": _underexposed,
        "overexposed": _overexposed,
        "gain_noise": _gain_noise,
        "slight_defocus": _slight_defocus,
        "vibration": _vibration,
        "camera_jpeg": _jpeg,
        "dead_lines": _dead_lines,
        "dust": _dust,
        "turn": _turn,
        "shift": _shift,
        "vignetting": _vignetting,
        "gaussian_noise": _gaussian_noise,
        "shot_noise": _shot_noise,
        "impulse_noise": _impulse_noise,
        "speckle_noise": _speckle_noise,
        "gaussian_blur": _gaussian_blur,
        "defocus_blur": _defocus_blur,
        "motion_blur": _motion_blur,
        "zoom_blur": _zoom_blur,
        "brightness": _brightness,
        "contrast": _contrast,
        "saturate": _saturate,
        "jpeg_compression": _jpeg,
        "pixelate": _pixelate,
        "elastic_transform": _elastic,
    }
)
