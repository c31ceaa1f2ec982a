"""Properties of a whole image by value, and brought to a level and no further."""

import math

import numpy as np
import pytest
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from workbench.cues.tone_levels import cast_along, cast_of, colour_noise, jpeg, noise_of, noisy, tones


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(3)
    plane = gaussian_filter(rng.normal(size=(96, 80)), 1.2)
    broad = gaussian_filter(rng.normal(size=(96, 80)), 6)
    light = 110 + 18 * plane / plane.std() + 12 * broad / broad.std()
    hue = gaussian_filter(rng.normal(size=(96, 80)), 6)
    colours = light[..., None] * [1.05, 1.0, 0.9] + rng.normal(0, 2, (96, 80, 3))
    colours += 4 * hue[..., None] / hue.std() * [1, 0.2, -1.2]
    return colours.clip(0, 255).astype(np.uint8)


def everywhere(image):
    return np.ones(image.shape[:2], bool)


def moved(tone, image, level):
    result = tone.move(image, level, np.random.default_rng(0))
    return result.round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "step", "close"),
    [
        ("brightness", 25, 0.5),
        ("brightness", -40, 0.5),
        ("contrast", 0.08, 0.01),
        ("contrast", -0.1, 0.01),
        ("saturation", 0.02, 0.004),
        ("sharpness", -0.7, 0.1),
        ("noise", 0.06, 0.003),
        ("colour noise", 0.06, 0.005),
        ("colour noise", -0.012, 0.002),
        ("compression", 1.0, 0.25),
        ("medium texture", 0.5, 0.15),
        ("coarse texture", -0.5, 0.15),
    ],
)
def test_a_move_reaches_its_level(image, name, step, close):
    tone = tones()[name]
    level = tone.level(image, everywhere(image))
    result = moved(tone, image, level + step)
    assert tone.level(result, everywhere(image)) - level == pytest.approx(step, abs=close)
    assert tone.up if step > 0 else tone.down


def test_a_cast_reaches_its_level_and_leaves_the_light(image):
    direction = np.array([0.8, -0.6])
    tone = cast_along(direction)
    result = moved(tone, image, tone.level(image, everywhere(image)) + 0.2)
    step = cast_of(result, everywhere(image)) - cast_of(image, everywhere(image))
    np.testing.assert_allclose(step, 0.2 * direction, atol=0.01)
    assert result.mean() == pytest.approx(image.mean(), abs=0.5)
    assert (tone.more, tone.less) == ("a colour cast towards red", "a colour cast towards blue")


def test_noise_is_that_which_was_added():
    rng = np.random.default_rng(0)
    flat = np.full((80, 80), 120, np.float32)
    assert noise_of(flat + rng.normal(0, 5, flat.shape).astype(np.float32), everywhere(flat)) == pytest.approx(
        5, rel=0.1
    )
    own = np.full((80, 80, 3), 120.0) + rng.normal(0, 9, (80, 80, 3))
    shared = np.full((80, 80, 3), 120.0) + rng.normal(0, 9, (80, 80, 1))
    assert colour_noise(own.astype(np.float32), everywhere(flat)) == pytest.approx(math.sqrt(6), rel=0.1)
    assert colour_noise(shared.astype(np.float32), everywhere(flat)) == 0
    grey = np.full((80, 80, 3), 120, np.uint8)
    for colour in (0.0, math.sqrt(6)):
        result = noisy(colour)(grey, 6 / 120, rng)
        assert noise_of(result.mean(2).astype(np.float32), everywhere(flat)) == pytest.approx(6, rel=0.1)
        assert colour_noise(result.astype(np.float32), everywhere(flat)) == pytest.approx(colour, rel=0.15)


def test_colour_noise_is_what_the_channels_do_not_share():
    rng = np.random.default_rng(1)
    shared = np.full((96, 96, 1), 120.0) + rng.normal(0, 6, (96, 96, 1))
    own = rng.normal(0, 6, (96, 96, 3))
    tone = tones()["colour noise"]
    for pixels, expected in ((np.repeat(shared, 3, 2), 0.0), (shared + own, 6 * math.sqrt(2) / 120)):
        image = pixels.round().clip(0, 255).astype(np.uint8)
        assert tone.level(image, everywhere(image)) == pytest.approx(expected, abs=0.003)
    assert math.isnan(tone.level(np.zeros((16, 16, 1), np.uint8), np.ones((16, 16), bool)))


def test_sharpness_and_compression_are_those_of_plain_loops(image):
    values = image.mean(2)
    kept = everywhere(image)
    kept[10:30, 20:50] = False
    energy = {}
    for width in (1, 4):
        squares = []
        for r in range(96):
            for c in range(80):
                for other in ((r + width, c), (r, c + width)):
                    if other[0] < 96 and other[1] < 80 and kept[r, c] and kept[other]:
                        squares.append((values[other] - values[r, c]) ** 2)
        energy[width] = np.mean(squares) + 0.05
    assert tones()["sharpness"].level(image, kept) == pytest.approx(math.log(energy[1] / energy[4]), rel=1e-4)

    def high(start):
        sums = []
        for top in range(start, 96 - 7, 8):
            for left in range(start, 80 - 7, 8):
                if kept[top : top + 8, left : left + 8].all():
                    block = dctn(values[top : top + 8, left : left + 8], norm="ortho")
                    sums += [abs(block[u, v]) for u in range(8) for v in range(8) if u + v >= 8]
        return np.mean(sums) + 0.05

    assert tones()["compression"].level(image, kept) == pytest.approx(math.log(high(4) / high(0)), rel=1e-3)


def test_compression_is_told_from_blur(image):
    tone = tones()["compression"]
    plain, coded = (tone.level(pixels, everywhere(image)) for pixels in (image, jpeg(image, 40)))
    blurred = gaussian_filter(image.astype(np.float32), (1.5, 1.5, 0)).astype(np.uint8)
    assert abs(plain) < 0.1
    assert abs(tone.level(blurred, everywhere(image))) < 0.2
    assert coded > 0.6


def test_resolution_is_lowered_to_as_many_pixels():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (64, 48, 3)).astype(np.uint8)
    tone = tones()["resolution"]
    assert tone.shown(tone.level(image, everywhere(image))) == pytest.approx(64)
    result = moved(tone, image, math.log(16))
    assert result.shape == image.shape
    spectrum = np.abs(np.fft.fft(result.mean(2), axis=0))[:, 0:1].mean(1)
    assert spectrum[12:32].mean() < 0.2 * np.abs(np.fft.fft(image.mean(2), axis=0))[12:32, 0].mean()


def test_what_cannot_be_done_is_not(image):
    grey = image[..., :1].astype(np.float32)
    for name in ("saturation", "compression"):
        assert tones()[name].move(grey, 1.0, np.random.default_rng(0)) is None
    flat = np.full((32, 32, 3), 90, np.uint8)
    assert tones()["contrast"].move(flat, 0.3, np.random.default_rng(0)) is None
    assert math.isnan(tones()["saturation"].level(grey, everywhere(grey)))
