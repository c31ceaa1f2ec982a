"""The forty files: what is made, in which order, and which few of them every run of the tests opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from zoo import HUGGINGFACE, Made, huggingface, timm_hub, zero_shot
from zoo_graphs import exported, labelled, last_channels, onnx_file, optimum, quantised, torchscript

_SMALL = {"img_size": 64, "embed_dim": 24, "num_heads": 2, "depth": 2}
FILES: Mapping[str, Callable[[Path], Made]] = {
    **{f"hf-{name}": partial(huggingface, name=name) for name in HUGGINGFACE},
    "hf-several": partial(huggingface, name="vit", several=True),
    "hf-sharded": partial(huggingface, name="vit", shards=True),
    "hf-bin": partial(huggingface, name="resnet", binary=True),
    "hf-clip": partial(zero_shot, name="clip"),
    "hf-siglip-texts": partial(zero_shot, name="siglip"),
    "timm-resnet": partial(timm_hub, architecture="resnet10t"),
    "timm-dinov3": partial(timm_hub, architecture="vit_small_patch16_dinov3", **_SMALL),
    "timm-wrapped": partial(timm_hub, architecture="resnet10t", wrapped=True),
    "onnx-resnet": partial(onnx_file, family="resnet"),
    "onnx-shufflenet": partial(onnx_file, family="shufflenet"),
    "onnx-mobilenet": partial(onnx_file, family="mobilenetv3"),
    "onnx-vit": partial(onnx_file, family="vit", dynamo=True),
    "onnx-vit-old": partial(onnx_file, family="vit", batch=False),
    "onnx-convnext": partial(onnx_file, family="convnext", dynamo=True),
    "onnx-ultralytics": labelled,
    "onnx-optimum": optimum,
    "onnx-last": last_channels,
    "onnx-bytes": partial(last_channels, kind="uint8"),
    "onnx-qdq": quantised,
    "onnx-qoperator": partial(quantised, operators=True),
    "script-traced": partial(torchscript, family="efficientnet"),
    "script-scripted": partial(torchscript, family="plain", traced=False),
    "pt2-plain": partial(exported, family="plain", batch=False),
    "pt2-resnet": partial(exported, family="resnet"),
    "pt2-vit": partial(exported, family="vit"),
}
FEW = (
    "hf-vit", "hf-convnext", "hf-resnet", "hf-dinov2_with_registers", "hf-several", "hf-sharded", "hf-bin", "hf-clip",
    "hf-siglip-texts", "timm-dinov3", "timm-wrapped", "onnx-resnet", "onnx-vit-old", "onnx-ultralytics", "onnx-optimum",
    "onnx-last", "onnx-bytes", "onnx-qdq", "script-traced", "script-scripted", "pt2-plain",
)  # fmt: skip
"""Those that every run opens."""
