"""What in a mask is inside, by value against plain NumPy, for every way in which masks are saved."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from PIL import Image, ImageFilter

from workbench.images.deep import decode_mask, with_values
from workbench.images.mask_rules import INVERTED, NONZERO, look

Refusal = Callable[[Callable[[], object]], str]
WIDE, HIGH = 64, 48


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def saved(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def disc(radius: float = 12.35, size: tuple[int, int] = (WIDE, HIGH), at: tuple[int, int] | None = None) -> np.ndarray:
    rows, columns = np.mgrid[: size[1], : size[0]]
    column, row = at or (size[0] // 2, size[1] // 2)
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def painted(colours: Mapping[tuple[int, ...], np.ndarray], back: tuple[int, ...] = (0, 0, 0)) -> np.ndarray:
    values = np.full((HIGH, WIDE, len(back)), back, np.uint8)
    for colour, place in colours.items():
        values[place] = colour
    return values


def indexed(places: Mapping[int, np.ndarray], palette: Mapping[int, tuple[int, int, int]]) -> bytes:
    values = np.zeros((HIGH, WIDE), np.uint8)
    for index, place in places.items():
        values[place] = index
    image = Image.fromarray(values, "P")
    image.putpalette([channel for index in range(256) for channel in palette.get(index, (0, 0, 0))])
    return encoded(image)


def kind_of(data: bytes) -> str:
    return with_values(data, "x", lambda values: look(values, "x")).kind


def grey(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values))


A, B, THIN = disc(9, at=(16, 20)), disc(7, at=(44, 28)), np.zeros((HIGH, WIDE), bool)
THIN[40:44, 5:30] = True
D = disc()
VOC = {0: (0, 0, 0), 1: (128, 0, 0), 20: (0, 64, 128), 255: (224, 224, 192)}
TWO_VALUES = {
    "0 and 255": lambda: grey(D * np.uint8(255)),
    "0 and 1": lambda: grey(D * np.uint8(1)),
    "0 and 254": lambda: grey(D * np.uint8(254)),
    "254 and 255": lambda: grey(D * np.uint8(1) + np.uint8(254)),
    "1 and 2": lambda: grey(D * np.uint8(1) + np.uint8(1)),
    "one bit": lambda: encoded(Image.fromarray(D)),
    "16 bits": lambda: grey(D * np.uint16(65535)),
    "16 bits of 1": lambda: grey(D * np.uint16(1)),
    "TIFF of 32 bits": lambda: encoded(Image.fromarray(D * np.int32(70000)), "TIFF"),
    "floats": lambda: encoded(Image.fromarray(D * np.float32(1)), "TIFF"),
    "GIF": lambda: encoded(Image.fromarray(D * np.uint8(255)), "GIF"),
    "BMP": lambda: encoded(Image.fromarray(D * np.uint8(255)), "BMP"),
    "WebP without loss": lambda: encoded(Image.fromarray(D * np.uint8(255)), "WEBP", lossless=True),
    "grey in RGB": lambda: encoded(Image.fromarray(D * np.uint8(255)).convert("RGB")),
    "red on black": lambda: grey(painted({(255, 0, 0): D})),
    "dark blue on black": lambda: grey(painted({(0, 0, 1): D})),
    "RGBA, all opaque": lambda: grey(painted({(255, 255, 255, 255): D}, (0, 0, 0, 255))),
    "black on transparent": lambda: grey(painted({(0, 0, 0, 255): D}, (0, 0, 0, 0))),
    "white on transparent": lambda: grey(painted({(255, 255, 255, 255): D}, (0, 0, 0, 0))),
    "white on transparent white": lambda: grey(painted({(255, 255, 255, 255): D}, (255, 255, 255, 0))),
    "white on black, padded": lambda: grey(painted({(0, 0, 0, 0): THIN, (9, 9, 9, 255): D}, (0, 0, 0, 255))),
    "grey whose 0 is transparent": lambda: encoded(Image.fromarray(D * np.uint8(255)), transparency=0),
    "npy of booleans": lambda: saved(D),
    "npy of floats": lambda: saved(D * 1.0),
    "npy, one-hot": lambda: saved(np.stack([~D, D], axis=-1)),
}


@pytest.mark.parametrize("name", TWO_VALUES)
def test_of_two_values_the_higher_is_inside(name: str) -> None:
    assert np.array_equal(decode_mask(TWO_VALUES[name](), "x"), D)


@pytest.mark.parametrize("level", [0, 1, 255])
def test_of_one_value_nothing_is_inside_where_it_is_0_and_all_otherwise(level: int) -> None:
    assert (decode_mask(grey(np.full((HIGH, WIDE), level, np.uint8)), "x") == (level > 0)).all()


KINDS = {
    "classes": (grey(np.uint8(1) * A + np.uint8(2) * B + np.uint8(20) * THIN), A | B | THIN),
    "classes and void": (grey(np.uint8(1) * A + np.uint8(255) * B + np.uint8(2) * THIN), A | THIN),
    "greys of kinds": (grey(np.uint8(85) * A + np.uint8(170) * B + np.uint8(255) * THIN), A | B | THIN),
    "LOCO's levels": (grey(np.uint8(236) * A + np.uint8(250) * B + np.uint8(255) * THIN), A | B | THIN),
    "instances of 16 bits": (grey(np.uint16(300) * A + np.uint16(7001) * B + np.uint16(1) * THIN), A | B | THIN),
    "ignored is negative": (
        encoded(Image.fromarray(np.int32(1) * A + np.int32(2) * THIN - np.int32(1) * B), "TIFF"),
        A | THIN,
    ),
    "floats of classes": (saved(np.float32(1) * A + np.float32(3) * B + np.float32(2) * THIN), A | B | THIN),
    "VOC's palette": (indexed({1: A, 20: B, 255: THIN}, VOC), A | B),
    "VOC as RGB": (grey(painted({VOC[1]: A, VOC[20]: B, VOC[255]: THIN})), A | B),
    "CVAT's colours": (grey(painted({(250, 50, 83): A, (184, 61, 245): B, (1, 1, 0): THIN})), A | B | THIN),
    "palette whose black is not 0": (
        indexed({0: A, 1: B, 3: ~(A | B)}, {0: (255, 0, 0), 1: (0, 255, 0)} | {3: (0, 0, 0)}),
        A | B,
    ),
    "palette without black": (indexed({1: A, 2: B}, {0: (255, 255, 255), 1: (255, 0, 0), 2: (0, 0, 255)}), A | B),
    "palette all black": (indexed({1: A, 2: B}, {}), A | B),
    "palette of greys": (indexed({1: A, 2: B}, {1: (90, 90, 90), 2: (255, 255, 255)}), A | B),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_inside_but_background_and_void(name: str) -> None:
    data, inside = KINDS[name]
    assert np.array_equal(decode_mask(data, "x"), inside)


def test_thousands_of_instances_that_touch_are_all_inside() -> None:
    numbers = np.kron(np.arange(6400, dtype=np.uint16).reshape(80, 80), np.ones((3, 3), np.uint16))
    assert np.array_equal(decode_mask(grey(numbers), "x"), numbers > 0)


@pytest.mark.parametrize("quality", [50, 75, 85, 95, 100])
@pytest.mark.parametrize("size", [(64, 48), (101, 77), (32, 32)])
def test_a_disc_saved_as_jpeg_keeps_its_pixels(quality: int, size: tuple[int, int]) -> None:
    for radius in (3, 6.5, 12.35):
        truth = disc(radius, size)
        image = Image.fromarray(truth * np.uint8(255))
        red = Image.merge("RGB", [image, Image.new("L", size), Image.new("L", size)])
        forms = [encoded(image, "JPEG", quality=quality)]
        forms.append(encoded(Image.open(io.BytesIO(forms[0]))))  # saved as PNG later
        forms += [encoded(image.convert("RGB"), "JPEG", quality=quality, subsampling=way) for way in (0, 2)]
        for data in forms:
            assert (decode_mask(data, "x") != truth).sum() <= 1
        for way in (0, 2):
            found = decode_mask(encoded(red, "JPEG", quality=quality, subsampling=way), "x")
            assert (found != truth).sum() <= 2 * radius


def test_the_disc_of_481_pixels_stays_one() -> None:
    data = encoded(Image.fromarray(D * np.uint8(255)), "JPEG", quality=75)
    assert D.sum() == 481
    assert decode_mask(data, "x", NONZERO).sum() == 724
    assert decode_mask(data, "x").sum() == 481


@pytest.mark.parametrize("sigma", [0.5, 1, 2, 3])
def test_a_blurred_edge_is_cut_at_half_of_the_brightest(sigma: float) -> None:
    image = Image.fromarray(D * np.uint8(255)).filter(ImageFilter.GaussianBlur(sigma))
    values = np.asarray(image)
    assert len(np.unique(values)) > 10
    for data in (encoded(image), encoded(image, "TIFF"), encoded(image.convert("RGB")), encoded(image.convert("P"))):
        assert np.array_equal(decode_mask(data, "x"), values >= np.ceil(values.max() / 2))
        assert kind_of(data) == "soft"
    floats = np.float32(values / 255)
    assert np.array_equal(decode_mask(saved(floats), "x"), floats >= floats.max() / 2)


def test_soft_edges_on_transparent_are_cut_at_half() -> None:
    soft = Image.fromarray(D * np.uint8(255)).filter(ImageFilter.GaussianBlur(1))
    wanted = np.asarray(soft) >= 128
    white = Image.merge("LA", [Image.new("L", soft.size, 255), soft])
    for data in (encoded(white), encoded(white.convert("RGBA")), encoded(soft, transparency=0)):
        assert np.array_equal(decode_mask(data, "x"), wanted)


@pytest.mark.parametrize("way", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
def test_a_mask_that_was_resized_with_smoothing_is_cut_at_half(way: Image.Resampling) -> None:
    large = disc(60, (310, 230))
    image = Image.fromarray(large * np.uint8(255)).resize((62, 46), way)
    assert np.array_equal(decode_mask(encoded(image), "x"), np.asarray(image) >= 128)
    assert abs(int(decode_mask(encoded(image), "x").sum()) - large.sum() / 25) < 6


def test_colours_with_soft_edges_go_to_the_nearest_colour() -> None:
    large = np.zeros((HIGH * 8, WIDE * 8, 3), np.uint8)
    places = disc(72, (WIDE * 8, HIGH * 8), (128, 160)), disc(56, (WIDE * 8, HIGH * 8), (352, 224))
    large[places[0]], large[places[1]] = (64, 0, 0), (250, 50, 83)
    data = encoded(Image.fromarray(large).resize((WIDE, HIGH), Image.Resampling.BOX))
    share = (places[0] | places[1]).reshape(HIGH, 8, WIDE, 8).mean(axis=(1, 3))
    mask = decode_mask(data, "x")
    assert kind_of(data) == "soft"
    assert mask[share > 0.6].all()
    assert not mask[share < 0.12].any()


def noise(*shape: int, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, shape, dtype=np.uint8)


def test_what_is_no_mask_is_refused_with_what_it_is(refusal: Refusal) -> None:
    smooth = Image.fromarray(noise(HIGH, WIDE)).filter(ImageFilter.GaussianBlur(2))
    colours = Image.fromarray(noise(HIGH, WIDE, 3))
    cases = {
        encoded(smooth): "looks like a photo",
        encoded(colours): "is 3 channels of different values",
        encoded(colours, "JPEG"): "looks like a photo",
        encoded(colours.convert("P")): "looks like a photo",
        grey(np.uint8(1) * A + np.uint8(2) * B + np.uint8(1)): "no 0, so that nothing says which",
        grey(painted({(255, 0, 0): A, (0, 0, 255): B}, (9, 9, 9))): "of which none is black",
        encoded(Image.fromarray(D * np.uint8(9)), "JPEG"): "export the mask as PNG",
        saved(np.where(D, np.nan, 0)): "no numbers (NaN or infinite)",
    }
    for data, sentence in cases.items():
        assert sentence in refusal(lambda data=data: decode_mask(data, "the mask of a.png"))


def test_a_stated_rule_is_obeyed(refusal: Refusal) -> None:
    values = np.uint8(10) * A + np.uint8(200) * B + np.uint8(1) * THIN
    assert np.array_equal(decode_mask(grey(values), "x", NONZERO), values > 0)
    assert np.array_equal(decode_mask(grey(values), "x", "128"), values >= 128)
    assert np.array_equal(decode_mask(grey(values), "x", "2-128"), (values >= 2) & (values <= 128))
    assert np.array_equal(decode_mask(grey(values), "x", INVERTED), values == 0)
    white = grey(~D * np.uint8(255))
    assert np.array_equal(decode_mask(white, "x", INVERTED), D)
    photo = noise(HIGH, WIDE)
    assert np.array_equal(decode_mask(grey(photo), "x", "128"), photo >= 128)
    assert np.array_equal(decode_mask(grey(painted({(0, 200, 0): A, (0, 0, 99): B})), "x", "128"), A)
    jpeg = encoded(Image.fromarray(~D * np.uint8(255)), "JPEG", quality=90)
    assert np.array_equal(decode_mask(jpeg, "x", INVERTED), D)
    for wrong in ("", "white", "-1", "200-100", "1.5", "128 "):
        assert "no rule of masks" in refusal(lambda wrong=wrong: decode_mask(white, "x", wrong))
