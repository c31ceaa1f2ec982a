"""Where a layer keeps the image: as (C, h, w), as (h, w, C) or as a row of tokens, and how to read each as a grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
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
"""Modules whose four-dimensional output is (N, C, ...), whatever the last two dimensions are."""
MOST_BESIDE = 16
"""Tokens beside those of the image at most: class, distillation and register tokens."""
MOST_FOLDS = 4
Layout = Literal["channels first", "channels last", "tokens", "tokens last"]


@dataclasses.dataclass(frozen=True)
class Grid:
    """How the output of one layer lies over the image.

    Attributes:
        layout: (N, C, ...), (N, ..., C), tokens (N, T, C) or tokens (N, C, T).
        shape: (C, h, w).
        prefix: Tokens before those of the grid: class, distillation and register tokens.
        calls: How often the layer runs in one pass.
        suffix: Tokens behind those of the grid.
        folds: How often the grid is cut into every other row and column, four coarser grids that stand one behind
            another, as MobileViT and Hiera do.
        blocks: Rows and columns of the blocks that stand one behind another, as NesT does.
        middle: Tokens between the two halves of those of the grid, as Vision Mamba's class token.
    """

    layout: Layout
    shape: tuple[int, int, int]
    prefix: int = 0
    calls: int = 1
    suffix: int = 0
    folds: int = 0
    blocks: tuple[int, int] = (1, 1)
    middle: int = 0

    @property
    def beside(self) -> int:
        """Tokens that are none of the grid's."""
        return self.prefix + self.middle + self.suffix

    def spread(self, values: Tensor) -> Tensor:
        """An activation of the layer, or its gradient, as (N, C, h, w)."""
        if self.layout in ("channels last", "tokens"):
            values = values.movedim(-1, 1)
        if self.layout.startswith("channels") and not self.folds and self.blocks == (1, 1):
            return values
        cells = values.flatten(2)
        cells = cells[..., self.prefix : cells.shape[2] - self.suffix]
        if self.middle:
            half = (cells.shape[2] - self.middle) // 2
            cells = torch.cat([cells[..., :half], cells[..., half + self.middle :]], 2)
        return self._in_rows(cells)

    def _in_rows(self, cells: Tensor) -> Tensor:
        count, (channels, height, width), (down, across) = len(cells), self.shape, self.blocks
        if self.folds:
            pairs = range(self.folds)
            parts = cells.reshape(
                count, channels, *[2, 2] * self.folds, height >> self.folds, width >> self.folds
            )  # the first pair tells neighbours apart, the last one the coarsest cells
            rows = [2 + 2 * self.folds, *[2 + 2 * pair for pair in reversed(pairs)]]
            cells = parts.permute(0, 1, *rows, *[axis + 1 for axis in rows])
        elif self.blocks != (1, 1):
            parts = cells.reshape(count, channels, down, across, height // down, width // across)
            cells = parts.permute(0, 1, 2, 4, 3, 5)
        return cells.reshape(count, *self.shape)


def is_attention(module: nn.Module) -> bool:
    """Whether a module computes multi-head attention by itself."""
    kind = type(module).__name__.lower()
    named = ("attention" in kind or "attn" in kind) and any(
        hasattr(module, heads) for heads in ("num_heads", "n_heads", "heads", "num_attention_heads")
    )
    return named or isinstance(module, nn.MultiheadAttention)


def outside_attention(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules with their names, without those inside attention: shapes of queries, heads and matrices mislead."""
    inside = {
        part for module in model.modules() if is_attention(module) for part in module.modules() if part is not module
    }
    yield from ((name, module) for name, module in model.named_modules() if name and module not in inside)


class Reader:
    """Names every layout that an output's shape allows, likeliest first.

    Attributes:
        size: (height, width) of the input.
        prefix: Tokens before those of the grid, where that is known.
        seen: (h, w) of convolutions and the like so far.
    """

    def __init__(self, size: tuple[int, int], prefix: int | None = None) -> None:
        self.size = size
        self.prefix = prefix
        self.seen: list[tuple[int, int]] = []

    def layouts(self, module: nn.Module, output: object) -> list[Grid]:
        """How an output of one input may lie over the image; empty where it has no grid."""
        if not isinstance(output, Tensor) or output.ndim not in (3, 4) or len(output) != 1 or not output.numel():
            return []
        if isinstance(module, nn.Softmax | nn.Conv1d) or _is_matrix_of_shares(output):
            return []
        grids = list(self._planes(module, *output.shape[1:]) if output.ndim == 4 else self._rows(*output.shape[1:]))
        return list(dict.fromkeys(grid for grid in grids if min(grid.shape[1:]) > 1))

    def _planes(self, module: nn.Module, a: int, b: int, c: int) -> Iterator[Grid]:
        if isinstance(module, PLANAR) and min(b, c) > 1 and (b, c) not in self.seen:
            self.seen.append((b, c))
        if self._fits(b, c):
            yield Grid("channels first", (a, b, c))
        if not isinstance(module, PLANAR) and self._fits(a, b):
            yield Grid("channels last", (c, a, b))
        for height, width in self._grids():
            if not self._alike(height, width):
                continue
            if height * width == b * c and b == 4 and not height % 2 and not width % 2:
                yield Grid("channels first", (a, height, width), folds=1)
            if height * width == a * b and a > 1:
                yield from _blocks(Grid("channels last", (c, height, width)), a)

    def _rows(self, a: int, b: int) -> Iterator[Grid]:
        """Tokens first, then channels first."""
        for layout, tokens, channels in (("tokens", a, b), ("tokens last", b, a)):
            for height, width in self._grids():
                beside = tokens - height * width
                if not 0 <= beside <= MOST_BESIDE or (layout == "tokens last" and beside):
                    continue
                plain = Grid(layout, (channels, height, width))  # type: ignore[arg-type]
                for prefix in self._prefixes(beside):
                    yield dataclasses.replace(plain, prefix=prefix, suffix=beside - prefix)
                if beside and self.prefix is None:
                    yield dataclasses.replace(plain, middle=beside)
                if not beside and layout == "tokens" and self._alike(height, width):
                    yield from _folded(plain)

    def _prefixes(self, beside: int) -> Iterator[int]:
        """How many of the tokens beside those of the grid may stand before it."""
        likely = (self.prefix, beside, 0, 1 if beside == 2 else None)
        yield from dict.fromkeys(n for n in likely if n is not None and n <= beside)

    def _grids(self) -> Iterator[tuple[int, int]]:
        """Grids that tokens may form: those of earlier convolutions and their halves, then the input at any stride."""
        grids: dict[tuple[int, int], None] = {}
        for height, width in reversed(self.seen):
            while min(height, width) > 1:
                grids[height, width] = grids[height // 2, width // 2] = None
                height, width = -(-height // 2), -(-width // 2)
        for stride in range(1, min(self.size) // 2 + 1):
            grids[self.size[0] // stride, self.size[1] // stride] = None
            grids[-(-self.size[0] // stride), -(-self.size[1] // stride)] = None
        yield from (grid for grid in grids if min(grid) > 1)

    def _fits(self, height: int, width: int) -> bool:
        return (height, width) in self.seen or self._alike(height, width)

    def _alike(self, height: int, width: int) -> bool:
        """Whether a grid has the aspect of the input, to one cell, and no more cells than pixels."""
        tall, wide = self.size[0] * width, self.size[1] * height
        return height <= self.size[0] and width <= self.size[1] and abs(tall - wide) <= max(self.size)


def _folded(grid: Grid) -> Iterator[Grid]:
    _, height, width = grid.shape
    for folds in range(1, MOST_FOLDS + 1):
        if not height % 2**folds and not width % 2**folds:
            yield dataclasses.replace(grid, folds=folds)


def _blocks(grid: Grid, count: int) -> Iterator[Grid]:
    _, height, width = grid.shape
    for down in range(2, min(count, height)):
        across = count // down
        if down * across == count and not height % down and not width % across and 1 < across < width:
            yield dataclasses.replace(grid, blocks=(down, across))


def _is_matrix_of_shares(output: Tensor) -> bool:
    """Whether every row is a set of shares, as in a matrix of attention."""
    square = output.ndim == 4 and output.shape[2] == output.shape[3] > 1
    return (
        square
        and bool((output >= 0).all())
        and bool(torch.allclose(output.float().sum(-1), torch.ones((), device=output.device), atol=1e-3))
    )
