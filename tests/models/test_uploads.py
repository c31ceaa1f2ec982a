"""What visitors bring: images, image sets and models of their own, sound, broken and hostile."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.catalog import package_folder
from workbench.ui import session

torch.set_num_threads(1)
QUICK = {"method": "saliency"}
HOSTILE = [
    "<img src=x onerror=alert(1)>.png",
    "[click](javascript:alert(1)).png",
    "![x](https:attack.example).png",
    ":red[$x^2$] `a`.png",
]


def shown_image(at):
    return at.query_params["image"]


def png():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def cells(count=2):
    """Real photographs of solar cells in class folders."""
    folder = package_folder("elpv_dataset") / "data" / "images"
    names = sorted(folder.iterdir())[: 2 * count]
    return {f"{('functional', 'defective')[i % 2]}/{path.name}": path.read_bytes() for i, path in enumerate(names)}


def new(photographs):
    """The same photographs in files that nobody has seen."""
    return {name: data + b"new" for name, data in photographs.items()}


def test_an_image_of_ones_own(visit):
    at = visit("explain", model="everyday", **QUICK).sound()
    photo = (package_folder("skimage") / "data" / "coffee.png").read_bytes()
    at.file_uploader(key="image upload").set_value([("my mug.png", photo, "image/png")])
    at.run().sound()
    assert shown_image(at) == "yours/my mug.png"
    assert next(iter(at.thumbnails())) == "my mug.png"
    assert any(re.search(r"espresso|cup|coffee mug", h.value) for h in at.html)
    other = visit("explain", model="everyday", image="yours/my mug.png", **QUICK).sound()
    assert any("my mug.png" in text for text in other.said()), "no other session has it"


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("notes.png", b"this is text", "not an image"),
        ("cut.png", png()[:400], "damaged or cut off"),
        ("empty.jpg", b"", "empty"),
    ],
)
def test_an_image_that_cannot_be_used_is_one_sentence(visit, name, data, word):
    at = visit("explain", model="everyday", **QUICK).sound()
    at.file_uploader(key="image upload").set_value([(name, data, "image/png"), ("good.png", png(), "image/png")])
    at.run()
    assert not at.exception
    (sentence,) = at.said()
    assert name in sentence
    assert word in sentence
    assert shown_image(at) == "yours/good.png", "the good one is taken all the same"
    assert at.maps() == ["Saliency"]
    at.selectbox(key="score").select("probability").run().sound()


def test_each_image_that_cannot_be_used_has_its_sentence(visit):
    at = visit("explain", model="everyday", **QUICK).sound()
    at.file_uploader(key="image upload").set_value([("one.png", b"text", "image/png"), ("two.png", b"", "image/png")])
    at.run()
    assert [Path(sentence.split()[0]).name for sentence in at.said()] == ["one.png", "two.png"]
    assert not at.run().said(), "they are told once"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_they_are(visit, name):
    at = visit("explain", model="everyday", **QUICK).sound()
    at.file_uploader(key="image upload").set_value([(name, png(), "image/png")])
    at.run().sound()
    shown = name.rpartition("/")[2]
    assert shown_image(at) == f"yours/{shown}"
    texts = [e.value for kind in ("markdown", "caption", "info", "error") for e in at.get(kind)] + [
        b.label for b in at.button
    ]
    assert any(shown in at.unescaped(text) for text in texts)
    for mark in (r"(?<!\\)<img", r"(?<!\\)\](?<!\\)\(", r"(?<!\\):red"):
        assert not [text for text in texts if re.search(mark, text)]
    assert not [h.value for h in at.html if "<img src=x" in h.value]


def test_a_hostile_name_of_a_broken_image_is_shown_as_it_is(visit):
    at = visit("explain", model="everyday", **QUICK).sound()
    at.file_uploader(key="image upload").set_value([("![x](https:attack.example).png", b"text", "image/png")])
    at.run()
    (error,) = at.error
    assert "![x](" in at.unescaped(error.value)
    assert "![x](" not in error.value


def test_an_image_set_of_ones_own(visit):
    at = visit().sound()
    at.file_uploader(key="set upload").set_value(("line 3.zip", zipped(**cells(3)), "application/zip"))
    at.run().sound()
    assert at.selectbox(key="set").value == "Your line 3.zip"
    assert at.query_params["set"] == "Your line 3.zip"
    assert not at.said(), "the model was run over these very photographs before: that is known by their bytes"
    at.file_uploader(key="set upload").set_value(("line 4.zip", zipped(**new(cells(3))), "application/zip"))
    at.run().sound()
    assert any("No predictions of this model for this image set yet." in text for text in at.said())
    next(b for b in at.button if b.label.startswith("Predict all 6")).click().run().sound()
    assert {m.label for m in at.metric} >= {"Accuracy", "AUC"}
    assert any("Too few images" in c.value for c in at.caption)
    other = visit(set="Your line 3.zip")
    assert not other.exception
    assert "Your line 3.zip" not in visit().sound().selectbox(key="set").options


def test_an_image_set_with_a_broken_image(visit):
    files = cells(2)
    broken = next(iter(files))
    files[broken] = files[broken][:2000]
    at = visit("explain", **QUICK).sound()
    at.file_uploader(key="set upload").set_value(("some.zip", zipped(**files), "application/zip"))
    at.run()
    assert not at.exception
    assert len(at.thumbnails()) == 4
    at.thumbnails()[Path(broken).name].click().run()
    assert not at.exception
    assert [t for t in at.said() if "damaged or cut off" in t], "it says why"
    assert len(at.error) == 1, at.said()
    next(button for name, button in at.thumbnails().items() if name != Path(broken).name).click().run().sound("Explain")
    assert at.maps() == ["Saliency"]


def test_an_image_set_that_begins_with_a_broken_image_still_opens(visit):
    files = cells(2)
    first = min(files)
    files[first] = b"text"
    at = visit().sound()
    at.file_uploader(key="set upload").set_value(("some.zip", zipped(**files), "application/zip"))
    at.run().sound()
    at.switch_page("../pages/explain.py")
    at.run()
    assert not at.exception
    assert len(at.error) <= 1, at.said()


def model_zip(**changed):
    import timm
    from safetensors.torch import save

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = save(timm.create_model("test_resnet", num_classes=2).state_dict())
    spec = (
        'title = "Weld check"\narchitecture = "timm:test_resnet"\nweights = "w.safetensors"\nclasses = ["functional",'
        ' "defective"]\npositive = "defective"\nthreshold = 0.5\n[preprocessing]\nsize = [64, 64]\n'
    )
    return zipped(
        **{"mine/model.toml": spec, "mine/w.safetensors": weights} | {f"mine/{k}": v for k, v in changed.items()}
    )


def test_a_model_of_ones_own(visit):
    at = visit("explain", **QUICK).sound()
    at.file_uploader(key="model upload").set_value(("welds.zip", model_zip(), "application/zip"))
    at.run().sound("Explain")
    assert at.selectbox(key="model").value == "Your welds.zip"
    assert at.query_params["model"] == "Your welds.zip"
    assert at.maps() == ["Saliency"]
    assert "Your welds.zip" not in visit().sound().selectbox(key="model").options
    stranger = visit(model="Your welds.zip")
    assert not stranger.exception
    assert len(stranger.error) == 1


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"no zip", "not a zip"),
        (zipped(**{"readme.txt": "hello"}), "holds neither model.toml nor config.json"),
        (
            lambda: model_zip(
                **{"model.toml": 'architecture = "python:os:getcwd"\nweights = "w.safetensors"\nclasses = ["a", "b"]\n'}
            ),
            "",
        ),
        (lambda: model_zip(**{"w.safetensors": b"no weights"}), ""),
        (zipped(**{"../../model.toml": "a = 1"}), ""),
    ],
    ids=["no zip", "no model.toml", "code", "damaged weights", "climbing"],
)
def test_a_model_that_cannot_be_used_is_one_sentence(visit, data, word):
    at = visit("explain", **QUICK).sound()
    at.file_uploader(key="model upload").set_value(("bad.zip", data() if callable(data) else data, "application/zip"))
    at.run()
    assert not at.exception
    (sentence,) = at.said()
    assert word in sentence
    assert sentence.endswith(".")
    assert "number" not in sentence, "it is nothing unforeseen"
    assert at.selectbox(key="model").value == "solar-cells"
    assert at.maps() == ["Saliency"]


def test_a_set_that_cannot_be_used_is_one_sentence(visit):
    at = visit("overview").sound()
    at.file_uploader(key="set upload").set_value(
        ("bad.zip", zipped(**{"a/readme.txt": "no images"}), "application/zip")
    )
    at.run()
    (sentence,) = at.said()
    assert "bad holds no images of a kind that is read" in sentence
    assert at.selectbox(key="set").value == "solar-cells"


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize(("key", "name"), [("set", "Your parts.zip"), ("model", "Your welds.zip")])
def test_an_upload_that_is_gone_with_its_session_says_so_and_what_to_do(visit, monkeypatch, here, key, name):
    monkeypatch.setattr(session, "local", lambda: here)
    at = visit("overview", **{key: name})
    assert not at.exception
    assert (
        f"“{name}” was uploaded, and is not there: uploads stay in the browser that they came from, until 60 minutes"
        " after its last page is closed or the server restarts. Upload it again under “Bring your own”."
    ) in at.said()
    assert not any("no folder" in text or "no model" in text for text in at.said())
