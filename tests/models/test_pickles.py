"""Files with pickled objects: told from their opcodes and never built, with the line that exports the model."""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from workbench.models import pickles
from workbench.models.pickles import classes_in
from workbench.models.weights import read_weights

Refusal = Callable[[Callable[[], object]], str]


@contextmanager
def somebodys(path: str) -> Iterator[type]:
    """A class of a package that is not installed, and that nothing may import."""
    home, _, name = path.rpartition(".")
    parts = home.split(".")
    names = [".".join(parts[: i + 1]) for i in range(len(parts))]
    kind = type(name, (), {"__module__": home, "__qualname__": name})
    for package in names:
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = []  # type: ignore[attr-defined]
    setattr(sys.modules[home], name, kind)
    try:
        yield kind
    finally:
        for package in names:
            del sys.modules[package]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("ultralytics.nn.tasks.DetectionModel", "run `yolo export model=w.pt format=onnx`"),
        ("fastai.learner.Learner", 'run `torch.save(learn.model.state_dict(), "model.pth")`'),
        ("timm.models.madeup.ResNet", 'run `torch.save(model.state_dict(), "model.pth")`'),
        ("sklearn.ensemble.Forest", "a model of another library"),
        ("my_project.config.Settings", 'torch.save(torch.load("w.pt", weights_only=False)["state_dict"], "model.pth")'),
    ],
)
@pytest.mark.parametrize("write", [torch.save, "legacy", "pickle"])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickled_object_is_named_with_the_line_that_exports_it(
    tmp_path: Path, kind: str, says: str, write: object, refusal: Refusal
) -> None:
    path = tmp_path / "w.pt"
    with somebodys(kind) as made:
        checkpoint = {"state_dict": {"w": torch.ones(2)}, "object": made()}
        if write == "pickle":
            path.write_bytes(pickle.dumps(checkpoint | {"state_dict": 1}, protocol=4))
        else:
            torch.save(checkpoint, path, _use_new_zipfile_serialization=write != "legacy")
    before = set(sys.modules)
    message = refusal(lambda: read_weights(path))
    assert message.startswith("w.pt is not a file of weights this will open (it holds pickled objects, which could run")
    assert kind in message
    assert says in message
    assert not {name for name in set(sys.modules) - before if name.startswith(kind.partition(".")[0])}


def test_a_whole_module_is_named(tmp_path: Path, refusal: Refusal) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), tmp_path / "w.pt")
    message = refusal(lambda: read_weights(tmp_path / "w.pt"))
    assert "a whole pickled module, with torch.nn.modules.container.Sequential" in message
    assert 'torch.save(model.state_dict(), "model.pth")' in message


@pytest.mark.parametrize(
    "kind",
    [
        "omegaconf.dictconfig.DictConfig", "lightning.fabric.utilities.data.AttributeDict",
        "mmengine.logging.history_buffer.HistoryBuffer", "argparse.Namespace", "yacs.config.CfgNode",
    ],
)  # fmt: skip
def test_settings_beside_the_weights_are_passed_over_without_their_classes(tmp_path: Path, kind: str) -> None:
    if kind == "argparse.Namespace":
        record: object = types.SimpleNamespace(lr=0.1, inner=[types.SimpleNamespace(a=1)])
        torch.save({"hyper_parameters": record, "state_dict": {"w": torch.ones(2)}}, tmp_path / "w.ckpt")
    else:
        with somebodys(kind) as made:
            record = made()
            record.__dict__.update(lr=0.1, weight=torch.zeros(3))
            torch.save({"hyper_parameters": record, "state_dict": {"w": torch.ones(2)}}, tmp_path / "w.ckpt")
    before = set(map(str, torch.serialization.get_safe_globals()))
    tensors = read_weights(tmp_path / "w.ckpt")
    assert list(tensors) == ["state_dict/w"]
    assert torch.equal(tensors["state_dict/w"], torch.ones(2))
    assert set(map(str, torch.serialization.get_safe_globals())) == before


def test_what_is_looked_at_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MOST_OPCODES", 2000)
    path = tmp_path / "w.pt"
    with somebodys("late.module.Kind") as kind:
        path.write_bytes(pickle.dumps([*range(5000), kind()]))
        assert classes_in(path) == ()
        path.write_bytes(pickle.dumps([*range(100), kind()]))
    assert classes_in(path) == ("late.module.Kind",)
    for data in (b"", b"\x80", b"PK\3\4", b"\x80\x04" + b"(" * 10_000, b"\x80\x02cos\nsystem\n"):
        path.write_bytes(data)
        assert classes_in(path) in ((), ("os.system",))
