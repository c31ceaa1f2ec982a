"""The two steps from an image to an input: where everything lies, in which order the colours are, what is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from workbench.errors import InputError
from workbench.models.preprocessing import MOST_RESIZED, Preprocessing
from workbench.probe.attacks import attack

WAYS = {
    "shorter": {"resize": "shorter", "crop": 0.875},
    "shorter, to a number": {"resize": "shorter", "resize_to": 47, "interpolation": "bicubic"},
    "shorter, on tensors": {"resize": "shorter", "resize_to": 47, "backend": "tensor"},
    "shorter, padded": {"resize": "shorter", "crop": 1.15},
    "shorter, not square": {"resize": "shorter", "size": (40, 56), "crop": 0.9},
    "longer": {"resize": "longer"},
    "longer, cut": {"resize": "longer", "crop": 0.9, "backend": "float"},
    "both": {"resize": "both", "crop": 0.8},
    "both, to two numbers": {"resize": "both", "resize_to": (50, 61), "size": (40, 56), "backend": "tensor"},
    "stretch, on tensors": {"resize": "stretch", "backend": "tensor"},
}
SHAPES = [(300, 150), (150, 301), (96, 96), (640, 480)]


def way(name, **more):
    return Preprocessing(**({"size": (40, 40), "mean": (0.0,) * 3, "std": (1.0,) * 3} | WAYS[name] | more))


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_white_dot_lands_where_the_placement_says_and_comes_back(name, shape):
    prep, (width, height) = way(name), shape
    rows, columns = prep.size
    for across, down in ((0.5, 0.5), (0.42, 0.6), (0.61, 0.37)):
        x, y, side = round(across * width), round(down * height), max(min(shape) // 12, 3)
        image = Image.new("RGB", shape)
        image.paste("white", (x, y, x + side, y + side))
        place, seen = prep.placement(image), prep.pixels(image)[0].clip(0)
        left, top, right, bottom = place.box
        expected = (x + side / 2 - left) * columns / (right - left), (y + side / 2 - top) * rows / (bottom - top)
        centre = (seen.sum(0) @ (np.arange(columns) + 0.5), seen.sum(1) @ (np.arange(rows) + 0.5)) / seen.sum()
        np.testing.assert_allclose(centre, expected, atol=0.3)
        back = place.to_original(seen)
        again = (back.sum(0) @ (np.arange(width) + 0.5), back.sum(1) @ (np.arange(height) + 0.5)) / back.sum()
        np.testing.assert_allclose(again, (x + side / 2, y + side / 2), atol=0.3 * max(shape) / 40)
        mask = place.to_input(np.asarray(image)[..., 0] > 0)
        assert abs(mask.sum() - seen.sum()) <= 0.6 * (mask.sum() + 6)
        assert seen[mask].mean() > 0.5


@pytest.mark.parametrize("name", WAYS)
def test_what_lies_outside_of_the_image_is_padded_and_belongs_to_no_mask(name):
    image = Image.new("RGB", (31, 90), "white")
    prep = way(name, mean=(0.2, 0.4, 0.6))
    inside = prep.placement(image).to_input(np.ones((90, 31), bool))
    pixels = prep.pixels(image)
    np.testing.assert_allclose(pixels[:, inside], 1, atol=1e-6)
    fill = np.array([51, 102, 153]) / 255 if prep.resize == "longer" else np.zeros(3)
    np.testing.assert_allclose(pixels[:, ~inside], np.broadcast_to(fill[:, None], (3, (~inside).sum())), atol=1e-6)
    assert inside.all() == (name not in ("longer", "longer, cut", "shorter, padded"))


def test_of_an_image_too_long_to_be_resized_whole_only_the_middle_is_computed():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9000, 2, 3), dtype=np.uint8))
    prep = way("shorter", size=(224, 224), interpolation="bicubic")
    frame = prep.frame(*image.size)
    assert frame.resized == (256, 128 * 9000)
    assert MOST_RESIZED < 256 * 128 * 9000
    first = frame.top // 128 - 20
    part, start, errors = image.crop((0, first, 2, first + 42)), frame.top - 128 * first, []
    for between in ((256, 42), (2, 128 * 42)):  # Pillow itself takes the cheaper pass first
        whole = part.resize(between, Image.Resampling.BICUBIC).resize((256, 128 * 42), Image.Resampling.BICUBIC)
        expected = np.asarray(whole)[start : start + 224, frame.left : frame.left + 224].transpose(2, 0, 1) / 255
        errors.append(np.abs(prep.pixels(image) - expected).max())
    assert min(errors) < 1e-6


def test_shrinking_without_antialiasing_is_what_opencv_does():
    """Half-pixel centres and two neighbours a side, whatever the scale."""
    levels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    prep = Preprocessing(size=(13, 17), backend="tensor", antialias=False)
    y, x = ((np.arange(n) + 0.5) * side / n - 0.5 for n, side in ((13, 50), (17, 70)))
    low, right = np.floor(y).astype(int), np.floor(x).astype(int)
    a, b = (y - low)[:, None, None], (x - right)[None, :, None]
    rows = [levels[i].astype(float) for i in (low, low + 1)]
    upper, lower = (row[:, right] * (1 - b) + row[:, right + 1] * b for row in rows)
    expected = (upper * (1 - a) + lower * a).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(prep.pixels(Image.fromarray(levels)), expected, atol=1.01 / 255)
    smooth = dataclasses.replace(prep, antialias=True).pixels(Image.fromarray(levels))
    assert np.abs(smooth - expected).max() > 0.2


def test_channels_in_the_order_blue_green_red():
    """As with Caffe and OpenCV: mean and std in the model's order, and images shown in true colours."""
    image = Image.new("RGB", (30, 20), (200, 100, 50))
    caffe = {"mean": (0.4077, 0.4579, 0.4850), "std": (1 / 255,) * 3, "channels": "bgr"}
    prep = Preprocessing(size=(8, 8), **caffe)
    x = prep.normalise(prep.pixels(image))
    np.testing.assert_allclose(x[:, 3, 3], np.array([50, 100, 200]) - 255 * np.array(caffe["mean"]), atol=1e-3)
    assert prep.image(x).getpixel((4, 4)) == (200, 100, 50)
    for name in ("blur", "mean"):
        seen = prep.image(prep.baseline(name, image)).getpixel((4, 4))
        assert seen == ((200, 100, 50) if name == "blur" else (124, 117, 104))
    padded = Preprocessing(size=(8, 8), resize="pad", **caffe)
    assert padded.image(padded.normalise(padded.pixels(image))).getpixel((4, 0)) == (124, 117, 104)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_an_attack_shows_true_colours_and_its_map_is_of_the_very_input(network, channels):
    clf = network(resize="shorter", crop=0.5, size=(8, 8), channels=channels)
    levels = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    attacked = attack(clf, Image.fromarray(levels), "fgsm", 4)
    np.testing.assert_array_equal(attacked.clean, np.asarray(Image.fromarray(levels).resize((16, 16), 2))[4:12, 4:12])
    ready = clf.exactly(Image.fromarray(attacked.attacked))
    asked = clf.forward(ready.x[None]).softmax(1)[0]
    np.testing.assert_allclose(asked, attacked.after, atol=1e-6)
    assert ready.placement.box == (0, 0, 8, 8)
    with pytest.raises(ValueError, match="takes 8 x 8 pixels"):
        clf.exactly(Image.fromarray(levels))


@pytest.fixture
def network():
    import workbench as wb

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 2))
    return lambda **settings: wb.load_classifier(net, device="cpu", **settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"resize": "crop", "backend": "tensor"}, "takes neither resize_to nor another backend"),
        ({"resize": "pad", "resize_to": 9}, "takes neither resize_to nor another backend"),
        ({"resize": "crop", "crop": 1.2}, "crop is 1.2"),
        ({"resize": "shorter", "crop": 2.5}, "crop is 2.5"),
        ({"antialias": False}, "Pillow always averages"),
        ({"backend": "float", "interpolation": "box"}, "Tensors cannot be resized by 'box'"),
        ({"mean": (0.5,), "std": (0.5,), "channels": "bgr"}, "remove channels"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, reason):
    with pytest.raises(InputError, match=reason):
        Preprocessing(**settings)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shorter", "shorter side to 45, middle 40 x 40, bilinear"),
        ("shorter, not square", "shorter side to 44 x 62, middle 40 x 56, bilinear"),
        ("longer, cut", "longer side to 44, middle 40 x 40, bilinear on tensors without rounding"),
        ("both, to two numbers", "both sides to 50 x 61, middle 40 x 56, bilinear on 8 bit tensors"),
        ("stretch, on tensors", "stretched to 40 x 40, bilinear on 8 bit tensors"),
    ],
)
def test_the_words_say_what_is_done(name, words):
    assert way(name).words({"resize", "size", "interpolation"}) == words


def test_pillow_agrees_with_torchvision_in_what_is_rounded_to_even():
    image = Image.fromarray(np.random.default_rng(2).integers(0, 256, (33, 47, 3), dtype=np.uint8))
    for size, side in ((20, 23), (20, 25), (21, 24)):
        expected = functional.to_tensor(functional.center_crop(functional.resize(image, [side]), [size]))
        prep = way("shorter", size=(size, size), resize_to=side)
        np.testing.assert_array_equal(prep.pixels(image), expected.numpy())
