"""The same network under other settings, and the `model.toml` that keeps them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import workbench as wb
from workbench.models.classifier import Classifier, ask
from workbench.models.folder import read_spec
from workbench.models.rereading import reread, settings_toml

Refusal = Callable[[Callable[[], object]], str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("described")
    torch.manual_seed(1)
    model = timm.create_model("resnet10t", num_classes=3)
    torch.save({"state_dict": model.state_dict(), "epoch": 3}, folder / "w.pth")
    (folder / "model.toml").write_text(
        'title = "Pärts"\narchitecture = "timm:resnet10t"\nweights = "w.pth"\nstate = "state_dict"\n'
        'classes = ["ok", "deep \\"dent\\"", "c"]\npositive = "c"\nthreshold = 0.3\n'
        "[options]\ndrop_rate = 0.1\n[preprocessing]\nsize = [32, 32]\n[limits]\nescapes = 0.1\n"
    )
    return folder


@pytest.fixture(scope="module")
def base(folder: Path) -> Classifier:
    return wb.load_classifier(folder, device="cpu")


IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8))


def test_other_settings_change_the_answer_as_they_do_when_loaded_so(folder: Path, base: Classifier) -> None:
    changes = {"mean": (0.2, 0.3, 0.4), "size": (48, 48), "channels": "bgr"}
    other = reread(base, preprocessing=changes, trusted=False)
    loaded = wb.load_classifier(folder, device="cpu", **changes)
    assert np.allclose(ask(other, [IMAGE]), ask(loaded, [IMAGE]), atol=1e-6)
    assert not np.allclose(ask(other, [IMAGE]), ask(base, [IMAGE]), atol=1e-3)
    assert other.lock is base.lock
    assert other.model is base.model
    assert other.limits == base.limits
    assert len({base.key, other.key, reread(base, positive="ok").key}) >= 2
    told = {fact.source: fact for fact in other.facts if fact.topic == "preprocessing"}
    here = told["changed on this page"]
    assert here.how == "stated"
    assert "48 x 48" in here.value
    assert "BGR" in here.value


def test_another_head_and_positive_class(base: Classifier, refusal: Refusal) -> None:
    several = reread(base, head="multilabel")
    assert several.head.several
    assert several.key != base.key
    x = several.input(IMAGE).x[None]
    assert torch.equal(several.forward(x), base.forward(x))
    assert np.allclose(ask(several, [IMAGE]), several.forward(x).sigmoid(), atol=1e-6)
    facts = [fact for fact in several.facts if fact.topic == "head"]
    assert [fact.source for fact in facts] == ["changed on this page"]
    assert reread(base, positive="ok").positive == "ok"
    assert reread(base).rule == base.rule
    assert "which is no probability" in refusal(lambda: ask(reread(base, head="probabilities"), [IMAGE]))
    assert "There is no head" in refusal(lambda: reread(base, head="nonsense"))
    assert "choose a size" in refusal(lambda: reread(base, preprocessing={"size": (4096, 4096)}, trusted=False))


def test_the_description_keeps_every_setting(tmp_path: Path, folder: Path, base: Classifier) -> None:
    other = reread(base, positive="ok", preprocessing={"std": (0.1, 0.2, 0.3), "channels": "bgr"})
    text = settings_toml(other, read_spec(folder))
    assert tomllib.loads(text)["options"] == {"drop_rate": 0.1}
    (tmp_path / "model.toml").write_text(text)
    (tmp_path / "w.pth").write_bytes((folder / "w.pth").read_bytes())
    again = wb.load_classifier(tmp_path, device="cpu")
    assert again.preprocessing == other.preprocessing
    assert again.class_names == ("ok", 'deep "dent"', "c")
    assert (again.name, again.positive, again.limits) == ("Pärts", "ok", base.limits)
    assert np.allclose(ask(again, [IMAGE]), ask(other, [IMAGE]), atol=1e-6)
    assert read_spec(tmp_path).state == "state_dict"
    assert "not known here" in settings_toml(base)
