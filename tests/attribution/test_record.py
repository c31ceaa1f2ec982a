"""What is handed on with a map says all that the map depends on."""

import hashlib
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import workbench as wb
from workbench.attribution import record
from workbench.attribution.methods import METHODS
from workbench.images.item import BytesSource, ImageItem

torch.set_num_threads(1)
CLASSES = ("good", "scratched", "broken")
EVERYWHERE = (
    "saliency",
    "grad_cam",
    "input_x_gradient",
    "smoothgrad",
    "integrated_gradients",
    "occlusion",
)  # whatever the architecture
NEEDED = {
    "workbench", "created", "model", "image", "probabilities", "method", "unit", "target", "score", "output", "params",
    "convergence_delta", "change_from_baseline", "relative_delta", "shape", "placement", "versions",
}  # fmt: skip


@pytest.fixture
def photo():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(buffer, format="PNG")
    return ImageItem("line 1/part.png", BytesSource(buffer.getvalue()), label="broken", split="test")


@pytest.fixture
def clf(tiny_net):
    return wb.load_classifier(tiny_net(outputs=3).eval(), classes=CLASSES, device="cpu", size=(16, 16), name="tiny")


def written(clf, photo, method, **settings):
    """A map, and its manifest after a way through JSON, strictly."""
    found = wb.attribute(clf, photo, method, "broken", **settings)
    probabilities = wb.predict(clf, photo).probabilities[0]
    facts = record.manifest(found, photo, clf.class_names, probabilities, {"name": clf.name, "source": "a test"})
    return found, json.loads(json.dumps(facts, allow_nan=False))


@pytest.mark.parametrize("method", EVERYWHERE)
def test_a_manifest_is_complete_json_for_every_method(clf, photo, method):
    found, facts = written(clf, photo, method)
    assert facts.keys() >= NEEDED
    assert facts["workbench"] == wb.__version__
    assert facts["method"] == method
    assert facts["params"] == dict(found.params)
    assert facts["params"].keys() - {"evaluations"} == METHODS[method].params.keys()
    assert ("evaluations" in facts["params"]) == (method == "integrated_gradients"), (
        "how often it asked, where that was for it to find out"
    )
    assert facts["shape"] == list(found.values.shape)
    assert facts["unit"] == METHODS[method].unit
    assert facts["convergence_delta"] == found.delta
    assert (facts["convergence_delta"] is not None) == METHODS[method].complete


def test_a_manifest_names_the_model_and_the_image_by_digest(clf, photo):
    _, facts = written(clf, photo, "saliency")
    assert facts["model"] == {"name": "tiny", "source": "a test", "key": clf.key}
    assert len(clf.key) == 64
    assert facts["image"] == {
        "name": "line 1/part.png",
        "sha256": hashlib.sha256(photo.source.read()).hexdigest(),
        "label": "broken",
        "split": "test",
    }


def test_a_manifest_says_what_was_explained(clf, photo):
    found, facts = written(
        clf, photo, "integrated_gradients", score="margin", against="good", baseline="white", n_steps=20
    )
    assert facts["target"] == "broken"
    assert facts["score"] == "margin"
    assert facts["params"].items() >= {"baseline": "white", "n_steps": 20, "against": "good"}.items()
    logits = dict(zip(CLASSES, wb.predict(clf, photo).logits[0], strict=True))
    assert facts["output"] == pytest.approx(logits["broken"] - logits["good"], abs=1e-5)
    assert facts["change_from_baseline"] == found.change
    assert facts["relative_delta"] == pytest.approx(abs(found.delta / found.change))


def test_a_manifest_lets_the_map_be_laid_on_the_image(clf, photo):
    _, facts = written(clf, photo, "saliency")
    assert facts["placement"] == {"original": [30, 20], "box": [0, 0, 30, 20], "size": [16, 16]}


def test_a_manifest_lists_the_most_probable_classes_first(clf, photo):
    _, facts = written(clf, photo, "saliency")
    shares = list(facts["probabilities"].values())
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert set(facts["probabilities"]) == set(CLASSES)


def test_a_manifest_of_many_classes_stays_short(tiny_net, photo):
    clf = wb.load_classifier(tiny_net(outputs=40).eval(), device="cpu", size=(16, 16))
    found = wb.attribute(clf, photo, "saliency", 3)
    facts = record.manifest(found, photo, clf.class_names, wb.predict(clf, photo).probabilities[0], {})
    assert len(facts["probabilities"]) == record.NAMED_CLASSES
    assert facts["target"] == clf.class_names[3]


def test_a_manifest_names_the_versions_it_was_made_with(clf, photo, monkeypatch):
    _, facts = written(clf, photo, "saliency")
    assert facts["versions"].keys() == set(record.PACKAGES)
    assert facts["versions"]["numpy"] == np.__version__
    assert facts["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert facts["created"].endswith("+00:00")
    monkeypatch.setattr(record, "PACKAGES", ("no-such-package-here",))
    assert written(clf, photo, "saliency")[1]["versions"] == {"no-such-package-here": None}


def test_raw_values_come_back_bit_by_bit(clf, photo):
    found = {name: wb.attribute(clf, photo, name, "broken") for name in ("saliency", "grad_cam", "occlusion")}
    with np.load(io.BytesIO(record.npz(found)), allow_pickle=False) as archive:
        assert set(archive.files) == set(found)
        for name, attribution in found.items():
            assert archive[name].dtype == np.float32
            assert archive[name].ndim == 3
            assert np.array_equal(archive[name], attribution.values)
            assert archive[name].any()


def test_the_record_repeats_the_map(clf, photo):
    """What the manifest says is enough to make the same map again."""
    found, facts = written(clf, photo, "smoothgrad", samples=4, noise=0.2)
    again = wb.attribute(clf, photo, facts["method"], facts["target"], score=facts["score"], **facts["params"])
    assert np.array_equal(again.values, found.values)
