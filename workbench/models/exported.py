"""Models in archives of `torch.export` (`.pt2`): the whole computation in one file, without its Python code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.models.heads import joined

if TYPE_CHECKING:
    from torch.export import ExportedProgram

AGAIN = "export it again with torch.export.save"


class Exported(nn.Module):
    """An exported model that answers for any number of images and has the modes that every module has.

    Its layers have the names that they had in Python, and can be hooked, but each is a piece of the graph: an `nn.ReLU`
    is no longer known as one. Where an archive cannot be taken apart into layers it runs as one piece.

    Attributes:
        shape: (C, H, W) that it takes; None stands for any.
        batch: Images it takes at once at most; None for any number.
    """

    def __init__(self, program: ExportedProgram) -> None:
        super().__init__()
        self.shape, self.batch = _shape(program)
        module, self.layered = _as_layers(program, (self.batch or 1, *(n or 64 for n in self.shape)))
        # The parts without their root, so that names stay as they were and modes can be set, which the root may refuse
        self._ask: Callable[[Tensor], object]
        self.__dict__["_ask"] = module
        self._parameters, self._buffers, self._modules = module._parameters, module._buffers, module._modules

    def forward(self, x: Tensor) -> object:
        """Answer for inputs of shape (N, C, H, W), in as many passes as the archive's batch size asks for."""
        if any(want not in (None, have) for want, have in zip(self.shape, x.shape[1:], strict=True)):
            raise ValueError(f"it was exported for images of {' x '.join(str(n or 'any') for n in self.shape)}")
        if self.batch is None or len(x) <= self.batch:
            return self._ask(x)
        return joined([self._ask(part) for part in x.split(self.batch)])


def read_exported(path: Path, device: torch.device) -> Exported:
    """Load an archive from a trusted source.

    Opening one can run code. Found in torch 2.15 by planting a payload: `torch.export.load` unpickles freely the
    archive's sample inputs (where the restricted unpickler refuses them), every weight and constant that the archive's
    own index marks as pickled, and its custom objects. No setting forbids that, so archives from a page are refused
    before they come here.

    Raises:
        InputError: It cannot be read, or it was exported in a way that cannot be used.
    """
    log = logging.getLogger("torch.export")
    level = log.level
    try:
        log.setLevel(logging.CRITICAL)  # it writes its tracebacks to the console before it raises
        program = torch.export.load(path)
    except Exception as error:  # zipfile, json, pickle and torch each raise their own kinds on a damaged file
        if "set_grad_enabled" in str(error):  # found in torch 2.15: it writes such an archive, and does not read it
            raise InputError(
                f"{path.name} was exported of a model that turns gradients off: {AGAIN}, inside of torch.no_grad()."
            ) from None
        raise InputError(
            f"{path.name} is not an archive of torch.export that torch {torch.__version__} can read"
            f" ({type(error).__name__}): {AGAIN}."
        ) from None
    finally:
        log.setLevel(level)
    if not hasattr(program, "graph_signature"):
        raise InputError(f"{path.name} holds compiled code, not an exported model: {AGAIN}.")
    _check(program, path.name)
    if device.type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, str(device))
    return Exported(program)


def _check(program: ExportedProgram, name: str) -> None:
    """Refuse what is no classifier of single images, or was exported while training."""
    inputs = program.graph_signature.user_inputs
    value = _placeholder(program, str(inputs[0])).meta.get("val") if len(inputs) == 1 else None
    if not isinstance(value, Tensor) or value.ndim != 4 or value.dtype != torch.float32:
        raise InputError(f"{name} does not take one float32 input of shape (N, C, H, W): export a model that does.")
    if isinstance(value.shape[0], int) and value.shape[0] != 1:
        raise InputError(
            f"{name} was exported for batches of exactly {value.shape[0]} images: export it with one image, or with the"
            " batch as dynamic dimension."
        )
    training = [node for node in program.graph.nodes if _is_training(node)]
    if training or program.graph_signature.buffers_to_mutate:
        raise InputError(
            f"{name} was exported in training mode, so its answers change from call to call: call .eval() and {AGAIN}."
        )


def _is_training(node: torch.fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return False
    given = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False)) | dict(node.kwargs)
    return any(given.get(name) is True for name in ("train", "training"))


def _placeholder(program: ExportedProgram, name: str) -> torch.fx.Node:
    return next(node for node in program.graph.nodes if node.op == "placeholder" and node.name == name)


def _shape(program: ExportedProgram) -> tuple[tuple[int | None, ...], int | None]:
    """(C, H, W) with None for what is dynamic, and the largest batch."""
    value = _placeholder(program, str(program.graph_signature.user_inputs[0])).meta["val"]
    shape = tuple(n if isinstance(n, int) else None for n in value.shape[1:])
    batch = value.shape[0]
    if isinstance(batch, int):
        return shape, batch
    limits = program.range_constraints.get(batch.node.expr)
    upper = limits.upper if limits is not None else None
    return shape, int(upper) if upper is not None and upper.is_Integer else None


def _as_layers(program: ExportedProgram, example: tuple[int, ...]) -> tuple[nn.Module, bool]:
    """The program as layers with names, if that computes the same, else as one piece; and whether it has layers."""
    whole = program.module()
    x = torch.linspace(-1, 1, torch.Size(example).numel(), device=_device_of(whole)).reshape(example)
    try:
        parts = torch.export.unflatten(program)
        parts.check_input_constraints = False  # checked in `Exported`; the records that it needs cannot be copied
        _forget_shapes(parts)
        with torch.inference_mode():
            pairs = zip(_leaves(parts(x)), _leaves(whole(x)), strict=True)
            same = all(torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6) for a, b in pairs)
    except Exception:  # an experimental part of torch, which raises many kinds
        same = False
    if same:
        return parts, True
    _forget_shapes(whole)
    return whole, False


def _forget_shapes(module: nn.Module) -> None:
    """Drop the notes of the export, which hold tensors without data: they keep a module from being copied."""
    for part in module.modules():
        for node in getattr(getattr(part, "graph", None), "nodes", ()):
            node.meta = {}


def _device_of(module: nn.Module) -> torch.device:
    return next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))


def _leaves(out: object) -> list[Tensor]:
    """The tensors in an answer, whatever dicts, tuples and lists hold them."""
    if isinstance(out, Tensor):
        return [out]
    parts = out.values() if isinstance(out, Mapping) else out if isinstance(out, tuple | list) else ()
    return [leaf for part in parts for leaf in _leaves(part)]
