"""Corruptions: the published constants, five kinds written a second time as loops, one scale of severities on real
photographs, and images that break other programs."""

from __future__ import annotations

import colorsys
import itertools
import math

import numpy as np
import pytest

from workbench.catalog import load_catalog
from workbench.errors import InputError
from workbench.images import corrupting, corruption_kinds
from workbench.images.corrupting import corrupt, unsuited
from workbench.images.corruption_kinds import CORRUPTIONS, IMAGENET_C, OF_LINE, SEVERITIES, kinds_of
from workbench.sets import load_images

PUBLISHED = {
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot_noise": (60, 25, 12, 5, 3),
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "speckle_noise": (0.15, 0.2, 0.35, 0.45, 0.6),
    "gaussian_blur": (1, 2, 3, 4, 6),
    "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom_blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "saturate": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    "jpeg_compression": (25, 18, 15, 10, 7),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "elastic_transform": (
        (488, 170.8, 24.4),
        (488, 19.52, 48.8),
        (12.2, 2.44, 4.88),
        (17.08, 2.44, 4.88),
        (29.28, 2.44, 4.88),
    ),
}
RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def photographs():
    """Eight real photographs: solar cells, 300 x 300, grey."""
    items = load_images("solar-cells").items
    return [np.asarray(item.open().convert("RGB")) for item in items[40::320]]


@pytest.fixture(scope="module")
def coloured():
    """A smooth coloured image with structure, 40 x 56."""
    y, x = np.mgrid[:40, :56]
    waves = [127 + 90 * np.sin(x / 5 + c) * np.cos(y / (4 + c)) for c in range(3)]
    return (np.stack(waves, -1) + RNG.normal(0, 8, (40, 56, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def square():
    """Noise of the size that the constants are stated for."""
    return RNG.integers(30, 220, (224, 224, 3), dtype=np.uint8)


def test_the_constants_are_those_that_were_published() -> None:
    assert kinds_of(IMAGENET_C) == tuple(PUBLISHED)
    for name, constants in PUBLISHED.items():
        own = CORRUPTIONS[name].constants
        assert np.allclose(np.array(own, float), np.array(constants, float), rtol=0, atol=1e-12), name
        assert "2019" in CORRUPTIONS[name].source
    assert set(kinds_of(OF_LINE)) | set(PUBLISHED) == set(CORRUPTIONS) == set(kinds_of("all"))
    assert corruption_kinds.PUBLISHED_EDGE == 224
    assert not any("2019" in CORRUPTIONS[name].source for name in kinds_of(OF_LINE))


@pytest.mark.parametrize("severity", [1, 5])
def test_brightness_is_that_of_a_loop_over_pixels(coloured, severity) -> None:
    got = corrupt(coloured, "brightness", severity)
    for y in range(0, 40, 3):
        for x in range(0, 56, 3):
            h, s, v = colorsys.rgb_to_hsv(*(coloured[y, x] / 255))
            wanted = colorsys.hsv_to_rgb(h, s, min(v + PUBLISHED["brightness"][severity - 1], 1))
            assert np.abs(got[y, x] - 255 * np.array(wanted)).max() <= 0.51


@pytest.mark.parametrize("severity", [2, 4])
def test_contrast_is_that_of_a_loop_over_channels(coloured, severity) -> None:
    got, left = corrupt(coloured, "contrast", severity), PUBLISHED["contrast"][severity - 1]
    for c in range(3):
        mean = sum(float(value) for value in coloured[..., c].ravel()) / coloured[..., c].size
        wanted = [[mean + left * (float(value) - mean) for value in row] for row in coloured[..., c]]
        assert np.abs(got[..., c] - np.array(wanted)).max() <= 0.51


@pytest.mark.parametrize("severity", [1, 3])
def test_vibration_is_that_of_a_loop_over_pixels(square, severity) -> None:
    length = CORRUPTIONS["vibration"].constants[severity - 1]
    got = corrupt(square, "vibration", severity)
    for y, x in [(0, 0), (5, 223), (100, 120), (223, 3)]:
        total, weight = np.zeros(3), 0.0
        for dx in range(-20, 21):
            own = min(max(length / 2 + 0.5 - abs(dx), 0), 1)
            total += own * square[y, min(max(x + dx, 0), 223)]
            weight += own
        assert np.abs(got[y, x] - total / weight).max() <= 0.51
        assert abs(weight - length) < 1e-9  # so many pixels of motion


@pytest.mark.parametrize("severity", [1, 4])
def test_gaussian_blur_is_that_of_a_loop_over_pixels(square, severity) -> None:
    width, got = PUBLISHED["gaussian_blur"][severity - 1], corrupt(square, "gaussian_blur", severity)
    reach = 4 * width
    for y, x in [(0, 0), (110, 60), (223, 200)]:
        total, weight = np.zeros(3), 0.0
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                own = math.exp(-(dy * dy + dx * dx) / (2 * width * width))
                total += own * square[min(max(y + dy, 0), 223), min(max(x + dx, 0), 223)]
                weight += own
        assert np.abs(got[y, x] - total / weight).max() <= 0.52


@pytest.mark.parametrize("severity", [1, 3])
def test_motion_blur_is_that_of_a_loop_over_pixels(square, severity) -> None:
    """Half a Gaussian behind each pixel, along a direction drawn once for all severities."""
    radius, deviation = PUBLISHED["motion_blur"][severity - 1]
    got = corrupt(square, "motion_blur", severity).astype(float)
    errors = []
    for degrees in np.linspace(-45, 45, 361):
        down, right = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        worst = 0.0
        for y, x in [(60, 60), (100, 20), (150, 170)]:
            total, weight = np.zeros(3), 0.0
            for tap in range(2 * radius + 1):
                own = math.exp(-tap * tap / (2 * deviation * deviation))
                total += own * square[y + round(tap * down), x + round(tap * right)]
                weight += own
            worst = max(worst, np.abs(got[y, x] - total / weight).max())
        errors.append(worst)
    assert min(errors) <= 0.51 < np.median(errors)


def test_pixelation_is_that_of_blocks(square) -> None:
    """0.5 of 224 pixels: blocks of two by two, each its mean."""
    got = corrupt(square, "pixelate", 2)
    for y, x in [(0, 0), (100, 38), (222, 222)]:
        mean = square[y : y + 2, x : x + 2].astype(float).mean((0, 1))
        assert np.abs(got[y : y + 2, x : x + 2] - mean).max() <= 0.51


def test_saturation_and_blur_are_those_of_scikit_image(coloured) -> None:
    from skimage.color import hsv2rgb, rgb2hsv

    for severity, (factor, added) in enumerate(PUBLISHED["saturate"], 1):
        hsv = rgb2hsv(coloured / 255)
        hsv[..., 1] = np.clip(hsv[..., 1] * factor + added, 0, 1)
        assert np.abs(corrupt(coloured, "saturate", severity) - 255 * hsv2rgb(hsv)).max() <= 0.6


@pytest.mark.parametrize("kind", ["gaussian_noise", "speckle_noise"])
def test_noise_has_the_published_deviation_and_one_field_for_all_severities(kind) -> None:
    grey = np.full((300, 300, 1), 127.5, np.float32)
    fields = []
    for severity, deviation in enumerate(PUBLISHED[kind], 1):
        change = (corrupt(grey, kind, severity) - grey) / 255
        scale = deviation * (0.5 if kind == "speckle_noise" else 1)
        inside = np.abs(change) < 0.49
        fields.append(np.where(inside, change / scale, np.nan))
    assert abs(np.nanstd(fields[0]) - 1) < 0.02
    for field in fields[1:]:
        assert np.nanmax(np.abs(field - fields[0])) < 1e-3


def test_photons_are_poissons_and_those_of_a_higher_severity_are_among_those_of_a_lower() -> None:
    grey = np.full((200, 200, 1), 102.0, np.float32)
    published = PUBLISHED["shot_noise"]
    counts = [corrupt(grey, "shot_noise", number) / 255 * photons for number, photons in enumerate(published, 1)]
    for photons, count in zip(published, counts, strict=True):
        inside = count < photons - 1e-3  # a pixel over white is cut
        whole = count[inside]
        assert np.abs(whole - whole.round()).max() < 1e-3
        if photons >= 12:
            assert abs(whole.mean() / (0.4 * photons) - 1) < 0.03
            assert abs(whole.var() / (0.4 * photons) - 1) < 0.08
    for more, fewer in itertools.pairwise(counts):
        assert (fewer <= more + 1e-3).all()


def test_impulses_hit_as_many_pixels_as_published_and_stay_where_they_were() -> None:
    grey = np.full((300, 300, 1), 100.0, np.float32)
    hits = [corrupt(grey, "impulse_noise", severity) != 100 for severity in SEVERITIES]
    assert np.allclose([hit.mean() for hit in hits], PUBLISHED["impulse_noise"], atol=0.004)
    assert all((fewer <= more).all() for fewer, more in itertools.pairwise(hits))


@pytest.mark.parametrize("kind", [kind for kind in CORRUPTIONS if kind != "saturate"])
def test_severities_are_one_scale_on_real_photographs(photographs, kind) -> None:
    """The distance to the clean image never falls by more than two standard errors, and rises from first to last; of
    the kinds whose published table is no one scale it does fall."""
    corrupted = [[corrupt(image, kind, severity).astype(float) for severity in SEVERITIES] for image in photographs]
    distances = np.sqrt(((np.array(corrupted) - np.array(photographs)[:, None]) ** 2).mean((2, 3, 4)))
    steps = np.diff(distances, axis=1)
    errors = steps.std(0, ddof=1) / math.sqrt(len(steps))
    monotone = bool((steps.mean(0) >= -2 * errors).all() and (distances[:, -1] > distances[:, 0]).all())
    assert monotone == CORRUPTIONS[kind].graded
    assert (distances[:, 0] > 0).all()


def test_saturation_is_no_one_scale(coloured) -> None:
    distances = [np.abs(corrupt(coloured, "saturate", s).astype(float) - coloured).mean() for s in SEVERITIES]
    assert distances[2] < distances[1]
    assert not CORRUPTIONS["saturate"].graded


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 6, 3), (32, 32, 3), (20, 150, 3), (33, 21, 1), (24, 24, 5)])
def test_odd_sizes_and_channels_are_taken(kind, shape) -> None:
    """Small images, strips and grey ones broke the published programs."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8) if shape[2] == 3 else rng.random(shape, np.float32) * 255
    before = pixels.copy()
    if unsuited(pixels, kind):
        assert (CORRUPTIONS[kind].needs, shape[2]) in (("bytes", 1), ("bytes", 5), ("colour", 1), ("colour", 5))
        with pytest.raises(InputError, match="choose another corruption"):
            corrupt(pixels, kind, 1)
        return
    for severity in (1, 5):
        result = corrupt(pixels, kind, severity)
        assert (result.shape, result.dtype) == (pixels.shape, pixels.dtype)
        assert np.isfinite(result).all()
        assert result.min() >= 0
        assert result.max() <= 255
        assert (corrupt(pixels, kind, severity) == result).all()
    assert (pixels == before).all()


def test_a_monochrome_camera_has_the_same_noise_in_every_channel(photographs) -> None:
    for kind in CORRUPTIONS:
        if not unsuited(photographs[0], kind):
            result = corrupt(photographs[0], kind, 3)
            assert (result == result[..., :1]).all(), kind
    assert "no colour" in unsuited(photographs[0], "saturate")


def test_levels_keep_their_depth() -> None:
    """A step of a thousandth of a level survives what does not blur or quantise."""
    deep = np.tile(np.linspace(100, 100.05, 64, dtype=np.float32)[None, :, None], (64, 1, 1))
    dark = corrupt(deep, "underexposed", 4)
    assert len(np.unique(dark)) > 60
    assert np.allclose(dark, deep / 2, atol=1e-4)


def test_lengths_grow_with_the_image_and_shares_do_not() -> None:
    """A point of light at twice the size is spread twice as far by every blur."""

    def spread(edge: int, kind: str) -> float:
        point = np.zeros((edge, edge, 1), np.float32)
        point[edge // 2, edge // 2] = 255
        light = corrupt(point, kind, 3)[..., 0].astype(float)
        columns = np.arange(edge)
        mean = (light.sum(0) * columns).sum() / light.sum()
        return math.sqrt((light.sum(0) * (columns - mean) ** 2).sum() / light.sum())

    for kind in ("gaussian_blur", "defocus_blur", "slight_defocus", "vibration"):
        assert 1.85 < spread(448, kind) / spread(224, kind) < 2.1, kind


def test_small_turns_and_shifts_are_as_small_as_stated() -> None:
    y, x = np.mgrid[:224, :224].astype(np.float32)
    image = (127 + 100 * np.sin(x / 9) * np.cos(y / 13))[..., None]
    for severity, pixels in enumerate((1, 2, 2, 2, 3), 1):
        moved = corrupt(image, "shift", severity)
        ways = [(dy, dx) for dy in (-pixels, 0, pixels) for dx in (-pixels, 0, pixels) if dy or dx]
        inner = slice(8, -8)
        assert any(np.abs(np.roll(image, way, (0, 1))[inner, inner] - moved[inner, inner]).max() < 1e-3 for way in ways)
    radians = math.radians(2)
    turned = corrupt(image, "turn", 5)
    best = np.inf
    for sign in (-1, 1):
        cos, sin = math.cos(radians), sign * math.sin(radians)
        u, v = x - 111.5, y - 111.5
        wanted = 127 + 100 * np.sin((111.5 + cos * u - sin * v) / 9) * np.cos((111.5 + sin * u + cos * v) / 13)
        best = min(best, np.abs(wanted - turned[..., 0])[20:-20, 20:-20].max())
    assert best < 1


def test_vignetting_takes_what_it_says_from_the_corners_and_nothing_from_the_middle() -> None:
    white = np.full((101, 101, 1), 200.0, np.float32)
    for severity, missing in enumerate((0.1, 0.2, 0.3, 0.45, 0.6), 1):
        result = corrupt(white, "vignetting", severity)[..., 0]
        assert abs(result[0, 0] - 200 * (1 - missing)) < 0.01
        assert abs(result[50, 50] - 200) < 0.01


def test_dead_lines_are_as_many_as_stated() -> None:
    white = np.full((224, 224, 1), 200.0, np.float32)
    for severity, count in enumerate((1, 2, 3, 5, 8), 1):
        result = corrupt(white, "dead_lines", severity)[..., 0]
        assert (result == 0).all(1).sum() + (result == 0).all(0).sum() == count


def test_the_elastic_field_is_as_strong_as_the_published_one() -> None:
    """Uniform noise filtered by a Gaussian of 2.44 pixels has a deviation of 0.577 / (2 sqrt(pi) 2.44), times 29.28."""
    y, x = np.mgrid[:224, :224].astype(np.float32)
    image = np.stack([x, y, (x + y) / 2], -1) * np.float32(255 / 224)
    moved = (corrupt(image, "elastic_transform", 5) - image)[..., 0][30:-30, 30:-30].ravel() * 224 / 255
    plane = np.stack([np.ones(moved.size), x[30:-30, 30:-30].ravel(), y[30:-30, 30:-30].ravel()], 1)
    rest = moved - plane @ np.linalg.lstsq(plane, moved, rcond=None)[0]  # without what the three points do
    assert abs(rest.std() / (29.28 * 0.577 / (2 * math.sqrt(math.pi) * 2.44)) - 1) < 0.1


def test_what_is_no_corruption_is_refused(coloured) -> None:
    for kind, severity, why in (
        ("snow", 1, "no corruption"),
        ("dust", 0, "no severity"),
        ("dust", 6, "no severity"),
    ):
        with pytest.raises(InputError, match=why):
            corrupt(coloured, kind, severity)


def test_every_kind_has_its_function_and_tells_its_amounts() -> None:
    assert set(corrupting._FUNCTIONS) == set(CORRUPTIONS)
    assert CORRUPTIONS["motion_blur"].amount(2) == "radius 15 px, standard deviation 5 px"
    for kind in CORRUPTIONS.values():
        amounts = [kind.amount(severity) for severity in SEVERITIES]
        assert len(set(amounts)) == 5
        assert "{" not in "".join(amounts)
    assert load_catalog().images  # the photographs above are of the catalog
