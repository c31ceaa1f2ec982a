"""Graphs as exporters save them: ONNX, TorchScript and archives of torch.export, each with its own runtime's answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from zoo import CLASSES, Made, huggingface, lively, quiet

SIDE = 64
GRAPHS = {
    "resnet": ("timm", "resnet10t"),
    "convnext": ("timm", "convnext_atto"),
    "vit": ("timm", "vit_tiny_patch16_224"),
    "efficientnet": ("timm", "efficientnet_lite0"),
    "mobilenetv3": ("torchvision", "mobilenet_v3_small"),
    "shufflenet": ("torchvision", "shufflenet_v2_x0_5"),
    "plain": ("", ""),
}
"""Networks that are exported: who builds them, and under what name."""
SMALL = {"vit_tiny_patch16_224": {"img_size": SIDE, "embed_dim": 24, "num_heads": 2, "depth": 2}}
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def network(family: str) -> nn.Module:
    """A network of three classes for inputs of 64 pixels."""
    library, name = GRAPHS[family]
    if library == "timm":
        import timm

        return lively(timm.create_model(name, num_classes=3, **SMALL.get(name, {})))
    if library == "torchvision":
        from torchvision.models import get_model

        return lively(get_model(name, num_classes=3))
    return lively(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
        )
    )  # fmt: skip


def prepared(image: Image.Image, mean: Any = MEAN, std: Any = STD) -> np.ndarray:
    """An image as a graph's input, (1, 3, 64, 64), by Pillow and NumPy alone."""
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float32) / np.float32(255)
    values = (small - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return values.transpose(2, 0, 1)[None].astype(np.float32)


TOLD = {"size": (SIDE, SIDE), "mean": MEAN, "std": STD, "classes": list(CLASSES)}


def onnx_file(folder: Path, family: str, *, dynamo: bool = False, ends: str = "", batch: bool = True) -> Made:
    """An ONNX file of torch's exporter, old or new, which may end in a softmax."""
    model, path = network(family), folder / f"{family}.onnx"
    model = nn.Sequential(model, nn.Softmax(1)) if ends else model
    x = torch.randn(2 if batch else 1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with quiet():
        if dynamo:
            shapes = ({0: torch.export.Dim.DYNAMIC},) if batch else None
            torch.onnx.export(model.eval(), (x,), path, dynamo=True, verbose=False, dynamic_shapes=shapes)
        else:
            open_axes = {"images": {0: "n"}} if batch else None
            torch.onnx.export(
                model.eval(), (x,), path, dynamo=False, opset_version=17, input_names=["images"], dynamic_axes=open_axes
            )
    name = f"{family}, {'new' if dynamo else 'old'} exporter{', one image' * (not batch)}{', softmax' * bool(ends)}"
    return Made("ONNX", name, path, lambda image: asked(path, prepared(image), logged=bool(ends)), TOLD)


def asked(path: Path, x: np.ndarray, *, logged: bool = False) -> np.ndarray:
    """What ONNX Runtime itself answers for one input: logits, of a softmax those up to a constant."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    out = session.run(None, {session.get_inputs()[0].name: x})[0][0]
    return np.log(out) if logged else out


def labelled(folder: Path) -> Made:
    """As Ultralytics exports a classifier: softmax, class names and task among the file's own notes."""
    import onnx

    made = onnx_file(folder, "plain", ends="softmax", batch=False)
    proto = onnx.load(made.path)
    notes = {"author": "Ultralytics", "task": "classify", "names": str(dict(enumerate(CLASSES))), "imgsz": "[64, 64]"}
    onnx.helper.set_model_props(proto, notes)
    onnx.save(proto, made.path)

    def native(image: Image.Image) -> np.ndarray:
        from torchvision import transforms

        steps = [transforms.Resize(SIDE), transforms.CenterCrop(SIDE), transforms.ToTensor()]
        return asked(made.path, transforms.Compose(steps)(image)[None].numpy(), logged=True)

    return Made("ONNX", "plain, as Ultralytics exports", made.path, native)


def optimum(folder: Path) -> Made:
    """A folder of the hub whose weights were exported to ONNX."""
    made = huggingface(folder, "vit")
    import transformers

    with quiet():
        model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
        x = torch.randn(2, 3, 32, 32)
        torch.onnx.export(model, (x,), folder / "model.onnx", dynamo=False, opset_version=17, output_names=["logits"],
                          input_names=["pixel_values"], dynamic_axes={"pixel_values": {0: "batch"}})  # fmt: skip
    (folder / "model.safetensors").unlink()
    return Made("ONNX", "vit, folder of Optimum", folder, made.native)


def last_channels(folder: Path, kind: str = "float32") -> Made:
    """As tf2onnx exports: images as (N, H, W, C), as floats or as bytes."""
    import onnx
    from onnx import TensorProto, helper

    made = onnx_file(folder, "plain", batch=True)
    proto = onnx.load(made.path)
    graph, source = proto.graph, proto.graph.input[0].name
    number = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "float16": TensorProto.FLOAT16}[kind]
    steps = [helper.make_node("Cast", ["bytes"], ["floats"], to=TensorProto.FLOAT)]
    if kind == "uint8":
        scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [1 / 255])
        graph.initializer.append(scale)
        steps.append(helper.make_node("Mul", ["floats", "scale"], ["shares"]))
    steps.append(
        helper.make_node("Transpose", ["shares" if kind == "uint8" else "floats"], [source], perm=[0, 3, 1, 2])
    )
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("bytes", number, ["n", SIDE, SIDE, 3]))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*steps, *rest])
    onnx.save(proto, made.path)

    def native(image: Image.Image) -> np.ndarray:
        if kind == "uint8":
            return asked(made.path, np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))[None])
        return asked(made.path, prepared(image).transpose(0, 2, 3, 1).astype(kind))

    keywords = {"classes": list(CLASSES)} if kind == "uint8" else TOLD
    return Made("ONNX", f"plain, channels last, {kind}", made.path, native, keywords)


def quantised(folder: Path, *, operators: bool = False) -> Made:
    """As ONNX Runtime quantises: with QuantizeLinear nodes, or with operators of whole numbers."""
    from onnxruntime import quantization

    made = onnx_file(folder, "plain")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            chance = np.random.default_rng(0)
            self.rows = iter([{"images": chance.normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)} for _ in range(4)])

        def get_next(self) -> Any:
            return next(self.rows, None)

    form = quantization.QuantFormat.QOperator if operators else quantization.QuantFormat.QDQ
    path = folder / "quantised.onnx"
    with quiet():
        quantization.quantize_static(made.path, path, Reader(), quant_format=form)
    name = f"plain, quantised ({'QOperator' if operators else 'QDQ'})"
    return Made("ONNX", name, path, lambda image: asked(path, prepared(image)), TOLD)


def torchscript(folder: Path, family: str, *, traced: bool = True) -> Made:
    """A TorchScript archive, traced or scripted."""
    model, path = network(family), folder / f"{family}.pt"
    with quiet():
        program = torch.jit.trace(model, torch.randn(1, 3, SIDE, SIDE)) if traced else torch.jit.script(model)
        program.save(path)

    def native(image: Image.Image) -> np.ndarray:
        with quiet(), torch.inference_mode():
            return torch.jit.load(path)(torch.from_numpy(prepared(image)))[0].numpy()

    return Made("TorchScript", f"{family}, {'traced' if traced else 'scripted'}", path, native, TOLD)


def exported(folder: Path, family: str, *, batch: bool = True) -> Made:
    """An archive of torch.export."""
    model, path = network(family), folder / f"{family}.pt2"
    x = torch.randn(2 if batch else 1, 3, SIDE, SIDE)
    with quiet():
        shapes = ({0: torch.export.Dim.DYNAMIC},) if batch else None
        torch.export.save(torch.export.export(model, (x,), dynamic_shapes=shapes), path)

    def native(image: Image.Image) -> np.ndarray:
        with quiet(), torch.inference_mode():
            return torch.export.load(path).module()(torch.from_numpy(prepared(image)))[0].numpy()

    return Made("torch.export", f"{family}{', one image' * (not batch)}", path, native, TOLD)


def notes(path: Path) -> dict[str, Any]:
    """The JSON in a file."""
    table: dict[str, Any] = json.loads(path.read_text())
    return table
