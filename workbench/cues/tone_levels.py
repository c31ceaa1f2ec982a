"""Properties of a whole image: how much of each it shows, and how to bring it to another level."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.images import Pixels, alike, as_image, resized

Kept = NDArray[np.bool_]
Level = Callable[[Pixels, Kept], float]
Move = Callable[[Pixels, float, np.random.Generator], NDArray[np.float32] | None]
WINDOW = 512
"""Pixels a side of the middle of an image on which a strength is searched for."""
HALVINGS = 9
"""Halvings of the range in which it is searched for."""
MOST_GAIN = 8.0
"""By how much a band of frequencies is strengthened or weakened at most."""
BANDS = {"medium texture": (1 / 96, 1 / 40), "coarse texture": (1 / 40, 1 / 12)}
"""Each between two Gaussians whose standard deviations are these shares of the longer side."""
SMOOTH = 2.0
"""Standard deviation in pixels below which a difference of colours counts as noise."""
BLOCK = 8
"""Pixels a side of the blocks in which JPEG compresses."""
QUALITIES = range(5, 96, 5)
"""Of JPEG; what is lost does not fall evenly with them, so that all are tried."""
SENSOR = 0.05
"""What is added to a mean square of bytes, so that its logarithm stands where there is none."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tone:
    """A property of a whole image.

    Attributes:
        more: What an image shows that has more of it, as the screen says it after "goes by".
        less: The same where it has less.
        unit: Of `shown`.
        level: How much of it an image (H, W, C) shows where kept (H, W); NaN where it cannot be measured.
        move: Brings an image to a level; None where that cannot be done to it.
        up: Whether the level can be raised: what blur or compression took away cannot be given back.
        down: Whether it can be lowered.
        decoys: Which changes of the same size are no change of this property, of `tone_cues.DECOYS`.
        spares: Whether a defect that a mask shows stays as it was: it does not where light falls on all alike, for an
            unlit spot in a lit image would be a new one.
        adds: Whether more of it is more detail, which may hide a defect or look like one; None where it is neither more
            nor less of it.
        drawn: Whether each move up is another, as noise is.
    """

    more: str
    less: str
    unit: str
    level: Level
    move: Move
    up: bool = True
    down: bool = True
    decoys: tuple[str, ...] = ("opposite", "displaced")
    spares: bool = True
    adds: bool | None = True
    drawn: bool = False
    shown: Callable[[float], float] = float


def grey(image: Pixels) -> NDArray[np.float32]:
    """(H, W) the mean of the channels."""
    return np.asarray(image.mean(2, dtype=np.float32))


def _searched(reached: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where between `low` and `high`, halved in the logarithm, a strength reaches a level that it moves one way."""
    rising = reached(high) > reached(low)
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        if (reached(middle) < level) == rising:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


def _middle(image: Pixels) -> Pixels:
    top, left = (max(n - WINDOW, 0) // 2 // BLOCK * BLOCK for n in image.shape[:2])
    return image[top : top + WINDOW, left : left + WINDOW]


def _all(image: Pixels) -> Kept:
    return np.ones(image.shape[:2], bool)


def _brightness(image: Pixels, kept: Kept) -> float:
    return float(grey(image)[kept].mean())


def _lit(image: Pixels, level: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """As another exposure: each value times the same number, so that the mean is reached despite of what is cut off."""
    own, gain = image.astype(np.float32), 1.0
    for _ in range(4):
        gain *= level / max(float((own * gain).clip(0, 255).mean()), 1.0)
    return own * np.float32(gain)


def _contrast(image: Pixels, kept: Kept) -> float:
    values = grey(image)[kept]
    return float(values.std() / max(float(values.mean()), 1.0))


def _contrasted(image: Pixels, level: float, rng: np.random.Generator) -> NDArray[np.float32] | None:
    own = image.astype(np.float32)
    mean, present = own.mean((0, 1)), _contrast(image, _all(image))
    return None if present < 1e-3 else mean + (own - mean) * np.float32(level / present)


def cast_of(image: Pixels, kept: Kept) -> NDArray[np.float64]:
    """(2,) logarithms of the mean red and blue over the mean green; NaN where there are not three channels."""
    if image.shape[2] != 3:
        return np.full(2, np.nan)
    means = np.maximum(image[kept].mean(0, dtype=np.float64), 1.0)
    return np.log(means[[0, 2]] / means[1])


def cast_along(direction: NDArray[np.float64]) -> Tone:
    """A colour cast along a direction (2,) of length 1 in the plane of `cast_of`."""
    red, blue = direction
    gains = {"red": red, "green": 0.0, "blue": blue}
    to, off = max(gains, key=lambda name: gains[name]), min(gains, key=lambda name: gains[name])

    def level(image: Pixels, kept: Kept) -> float:
        return float(cast_of(image, kept) @ direction)

    def move(image: Pixels, target: float, rng: np.random.Generator) -> NDArray[np.float32] | None:
        if image.shape[2] != 3:
            return None
        step = target - level(image, _all(image))
        gain = np.exp(step * np.array([red, 0.0, blue]))
        own = image.astype(np.float32)
        means = own.mean((0, 1))
        return np.asarray(own * gain * (means.sum() / max(float((means * gain).sum()), 1e-6)), np.float32)

    names = f"a colour cast towards {to}", f"a colour cast towards {off}"
    return Tone(
        *names, "times", level, move, decoys=("opposite", "other hue", "uneven light"), spares=False, adds=None,
        shown=math.exp,
    )  # fmt: skip


def _saturation(image: Pixels, kept: Kept) -> float:
    """How far the channels lie apart from place to place beyond their cast, in shares of the mean; noise is none."""
    if image.shape[2] != 3:
        return math.nan
    return float(_smooth(_hues(image))[kept].std(1).mean() / max(float(grey(image)[kept].mean()), 1.0))


def _hues(image: Pixels) -> NDArray[np.float32]:
    """(H, W, C) how each channel differs from the mean of all, less its cast."""
    own = image.astype(np.float32)
    return own - grey(image)[..., None] * own.mean((0, 1)) / max(float(own.mean()), 1.0)


def _smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(values, (SMOOTH, SMOOTH, 0)))


def _saturated(image: Pixels, level: float, rng: np.random.Generator) -> NDArray[np.float32] | None:
    if not _saturation(image, _all(image)) > 1e-3:
        return None
    once = _smooth(_hues(image))
    twice, mean = _smooth(once), max(float(image.mean()), 1.0)

    def reached(gain: float) -> float:
        return float((once + (gain - 1) * twice).std(2).mean()) / mean

    return image + np.float32(_searched(reached, level, 1 / MOST_GAIN, MOST_GAIN) - 1) * once


def _sharpness(image: Pixels, kept: Kept) -> float:
    """The logarithm of the energy of steps of one pixel over that of steps of four: light and contrast leave it."""
    values, energy = grey(image), []
    for width in (1, 4):
        squares = [
            ((lines[width:] - lines[:-width]) ** 2)[whole[width:] & whole[:-width]]
            for lines, whole in ((values, kept), (values.T, kept.T))
        ]
        energy.append(float(np.concatenate(squares).mean()) + SENSOR)
    return math.log(energy[0] / energy[1])


def _blurred(image: Pixels, level: float, rng: np.random.Generator) -> NDArray[np.float32] | None:
    from scipy.ndimage import gaussian_filter

    part = _middle(image)

    def reached(width: float) -> float:
        return _sharpness(alike(gaussian_filter(part.astype(np.float32), (width, width, 0)), part), _all(part))

    width = _searched(reached, level, 0.2, max(image.shape[:2]) / 24)
    return np.asarray(gaussian_filter(image.astype(np.float32), (width, width, 0)))


def noise_of(values: NDArray[np.float32], kept: Kept) -> float:
    """The standard deviation of white noise in a plane (H, W), as if what is fine were noise: Immerkaer 1996, "Fast
    noise variance estimation", with the median for the mean, which edges move less."""
    from scipy.ndimage import convolve

    step = np.array([1, -2, 1], np.float32)
    fine = convolve(values, np.outer(step, step), mode="nearest")
    return float(np.median(np.abs(fine[kept])) / 0.6745 / 6)


def _noise(image: Pixels, kept: Kept) -> float:
    """Noise over the mean, so that another exposure is no other noise."""
    values = grey(image)
    return noise_of(values, kept) / max(float(values[kept].mean()), 1.0)


def colour_noise(image: Pixels, kept: Kept) -> float:
    """The noise between two channels over that of their mean: 0 where all channels share theirs."""
    if image.shape[2] < 3:
        return 0.0
    return noise_of(image[..., 0].astype(np.float32) - image[..., 1], kept) / max(noise_of(grey(image), kept), 0.05)


def noisy(colour: float) -> Move:
    """Adds white noise whose share between channels is `colour`, as `colour_noise` has it."""

    def move(image: Pixels, level: float, rng: np.random.Generator) -> NDArray[np.float32]:
        field = rng.standard_normal((*image.shape[:2], 1), np.float32)
        if colour > 0 and image.shape[2] > 1:
            own = rng.standard_normal(image.shape, np.float32)
            field = field + (own - own.mean(2, keepdims=True)) * np.float32(colour / math.sqrt(2))
        part = _middle(image)
        rows, columns = part.shape[:2]

        def reached(width: float) -> float:
            return _noise(alike(part + width * field[:rows, :columns], part), _all(part))

        return image + np.float32(_searched(reached, level, 0.1, 80.0)) * field

    return move


def _chroma(image: Pixels, kept: Kept) -> float:
    """The noise between two channels over the mean, which no noise that all share moves."""
    if image.shape[2] != 3:
        return math.nan
    between = image[..., 0].astype(np.float32) - image[..., 1]
    return noise_of(between, kept) / max(float(grey(image)[kept].mean()), 1.0)


def _chroma_moved(image: Pixels, level: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise that channels do not share added, or the differences of channels smoothed."""
    from scipy.ndimage import gaussian_filter

    more = level > _chroma(image, _all(image))
    field = rng.standard_normal(image.shape if more else (1, 1, 3), np.float32)
    field -= field.mean(2, keepdims=True)

    def edited(own: Pixels, strength: float) -> NDArray[np.float32]:
        if more:
            return own + np.float32(strength) * field[: own.shape[0], : own.shape[1]]
        light = grey(own)[..., None]
        return np.asarray(light + gaussian_filter(own - light, (strength, strength, 0)))

    def reached(strength: float) -> float:
        return _chroma(alike(edited(part, strength), part), _all(part))

    part = _middle(image)
    return edited(image, _searched(reached, level, 0.1, 80.0 if more else 2 * SMOOTH))


def _compression(image: Pixels, kept: Kept) -> float:
    """How much less high frequency blocks of 8 pixels hold than blocks half a step aside, a difference of logarithms:
    about 0 where nothing was compressed in such blocks."""
    values = grey(image)
    aside = values[BLOCK // 2 :, BLOCK // 2 :], kept[BLOCK // 2 :, BLOCK // 2 :]
    energies = [_high(*pair) for pair in ((values, kept), aside)]
    return math.log(energies[1] / energies[0])


def _high(values: NDArray[np.float32], kept: Kept) -> float:
    from scipy.fft import dctn

    rows, columns = (n // BLOCK for n in values.shape)
    if not rows or not columns:
        return math.nan
    shape = rows, BLOCK, columns, BLOCK
    blocks = values[: rows * BLOCK, : columns * BLOCK].reshape(shape).swapaxes(1, 2).reshape(-1, BLOCK, BLOCK)
    whole = kept[: rows * BLOCK, : columns * BLOCK].reshape(shape).all((1, 3)).ravel()
    if not whole.any():
        return math.nan
    order = np.add.outer(np.arange(BLOCK), np.arange(BLOCK))
    return float(np.abs(dctn(blocks[whole], axes=(1, 2), norm="ortho")[:, order >= BLOCK]).mean()) + SENSOR


def _compressed(image: Pixels, level: float, rng: np.random.Generator) -> NDArray[np.float32] | None:
    if image.dtype != np.uint8 or image.shape[2] != 3:
        return None
    part = _middle(image)
    apart = [abs(_compression(jpeg(part, quality), _all(part)) - level) for quality in QUALITIES]
    return jpeg(image, QUALITIES[int(np.nanargmin(apart))]).astype(np.float32)


def jpeg(image: Pixels, quality: int) -> NDArray[np.uint8]:
    """An image (H, W, 3) of bytes written as JPEG and read again."""
    buffer = io.BytesIO()
    as_image(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _resolution(image: Pixels, kept: Kept) -> float:
    return math.log(max(image.shape[:2]))


def _coarsened(image: Pixels, level: float, rng: np.random.Generator) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    scale = math.exp(level) / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return resized(resized(image, size, Image.Resampling.BICUBIC), (width, height), Image.Resampling.BICUBIC)


def _banded(fine: float, wide: float) -> tuple[Level, Move]:
    """What an image shows between two widths, shares of its longer side, and how that is made stronger or weaker."""
    from scipy.ndimage import gaussian_filter

    def band(values: NDArray[np.float32]) -> NDArray[np.float32]:
        edge = max(values.shape[:2])
        narrow, broad = (gaussian_filter(values, (s * edge, s * edge, 0)) for s in (fine, wide))
        return np.asarray(narrow - broad)

    def level(image: Pixels, kept: Kept) -> float:
        values = grey(image)
        return math.log((float(band(values[..., None])[kept].std()) + 0.1) / max(float(values[kept].mean()), 1.0))

    def move(image: Pixels, target: float, rng: np.random.Generator) -> NDArray[np.float32]:
        own = image.astype(np.float32)
        part = band(own)
        once = part.mean(2)
        twice = band(once[..., None])[..., 0]  # as the band of a band is not the band, while all of it is linear
        mean = max(float(own.mean()), 1.0)

        def reached(gain: float) -> float:
            return math.log((float((once + (gain - 1) * twice).std()) + 0.1) / mean)

        return own + np.float32(_searched(reached, target, 1 / MOST_GAIN, MOST_GAIN) - 1) * part

    return level, move


def tones() -> Mapping[str, Tone]:
    """The properties that are looked at; the colour cast and noise are made for what the explored images show."""
    light = ("opposite", "other hue", "uneven light")
    fine = ("coarser grain", "displaced")
    result = {
        "brightness": Tone(
            "brightness", "darkness", "levels of 255", _brightness, _lit, decoys=light, spares=False, adds=None
        ),
        "contrast": Tone("high contrast", "low contrast", "of the mean", _contrast, _contrasted),
        "saturation": Tone(
            "strong colours", "pale colours", "of the mean", _saturation, _saturated,
            decoys=("uneven light", "coarser grain"),
        ),
        "sharpness": Tone(
            "sharpness", "blur", "steps of 1 over 4 pixels", _sharpness, _blurred, up=False, shown=math.exp
        ),
        "noise": Tone(
            "noise", "a lack of noise", "of the mean", _noise, noisy(0.0),
            down=False, decoys=("coarser grain",), drawn=True,
        ),
        "colour noise": Tone(
            "colour noise", "a lack of colour noise", "of the mean", _chroma, _chroma_moved,
            decoys=("coarser grain",), drawn=True,
        ),
        "compression": Tone(
            "JPEG compression", "a lack of JPEG compression", "detail aside of the blocks over within",
            _compression, _compressed, down=False, decoys=fine, shown=math.exp,
        ),
        "resolution": Tone(
            "a high resolution", "a low resolution", "pixels", _resolution, _coarsened, up=False, shown=math.exp
        ),
    }  # fmt: skip
    for name, ends in BANDS.items():
        level, move = _banded(*ends)
        result[name] = Tone(f"strong {name}", f"weak {name}", "of the mean", level, move, shown=math.exp)
    return result
