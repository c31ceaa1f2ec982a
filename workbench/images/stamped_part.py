"""Draw one synthetic machined-metal part: its surface, its defect, its stamp, and the camera that looks at it.

An image is made in the order in which a real one comes about: a finish (brushed, turned or ground), a defect that
changes the relief, the roughness or the colour, light that falls on it, an ink stamp, and a camera with its own colour
cast, gain, blur and noise. Each stage draws from a random source of its own, so that the same part without its defect
or stamp is the same image elsewhere, to the last bit. Lengths are shares of the image's edge, colours and light run
from 0 to 1.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Field = NDArray[np.float64]

LABELS = ("good", "scratch", "pit", "stain", "dent")
NOTICEABLE = 10
"""Levels, of 255 in any channel, from which on a changed pixel belongs to the mask."""
SMALLEST_MASK = 3e-3
"""Share of the image that a mask covers at least; a fainter defect is drawn again, deeper."""
STAMP_AREA = (0.70, 0.80, 0.995, 0.995)
"""Left, top, right and bottom of the area, at the bottom right, that no stamp leaves."""
STAMP_INK = (0.85, 0.9, 1.25)
"""Its red, green and blue, as shares of its light."""
FINISH = {1: "brushed", 2: "turned", 3: "ground"}
"""How the parts of each line are machined."""


@dataclasses.dataclass(frozen=True)
class Light:
    """How a lighting renders a surface.

    Attributes:
        base: Light from flat metal.
        finish: Contrast of the finish.
        slope: Light gained by a slope of 1 towards the lamp.
        rough: Light gained where the surface is rough or steep (negative in bright field, where that light is lost).
        spot: How much less light reaches the edges of the image.
        ink: The ink's own light: dark beside a mirror, bright where the mirror is dark.
    """

    base: float
    finish: float
    slope: float
    rough: float
    spot: float
    ink: float


@dataclasses.dataclass(frozen=True)
class Camera:
    """What a camera makes of light: a factor for each of red, green and blue, blur (share of the edge), and noise."""

    cast: tuple[float, float, float]
    blur: float
    noise: float


LIGHTS = {
    "bright field": Light(base=0.66, finish=0.075, slope=0.26, rough=-0.34, spot=0.22, ink=0.10),
    "dark field": Light(base=0.24, finish=0.06, slope=0.24, rough=0.42, spot=0.12, ink=0.62),
    "diffuse": Light(base=0.52, finish=0.035, slope=0.22, rough=-0.20, spot=0.06, ink=0.09),
}
CAMERAS = {
    "A": Camera(cast=(1.0, 1.0, 1.0), blur=0.003, noise=0.008),
    "B": Camera(cast=(1.07, 1.0, 0.88), blur=0.004, noise=0.012),
    "C": Camera(cast=(0.84, 0.93, 1.0), blur=0.0065, noise=0.018),
}


@dataclasses.dataclass(frozen=True)
class Part:
    """What is to be drawn.

    Attributes:
        seed: Two whole numbers: of the set, and the part's own within it.
        label: One of `LABELS`.
        camera: One of `CAMERAS`.
        lighting: One of `LIGHTS`.
        line: One of `FINISH`.
        stamped: Whether it carries a stamp at the bottom right.
    """

    seed: tuple[int, int]
    label: str
    camera: str
    lighting: str
    line: int
    stamped: bool


@dataclasses.dataclass(frozen=True)
class _Defect:
    """What a defect changes, each (S, S): height (in edge lengths), roughness 0 .. 1, colour blended by `cover`."""

    height: Field
    rough: Field
    cover: Field
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)


def draw(part: Part, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a part.

    Args:
        part: What is on it.
        size: Edge length in pixels.

    Returns:
        The image (size, size, 3), and the mask (size, size): the pixels in which it differs from the same part without
        its defect by at least `NOTICEABLE` levels. Empty for a good part.
    """
    scene = _scene(part, size)
    clean = scene.photograph(_no_defect(size))
    if part.label == "good":
        return clean, np.zeros((size, size), dtype=bool)
    for depth in range(1, 9):
        image = scene.photograph(_defect(part, size, 0.75 + 0.25 * depth))
        mask = np.abs(image.astype(np.int16) - clean).max(axis=2) >= NOTICEABLE
        if mask.mean() >= SMALLEST_MASK:
            break
    return image, mask


@dataclasses.dataclass(frozen=True)
class _Scene:
    """A part under its lamp and camera, whatever its defect.

    Attributes:
        finish: (S, S), with a mean of about 0 and a deviation of about 1.
        light: How the lighting renders it.
        spot: (S, S), how much light falls where.
        angle: Where the lamp stands, in radians.
        ink: (S, S, 1), how much ink covers, 0 .. 1.
        gain: (3,), what the camera makes of light.
        blur: Standard deviation in pixels.
        grain: (S, S, 3), the camera's noise.
    """

    finish: Field
    light: Light
    spot: Field
    angle: float
    ink: Field
    gain: Field
    blur: float
    grain: Field

    def photograph(self, defect: _Defect) -> NDArray[np.uint8]:
        """The image, of shape (S, S, 3)."""
        from skimage.filters import gaussian

        light = self.light
        down, right = np.gradient(defect.height * len(self.finish))
        slope = np.tanh(2 * (right * math.cos(self.angle) + down * math.sin(self.angle)))
        rough = defect.rough + 0.25 * np.tanh(np.hypot(down, right))
        level = (
            light.base * self.spot
            + light.finish * self.finish * (1 - 0.7 * defect.rough)
            + light.slope * slope
            + light.rough * rough
        )
        pixels = level[..., None] * (1 - defect.cover[..., None] * (1 - np.array(defect.colour)))
        pixels = pixels * (1 - self.ink) + light.ink * np.array(STAMP_INK) * self.ink
        pixels = gaussian(pixels.astype(np.float32), self.blur, mode="nearest", channel_axis=2) * self.gain + self.grain
        return (pixels.clip(0, 1) * 255).round().astype(np.uint8)


def _scene(part: Part, size: int) -> _Scene:
    surface, lamp, stamp, sensor = (np.random.default_rng([*part.seed, stage]) for stage in (1, 2, 3, 4))
    light, camera = LIGHTS[part.lighting], CAMERAS[part.camera]
    y, x = _axes(size)
    centre = lamp.uniform(0.3, 0.7, 2)
    spot = (1 - 2 * light.spot * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2)) * lamp.uniform(0.93, 1.07)
    grain = sensor.normal(0, camera.noise, (size, size, 1)) + sensor.normal(0, camera.noise / 3, (size, size, 3))
    return _Scene(
        finish=_FINISHES[FINISH[part.line]](surface, size),
        light=light,
        spot=spot,
        angle=lamp.uniform(0, 2 * math.pi),
        ink=(_stamp(stamp, size) if part.stamped else np.zeros((size, size)))[..., None],
        gain=np.array(camera.cast) * sensor.uniform(0.95, 1.05),
        blur=camera.blur * size,
        grain=grain,
    )


def _brushed(rng: np.random.Generator, size: int) -> Field:
    """Long parallel lines, tilted a little, of three lengths."""
    y, x = _axes(size)
    tilt = math.radians(rng.uniform(-8, 8))
    across, along = y - x * math.tan(tilt), x
    lines = 0.7 * _profile(rng, across, 1.2 * size)
    lines += 0.5 * _profile(rng, across, 0.25 * size) * _profile(rng, along + across, 6)
    streaks = _smooth(rng.normal(size=(size, size)), 0.004 * size, 0.09 * size)
    return lines + 0.9 * _unit(streaks)


def _turned(rng: np.random.Generator, size: int) -> Field:
    """Grooves in arcs about the lathe's axis, at a steady feed, with the two bright sectors of turned faces."""
    y, x = _axes(size)
    centre = rng.uniform(0.5, 1.3) * rng.choice([-1, 1], 2) + 0.5
    radius, angle = np.hypot(x - centre[0], y - centre[1]), np.arctan2(y - centre[1], x - centre[0])
    feed = rng.uniform(18, 30)
    grooves = np.sin(2 * math.pi * feed * radius + rng.uniform(0, 7)) + 1.2 * _profile(rng, radius, 0.9 * size)
    sheen = np.cos(2 * (angle - rng.uniform(0, math.pi)))
    return 0.75 * grooves * (1 + 0.3 * sheen) + 0.9 * sheen + 0.35 * rng.normal(size=(size, size))


def _ground(rng: np.random.Generator, size: int) -> Field:
    """Short fine strokes, a few of them deeper, over a slow waviness."""
    noise = rng.normal(size=(3, size, size))
    fine = _unit(_smooth(noise[0], 0.005 * size, 0.022 * size))
    deep = _unit(_smooth(noise[1], 0.006 * size, 0.05 * size))
    wavy = _unit(_smooth(noise[2], 0.11 * size, 0.11 * size))
    return 0.75 * fine + 0.5 * np.sign(deep) * np.maximum(np.abs(deep) - 1.2, 0) + 0.45 * wavy


_FINISHES = {"brushed": _brushed, "turned": _turned, "ground": _ground}


def _defect(part: Part, size: int, depth: float) -> _Defect:
    return _DEFECTS[part.label](np.random.default_rng([*part.seed, 5]), size, depth)


def _no_defect(size: int) -> _Defect:
    flat = np.zeros((size, size))
    return _Defect(flat, flat, flat)


def _scratch(rng: np.random.Generator, size: int, depth: float) -> _Defect:
    """One to three bowed lines that start and end gently, with burrs thrown up beside them."""
    zoom = 4
    canvas = Image.new("L", (size * zoom, size * zoom))
    pen = ImageDraw.Draw(canvas)
    start = rng.uniform(0.04, 0.96, 2)
    heading = math.atan2(0.5 - start[1], 0.5 - start[0]) + rng.uniform(-1.3, 1.3)
    for _ in range(rng.integers(1, 4)):
        length, bow, width = rng.uniform(0.22, 0.75), rng.uniform(-0.5, 0.5), rng.uniform(0.010, 0.018)
        t = np.linspace(0, 1, 41)
        turn = heading + bow * (t - 0.5) + np.cumsum(rng.normal(0, 0.015, 41))
        points = start[:, None] + length / 40 * np.cumsum([np.cos(turn), np.sin(turn)], axis=1)
        press = np.minimum(1, 6 * t * (1 - t) + 0.15) * np.clip(0.8 + np.cumsum(rng.normal(0, 0.07, 41)), 0.5, 1)
        for i in range(40):
            ends = [tuple((points[:, j] * size * zoom).tolist()) for j in (i, i + 1)]
            pen.line(
                ends, fill=round(255 * press[i]), width=max(1, round(width * size * zoom * (0.6 + 0.4 * press[i])))
            )
        start, heading = start + rng.normal(0, 0.07, 2), heading + rng.normal(0, 0.25)
    groove = np.asarray(canvas.reduce(zoom), dtype=np.float64) / 255
    burr = _smooth(groove, 0.007 * size, 0.007 * size)
    return _Defect((burr - 1.2 * groove) * 0.006 * depth, groove * 1.15 * depth, np.zeros((size, size)))


def _pit(rng: np.random.Generator, size: int, depth: float) -> _Defect:
    """A cluster of two to nine small holes with ragged rims, dark inside."""
    y, x = _axes(size)
    height, hole = np.zeros((size, size)), np.zeros((size, size))
    centre, spread = rng.uniform(0.06, 0.94, 2), rng.uniform(0.03, 0.11)
    for _ in range(rng.integers(2, 10)):
        place = (centre + rng.normal(0, spread, 2)).clip(0.02, 0.98)
        radius, phases = rng.uniform(0.012, 0.032), rng.uniform(0, 2 * math.pi, 3)
        angle = np.arctan2(y - place[1], x - place[0])
        ragged = 1 + sum(0.11 * np.sin(k * angle + phase) for k, phase in zip((2, 3, 5), phases, strict=True))
        reach = np.hypot(x - place[0], y - place[1]) / (radius * ragged)
        hole = np.maximum(hole, _step(7 * (1 - reach)))
        height += radius * (0.35 * np.exp(-(((reach - 1.25) / 0.3) ** 2)) - 0.6 * np.exp(-(reach**2)))
    return _Defect(height * depth, np.zeros((size, size)), hole * min(0.8 * depth, 0.97), (0.14, 0.12, 0.11))


def _stain(rng: np.random.Generator, size: int, depth: float) -> _Defect:
    """A dried puddle with a drop or two beside it: ragged, thin inside, darker at the rim; of oil, rust or coolant."""
    y, x = _axes(size)
    centre, radius = rng.uniform(0.1, 0.9, 2), rng.uniform(0.09, 0.2)
    reach = _oval(rng, size, centre, flattest=1.7) / radius
    for place, drop in zip(rng.normal(0, 1.1, (2, 2)) * radius + centre, rng.uniform(0.2, 0.45, 2), strict=True):
        reach = np.minimum(reach, np.hypot(x - place[0], y - place[1]) / (radius * drop))
    coarse, fine = (
        _unit(_smooth(rng.normal(size=(size, size)), scale * size, scale * size)) for scale in (0.05, 0.018)
    )
    reach = reach + 0.2 * coarse + 0.06 * fine
    inside, soft = _step(9 * (1 - reach)), rng.uniform(0.07, 0.16)
    rim = np.exp(-(((reach - 0.92) / soft) ** 2))
    colours = ((0.36, 0.29, 0.20), (0.50, 0.30, 0.16), (0.34, 0.42, 0.50), (0.30, 0.30, 0.30))
    body, ring = 0.5 * inside * (1 + 0.22 * fine + 0.15 * coarse), 0.34 * rim * (1 + 0.3 * coarse)
    cover = (body + ring) * depth * rng.uniform(0.8, 1.15)
    return _Defect(np.zeros((size, size)), np.zeros((size, size)), cover.clip(0, 0.95), colours[rng.integers(4)])


def _dent(rng: np.random.Generator, size: int, depth: float) -> _Defect:
    """A smooth hollow with a low wall pushed up around it."""
    centre, radius = rng.uniform(0.08, 0.92, 2), rng.uniform(0.055, 0.11)
    reach = _oval(rng, size, centre, flattest=1.5) / radius
    hollow = 0.12 * np.exp(-(((reach - 1.35) / 0.35) ** 2)) - np.exp(-(reach**2.6))
    return _Defect(hollow * radius * rng.uniform(0.38, 0.6) * depth, 0.15 * np.exp(-(reach**4)), np.zeros((size, size)))


def _oval(rng: np.random.Generator, size: int, centre: NDArray[np.float64], flattest: float) -> NDArray[np.float64]:
    """The distance of each pixel from a centre, (S, S), in an oval turned and flattened at random."""
    y, x = _axes(size)
    angle, flat = rng.uniform(0, math.pi), rng.uniform(1.0, flattest)
    u = (x - centre[0]) * math.cos(angle) + (y - centre[1]) * math.sin(angle)
    v = (y - centre[1]) * math.cos(angle) - (x - centre[0]) * math.sin(angle)
    return np.asarray(np.hypot(u, v * flat))


_DEFECTS = {"scratch": _scratch, "pit": _pit, "stain": _stain, "dent": _dent}


def _stamp(rng: np.random.Generator, size: int) -> Field:
    """Ink of an inspection stamp, 0 .. 1 of shape (S, S): a framed code of three characters in dots."""
    zoom = 4
    left, top = (math.floor(share * size) for share in STAMP_AREA[:2])
    canvas = Image.new("L", ((size - left) * zoom, (size - top) * zoom))
    pen, edge = ImageDraw.Draw(canvas), size * zoom
    x, y = rng.uniform(0.012, 0.028), rng.uniform(0.016, 0.032)

    def place(u: float, v: float) -> tuple[float, float]:
        return (x + u * 0.25) * edge, (y + v * 0.145) * edge

    pen.rounded_rectangle(
        (*place(0, 0), *place(1, 1)), radius=0.03 * edge, outline=255, width=max(1, round(0.013 * edge))
    )
    for character, code in enumerate(rng.choice(list(_DOTS.values()), 3)):
        for dot in range(15):
            if code >> (14 - dot) & 1:
                u, v = place(0.15 + (character * 4 + dot % 3) * 0.0705, 0.2 + dot // 3 * 0.15)
                pen.ellipse((u - 0.0085 * edge, v - 0.0085 * edge, u + 0.0085 * edge, v + 0.0085 * edge), fill=255)
    tilted = canvas.rotate(rng.uniform(-2, 2), Image.Resampling.BILINEAR, center=place(0.5, 0.5))
    ink = np.zeros((size, size))
    ink[top:, left:] = np.asarray(tilted.reduce(zoom), dtype=np.float64) / 255
    wear = 0.8 + 0.12 * _unit(_smooth(rng.normal(size=(size, size)), 0.012 * size, 0.012 * size))
    return ink * wear.clip(0.5, 0.95)


_DOTS = {  # three dots across and five down, read row by row
    "0": 0b111101101101111, "1": 0b010110010010111, "2": 0b111001111100111, "3": 0b111001111001111,
    "4": 0b101101111001001,
    "5": 0b111100111001111, "6": 0b111100111101111, "7": 0b111001010010010, "8": 0b111101111101111,
    "9": 0b111101111001111,
    "A": 0b010101111101101, "E": 0b111100110100111, "H": 0b101101111101101, "K": 0b101101110101101,
    "T": 0b111010010010010,
}  # fmt: skip


def _axes(size: int) -> tuple[Field, Field]:
    """Centres of the pixels, as shares of the edge: y of shape (S, 1) and x of shape (1, S)."""
    places = (np.arange(size) + 0.5) / size
    return places[:, None], places[None, :]


def _profile(rng: np.random.Generator, places: Field, steps: float) -> Field:
    """Noise of one dimension, with `steps` knots a unit, read at `places`."""
    first, last = math.floor(places.min() * steps), math.ceil(places.max() * steps) + 1
    return np.interp(places * steps, np.arange(first, last + 1), rng.normal(size=last - first + 1))


def _smooth(values: Field, down: float, across: float) -> Field:
    """Noise of shape (S, S) under a Gaussian of so many pixels, wrapped round at the edges."""
    size = len(values)
    rows, columns = (
        np.exp(-2 * (math.pi * frequency * sigma) ** 2)
        for frequency, sigma in ((np.fft.fftfreq(size), down), (np.fft.rfftfreq(size), across))
    )
    return np.fft.irfft2(np.fft.rfft2(values) * rows[:, None] * columns, values.shape)


def _unit(values: Field) -> Field:
    """`values` with a standard deviation of 1."""
    return values / max(float(values.std()), 1e-9)


def _step(values: Field) -> Field:
    """A soft step from 0 to 1 where `values` pass 0."""
    return 0.5 * (1 + np.tanh(values / 2))
