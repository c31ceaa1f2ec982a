"""What the operators of an ONNX graph compute, in torch: functions of their inputs, attributes and opset version."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Inputs = Sequence[Any]
"""Tensors, in their places; None for an input that is left out."""
Attributes = Mapping[str, Any]
Operator = Callable[[Inputs, Attributes, int], Any]

FLOATS = {1, 10, 11, 16}
"""ONNX numbers of the float types, all of which are computed in single precision here."""
DTYPES = {
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
} | dict.fromkeys(FLOATS, torch.float32)


class UnsupportedError(ValueError):
    """A graph holds what is not known how to compute; the message names it."""


def numbers(value: Any) -> list[int]:
    """Whole numbers of a tensor or list."""
    return [int(v) for v in (value.reshape(-1).tolist() if isinstance(value, Tensor) else value)]


def given(inputs: Inputs, place: int, attributes: Attributes, name: str) -> Any:
    """What newer opsets give as an input, and older ones as an attribute; None where it is left out."""
    value = inputs[place] if len(inputs) > place else None
    return attributes.get(name) if value is None else value


def _dtype(number: int) -> torch.dtype:
    if number not in DTYPES:
        raise UnsupportedError(f"numbers of the ONNX type {number}")
    return DTYPES[number]


def _divide(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    a, b = inputs
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _modulo(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    return torch.fmod(*inputs) if attributes.get("fmod") else torch.remainder(*inputs)


def _many(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def operator(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
        out: Tensor = inputs[0]
        for value in inputs[1:]:
            out = function(out, value)
        return out

    return operator


def _plain(function: Callable[..., Any]) -> Operator:
    """A function of the inputs alone."""
    return lambda inputs, attributes, version: function(*inputs)


def _clip(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    low, high = given(inputs, 1, attributes, "min"), given(inputs, 2, attributes, "max")
    limits = [float(value) if value is not None else None for value in (low, high)]
    return inputs[0] if limits == [None, None] else torch.clamp(inputs[0], *limits)


def _cast(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    return inputs[0].to(_dtype(attributes["to"]))


def _reduce(function: Callable[..., Tensor], *, by_input: int) -> Operator:
    """Over some axes, which are an input from an opset on."""

    def operator(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
        axes = given(inputs, 1, attributes, "axes") if version >= by_input else attributes.get("axes")
        dims = None if axes is None else numbers(axes)
        if not dims:
            if attributes.get("noop_with_empty_axes"):
                return inputs[0]
            dims = list(range(inputs[0].ndim))
        return function(inputs[0], dims, bool(attributes.get("keepdims", 1)))

    return operator


def _prod(x: Tensor, dims: list[int], keep: bool) -> Tensor:
    for dim in sorted((dim % x.ndim for dim in dims), reverse=True):
        x = x.prod(dim, keepdim=keep)
    return x


def _arg(function: Callable[..., Tensor]) -> Operator:
    def operator(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
        return function(inputs[0], attributes.get("axis", 0), bool(attributes.get("keepdims", 1)))

    return operator


def _softmax(function: Callable[..., Tensor]) -> Operator:
    def operator(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
        x = inputs[0]
        if version >= 13:
            return function(x, attributes.get("axis", -1))
        axis = attributes.get("axis", 1) % x.ndim  # older opsets take everything from the axis on as one
        return function(x.flatten(axis), -1).reshape(x.shape)

    return operator


def _reshape(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, shape = inputs[0], numbers(given(inputs, 1, attributes, "shape"))
    if not attributes.get("allowzero"):
        shape = [x.shape[place] if size == 0 else size for place, size in enumerate(shape)]
    return torch.reshape(x, shape)


def _transpose(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x = inputs[0]
    return x.permute(tuple(attributes.get("perm", range(x.ndim)[::-1])))


def _flatten(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, axis = inputs[0], attributes.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _squeeze(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    axes = given(inputs, 1, attributes, "axes")
    return inputs[0].squeeze() if axes is None else inputs[0].squeeze(tuple(numbers(axes)))


def _unsqueeze(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, axes = inputs[0], numbers(given(inputs, 1, attributes, "axes"))
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _concat(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    return torch.cat(list(inputs), dim=attributes["axis"])


def _split(inputs: Inputs, attributes: Attributes, version: int) -> tuple[Tensor, ...]:
    x, axis, sizes = inputs[0], attributes.get("axis", 0), given(inputs, 1, attributes, "split")
    if sizes is not None:
        return x.split(numbers(sizes), dim=axis)
    return x.split(-(-x.shape[axis] // attributes["outputs"]), dim=axis)


def _slice(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x = inputs[0]
    starts, ends = (numbers(given(inputs, place, attributes, name)) for place, name in ((1, "starts"), (2, "ends")))
    axes, steps = given(inputs, 3, attributes, "axes"), given(inputs, 4, attributes, "steps")
    where = range(len(starts)) if axes is None else numbers(axes)
    strides = [1] * len(starts) if steps is None else numbers(steps)
    for axis, start, end, step in zip(where, starts, ends, strides, strict=True):
        places = range(x.shape[axis])[start:end:step]
        if step > 0:
            x = x[(slice(None),) * (axis % x.ndim) + (slice(places.start, places.stop, step),)]
        else:
            x = x.index_select(axis, torch.tensor(list(places), dtype=torch.long, device=x.device))
    return x


def _gather(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, at, axis = inputs[0], inputs[1].long(), attributes.get("axis", 0)
    axis = axis % x.ndim
    at = torch.where(at < 0, at + x.shape[axis], at).to(x.device)
    rows = x.index_select(axis, at.reshape(-1))
    return rows.reshape((*x.shape[:axis], *at.shape, *x.shape[axis + 1 :]))


def _gather_elements(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, at, axis = inputs[0], inputs[1].long(), attributes.get("axis", 0)
    return x.gather(axis, torch.where(at < 0, at + x.shape[axis], at))


def _expand(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    return inputs[0].expand(torch.broadcast_shapes(inputs[0].shape, tuple(numbers(inputs[1]))))


def _pad(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, mode = inputs[0], attributes.get("mode", "constant")
    pads = numbers(given(inputs, 1, attributes, "pads"))
    axes = numbers(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else list(range(x.ndim))
    value = given(inputs, 2, attributes, "value")
    amounts = dict(zip((axis % x.ndim for axis in axes), zip(pads, pads[len(axes) :], strict=False), strict=True))
    if mode not in ("constant", "reflect", "edge"):
        raise UnsupportedError(f"Pad with mode {mode}")
    if mode == "constant":
        order = [amount for axis in reversed(range(x.ndim)) for amount in amounts.get(axis, (0, 0))]
        return functional.pad(x, order, value=0.0 if value is None else float(value))
    order = [amount for axis in reversed(range(2, x.ndim)) for amount in amounts.get(axis, (0, 0))]
    if any(any(amounts.get(axis, (0, 0))) for axis in (0, 1)):
        raise UnsupportedError(f"Pad with mode {mode} of channels")
    return functional.pad(x, order, mode="reflect" if mode == "reflect" else "replicate")


def _resize(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, mode = inputs[0], attributes.get("mode", "nearest")
    scales, sizes = (inputs[place] if len(inputs) > place else None for place in ((1, 3) if version < 10 else (2, 3)))
    if version < 11 and scales is None:
        scales = inputs[1] if len(inputs) > 1 else torch.tensor(attributes["scales"])
    if sizes is not None and len(sizes):
        target = numbers(sizes)[-2:]
    elif scales is None:
        raise UnsupportedError("Resize without a size")
    else:
        target = [int(size * scale) for size, scale in zip(x.shape[-2:], scales.tolist()[-2:], strict=True)]
    where = attributes.get("coordinate_transformation_mode", "half_pixel" if version >= 11 else "asymmetric")
    rounds = attributes.get("nearest_mode", "round_prefer_floor" if version >= 11 else "floor")
    if x.ndim != 4 or attributes.get("antialias") or attributes.get("axes"):
        raise UnsupportedError("Resize with antialiasing or of other axes")
    if mode == "nearest" and where == "asymmetric" and rounds == "floor":
        return functional.interpolate(x, target)
    whole = all(size % before == 0 for size, before in zip(target, x.shape[-2:], strict=True))
    if mode == "nearest" and where in ("half_pixel", "pytorch_half_pixel") and whole:
        return functional.interpolate(x, target)
    kind = {"linear": "bilinear", "cubic": "bicubic"}.get(mode)
    bent = mode == "cubic" and attributes.get("cubic_coeff_a", -0.75) != -0.75
    if kind is None or bent or where not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise UnsupportedError(f"Resize with mode {mode} and coordinates {where}")
    return functional.interpolate(x, target, mode=kind, align_corners=where == "align_corners")


def _shape(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    return torch.tensor(tuple(inputs[0].shape)[attributes.get("start", 0) : attributes.get("end")], dtype=torch.long)


def _constant_of_shape(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    value = attributes.get("value")
    return (
        torch.zeros(numbers(inputs[0]))
        if value is None
        else torch.full(numbers(inputs[0]), value.item(), dtype=value.dtype)
    )


def _depth_to_space(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, block = inputs[0], attributes["blocksize"]
    if attributes.get("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x, block)
    n, c, h, w = x.shape
    parts = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // block**2, h * block, w * block)


def _space_to_depth(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, block = inputs[0], attributes["blocksize"]
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * block**2, h // block, w // block)


def _gemm(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    a, b = inputs[0], inputs[1]
    a, b = a.T if attributes.get("transA") else a, b.T if attributes.get("transB") else b
    out: Tensor = attributes.get("alpha", 1.0) * (a @ b)
    added = inputs[2] if len(inputs) > 2 else None
    return out if added is None else out + attributes.get("beta", 1.0) * added


def _convolution(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    """One of any rank, or whose weights are computed; the usual ones are layers."""
    x, weight, bias = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None
    rank = weight.ndim - 2
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise UnsupportedError("automatic padding of a Conv whose weights are computed")
    pads, ones = attributes.get("pads", [0] * 2 * rank), [1] * rank
    x = functional.pad(x, [amount for axis in reversed(range(rank)) for amount in (pads[axis], pads[axis + rank])])
    convolve = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[rank]
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    return convolve(x, weight, bias, strides, 0, dilations, attributes.get("group", 1))


def _batch_norm(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, weight, bias, mean, variance = inputs[:5]
    training, eps = bool(attributes.get("training_mode")), attributes.get("epsilon", 1e-5)
    mean, variance = (None, None) if training else (mean, variance)
    return functional.batch_norm(x, mean, variance, weight, bias, training=training, eps=eps)


def _layer_norm(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x = inputs[0]
    shape = x.shape[attributes.get("axis", -1) % x.ndim :]
    bias = inputs[2] if len(inputs) > 2 else None
    return functional.layer_norm(x, shape, inputs[1], bias, attributes.get("epsilon", 1e-5))


def _group_norm(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    x, groups = inputs[0], attributes["num_groups"]
    scale, bias = (v if version >= 21 else v.repeat_interleave(x.shape[1] // groups) for v in inputs[1:3])
    return functional.group_norm(x, groups, scale, bias, attributes.get("epsilon", 1e-5))


def _instance_norm(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    return functional.instance_norm(inputs[0], weight=inputs[1], bias=inputs[2], eps=attributes.get("epsilon", 1e-5))


def _l2_normalise(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    power, axis = attributes.get("p", 2), attributes.get("axis", -1)
    return inputs[0] / inputs[0].norm(p=power, dim=axis, keepdim=True)


def _local_response(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    return functional.local_response_norm(
        inputs[0],
        attributes["size"],
        attributes.get("alpha", 1e-4),
        attributes.get("beta", 0.75),
        attributes.get("bias", 1.0),
    )


def _cumsum(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    if attributes.get("exclusive") or attributes.get("reverse"):
        raise UnsupportedError("CumSum that is exclusive or reversed")
    return inputs[0].cumsum(int(inputs[1]))


def _trilu(inputs: Inputs, attributes: Attributes, version: int) -> Tensor:
    diagonal = int(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else 0
    return (torch.triu if attributes.get("upper", 1) else torch.tril)(inputs[0], diagonal)


_PLAIN: Mapping[str, Callable[..., Any]] = {
        "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Pow": torch.pow, "Equal": torch.eq,
        "Greater": torch.gt, "Less": torch.lt, "GreaterOrEqual": torch.ge, "LessOrEqual": torch.le,
        "And": torch.logical_and, "Or": torch.logical_or, "Xor": torch.logical_xor, "Not": torch.logical_not,
        "Where": lambda c, a, b: torch.where(c.bool(), a, b), "MatMul": torch.matmul,
        "Erf": torch.erf, "Exp": torch.exp, "Log": torch.log, "Sqrt": torch.sqrt, "Reciprocal": torch.reciprocal,
        "Neg": torch.neg, "Abs": torch.abs, "Floor": torch.floor, "Ceil": torch.ceil, "Round": torch.round,
        "Sign": torch.sign, "Sin": torch.sin, "Cos": torch.cos, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid,
        "Softsign": functional.softsign, "Identity": lambda x: x, "Dropout": lambda x, *rest: x,
        "PRelu": lambda x, slope: torch.where(x < 0, x * slope, x), "IsNaN": torch.isnan,
        "Tile": lambda x, repeats: x.repeat(numbers(repeats)), "Size": lambda x: torch.tensor(x.numel()),
        "Range": lambda start, stop, step: torch.arange(start.item(), stop.item(), step.item(), dtype=start.dtype),
        "CastLike": lambda x, like: x.to(like.dtype),
}  # fmt: skip
OPERATORS: Mapping[str, Operator] = {name: _plain(function) for name, function in _PLAIN.items()} | {
    "Div": _divide, "Mod": _modulo, "Max": _many(torch.maximum), "Min": _many(torch.minimum), "Sum": _many(torch.add),
    "Mean": lambda inputs, attributes, version: torch.stack(torch.broadcast_tensors(*inputs)).mean(0),
    "Clip": _clip, "Cast": _cast, "Reshape": _reshape, "Transpose": _transpose, "Flatten": _flatten,
    "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Concat": _concat, "Split": _split, "Slice": _slice,
    "Gather": _gather, "GatherElements": _gather_elements, "Expand": _expand, "Pad": _pad, "Resize": _resize,
    "Upsample": _resize, "Shape": _shape, "ConstantOfShape": _constant_of_shape, "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth, "Gemm": _gemm, "Conv": _convolution,
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm, "InstanceNormalization": _instance_norm, "LpNormalization": _l2_normalise,
    "LRN": _local_response, "CumSum": _cumsum, "Trilu": _trilu,
    "Softmax": _softmax(torch.softmax), "LogSoftmax": _softmax(torch.log_softmax),
    "ArgMax": _arg(torch.argmax), "ArgMin": _arg(torch.argmin),
    "Einsum": lambda inputs, attributes, version: torch.einsum(attributes["equation"], *inputs),
    "ReduceMean": _reduce(torch.mean, by_input=18), "ReduceSum": _reduce(torch.sum, by_input=13),
    "ReduceMax": _reduce(torch.amax, by_input=18), "ReduceMin": _reduce(torch.amin, by_input=18),
    "ReduceProd": _reduce(_prod, by_input=18),
    "ReduceLogSumExp": _reduce(torch.logsumexp, by_input=18),
    "ReduceL1": _reduce(lambda x, dims, keep: x.abs().sum(dims, keep), by_input=18),
    "ReduceL2": _reduce(lambda x, dims, keep: (x * x).sum(dims, keep).sqrt(), by_input=18),
    "ReduceSumSquare": _reduce(lambda x, dims, keep: (x * x).sum(dims, keep), by_input=18),
    "HardSigmoid": lambda inputs, attributes, version: (
        attributes.get("alpha", 0.2) * inputs[0] + attributes.get("beta", 0.5)
    ).clamp(0, 1),
    "Softplus": lambda inputs, attributes, version: functional.softplus(inputs[0]),
    "Selu": lambda inputs, attributes, version: functional.selu(inputs[0]),
    "ThresholdedRelu": lambda inputs, attributes, version: functional.threshold(
        inputs[0], attributes.get("alpha", 1.0), 0.0
    ),
    "Swish": lambda inputs, attributes, version: inputs[0] * (attributes.get("alpha", 1.0) * inputs[0]).sigmoid(),
}  # fmt: skip
"""How each operator is computed, by its name."""
