"""An ONNX graph as modules of torch, with gradients and layers that can be hooked, or the reason why it cannot be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.models.onnx_layers import LAYERS
from workbench.models.onnx_operators import OPERATORS, UnsupportedError

QUANTISED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")
MOST_FOLDED = 2**24
"""Numbers that a constant which is computed while converting may have."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One node.

    Attributes:
        operator: Its name in ONNX.
        layer: Name of the module that computes it; empty where a function does.
        inputs: Names of its inputs; empty for one that is left out.
        outputs: Names of its outputs.
        attributes: As the operator takes them.
        spent: Names whose values nothing needs any more afterwards.
    """

    operator: str
    layer: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    spent: tuple[str, ...] = ()


class Graph(nn.Module):
    """The nodes of a graph, run one after another.

    Attributes:
        source: Name of its input.
        targets: Names of its outputs.
    """

    def __init__(self, source: str, targets: Sequence[str], version: int) -> None:
        super().__init__()
        self.source, self.targets, self.version = source, tuple(targets), version
        self.steps: list[Step] = []
        self.constants: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The outputs, in order, for the graph's own input."""
        values: dict[str, Any] = {self.source: x}
        for step in self.steps:
            inputs = self._aligned([self._value(name, values, x.device) for name in step.inputs])
            if step.layer:
                out = self._modules[step.layer](inputs[0])  # type: ignore[misc]
            else:
                out = OPERATORS[step.operator](inputs, step.attributes, self.version)
            values.update(zip(step.outputs, out if isinstance(out, tuple) else (out,), strict=False))
            for name in step.spent:
                values.pop(name, None)
        return tuple(self._value(name, values, x.device) for name in self.targets)

    def _value(self, name: str, values: Mapping[str, Any], device: torch.device) -> Any:
        if name in values:
            return values[name]
        constant = self.constants.get(name)
        if constant is not None and constant.is_floating_point() and constant.device != device:
            constant = self.constants[name] = constant.to(device)
        return constant

    def _aligned(self, inputs: list[Any]) -> list[Any]:
        """Inputs on one device: shapes are computed on the CPU wherever the model runs."""
        places = {value.device for value in inputs if isinstance(value, Tensor)}
        if len(places) < 2:
            return inputs
        place = next(device for device in places if device.type != "cpu")
        return [value.to(place) if isinstance(value, Tensor) else value for value in inputs]


def convert(model: Any) -> Graph:
    """The graph of an ONNX model as modules.

    Args:
        model: A `ModelProto` with all of its weights and one input, its functions inlined.

    Raises:
        UnsupportedError: It holds what cannot be converted; the message names it.
    """
    graph = model.graph
    _check(graph.node)
    constants = {tensor.name: _tensor(tensor) for tensor in graph.initializer}
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    source = next(value.name for value in graph.input if value.name not in constants)
    out = Graph(source, [value.name for value in graph.output], version)
    for place, node in enumerate(graph.node):
        _add(out, node, place, constants)
    _forget(out)
    used = {name for step in out.steps for name in step.inputs} | set(out.targets)
    out.constants = {name: value for name, value in constants.items() if name in used}
    return out.eval()


def _check(nodes: Sequence[Any]) -> None:
    names = {node.op_type for node in nodes}
    if quantised := sorted(name for name in names if name in QUANTISED or name.startswith("QLinear")):
        raise UnsupportedError(f"it is quantised ({quantised[0]}), and no gradient flows through rounded numbers")
    own = sorted({f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in ("", "ai.onnx")})
    strange = own or sorted(names - OPERATORS.keys() - LAYERS.keys() - {"Constant"})
    if strange:
        raise UnsupportedError(f"its operator {strange[0]} is not known here")


def _add(graph: Graph, node: Any, place: int, constants: dict[str, Tensor]) -> None:
    """Compute a node now where it depends on constants only, else add it as a step."""
    attributes = _attributes(node)
    if node.op_type == "Constant":
        constants[node.output[0]] = _constant(attributes)
        return
    inputs = [constants.get(name) if name else None for name in node.input]
    if node.input and all(name == "" or name in constants for name in node.input) and node.op_type in OPERATORS:
        out = OPERATORS[node.op_type](inputs, attributes, graph.version)
        parts = dict(zip(node.output, out if isinstance(out, tuple) else (out,), strict=False))
        if sum(part.numel() for part in parts.values()) <= MOST_FOLDED:
            constants.update(parts)
            return
    made = LAYERS[node.op_type](inputs, attributes) if node.op_type in LAYERS else None
    if made is None and node.op_type not in OPERATORS:
        raise UnsupportedError(f"its operator {node.op_type} has settings that are not known here")
    layer = ""
    if made is not None:
        if any(node.output[1:]):
            raise UnsupportedError(f"its operator {node.op_type} gives several outputs")
        layer = _name(graph, node, place)
        graph.add_module(layer, made[0])
    taken = node.input[: made[1]] if made is not None else node.input
    graph.steps.append(Step(node.op_type, layer, tuple(taken), tuple(node.output), attributes))


def _name(graph: Graph, node: Any, place: int) -> str:
    """What the layer is called: as its node, with the dots that a module's name may not hold replaced."""
    plain = (node.name or f"{node.op_type}_{place}").strip("/").replace(".", "_") or f"{node.op_type}_{place}"
    return plain if not hasattr(graph, plain) else f"{plain}_{place}"


def _forget(graph: Graph) -> None:
    """Note with each step which values are used last there."""
    last = {name: place for place, step in enumerate(graph.steps) for name in (*step.inputs, *step.outputs)}
    for place, step in enumerate(graph.steps):
        spent = tuple(
            name for name in {*step.inputs, *step.outputs} if last[name] == place and name not in graph.targets
        )
        graph.steps[place] = dataclasses.replace(step, spent=spent)


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import AttributeProto, helper

    attributes: dict[str, Any] = {"outputs": len(node.output)}
    for attribute in node.attribute:
        if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
            raise UnsupportedError(f"its operator {node.op_type} holds a graph of its own")
        value = helper.get_attribute_value(attribute)
        if attribute.type == AttributeProto.TENSOR:
            value = _tensor(value)
        attributes[attribute.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return attributes


def _constant(attributes: Mapping[str, Any]) -> Tensor:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in attributes:
            value = attributes[name]
            return value if isinstance(value, Tensor) else torch.tensor(value)
    raise UnsupportedError("its operator Constant holds no numbers")


def _tensor(proto: Any) -> Tensor:
    """An ONNX tensor in torch, floats in single precision."""
    from onnx import numpy_helper

    array = numpy_helper.to_array(proto)
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise UnsupportedError(f"its tensor {proto.name} holds {array.dtype.name}")
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        array = array.astype("float32")
    elif array.dtype.name in ("uint16", "uint32", "uint64"):
        array = array.astype("int64")
    return torch.from_numpy(array.copy())
