"""Images larger than the input, read in tiles: held against the image read whole, where both can be had."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.attribution import METHODS
from workbench.audit import open_audit, run
from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem, ImageSet, Raster
from workbench.models import Classifier, ask, load_classifier, tile_weights
from workbench.models.preprocessing import Preprocessing
from workbench.models.tiles import Tiles

RNG = np.random.default_rng(0)
SIZE = 48


class Local(nn.Module):
    """The sum of what a small convolution sees: each pixel's share does not depend on where the image is cut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        torch.manual_seed(0)
        nn.init.normal_(self.conv.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.conv(x).tanh().sum((2, 3)) * 1e-3
        return torch.stack([z[:, 0] - z[:, 1], z[:, 2] - z[:, 3]], 1)


def local(size: tuple[int, int] = (SIZE, SIZE), **tiles: object) -> Classifier:
    settings = {"tiles": tiles} if tiles else {}
    return load_classifier(Local(), classes=["good", "bad"], positive="bad", size=size, **settings)


def image(height: int = 130, width: int = 170) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("length", [48, 49, 60, 95, 96, 97, 130, 1000])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_tiles_cover_every_pixel_once_in_all(length: int, overlap: float) -> None:
    tiles = Tiles((SIZE, SIZE), overlap)
    boxes = tiles.boxes(length, 61, (9, 9))
    total = np.zeros((61, length))
    for left, top, right, bottom in boxes:
        assert (right - left, bottom - top) == (48, 48)
        total[top:bottom, left:right] += tile_weights(boxes, (left, top, right, bottom))
    assert np.abs(total - 1).max() < 1e-6
    lefts = sorted({box[0] for box in boxes})
    assert all(second - first <= SIZE * (1 - overlap) + 0.5 for first, second in pairwise(lefts))


def test_an_image_that_one_tile_holds_is_read_whole() -> None:
    own, clf = image(40, 48), local(overlap=0.25)
    assert np.array_equal(ask(clf, [own]), ask(clf.untiled, [own]))
    whole, tiled = (wb.attribute(model, own, "saliency") for model in (clf.untiled, clf))
    assert np.array_equal(whole.values, tiled.values)


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "integrated_gradients"])
def test_the_stitched_map_is_that_of_the_image_read_whole(method: str) -> None:
    """Each tile's gradient is that of the whole but at its edges, which the neighbour outvotes."""
    own = image()
    tiled = wb.attribute(local(overlap=0.25), own, method, "bad")
    whole = wb.attribute(local((130, 170)), own, method, "bad")
    assert tiled.values.shape == whole.values.shape
    assert np.abs(tiled.on_image() - whole.on_image()).max() < 1e-3 * np.abs(whole.on_image()).max()
    assert tiled.params["tiles"] == 20
    assert tiled.delta is None


@pytest.mark.parametrize("decision", ["maximum", "mean"])
def test_the_decision_is_the_worst_tiles_or_the_mean(decision: str) -> None:
    clf, own = local(decision=decision), image()
    parts = [own.crop(box) for box in clf.preprocessing.boxes(*own.size)]
    each = ask(clf.untiled, parts)[:, 1]
    expected = each.max() if decision == "maximum" else each.mean()
    assert ask(clf, [own])[0, 1] == pytest.approx(expected, abs=1e-6)
    both = ask(clf, [own, parts[0], own])
    assert both[:, 1] == pytest.approx([expected, each[0], expected], abs=1e-6)
    tiled = wb.attribute(clf, own, "saliency", "bad", score="probability")
    assert tiled.output == pytest.approx(expected, abs=1e-6)


def test_sixteen_bits_in_tiles_and_a_file(tmp_path: Path) -> None:
    values = RNG.integers(0, 65536, (130, 170, 3), dtype=np.uint16)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric="rgb")
    own = ImageItem("x.tif", BytesSource(buffer.getvalue()), "bad", split="test")
    clf = local(overlap=0.25)
    parts = [Raster(values[t:b, left:r], 0, 65535) for left, t, r, b in clf.preprocessing.boxes(170, 130)]
    each = torch.stack([clf.untiled.prepared(part) for part in parts])
    expected = clf.untiled.forward(each).softmax(1)[:, 1].max()
    assert wb.predict(clf, own).probabilities[0, 1] == pytest.approx(float(expected), abs=1e-6)
    list(run(clf, ImageSet("set", (own,), ("bad",)), tmp_path / "audit"))
    kept = open_audit(tmp_path / "audit").predictions
    assert kept.probabilities[0, 1] == pytest.approx(float(expected), abs=1e-6)


def test_a_planted_spot_is_found_in_the_pixels_of_the_image() -> None:
    """A bright spot of 64 counts of 65,535 in one of 16 bits, by a net whose score is what is bright."""
    values = np.full((130, 170, 3), 20000, np.uint16)
    values[72:80, 112:120] += 64
    clf = local(overlap=0.25)
    base = np.full_like(values, 20000)
    tiled, empty = (wb.attribute(clf, clf_input, "input_x_gradient", "bad") for clf_input in (values, base))
    change = np.abs(tiled.on_image() - empty.on_image())
    assert change[72:80, 112:120].mean() > 100 * np.delete(change, slice(70, 82), 0).mean()


def test_what_tiles_do_not_allow_is_refused_with_the_reason() -> None:
    clf, own = local(overlap=0.25), image()
    for refused in (clf.input, clf.levels, clf.prepare):
        with pytest.raises(InputError, match=r"170 x 130 pixels is read in tiles, of which predictions and maps"):
            refused(own)
    background = next(name for name, method in METHODS.items() if method.background)
    with pytest.raises(InputError, match="compares with other images"):
        wb.attribute(clf, own, background)
    nobody = load_classifier(Local(), size=(SIZE, SIZE), tiles={})
    with pytest.raises(InputError, match="name the positive class"):
        ask(nobody, [own])
    with pytest.raises(InputError, match="over the limit of 20,000"):
        Tiles((2, 2)).boxes(4000, 4000, (2, 2))
    with pytest.raises(InputError, match=r"'tiles\.decision'"):
        local(decision="median")


def test_large_maps_are_kept_at_fewer_places(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.attribution import tiled as module

    own, clf = image(), local(overlap=0.25)
    full = wb.attribute(clf, own, "input_x_gradient", "bad")
    monkeypatch.setattr(module, "MOST_PLACES", 130 * 170 // 4)
    small = wb.attribute(clf, own, "input_x_gradient", "bad")
    assert small.values.shape == (3, 65, 85)
    blocks = full.values.reshape(3, 65, 2, 85, 2).mean((2, 4))
    assert np.abs(small.values - blocks).max() < 1e-5 * np.abs(blocks).max()
    assert small.on_image().shape == (130, 170)


def test_tiles_change_the_key_and_stand_in_the_words() -> None:
    assert local().key != local(overlap=0.25).key
    words = Preprocessing((8, 8), tiles=Tiles((16, 16))).words()
    assert "images larger than 16 x 16 pixels in tiles of that size, overlapping by 25 %, the maximum decides" in words
