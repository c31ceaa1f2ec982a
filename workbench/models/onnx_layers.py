"""The nodes of an ONNX graph that become layers: modules of torch which methods can recognise and hook."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.models.onnx_operators import Attributes, Inputs, UnsupportedError, given

Maker = Callable[[Inputs, Attributes], "tuple[nn.Module, int] | None"]
"""Makes a layer of a node's constant inputs (None in the place of others) and attributes, and says how many of the
inputs it is still given; None where the node is no such layer."""


class AnyNorm(nn.BatchNorm2d):
    """Batch normalisation with stored statistics, of inputs with any number of dimensions."""

    def _check_input_dim(self, input: Tensor) -> None: ...


@dataclasses.dataclass(frozen=True)
class Sides:
    """What is added around an input before a window goes over it.

    Attributes:
        fixed: (left, right, top, bottom).
        same: "upper" or "lower" where the output must have the input's size over the stride, as TensorFlow pads: what
            is odd is added at the end, or at the beginning; else empty.
        window: Its (height, width), stride and dilation.
    """

    fixed: tuple[int, ...]
    same: str = ""
    window: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] = ((1, 1), (1, 1), (1, 1))

    @property
    def plain(self) -> tuple[int, int]:
        """(top, left), as modules of torch take it."""
        return self.fixed[2], self.fixed[0]

    @property
    def even(self) -> bool:
        """Whether a module of torch can add it by itself."""
        left, right, top, bottom = self.fixed
        return not self.same and left == right and top == bottom

    def pad(self, x: Tensor, value: float = 0.0) -> Tensor:
        """The input with its sides."""
        if not self.same:
            return functional.pad(x, self.fixed, value=value)
        amounts: list[int] = []
        for size, kernel, stride, dilation in zip(x.shape[:1:-1], *(part[::-1] for part in self.window), strict=True):
            total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            first = total // 2 if self.same == "upper" else -(-total // 2)
            amounts += [first, total - first]
        return functional.pad(x, amounts, value=value)


class PaddedConv2d(nn.Conv2d):
    """A convolution whose sides are padded differently."""

    sides = Sides((0, 0, 0, 0))

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(self.sides.pad(input))


class PaddedPool(nn.Module):
    """Pooling after sides were added."""

    def __init__(self, pool: nn.Module, sides: Sides, value: float) -> None:
        super().__init__()
        self.pool, self.sides, self.value = pool, sides, value

    def forward(self, input: Tensor) -> Tensor:
        return self.pool(self.sides.pad(input, self.value))


def _frozen(module: nn.Module, **tensors: Tensor | None) -> nn.Module:
    """The module with these weights, in evaluation mode."""
    for name, tensor in tensors.items():
        if tensor is not None and name in module._buffers:
            module._buffers[name] = tensor.detach().clone()
        elif tensor is not None:
            module._parameters[name] = nn.Parameter(tensor.detach().clone().contiguous())
    return module.eval()


def _sides(attributes: Attributes, kernel: list[int]) -> Sides:
    automatic = attributes.get("auto_pad", "NOTSET")
    window = (tuple(kernel), tuple(attributes.get("strides", (1, 1))), tuple(attributes.get("dilations", (1, 1))))
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        return Sides((0, 0, 0, 0), automatic.removeprefix("SAME_").lower(), window)
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0]) if automatic == "NOTSET" else (0, 0, 0, 0)
    return Sides((left, right, top, bottom), "", window)


def _convolution(inputs: Inputs, attributes: Attributes) -> tuple[nn.Module, int] | None:
    weight, bias = inputs[1], inputs[2] if len(inputs) > 2 else None
    if weight is None or weight.ndim != 4 or (len(inputs) > 2 and bias is None):
        return None
    sides, groups = _sides(attributes, list(weight.shape[2:])), attributes.get("group", 1)
    kind = nn.Conv2d if sides.even else PaddedConv2d
    with torch.device("meta"):
        module = kind(
            weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:]),
            stride=tuple(attributes.get("strides", (1, 1))), padding=sides.plain if sides.even else 0,
            dilation=tuple(attributes.get("dilations", (1, 1))), groups=groups, bias=bias is not None,
        )  # fmt: skip
    if isinstance(module, PaddedConv2d):
        module.sides = sides
    return _frozen(module, weight=weight, bias=bias), 1


def _transposed(inputs: Inputs, attributes: Attributes) -> tuple[nn.Module, int] | None:
    weight, bias = inputs[1], inputs[2] if len(inputs) > 2 else None
    strange = attributes.get("output_shape") or attributes.get("auto_pad", "NOTSET") != "NOTSET"
    if weight is None or weight.ndim != 4 or strange:
        raise UnsupportedError("ConvTranspose that is not two-dimensional or pads by itself")
    sides = _sides(attributes, list(weight.shape[2:]))
    if not sides.even:
        raise UnsupportedError("ConvTranspose with uneven padding")
    groups = attributes.get("group", 1)
    with torch.device("meta"):
        module = nn.ConvTranspose2d(
            weight.shape[0], weight.shape[1] * groups, tuple(weight.shape[2:]),
            stride=tuple(attributes.get("strides", (1, 1))), padding=sides.plain,
            output_padding=tuple(attributes.get("output_padding", (0, 0))), groups=groups, bias=bias is not None,
            dilation=tuple(attributes.get("dilations", (1, 1))),
        )  # fmt: skip
    return _frozen(module, weight=weight, bias=bias), 1


def _batch_norm(inputs: Inputs, attributes: Attributes) -> tuple[nn.Module, int] | None:
    if attributes.get("training_mode") or any(value is None for value in inputs[1:5]):
        return None
    weight, bias, mean, variance = inputs[1:5]
    module = AnyNorm(len(weight), eps=attributes.get("epsilon", 1e-5))
    return _frozen(module, weight=weight, bias=bias, running_mean=mean, running_var=variance), 1


def _pool(inputs: Inputs, attributes: Attributes, *, largest: bool) -> tuple[nn.Module, int] | None:
    kernel = list(attributes["kernel_shape"])
    if len(kernel) != 2 or attributes.get("storage_order"):
        raise UnsupportedError("pooling that is not two-dimensional")
    sides, counted = _sides(attributes, kernel), bool(attributes.get("count_include_pad"))
    shape: dict[str, Any] = {
        "kernel_size": tuple(kernel),
        "stride": tuple(attributes.get("strides", (1, 1))),
        "padding": sides.plain if sides.even else 0,
        "ceil_mode": bool(attributes.get("ceil_mode")),
    }
    if largest:
        pool: nn.Module = nn.MaxPool2d(**shape, dilation=tuple(attributes.get("dilations", (1, 1))))
        return (pool if sides.even else PaddedPool(pool, sides, -torch.inf)), 1
    if set(attributes.get("dilations", (1, 1))) != {1} or (not sides.even and not counted):
        raise UnsupportedError("AveragePool with dilation or uneven padding")
    pool = nn.AvgPool2d(**shape, count_include_pad=counted)
    return (pool if sides.even else PaddedPool(pool, sides, 0.0)), 1


def _linear(weight: Tensor, bias: Tensor | None) -> tuple[nn.Module, int]:
    """The layer whose weight has the shape (out, in)."""
    with torch.device("meta"):
        module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return _frozen(module, weight=weight, bias=bias), 1


def _gemm(inputs: Inputs, attributes: Attributes) -> tuple[nn.Module, int] | None:
    weight, bias = inputs[1], inputs[2] if len(inputs) > 2 else None
    scaled = {attributes.get("alpha", 1.0), attributes.get("beta", 1.0)} != {1.0}
    if inputs[0] is not None or weight is None or attributes.get("transA") or scaled:
        return None
    weight = weight if attributes.get("transB") else weight.T
    if len(inputs) > 2 and (bias is None or bias.numel() not in (1, len(weight))):
        return None
    return _linear(weight, None if bias is None else bias.reshape(-1).expand(len(weight)))


def _product(inputs: Inputs, attributes: Attributes) -> tuple[nn.Module, int] | None:
    weight = inputs[1]
    return None if inputs[0] is not None or weight is None or weight.ndim != 2 else _linear(weight.T, None)


def _layer_norm(inputs: Inputs, attributes: Attributes) -> tuple[nn.Module, int] | None:
    weight, bias = inputs[1], inputs[2] if len(inputs) > 2 else None
    if weight is None or (len(inputs) > 2 and bias is None) or attributes.get("axis", -1) != -weight.ndim:
        return None
    module = nn.LayerNorm(tuple(weight.shape), attributes.get("epsilon", 1e-5), bias=bias is not None)
    return _frozen(module, weight=weight, bias=bias), 1


def _clip(inputs: Inputs, attributes: Attributes) -> tuple[nn.Module, int] | None:
    low, high = given(inputs, 1, attributes, "min"), given(inputs, 2, attributes, "max")
    if low is None or high is None:
        return (nn.ReLU(), 1) if low is not None and float(low) == 0 and len(inputs) < 3 else None
    return (nn.ReLU6() if (float(low), float(high)) == (0, 6) else nn.Hardtanh(float(low), float(high))), 1


def _gelu(inputs: Inputs, attributes: Attributes) -> tuple[nn.Module, int] | None:
    return nn.GELU(attributes.get("approximate", "none")), 1


def _hard_sigmoid(inputs: Inputs, attributes: Attributes) -> tuple[nn.Module, int] | None:
    plain = abs(attributes.get("alpha", 0.2) - 1 / 6) < 1e-6 and attributes.get("beta", 0.5) == 0.5
    return (nn.Hardsigmoid(), 1) if plain else None


def _of(make: Callable[[], nn.Module]) -> Maker:
    return lambda inputs, attributes: (make(), 1)


LAYERS: Mapping[str, Maker] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "MaxPool": lambda inputs, attributes: _pool(inputs, attributes, largest=True),
    "AveragePool": lambda inputs, attributes: _pool(inputs, attributes, largest=False),
    "GlobalAveragePool": _of(lambda: nn.AdaptiveAvgPool2d(1)),
    "GlobalMaxPool": _of(lambda: nn.AdaptiveMaxPool2d(1)),
    "Gemm": _gemm,
    "MatMul": _product,
    "Clip": _clip,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _of(nn.Hardswish),
    "Relu": _of(nn.ReLU),
    "Sigmoid": _of(nn.Sigmoid),
    "Tanh": _of(nn.Tanh),
    "Mish": _of(nn.Mish),
    "Elu": lambda inputs, attributes: (nn.ELU(attributes.get("alpha", 1.0)), 1),
    "Celu": lambda inputs, attributes: (nn.CELU(attributes.get("alpha", 1.0)), 1),
    "LeakyRelu": lambda inputs, attributes: (nn.LeakyReLU(attributes.get("alpha", 0.01)), 1),
}
"""Makers of layers, by the name of the operator."""
