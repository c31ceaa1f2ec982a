"""Where a layer keeps the image: as (C, h, w), as (h, w, C) or as a row of tokens, and how to read each as a grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

PLANAR = (
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.BatchNorm2d,
    nn.InstanceNorm2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Dropout2d,
)
"""Modules whose four-dimensional output is (N, C, h, w) without a doubt."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """How the output of one layer lies over the image.

    Attributes:
        layout: (N, C, h, w), (N, h, w, C), or tokens (N, T, C).
        shape: (C, h, w).
        prefix: Tokens before those of the grid: class, distillation and register tokens.
        calls: How often the layer runs in one pass.
    """

    layout: Literal["channels first", "channels last", "tokens"]
    shape: tuple[int, int, int]
    prefix: int = 0
    calls: int = 1

    def spread(self, values: Tensor) -> Tensor:
        """An activation of the layer, or its gradient, as (N, C, h, w)."""
        if self.layout == "channels first":
            return values
        if self.layout == "channels last":
            return values.permute(0, 3, 1, 2)
        return values[:, self.prefix :].transpose(1, 2).reshape(len(values), *self.shape)


def read_grids(model: nn.Module, blank: Tensor) -> dict[str, Grid]:
    """Layers with a spatial output, in the order of execution (where a layer ran last), by name.

    Args:
        model: In evaluation mode, held by the caller.
        blank: An input, (1, C, H, W).
    """
    reader = _Reader((blank.shape[2], blank.shape[3]), _declared_prefix(model))
    grids: dict[str, Grid] = {}
    calls: dict[str, int] = {}

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            calls[name] = calls.get(name, 0) + 1
            grid = reader.read(module, output)
            grids.pop(name, None)
            if grid is not None:
                grids[name] = dataclasses.replace(grid, calls=calls[name])

        return hook

    handles = []
    try:
        handles += [module.register_forward_hook(note(name)) for name, module in _outside_attention(model)]
        model(blank)
    finally:
        for handle in handles:
            handle.remove()
    return grids


def is_attention(module: nn.Module) -> bool:
    """Whether a module computes multi-head attention by itself."""
    kind = type(module).__name__.lower()
    named = ("attention" in kind or "attn" in kind) and any(
        hasattr(module, heads) for heads in ("num_heads", "n_heads", "heads")
    )
    return named or isinstance(module, nn.MultiheadAttention)


def _outside_attention(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules with their names, without those inside attention: shapes of queries, heads and matrices mislead."""
    inside = {
        part for module in model.modules() if is_attention(module) for part in module.modules() if part is not module
    }
    yield from ((name, module) for name, module in model.named_modules() if name and module not in inside)


def _declared_prefix(model: nn.Module) -> int | None:
    for module in model.modules():
        count = getattr(module, "num_prefix_tokens", None)
        if isinstance(count, int):
            return count
    return None


class _Reader:
    """Tells layouts apart during one pass: what is certain of early layers settles what is doubtful of later ones."""

    def __init__(self, size: tuple[int, int], prefix: int | None) -> None:
        self.size = size
        self.prefixes = tuple(dict.fromkeys((prefix or 0, 0) if prefix is not None else (0, 1, 2)))
        self.seen: list[tuple[int, int]] = []
        self.last_first = True

    def read(self, module: nn.Module, output: object) -> Grid | None:
        """The grid of an output of one input; None where it has none."""
        if (
            not isinstance(output, Tensor)
            or output.ndim not in (3, 4)
            or len(output) != 1
            or isinstance(module, nn.Softmax | nn.Conv1d)
        ):
            return None
        grid = self._plane(module, output) if output.ndim == 4 else self._tokens(output.shape[1], output.shape[2])
        return grid if grid is not None and min(grid.shape[1:]) > 1 else None

    def _plane(self, module: nn.Module, output: Tensor) -> Grid | None:
        _, a, b, c = output.shape
        first, last = Grid("channels first", (a, b, c)), Grid("channels last", (c, a, b))
        if isinstance(module, PLANAR):
            if min(b, c) > 1 and (b, c) not in self.seen:
                self.seen.append((b, c))
            self.last_first = True
            return first
        if isinstance(module, nn.Linear) or type(module) is nn.LayerNorm:  # both work along the last dimension only
            self.last_first = False
            return last if self._trust(a, b) else None
        if _is_matrix_of_shares(output):
            return None
        as_first, as_last = self._trust(b, c), self._trust(a, b)
        if as_first == as_last > 0:
            return first if self.last_first else last
        if as_last > as_first:
            return last
        return first if as_first or self._alike(b, c) else None

    def _tokens(self, tokens: int, channels: int) -> Grid | None:
        for prefix in self.prefixes:
            for height, width in self._token_grids():
                if height * width == tokens - prefix:
                    return Grid("tokens", (channels, height, width), prefix)
        return None

    def _token_grids(self) -> Iterator[tuple[int, int]]:
        """Grids that tokens may form: those of earlier convolutions and their halves, otherwise any whole stride."""
        for height, width in reversed(self.seen):
            while min(height, width) > 1:
                yield height, width
                height, width = -(-height // 2), -(-width // 2)
        if not self.seen:
            yield from ((self.size[0] // s, self.size[1] // s) for s in range(1, min(self.size) // 2 + 1))

    def _trust(self, height: int, width: int) -> int:
        """2 for a grid that was seen for certain, 1 for one that is the input at a whole stride, 0 for others."""
        if (height, width) in self.seen:
            return 2
        strides = range(1, min(self.size) + 1)
        return int(any(height in _steps(self.size[0], s) and width in _steps(self.size[1], s) for s in strides))

    def _alike(self, height: int, width: int) -> bool:
        """Whether a grid has the aspect of the input, to one cell."""
        tall, wide = self.size[0] * width, self.size[1] * height
        return height <= self.size[0] and width <= self.size[1] and abs(tall - wide) <= max(self.size)


def _steps(length: int, stride: int) -> tuple[int, int]:
    return length // stride, -(-length // stride)


def _is_matrix_of_shares(output: Tensor) -> bool:
    """Whether every row is a set of shares, as in a matrix of attention."""
    square = output.shape[2] == output.shape[3] > 1
    return (
        square
        and bool((output >= 0).all())
        and bool(torch.allclose(output.sum(-1), torch.ones((), device=output.device), atol=1e-3))
    )
