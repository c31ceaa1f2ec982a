"""Classifiers in ONNX files: what the file says of itself, read and checked before ONNX Runtime runs it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from workbench.catalog import is_inside
from workbench.errors import InputError
from workbench.files import file_digest
from workbench.models.bounds import MOST_PARAMETERS
from workbench.models.metadata import check_task, classes_in, prepared
from workbench.models.onnx_graph import convert
from workbench.models.onnx_model import FOLLOWING, NEAR, OnnxModel, Runtime, distance
from workbench.models.onnx_operators import UnsupportedError
from workbench.models.reading import Fact, Opened

LARGEST = 2**31 - 1
"""Bytes of a file with its weights beside it: the most that one message of its format can hold."""
MOST_NODES, MOST_CHANNELS = 50_000, 32
PLAIN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Whose operators ONNX Runtime brings with it."""
TYPES = {1: torch.float32, 2: torch.uint8, 10: torch.float16}
"""What an input may be made of, by ONNX's number."""


@dataclasses.dataclass(frozen=True)
class Takes:
    """What a file's input is.

    Attributes:
        dtype: Kind of its numbers.
        shape: (C, H, W), None for what is open.
        batch: Images at once; None for any number.
        last: Whether channels stand last.
    """

    dtype: torch.dtype
    shape: tuple[int | None, int | None, int | None]
    batch: int | None
    last: bool


def read_onnx(path: Path, *, trusted: bool = True) -> Opened:
    """Open a file, with weights that lie beside it.

    Args:
        path: The `.onnx` file.
        trusted: False for what came from a page: then its size is bounded.

    Raises:
        InputError: It is damaged, no image classifier, or needs code of its own.
    """
    onnx = require_onnx()
    proto, files = _proto(onnx, path)
    if not trusted:
        _check_size(proto, path.name)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    _check_task(proto, metadata, path.name)
    takes = _takes(proto, path.name)
    named = _plain_outputs(onnx, proto, path.name)
    cut = _cut(onnx, proto)
    names = [output.name for output in proto.graph.output]
    model = OnnxModel(Runtime(proto.SerializeToString()), names, dtype=takes.dtype, last=takes.last, batch=takes.batch)
    model.in_chans = takes.shape[0]
    _try(model, path.name)
    _follow(model, onnx, proto, takes)
    digest = hashlib.sha256(" ".join(map(file_digest, files)).encode()).hexdigest()
    classes = named or classes_in(metadata)
    stated = _preprocessing(takes, metadata)
    single = cut == "Sigmoid" and len(classes) < 3
    return Opened(
        model,
        digest,
        path.stem,
        preprocessing=stated,
        source=path.name,
        classes=classes,
        head={"Softmax": "logits", "Sigmoid": "logits" if single else "multilabel"}.get(cut),
        facts=tuple(_facts(model, proto, takes, cut, path.name)),
    )


def require_onnx() -> Any:
    """The package onnx. Raises InputError where it, or ONNX Runtime, is not installed."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError:
        raise InputError(
            "An ONNX file needs the packages onnx and onnxruntime: run pip install 'explainability-workbench[onnx]'."
        ) from None
    return onnx


def _proto(onnx: Any, path: Path) -> tuple[Any, list[Path]]:
    """The model with all of its weights, and the files that hold it."""
    from onnx import external_data_helper, inliner

    if path.stat().st_size > LARGEST:
        raise InputError(f"{path.name} has more than 2 GB, which the format cannot hold: export the model again.")
    try:
        proto = onnx.load_model(path, load_external_data=False)
        files = [path, *_beside(proto, path)]
        if len(files) > 1:
            external_data_helper.load_external_data_for_model(proto, str(path.parent))
        strange = sorted({entry.domain for entry in proto.opset_import} - PLAIN_DOMAINS - _functions(proto))
        used = {node.domain for node in proto.graph.node}
        if own := next((domain for domain in strange if domain in used), None):
            raise InputError(
                f"{path.name} uses operators of the domain {own[:60]!r}, which need code of their own: export the model"
                " with the standard operators."
            )
        if len(proto.functions):
            proto = inliner.inline_local_functions(proto)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # protobuf and onnx each raise their own kinds on a damaged file
        raise InputError(
            f"{path.name} is not an ONNX file, or is damaged ({type(error).__name__}): export it again."
        ) from None
    if not proto.graph.node or not proto.graph.output:
        raise InputError(f"{path.name} holds no graph that computes anything: export the model again.")
    return proto, files


def _functions(proto: Any) -> set[str]:
    return {function.domain for function in proto.functions}


def _beside(proto: Any, path: Path) -> list[Path]:
    """The files of weights beside a model.

    Raises:
        InputError: One is missing, lies elsewhere, or there is too much.
    """
    names = {
        entry.value: None
        for tensor in _tensors(proto)
        if tensor.data_location == tensor.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    files = []
    for name in names:
        file = path.parent / name
        if Path(name).is_absolute() or ".." in Path(name).parts or not is_inside(file, path.parent):
            raise InputError(
                f"{path.name} names weights outside of its folder ({name[:80]!r}): put the file beside it."
            )
        if not file.is_file():
            raise InputError(
                f"{path.name} keeps its weights in {name[:80]!r}, which is not beside it: copy that file there too."
            )
        files.append(file)
    if path.stat().st_size + sum(file.stat().st_size for file in files) > LARGEST:
        raise InputError(f"{path.name} and its weights have more than 2 GB, which is the limit: give a smaller model.")
    return files


def _tensors(proto: Any) -> Iterator[Any]:
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_size(proto: Any, name: str) -> None:
    count = sum(math.prod(tensor.dims) for tensor in _tensors(proto))
    if count > MOST_PARAMETERS or len(proto.graph.node) > MOST_NODES:
        raise InputError(
            f"{name} has {count / 1e6:,.0f} million parameters in {len(proto.graph.node):,} operations, over the"
            f" {MOST_PARAMETERS // 10**6} million in {MOST_NODES:,} that a page may ask for: name it when you start the"
            " workbench (--model)."
        )


def _check_task(proto: Any, metadata: Mapping[str, str], name: str) -> None:
    check_task(metadata, name)
    operators = {node.op_type for node in proto.graph.node}
    if found := sorted(operators & {"NonMaxSuppression", "RoiAlign"}):
        raise InputError(f"{name} finds objects ({found[0]} is among its operators): give an image classifier.")


def _inputs(proto: Any) -> list[Any]:
    held = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in held]


def _takes(proto: Any, name: str) -> Takes:
    inputs = _inputs(proto)
    if len(inputs) != 1:
        named = ", ".join(value.name for value in inputs[:4])
        raise InputError(
            f"{name} takes {len(inputs)} inputs ({named}) rather than one of images: export the model for images alone."
        )
    kind = inputs[0].type.tensor_type
    shape = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in kind.shape.dim]
    if len(shape) != 4:
        raise InputError(
            f"{name} takes an input of {len(shape)} dimensions, and images have four (images, channels, height, width):"
            " give a model of images."
        )
    if kind.elem_type not in TYPES:
        from onnx import TensorProto

        raise InputError(
            f"{name} takes numbers of the type {TensorProto.DataType.Name(kind.elem_type).lower()}: export it for"
            " float32, float16 or uint8."
        )
    last = _is_last(proto, inputs[0].name, shape)
    if last:
        shape = [shape[0], shape[3], shape[1], shape[2]]
    channels = shape[1] or _channels(proto, inputs[0].name)
    return Takes(TYPES[kind.elem_type], (channels, shape[2], shape[3]), shape[0], last)


def _is_last(proto: Any, source: str, shape: list[int | None]) -> bool:
    """Whether channels stand last in an input: by its sizes, else by what its first operation does with it."""
    first, last = ((size is not None and size <= MOST_CHANNELS) for size in (shape[1], shape[3]))
    if first != last:
        return last
    users = [node for node in proto.graph.node if source in node.input]
    passed = {
        name for node in users if node.op_type in ("Cast", "Identity", "Mul", "Sub", "Div") for name in node.output
    }
    users += [node for node in proto.graph.node if passed & set(node.input)]
    orders = [list(attribute.ints) for node in users if node.op_type == "Transpose" for attribute in node.attribute]
    return [0, 3, 1, 2] in orders


def _channels(proto: Any, source: str) -> int | None:
    """How many channels the first convolution takes, where the input does not say."""
    sizes = {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer}
    node = next((node for node in proto.graph.node if node.op_type == "Conv" and node.input[1] in sizes), None)
    if node is None:
        return None
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return sizes[node.input[1]][1] * groups


def _plain_outputs(onnx: Any, proto: Any, name: str) -> tuple[str, ...]:
    """Keep the outputs that are numbers; class names where a table of them (ZipMap) stood at the end.

    Raises:
        InputError: No output is left.
    """
    makers = {out: node for node in proto.graph.node for out in node.output}
    kept, names = [], list[bytes]()
    for output in proto.graph.output:
        node = makers.get(output.name)
        if node is not None and node.op_type == "ZipMap":
            names = next((list(part.strings) for part in node.attribute if part.name == "classlabels_strings"), [])
            proto.graph.node.remove(node)
            kept.append(onnx.helper.make_tensor_value_info(node.input[0], 1, [None, len(names) or None]))
        elif output.type.tensor_type.elem_type in (1, 10, 11):
            kept.append(output)
    if not kept:
        raise InputError(f"{name} answers with no numbers but with texts or tables: export it with its probabilities.")
    kept = [onnx.ValueInfoProto.FromString(output.SerializeToString()) for output in kept]
    del proto.graph.output[:]
    proto.graph.output.extend(kept)
    return tuple(part.decode("utf-8", "replace") for part in names)


def _cut(onnx: Any, proto: Any) -> str:
    """Take a final softmax or sigmoid away, so that logits are answered; its name, or empty where there is none."""
    graph = proto.graph
    if len(graph.output) != 1:
        return ""
    makers = {name: node for node in graph.node for name in node.output}
    node = makers.get(graph.output[0].name)
    passed = []
    while node is not None and node.op_type == "Identity":
        passed.append(node)
        node = makers.get(node.input[0])
    if node is None or node.op_type not in ("Softmax", "Sigmoid"):
        return ""
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1)
    rank = len(graph.output[0].type.tensor_type.shape.dim)
    if node.op_type == "Softmax" and (rank != 2 or axis not in (-1, 1)):
        return ""
    kind = graph.output[0].type.tensor_type.elem_type
    for gone in (*passed, node):
        graph.node.remove(gone)
    value = onnx.helper.make_tensor_value_info(node.input[0], kind, None)
    del graph.output[:]
    graph.output.append(value)
    return str(node.op_type)


def _try(model: OnnxModel, name: str) -> None:
    assert model.runtime is not None
    with _silence():
        try:
            _ = model.runtime.session
        except Exception as error:  # of ONNX Runtime's own kinds
            reason = " ".join(str(error).split())[-200:]
            raise InputError(
                f"ONNX Runtime cannot run {name} ({reason}): export it again, for an opset that it knows."
            ) from None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(3)


def _follow(model: OnnxModel, onnx: Any, proto: Any, takes: Takes) -> None:
    """Give the model its graph in torch, or the reason why it has none."""
    size = tuple(n or m for n, m in zip(takes.shape, (3, 224, 224), strict=True))
    chance = torch.Generator().manual_seed(0)
    waves = torch.linspace(0, 9, size[1] * size[2]).sin().mul(0.5).add(0.5).reshape(1, 1, *size[1:]).expand(1, *size)
    reason = ""
    try:
        model.adopt(convert(proto).float())
        model.whole = takes.batch is None or _is_whole(model, size)
        for x in (torch.rand(2, *size, generator=chance), waves.contiguous()):
            x = x if takes.dtype.is_floating_point else x.mul(255).round() / 255
            gap = distance(model, x)
            if gap > NEAR:
                reason = f"its graph, computed in torch, answers otherwise than ONNX Runtime (by {gap:.1g})"
    except UnsupportedError as error:
        reason = str(error)
    except Exception as error:  # of torch, for a graph that is not as it seemed
        reason = f"its graph cannot be computed in torch ({' '.join(str(error).split())[:120]})"
    if reason:
        model.__dict__["_follow"] = None
        model._modules = {}
        model.refusals = dict.fromkeys(FOLLOWING, f"{reason}, so choose a perturbation method")


def _is_whole(model: OnnxModel, size: tuple[int, ...]) -> bool:
    """Whether the graph in torch of a model of a fixed batch answers for another number of images all the same."""
    model.whole = True
    x = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    try:
        return distance(model, x if model.dtype.is_floating_point else x.mul(255).round() / 255) <= NEAR
    except Exception:  # of torch, where the number is written into shapes
        return False


def _preprocessing(takes: Takes, metadata: Mapping[str, str]) -> dict[str, object]:
    channels, height, width = takes.shape
    stated: dict[str, object] = prepared(metadata)
    if height and width:
        stated["size"] = (height, width)
    if takes.dtype == torch.uint8:
        stated |= {"mean": (0.0,) * (channels or 3), "std": (1.0,) * (channels or 3)}
    return stated


def _facts(model: OnnxModel, proto: Any, takes: Takes, cut: str, name: str) -> Iterator[Fact]:
    version = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 0)
    maker = " ".join(f"{proto.producer_name} {proto.producer_version}".split())[:60]
    made = f", written by {maker}" if maker else ""
    yield Fact("format", f"ONNX, opset {version}{made}; ONNX Runtime answers", name, "stated")
    if takes.last:
        yield Fact("format", "it takes channels last, so inputs are turned", name, "stated")
    if takes.dtype == torch.uint8:
        yield Fact("preprocessing", "it takes bytes from 0 to 255 and normalises by itself", name, "stated")
    if cut:
        yield Fact("head", f"the file ends in {cut}, whose input, the logits, is read", name, "stated", "head")
    if model.refusals:
        reason = model.refusals["gradient"].removesuffix(", so choose a perturbation method")
        yield Fact("layers", f"no gradients and no layers: {reason}", "its graph in torch", "measured")
    else:
        yield Fact(
            "layers",
            "gradients and layers from its graph in torch, which agrees with ONNX Runtime to 1e-4",
            "measured on noise and waves",
            "measured",
        )
