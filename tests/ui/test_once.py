"""What is costly is done once: an image is decoded once a page, cut into superpixels once a map, its model's layers
measured once."""

import io
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from workbench.attribution import capture, incremental, superpixels
from workbench.attribution.engine import attribute
from workbench.errors import InputError
from workbench.evidence.card import assess
from workbench.evidence.case import BUDGETS, Budget
from workbench.files.keys import KINDS
from workbench.images import decoding, deep, item
from workbench.images.item import BytesSource, ImageItem
from workbench.models import classifier as classifiers
from workbench.models.classifier import predict
from workbench.models.loading import load_classifier
from workbench.sets.layouts import load_images
from workbench.ui import cache, photographs, runs

torch.set_num_threads(1)
METAL = {"model": "metal-sound"}


@pytest.fixture
def decoded(monkeypatch):
    """How often each file was decoded, by what errors would call it; the pixels of an image and those of its mask are
    two."""
    counts = Counter()

    def counted(module, name):
        plain = getattr(module, name)

        def decode(data, what, *rule):
            counts[what] += 1
            return plain(data, what, *rule)

        monkeypatch.setattr(item, name, decode)

    counted(decoding, "decode")
    counted(deep, "decode_mask")
    return counts


@pytest.fixture(scope="module")
def marked():
    """A part with a mask, of the set that comes with the model."""
    return next(
        item
        for item in load_images("stamped-metal")
        if item.mask is not None and item.label != "good" and item.split == "test"
    )


JOURNEYS = {
    "explain, with evidence": (
        "explain",
        {"method": ["saliency", "grad_cam"], "baseline": "blur", "evidence": "quick"},
        True,
    ),
    "defects, a decision": ("defects", {"view": "decisions", "queue": "all", "map": "grad_cam"}, True),
    "probe, an attack": ("probe", {"view": "attack", "attack": "fgsm", "map": "grad_cam"}, False),
    "probe, minimal regions": ("probe", {"view": "regions", "fill": "grey", "grid": "64"}, False),
    "probe, one class against another": ("probe", {"view": "contrast"}, False),
    "probe, two models": ("probe", {"view": "compare", "map": "grad_cam"}, False),
    "probe, an edit": ("probe", {"edit": ["gamma:2", "fill:0.1,0.1,0.3,0.3:inpaint"], "map": "grad_cam"}, False),
}


@pytest.mark.parametrize("journey", JOURNEYS)
def test_a_page_decodes_each_image_once(journey, visit, empty_shelves, decoded, marked, monkeypatch):
    monkeypatch.setitem(BUDGETS, "quick", Budget(steps=4, marks=(1, 3), orders=3, stages=2, noises=1, squares=8))
    page, address, masked = JOURNEYS[journey]
    width, height = marked.open().size
    decoded.clear()
    empty_shelves["photograph"] = cache.Shelf(
        4 * width * height * 3
    )  # far fewer than the page has thumbnails, as with a camera's images
    address = {**address, **METAL, "image": marked.name}
    visit(page, **address).sound()
    assert decoded[marked.name] == 1, decoded
    assert decoded[f"the mask of {marked.name}"] == (1 if masked else 0)
    assert max(decoded.values()) == 1, decoded


def test_the_command_decodes_its_image_once(decoded, tmp_path):
    from typer.testing import CliRunner

    from workbench.cli import app

    Image.new("RGB", (40, 30), "red").save(tmp_path / "part.png")
    order = [
        "explain",
        "--model",
        "metal-sound",
        "--image",
        str(tmp_path / "part.png"),
        "--method",
        "saliency",
        "--out",
        str(tmp_path),
    ]
    answer = CliRunner().invoke(app, order)
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "overlay.png").exists()
    assert decoded == {"part.png": 1}


def test_an_image_whose_prediction_is_not_known_is_decoded_once_too(visit, empty_shelves, decoded, marked, monkeypatch):
    monkeypatch.setattr(runs, "known_predictions", lambda view: None)
    visit("explain", image=marked.name, method=["saliency", "occlusion"], **METAL).sound()
    assert decoded[marked.name] == 1


def test_the_photographs_that_are_kept_stay_bounded(empty_shelves):
    assert KINDS["photograph"].megabytes <= 128
    shelf = empty_shelves["photograph"] = cache.Shelf(3 * 30 * 20 * 3)
    for level in range(6):
        buffer = io.BytesIO()
        Image.new("RGB", (30, 20), (level, 0, 0)).save(buffer, "PNG")
        photographs.photograph(ImageItem(f"{level}.png", BytesSource(buffer.getvalue())))
    assert shelf._held == 3 * 30 * 20 * 3
    assert len(shelf._kept) == 3


def test_feature_ablation_cuts_an_image_once(monkeypatch):
    counts = Counter()
    plain = superpixels.segmented
    monkeypatch.setattr(superpixels, "segmented", lambda *given: counts.update(["cut"]) or plain(*given))
    clf = load_classifier(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 20 * 20, 2)), size=(20, 20), device="cpu"
    )
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8))
    for method in ("feature_ablation", "lime", "kernel_shap"):
        attribute(clf, image, method, 1, segments=6, **({} if method == "feature_ablation" else {"samples": 40}))
    assert counts["cut"] == 3


@pytest.mark.parametrize("method", ["grad_cam", "score_cam", "occlusion"])
def test_noise_trials_measure_nothing_anew(method, monkeypatch, tiny_net):
    """The model, and its copy whose weights are drawn anew, are looked through once each at most."""
    counts = Counter()
    for module, name in ((classifiers, "read_grids"), (capture, "_survey"), (incremental, "_agrees")):
        plain = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, plain=plain, name=name: counts.update([name]) or plain(*given))
    clf = load_classifier(tiny_net(), size=(64, 64), device="cpu")
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    found = attribute(clf, image, method, 1)
    card = assess(clf, image, found, checks=["randomisation", "sensitivity"])
    assert all(card[name].value is not None for name in ("randomisation", "sensitivity"))
    assert counts["read_grids"] <= 1
    assert counts["_survey"] <= 2
    assert counts["_agrees"] <= 2


def test_an_image_made_ready_is_answered_as_the_image_itself(decoded, marked):
    clf = load_classifier("metal-sound", device="cpu")
    ready = clf.input(marked)
    assert clf.input(ready) is ready
    shown, plain = predict(clf, ready), predict(clf, marked)
    assert shown.frame.equals(plain.frame)
    assert np.array_equal(shown.logits, plain.logits)
    decoded.clear()
    found = attribute(clf, ready, "integrated_gradients", baseline="blur", n_steps=8)
    card = assess(clf, ready, found, checks=["deletion", "relevance_mass"])
    assert decoded[marked.name] == 0
    assert np.array_equal(
        found.values, attribute(clf, marked, "integrated_gradients", baseline="blur", n_steps=8).values
    )
    assert card == assess(clf, marked, found, checks=["deletion", "relevance_mass"])


def test_an_image_of_no_set_has_no_row(refusal):
    clf = load_classifier("metal-sound", device="cpu")
    with pytest.raises(InputError, match="belongs to no set"):
        predict(clf, clf.input(Image.new("RGB", (64, 64))))
    refusal(lambda: predict(clf, clf.input(Image.new("RGB", (64, 64)))))


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
@pytest.mark.parametrize("kind", ["PNG", "PNG, by XMP", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_the_header_alone_gives_the_size_that_decoding_gives(kind, orientation, monkeypatch):
    from PIL import PngImagePlugin

    image, buffer = Image.fromarray(np.random.default_rng(2).integers(0, 256, (20, 34, 3), np.uint8)), io.BytesIO()
    exif = Image.Exif()
    settings = {}
    if orientation:
        exif[0x0112] = orientation
        settings = {"exif": exif}
    if kind == "PNG, by XMP":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", (XMP % (orientation or 1)).decode())
        settings = {"pnginfo": info}
    name = kind.split(",")[0]
    image.save(buffer, name, **({} if name in ("BMP", "GIF") else settings))
    data = buffer.getvalue()
    expected = decoding.decode(data, "x").size
    if name != "PNG" or (kind == "PNG" and not orientation):  # a PNG may say it after its pixels
        monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("pixels were decoded"))
    assert decoding.upright_size(data, "x") == expected
    if orientation and orientation > 4 and name not in ("BMP", "GIF"):
        assert expected == (20, 34), "the case is not what it says"


def test_what_a_png_says_after_its_pixels_counts():
    import struct
    import zlib

    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.new("RGB", (34, 20), "red").save(buffer, "PNG")
    body = exif.tobytes()[6:] if exif.tobytes().startswith(b"Exif") else exif.tobytes()
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    data = buffer.getvalue()
    late = data[:-12] + chunk + data[-12:]
    assert decoding.decode(late, "x").size == (20, 34) == decoding.upright_size(late, "x")


def test_a_mask_is_held_against_the_size_without_decoding_the_image(decoded):
    def item(mask):
        buffers = io.BytesIO(), io.BytesIO()
        Image.new("RGB", (34, 20)).save(buffers[0], "JPEG")
        Image.new("L", mask, 255).save(buffers[1], "PNG")
        return ImageItem("a.jpg", BytesSource(buffers[0].getvalue()), mask=BytesSource(buffers[1].getvalue()))

    assert item((34, 20)).open_mask().shape == (20, 34)
    with pytest.raises(InputError, match="20 x 34 pixels but its image is 34 x 20"):
        item((20, 34)).open_mask()
    assert decoded["a.jpg"] == 0


@pytest.mark.parametrize(
    ("data", "says"), [(b"", "is empty"), (b"GIF89a", "damaged|not an image"), (b"hello", "not an image")]
)
def test_a_header_that_cannot_be_read_is_refused_as_ever(data, says):
    with pytest.raises(InputError, match=says):
        decoding.upright_size(data, "x")
