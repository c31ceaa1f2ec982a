"""What a model sees of images of more than 8 bits and of other channels, held against plain arithmetic and torch."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import nn
from torchvision.transforms.v2 import functional

import workbench as wb
from workbench.attribution import METHODS
from workbench.audit import open_audit, run
from workbench.bias import Region, intervene
from workbench.defects import fill_spots, spots
from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem, Raster
from workbench.models import Classifier, ask, load_classifier
from workbench.models.preprocessing import Preprocessing
from workbench.probe import Edit, apply, smallest, sweep, sweep_set
from workbench.probe.attacks import attack

RNG = np.random.default_rng(0)
SIZE = 32
STEP = 64
"""Counts by which the planted defect is brighter: a quarter of a level of 8 bits."""


def item(values: np.ndarray, name: str = "x.tif", **facts: object) -> ImageItem:
    buffer = io.BytesIO()
    how = {"photometric": "rgb" if values.ndim == 3 and values.shape[2] == 3 else "minisblack"}
    if values.ndim == 3:
        how["planarconfig"] = "contig"
    tifffile.imwrite(buffer, values, **how)
    return ImageItem(name, BytesSource(buffer.getvalue()), **facts)


class Matched(nn.Module):
    """How bright a square of 8 pixels in the middle is against the rest: a matched filter, as one layer."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, SIZE, bias=False)
        weight = torch.full((SIZE, SIZE), -1.0 / (SIZE**2 - 64))
        weight[12:20, 12:20] = 1 / 64
        self.conv.weight.data = weight.expand(1, channels, SIZE, SIZE).clone() * 2000 / channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).flatten(1)


def matched(count: int = 3, **settings: object) -> Classifier:
    half = (0.5,) * count
    prep = {"size": (SIZE, SIZE), "mean": half, "std": half} | settings
    return load_classifier(Matched(count), classes=["good", "bad"], positive="bad", **prep)


def part(bad: bool, base: int = 20000) -> np.ndarray:
    """A 16-bit part with noise of a few counts, and a defect of `STEP` of them in the middle."""
    values = base + RNG.integers(-3, 4, (SIZE, SIZE))
    values[12:20, 12:20] += STEP * bad
    return values.astype(np.uint16)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    for i in range(24):
        kind = "bad" if i % 2 else "good"
        (folder / kind).mkdir(exist_ok=True)
        Image.fromarray(part(bool(i % 2))).save(folder / kind / f"{i}.png")
    return folder


def test_a_defect_below_one_level_of_8_bits_is_seen(parts: Path, tmp_path: Path) -> None:
    """64 counts of 65,535: nothing is left of it in 8 bits, where the AUC is 0.5."""
    images, clf = wb.load_images(str(parts)), matched(1)
    table = wb.predict(clf, images)
    bad = [image.label == "bad" for image in images]
    assert roc_auc_score(bad, table.probabilities[:, 1]) >= 0.99
    rounded = [Image.fromarray(np.asarray(image.open())) for image in images]
    assert roc_auc_score(bad, ask(clf, rounded)[:, 1]) == 0.5
    list(run(clf, images, tmp_path / "audit"))
    assert np.allclose(open_audit(tmp_path / "audit").predictions.probabilities, table.probabilities, atol=1e-6)


def test_every_count_arrives() -> None:
    values = RNG.integers(0, 65536, (SIZE, SIZE, 3), dtype=np.uint16)
    prep = Preprocessing((SIZE, SIZE))
    pixels = prep.pixels(item(values).load())
    assert np.abs(pixels - values.transpose(2, 0, 1) / 65535).max() < 1e-6
    swapped = Preprocessing((SIZE, SIZE), channels="bgr").pixels(item(values).load())
    assert np.array_equal(swapped, pixels[::-1])


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad", "shorter", "longer"])
@pytest.mark.parametrize("backend", ["pillow", "tensor", "float"])
def test_the_geometry_is_that_of_8_bits(resize: str, backend: str) -> None:
    if backend != "pillow" and resize in ("crop", "pad"):
        pytest.skip("in one step there is only Pillow")
    levels = RNG.integers(0, 256, (40, 70, 3), np.uint8)
    prep = Preprocessing((24, 30), resize=resize, backend=backend, mean=(0.2, 0.5, 0.7))  # type: ignore[arg-type]
    exact = prep.pixels(item(levels.astype(np.uint16) * 257).load())
    assert np.abs(exact - prep.pixels(Image.fromarray(levels))).max() <= 1.01 / 255
    assert prep.placement(item(levels.astype(np.uint16)).load()) == prep.placement(Image.fromarray(levels))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resizing_is_that_of_float_tensors(interpolation: str) -> None:
    values = RNG.integers(0, 65536, (50, 40, 3), dtype=np.uint16)
    tensor = torch.from_numpy(values.astype(np.float32) / 65535).permute(2, 0, 1)
    mode = getattr(functional.InterpolationMode, interpolation.upper())
    reference = functional.resize(tensor, [20, 24], interpolation=mode, antialias=True).numpy()
    pixels = Preprocessing((20, 24), interpolation=interpolation).pixels(item(values).load())  # type: ignore[arg-type]
    assert np.abs(pixels - reference).max() < 1e-5


def test_channels_are_made_to_fit_as_pillow_does_for_8_bits() -> None:
    levels = RNG.integers(0, 256, (SIZE, SIZE, 4), np.uint8)
    deep = levels.astype(np.uint16) * 257
    colour, grey = Preprocessing((SIZE, SIZE)), Preprocessing((SIZE, SIZE), mean=(0.5,), std=(0.5,))
    laid = Raster(deep, 0, 65535, alpha=True)
    white = Image.new("RGBA", (SIZE, SIZE), "white")
    reference = Image.alpha_composite(white, Image.fromarray(levels)).convert("RGB")
    for prep in (colour, grey):
        assert np.abs(prep.pixels(laid) - prep.pixels(reference)).max() <= 1.5 / 255
    single = Raster(deep[..., :1], 0, 65535)
    assert np.array_equal(colour.pixels(single), np.repeat(grey.pixels(single), 3, 0))


def test_a_stated_range_goes_before_that_of_the_file() -> None:
    values = RNG.integers(100, 4000, (SIZE, SIZE), dtype=np.uint16)
    ranged = Preprocessing((SIZE, SIZE), mean=(0.5,), std=(0.5,), range=(100, 4095))
    assert np.abs(ranged.pixels(item(values).load())[0] - (values - 100.0) / 3995).max() < 1e-6
    for kind in (np.int16, np.int32, np.uint32):
        opened = item(values.astype(kind)).load()
        assert np.abs(ranged.pixels(opened)[0] - (values - 100.0) / 3995).max() < 1e-6
        with pytest.raises(InputError, match=r"nothing says which of them are black and white: set range"):
            Preprocessing((SIZE, SIZE), mean=(0.5,), std=(0.5,)).pixels(opened)
    clf = matched(1, range=(0, 4095))
    with pytest.raises(InputError, match="8 bits do not reach"):
        clf.input(item(values.astype(np.uint8)))
    assert clf.key != matched(1).key


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_floats_that_are_no_numbers_are_refused(hole: float) -> None:
    values = RNG.random((SIZE, SIZE)).astype(np.float32)
    values[3, 4] = hole
    with pytest.raises(InputError, match="1 values that are no numbers"):
        matched(1).input(item(values))


def test_five_named_channels_and_what_does_not_fit() -> None:
    names = ("red", "green", "blue", "nir", "swir")
    clf = matched(5, channels=names)
    values = RNG.integers(0, 65536, (SIZE, SIZE, 5), dtype=np.uint16)
    own = item(values)
    assert np.abs(clf.input(own).x.numpy() * 0.5 + 0.5 - values.transpose(2, 0, 1) / 65535).max() < 1e-6
    plain = torch.from_numpy((values.transpose(2, 0, 1) / 65535 - 0.5) / 0.5).float()
    assert torch.allclose(clf.forward(plain[None])[0, 1], clf.forward(clf.input(own).x[None])[0, 1], atol=1e-3)
    refused = r"The model takes 5 channels \(red, green, blue, nir, swir\), and this image has 3"
    for wrong in (item(values[..., :3]), Image.new("RGB", (SIZE, SIZE))):
        with pytest.raises(InputError, match=refused):
            clf.input(wrong)
    with pytest.raises(InputError, match="The model takes 3 channels, and this image has 5"):
        matched(3).input(own)
    with pytest.raises(InputError, match="channels names 2"):
        matched(5, channels=["a", "b"])
    with pytest.raises(InputError, match="a name of its own"):
        matched(2, channels=["a", "a"])


def test_a_copy_in_8_bits_is_not_taken_for_the_image() -> None:
    clf, own = matched(1), item(part(True))
    for refused in (clf.input, lambda image: apply(image, ()), lambda image: smallest(clf, image, aim="flip")):
        with pytest.raises(InputError, match="8-bit copy"):
            refused(own.open())
    handed = clf.input(own, own.open())
    assert torch.equal(handed.x, clf.input(own).x)
    opened = Image.fromarray(part(True))  # an image of 16 bits that somebody opened with Pillow
    assert opened.mode == "I;16"
    assert float(clf.input(opened).x.std()) > 0
    with pytest.raises(InputError, match="whole levels of 8 bits"):
        attack(clf, own, "fgsm", epsilon=1)


def test_edits_are_made_in_floats_and_an_unedited_place_keeps_its_counts() -> None:
    clf, own = matched(1), item(part(True))
    levels = clf.levels(own)
    assert levels.dtype == np.float32
    assert torch.equal(clf.input(levels).x, clf.input(own).x)
    box = ((0.3, 0.3, 0.7, 0.7),)
    filled = apply(levels, (Edit("fill", boxes=box, fill="inpaint"),)).pixels
    before, after = ask(clf, [levels, filled])[:, 1]
    assert before > 0.8
    assert after < 0.55  # the defect is gone, though all of it lies within one level of 8 bits
    assert np.array_equal(filled[0], levels[0])
    brighter = apply(levels, (Edit("brightness", 0.1),)).pixels
    assert np.abs(brighter - levels - 25.5).max() < 1e-4
    turned = apply(levels, (Edit("rotate", 90.0),)).pixels
    assert np.abs(turned - np.rot90(levels, -1)).max() < 1e-3 or np.abs(turned - np.rot90(levels)).max() < 1e-3
    with pytest.raises(InputError, match="A JPEG holds 8 bits"):
        apply(levels, (Edit("jpeg", 50.0),))


def test_probes_find_a_defect_that_8_bits_do_not_hold(parts: Path) -> None:
    clf, own = matched(1), item(part(True))
    levels = clf.levels(own)
    inside = np.zeros((SIZE, SIZE), bool)
    inside[10:22, 10:22] = True
    region = smallest(clf, levels, aim="flip", fill="mean", cells=8)
    assert region.found
    assert region.inside[12:20, 12:20].any()
    before, (result,) = fill_spots(clf, levels, spots(inside.astype(np.float32)), ["bad"], "inpaint")
    assert before - result.after > 0.3
    curve = sweep(clf, levels, "brightness", values=[-0.1, 0.0, 0.1])
    assert np.ptp(curve.probabilities[:, 1]) < 0.05  # a matched filter does not see how bright all is
    images = wb.load_images(str(parts))
    bad = [image for image in images if image.label == "bad"]
    assert (sweep_set(clf, bad, "brightness", [0.0]).decisions == 1).all()
    covered = intervene(clf, bad, Region("middle", (10 / 32, 10 / 32, 22 / 32, 22 / 32)), target="bad", fill="mean")
    assert covered.effect.value < -0.3
    with pytest.raises(InputError):
        intervene(clf, bad, Region("middle", (0.3, 0.3, 0.7, 0.7)), fill="exchange")


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion", "lime", "grad_cam"])
def test_maps_of_deep_images_lie_where_the_defect_is(method: str) -> None:
    clf, own = matched(2, channels=["visible", "infrared"]), item(np.stack([part(True)] * 2, -1))
    params = {"baseline": "blur"} if "baseline" in METHODS[method].params else {}
    if method == "grad_cam":
        params = {"layer": "conv"}
        with pytest.raises(InputError):  # its only layer has one place
            wb.attribute(clf, own, method, "bad", **params)
        return
    result = wb.attribute(clf, own, method, "bad", **params)
    assert result.values.shape[0] in (1, 2)
    heat = np.abs(result.heatmap())
    assert heat[12:20, 12:20].mean() > heat.mean()


def test_the_blurred_baseline_is_not_rounded() -> None:
    clf, own = matched(1), item(part(True))
    blurred = clf.baseline("blur", clf.input(own))
    assert blurred.shape == (1, SIZE, SIZE)
    assert len(np.unique(blurred)) > 50


def test_a_folder_may_state_channels_and_range(tmp_path: Path) -> None:
    from workbench.models.folder import read_spec

    (tmp_path / "model.toml").write_text(
        'architecture = "timm:resnet18"\nweights = "w.pth"\nclasses = ["a", "b"]\n[preprocessing]\n'
        'channels = ["red", "nir"]\nrange = [0, 4095]\nmean = [0.5, 0.5]\nstd = [0.2, 0.2]\n'
    )
    spec = read_spec(tmp_path).preprocessing
    assert (spec.channels, spec.range) == (("red", "nir"), (0, 4095))
    assert Preprocessing(**spec.model_dump()).bands
