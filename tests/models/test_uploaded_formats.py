"""What a page takes beside a zip with `model.toml`: a Hugging Face folder as zip, and an ONNX file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.models import uploads
from workbench.models.classifier import ask
from workbench.models.uploads import unpack, upload_model

Refusal = Callable[[Callable[[], object]], str]
IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """That models are tried apart is tested with those of `model.toml`; each process takes seconds to import torch."""
    monkeypatch.setattr(uploads, "read_apart", lambda *_, **__: b"")


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("shards", [False, True])
def test_a_hugging_face_folder_as_zip_answers_like_transformers(tmp_path: Path, shards: bool) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=64,
        id2label={0: "ok", 1: "bad", 2: "odd"},
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(tmp_path, max_shard_size="30KB" if shards else "1GB")
    processor = {"size": {"height": 64, "width": 64}, "image_mean": [0.2] * 3, "image_std": [0.3] * 3,
                 "image_processor_type": "ViTImageProcessor"}  # fmt: skip
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    members = {f"vit/{path.name}": path.read_bytes() for path in tmp_path.iterdir()}
    assert (len(members) > 4) == shards
    classifier, spec = upload_model(zipped({**members, "vit/run.py": b"raise SystemExit"}), "vit.zip")
    assert classifier.class_names == ("ok", "bad", "odd")
    assert (spec.architecture, spec.classes) == ("huggingface", ["ok", "bad", "odd"])
    x = torch.from_numpy((np.asarray(IMAGE, np.float32) / 255 - 0.2) / 0.3).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        assert np.allclose(ask(classifier, [IMAGE])[0], model(x).logits.softmax(1)[0], atol=1e-5)


def test_only_what_belongs_to_a_model_takes_disk(tmp_path: Path, refusal: Refusal) -> None:
    members = {"a/config.json": b"{}", "a/model.safetensors": b"x", "a/modeling.py": b"x", "a/pytorch_model.bin": b"x"}
    unpack(zipped(members), "a.zip", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    index = json.dumps({"weight_map": {"x": "../secret.safetensors"}}).encode()
    climbing = {"config.json": b"{}", "model.safetensors.index.json": index, "secret.safetensors": b"x"}
    assert "outside of its folder" in refusal(lambda: unpack(zipped(climbing), "a.zip", tmp_path / "b"))
    assert "no weights" in refusal(lambda: unpack(zipped({"config.json": b"{}"}), "a.zip", tmp_path))
    assert "neither model.toml nor config.json" in refusal(lambda: unpack(zipped({"x.txt": b""}), "a.zip", tmp_path))


def test_an_onnx_file_answers_like_its_runtime(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    buffer = io.BytesIO()
    torch.onnx.export(net, (torch.zeros(1, 3, 64, 64),), buffer, dynamo=False, input_names=["x"],
                      dynamic_axes={"x": {0: "n"}})  # fmt: skip
    classifier, spec = upload_model(buffer.getvalue(), "net.onnx")
    assert (spec.architecture, spec.weights) == ("onnx", "net.onnx")
    x = classifier.input(IMAGE).x[None].numpy()
    said = runtime.InferenceSession(buffer.getvalue()).run(None, {"x": x})[0]
    assert np.allclose(classifier.forward(torch.from_numpy(x)), said, atol=1e-5)
    assert "net.onnx" in refusal(lambda: upload_model(b"no model", "net.onnx"))
    monkeypatch.setattr(uploads, "MAX_BYTES", 100)
    assert "over the limit" in refusal(lambda: upload_model(buffer.getvalue(), "net.onnx"))
