"""The way from an image to the model's input, and back again."""

import numpy as np
import pytest
from PIL import Image

from workbench.errors import InputError
from workbench.models.placement import Placement
from workbench.models.preprocessing import BASELINES, Preprocessing

MODES = ("stretch", "crop", "pad")
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def noise(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def as_pixels(image):
    return np.asarray(image, np.float32).transpose(2, 0, 1) / 255


def test_stretch_fills_the_input():
    image = noise(50, 30)
    prep = Preprocessing(size=(20, 24))
    np.testing.assert_array_equal(prep.pixels(image), as_pixels(image.resize((24, 20), Image.Resampling.BILINEAR)))
    assert prep.placement(image).box == (0, 0, 50, 30)


def test_crop_takes_the_middle():
    image = noise(64, 32)
    whole = Preprocessing(size=(32, 32), resize="crop")
    np.testing.assert_array_equal(whole.pixels(image), as_pixels(image.crop((16, 0, 48, 32))))
    assert whole.placement(image).box == (16, 0, 48, 32)
    half = Preprocessing(size=(16, 16), resize="crop", crop=0.5)
    np.testing.assert_array_equal(half.pixels(image), as_pixels(image.crop((24, 8, 40, 24))))
    wide = Preprocessing(size=(8, 16), resize="crop")
    assert wide.placement(noise(64, 64)).box == (0, 16, 64, 48)


def test_pad_keeps_everything_and_fills_with_the_mean_colour():
    image = noise(32, 16)
    prep = Preprocessing(size=(32, 32), resize="pad", mean=(0.2, 0.4, 0.6))
    pixels = prep.pixels(image)
    np.testing.assert_array_equal(pixels[:, 8:24], as_pixels(image))
    for band in (pixels[:, :8], pixels[:, 24:]):
        np.testing.assert_allclose(
            band, np.broadcast_to(np.array([0.2, 0.4, 0.6])[:, None, None], band.shape), atol=1e-6
        )
    assert prep.placement(image).box == (0, -8, 32, 24)


@pytest.mark.parametrize("resize", MODES)
@pytest.mark.parametrize("size", [(224, 224), (7, 5), (192, 256)])
def test_every_shape_of_image_fits(resize, size):
    """Rounding once put the crop's edge a hair outside of the image, for one width in fifty."""
    prep = Preprocessing(size=size, resize=resize)
    for width in (1, 2, 3, 29, 31, 57, 58, 150, 300):
        for height in (1, 2, 37, 58, 150, 333):
            image = Image.new("RGB", (width, height), (9, 99, 199))
            pixels = prep.pixels(image)
            assert pixels.shape == (3, *size)
            assert pixels.dtype == np.float32
            left, top, right, bottom = prep.placement(image).box
            if resize == "crop":
                assert 0 <= left < right <= width
                assert 0 <= top < bottom <= height
            if resize == "pad":
                assert left <= 1e-9
                assert top <= 1e-9
            if resize != "stretch":
                assert (right - left) / (bottom - top) == pytest.approx(size[1] / size[0])


def test_grey_models_take_one_channel():
    prep = Preprocessing(size=(6, 6), mean=(0.5,), std=(0.25,), resize="pad")
    assert prep.pixels(noise(12, 6)).shape == (1, 6, 6)
    assert prep.image(prep.baseline("white", noise(6, 6))).getpixel((0, 0)) == (255, 255, 255)


def test_interpolation_is_the_one_that_was_asked_for():
    image = noise(9, 9)
    seen = {
        name: Preprocessing(size=(23, 23), interpolation=name).pixels(image)
        for name in ("nearest", "bilinear", "bicubic")
    }
    assert np.isin(seen["nearest"], as_pixels(image)).all()
    assert np.abs(seen["bilinear"] - seen["bicubic"]).max() > 0.01
    assert np.abs(seen["bilinear"] - seen["nearest"]).max() > 0.01


def test_normalising_and_showing_are_inverse():
    prep = Preprocessing(size=(8, 8), **IMAGENET)
    image = noise(8, 8)
    values = prep.normalise(prep.pixels(image))
    red = (np.asarray(image)[..., 0] / 255 - 0.485) / 0.229
    np.testing.assert_allclose(values[0], red, atol=1e-5)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(prep.image(values)), np.asarray(image))
    assert np.asarray(prep.image(values * 100)).max() == 255, "what no image can show is clipped, not wrapped around"


def test_baselines_are_what_they_are_called():
    prep = Preprocessing(size=(24, 24), **IMAGENET)
    image = noise(60, 40)
    shown = {name: prep.baseline(name, image) for name in BASELINES}
    assert all(values.shape == (3, 24, 24) and values.dtype == np.float32 for values in shown.values())
    assert prep.image(shown["black"]).getextrema() == ((0, 0),) * 3
    assert prep.image(shown["white"]).getextrema() == ((255, 255),) * 3
    assert not shown["mean"].any(), "zero after normalisation is the mean colour"
    assert prep.image(shown["mean"]).getpixel((3, 3)) == (124, 116, 104)
    blurred, sharp = prep.image(shown["blur"]), prep.image(prep.normalise(prep.pixels(image)))
    assert np.asarray(blurred).std() < np.asarray(sharp).std() / 3
    assert np.asarray(blurred).mean() == pytest.approx(np.asarray(sharp).mean(), abs=4)
    with pytest.raises(InputError, match=r"no baseline 'purple': choose black, white, mean, blur\.$"):
        prep.baseline("purple", image)


def test_blur_follows_the_crop():
    """The blurred baseline blurs what the model sees, not what was cut off."""
    image = Image.new("RGB", (90, 30), "white")
    image.paste("black", (30, 0, 60, 30))
    prep = Preprocessing(size=(30, 30), resize="crop")
    assert prep.image(prep.baseline("blur", image)).getextrema() == ((0, 0),) * 3


@pytest.mark.parametrize(("mean", "std"), [((0.5,) * 3, (0.5,)), ((0.5,) * 33, (0.5,) * 33), ((), ())])
def test_mean_and_std_must_belong_together(mean, std):
    with pytest.raises(InputError, match="one number a channel"):
        Preprocessing(mean=mean, std=std)


def test_a_map_of_the_images_own_size_comes_back_unchanged():
    values = np.random.default_rng(0).normal(size=(9, 14)).astype(np.float32)
    place = Placement((14, 9), (0, 0, 14, 9), (9, 14))
    np.testing.assert_array_equal(place.to_original(values), values)
    with pytest.raises(ValueError, match="shape"):
        place.to_original(values[None])


@pytest.mark.parametrize("resize", MODES)
@pytest.mark.parametrize(("width", "height"), [(90, 48), (48, 90), (33, 32)])
def test_a_ramp_over_the_input_is_a_ramp_over_the_image(resize, width, height):
    """Each pixel gets the value at its own place, to a hundredth of a pixel: no shift by half a pixel, no swapped
    axes."""
    prep = Preprocessing(size=(40, 56), resize=resize)
    place = prep.placement(noise(width, height))
    left, top, right, bottom = place.box
    rows, columns = np.mgrid[:40, :56].astype(np.float32) + 0.5
    for values, size, low, high, axis in ((columns / 56, 56, left, right, 1), (rows / 40, 40, top, bottom, 0)):
        found = place.to_original(values)
        assert found.shape == (height, width)
        at = (np.arange(width if axis else height) + 0.5 - low) / (high - low)
        expected = np.where((at >= 0) & (at < 1), at.clip(0.5 / size, 1 - 0.5 / size), 0)
        line = found[height // 2] if axis else found[:, width // 2]
        np.testing.assert_allclose(line, expected, atol=1e-4)


def test_where_the_model_did_not_look_is_zero():
    prep = Preprocessing(size=(10, 10), resize="crop")
    seen = prep.placement(noise(60, 20)).to_original(np.ones((10, 10), np.float32))
    expected = np.zeros((20, 60), np.float32)
    expected[:, 20:40] = 1
    np.testing.assert_array_equal(seen, expected)


def test_a_coarse_map_spreads_over_the_whole_input():
    values = np.zeros((4, 4), np.float32)
    values[1, 2] = 1
    seen = Placement((80, 40), (0, 0, 80, 40), (224, 224)).to_original(values)
    y, x = np.unravel_index(seen.argmax(), seen.shape)
    assert (x, y) == (pytest.approx(50, abs=1), pytest.approx(15, abs=1))


@pytest.mark.parametrize("resize", MODES)
@pytest.mark.parametrize(("width", "height"), [(300, 150), (150, 300)])
def test_a_mask_makes_the_round_trip(resize, width, height):
    mask = np.zeros((height, width), bool)
    mask[height // 2 - 40 : height // 2 + 20, width // 2 - 30 : width // 2 + 50] = True
    place = Preprocessing(size=(192, 224), resize=resize).placement(Image.new("RGB", (width, height)))
    inside = place.to_input(mask)
    assert inside.shape == (192, 224)
    again = place.to_original(inside.astype(np.float32)) > 0.5
    assert (again & mask).sum() / (again | mask).sum() > 0.95


@pytest.mark.parametrize("resize", MODES)
def test_a_mask_lies_on_the_input_where_its_region_does(resize):
    """The mask goes the same way as the pixels it marks."""
    image = Image.new("RGB", (200, 90))
    image.paste("white", (80, 10, 130, 50))
    prep = Preprocessing(size=(60, 60), resize=resize, mean=(0.0,) * 3)
    mask = prep.placement(image).to_input(np.asarray(image)[..., 0] > 0)
    white = prep.pixels(image)[0] > 0.5
    assert (mask & white).sum() / (mask | white).sum() > 0.93


def test_padding_is_outside_of_every_mask():
    place = Preprocessing(size=(30, 30), resize="pad").placement(Image.new("RGB", (60, 30)))
    inside = place.to_input(np.ones((30, 60), bool))
    assert not inside[:7].any()
    assert not inside[23:].any()
    assert inside[8:22].all()


@pytest.mark.parametrize("resize", MODES)
def test_a_placement_can_be_carried_to_a_smaller_copy(resize):
    image, small = Image.new("RGB", (300, 120)), Image.new("RGB", (75, 30))
    prep = Preprocessing(size=(32, 32), resize=resize)
    found = prep.placement(image).scaled(small)
    assert found.original == (75, 30)
    assert found.box == pytest.approx(prep.placement(small).box)
    assert found.size == (32, 32)
