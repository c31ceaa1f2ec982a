"""A model of ONNX as a module: ONNX Runtime answers, and where gradients or layers are followed its graph in torch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.models.onnx_graph import Graph

NEAR = 1e-4
"""How far the converted graph may be from ONNX Runtime, in logits or in shares of the largest."""
FOLLOWING = ("gradient", "layer", "attention")
"""Families of methods that need the graph."""


class Runtime:
    """ONNX Runtime on the CPU, with as many threads as torch has; it holds no state between passes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._session: Any = None

    @property
    def session(self) -> Any:
        """The session, made when it is first asked. Raises whatever ONNX Runtime raises for a model it cannot run."""
        if self._session is None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
            options.log_severity_level = 4
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(self.data, options, providers=["CPUExecutionProvider"])
        return self._session

    def __call__(self, x: np.ndarray) -> list[Tensor]:
        """Its outputs for one input, in order."""
        outputs = self.session.run(None, {self.session.get_inputs()[0].name: x})
        return [torch.from_numpy(np.asarray(part)) for part in outputs if isinstance(part, np.ndarray)]

    def __deepcopy__(self, memo: object) -> Runtime:
        return self

    def __getstate__(self) -> dict[str, object]:
        return {"data": self.data, "_session": None}


class OnnxModel(nn.Module):
    """A model that ONNX Runtime runs.

    Its layers are those of the converted graph, by the names of the file's nodes. A copy of it answers by the graph
    alone, so that its weights can be changed.

    Attributes:
        names: Of its outputs.
        dtype: What kind of numbers it takes: bytes are made of inputs in 0 .. 1.
        last: Whether it takes (N, H, W, C).
        batch: Images it takes at once, exactly; None for any number.
        whole: Whether its graph in torch takes any number all the same.
        refusals: Why methods of a family do not suit it, by the family.
    """

    def __init__(
        self,
        runtime: Runtime,
        names: Sequence[str],
        *,
        dtype: torch.dtype = torch.float32,
        last: bool = False,
        batch: int | None = None,
    ) -> None:
        super().__init__()
        self.runtime: Runtime | None = runtime
        self.names, self.dtype, self.last, self.batch = tuple(names), dtype, last, batch
        self.whole = batch is None
        self.in_chans: int | None = None
        self.refusals: Mapping[str, str] = {}
        self._follow: Graph | None = None

    def adopt(self, graph: Graph) -> None:
        """Take a converted graph, whose layers become its own."""
        self.__dict__["_follow"] = graph
        self._modules = graph._modules

    def forward(self, x: Tensor) -> object:
        """Answers for inputs of shape (N, C, H, W): a tensor, or several by the names of the outputs.

        Raises:
            InputError: Gradients are asked for, and its graph could not be converted.
        """
        follow = self.runtime is None or self._followed(x)
        if follow and self._follow is None:
            raise InputError(f"This model gives no gradients: {self.refusals['gradient']}.")
        outputs = self.by_graph(x) if follow else self.by_runtime(x)
        return outputs[0] if len(outputs) == 1 else dict(zip(self.names, outputs, strict=True))

    def _followed(self, x: Tensor) -> bool:
        """Whether more than the answer is wanted: gradients, what its layers do, what a kind of tensor carries."""
        if type(x) is not Tensor or (torch.is_grad_enabled() and x.requires_grad):
            return True
        return any(
            module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
            for module in self._modules.values()
            if module is not None
        )

    def by_runtime(self, x: Tensor) -> list[Tensor]:
        """Its outputs, in order, as ONNX Runtime computes them."""
        return self._by_runtime(x) if self.batch is None else self._in_batches(x, self.batch, self._by_runtime)

    def by_graph(self, x: Tensor) -> list[Tensor]:
        """Its outputs, in order, as its graph in torch computes them."""
        return (
            self._by_graph(x) if self.whole or self.batch is None else self._in_batches(x, self.batch, self._by_graph)
        )

    @staticmethod
    def _in_batches(x: Tensor, batch: int, ask: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
        parts = []
        for part in x.split(batch):
            short = batch - len(part)
            full = part if not short else torch.cat([part, part[-1:].expand(short, *part.shape[1:])])
            parts.append([out[: len(part)] for out in ask(full)])
        return [torch.cat(some) for some in zip(*parts, strict=True)]

    def _by_runtime(self, x: Tensor) -> list[Tensor]:
        values = self._laid(x.detach().cpu())
        values = values.round().clamp(0, 255) if not self.dtype.is_floating_point else values
        array = values.to(self.dtype).contiguous().numpy()
        assert self.runtime is not None
        return [out.to(x.device) for out in self.runtime(array)]

    def _by_graph(self, x: Tensor) -> list[Tensor]:
        assert self._follow is not None
        return list(self._follow(self._laid(x)))

    def _laid(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1) if self.last else x
        return x if self.dtype.is_floating_point else x * 255

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxModel:
        other = OnnxModel.__new__(OnnxModel)
        nn.Module.__init__(other)
        memo[id(self)] = other
        kept = {name: value for name, value in vars(self).items() if name not in ("_modules", "_follow")}
        other.__dict__.update(copy.deepcopy(kept, memo))
        other.__dict__["_follow"] = None
        if self._follow is not None:
            other.adopt(copy.deepcopy(self._follow, memo))
            other.runtime = None
        return other


def distance(model: OnnxModel, x: Tensor) -> float:
    """How far the graph is from ONNX Runtime for inputs (N, C, H, W): in shares of the largest answer, or of 1."""
    with torch.no_grad():
        pairs = zip(model.by_graph(x), model.by_runtime(x), strict=True)
        gaps = [
            float((a.double() - b.double()).abs().max() / max(1.0, float(b.double().abs().max())))
            for a, b in pairs
            if b.numel() and a.shape == b.shape
        ]
    return max(gaps) if len(gaps) == len(model.names) else float("inf")
