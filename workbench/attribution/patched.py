"""A batch of copies of one image that each differ in one rectangle, of which a model computes only what the rectangle
can change.

A convolution looks at a neighbourhood: away from the rectangle its output is that for the image itself, which is
computed once and kept. The idea, for fixed architectures, is that of Nakandala et al. 2019, "Incremental and
Approximate Inference for Faster Occlusion-based Deep CNN Explanations"; here a tensor subclass carries it through any
model's own code. Nothing is approximated: operations that are not known to be local, and those that the rectangle has
outgrown, are done on the whole batch.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

OUTGROWN = 0.75  # of a layer's area, from where on the whole is cheaper
_aten = torch.ops.aten
Corners = list[tuple[int, int]]
Operation = Callable[..., Any]
Operand = tuple[Tensor, int]
"""A tensor, and how often it had been written to when it was used."""


class Kept:
    """What the model computes for the image itself, operation by operation, kept between chunks.

    Attributes:
        image: The image, (1, C, H, W).
        spared: Multiplications and additions that were not needed so far.
    """

    def __init__(self, image: Tensor) -> None:
        self.image = image.contiguous(memory_format=torch.channels_last)
        self.spared = 0
        self._results: dict[object, Tensor] = {}
        self._made_with: dict[object, list[Operand]] = {}
        self._times: collections.Counter[object] = collections.Counter()
        self._now: object = None
        self._operands: list[Tensor] = []

    def through(self, forward: Callable[[Tensor], Tensor], inputs: Patched) -> Tensor:
        """What `forward` answers to `inputs` (N, C, H, W), in the shape that it gives."""
        self._times.clear()
        with torch.no_grad():
            out = forward(inputs)
        return out.full() if isinstance(out, Patched) else out

    def enter(self, operation: object, *arguments: object) -> bool:
        """Begin an operation; whether what is kept of it, if anything, was made with the same operands.

        It is known by what it is applied to, and by how often that has happened in this pass. It cannot be known by its
        place in the order: what is done on the whole batch in one chunk is not seen here. Nor by the shapes of its
        operands: one that has the shape of a weight may depend on the input, such as the gate of squeeze and excite
        where a batch holds a single copy.
        """
        leaves = tree_leaves(arguments)
        signature = (operation, *map(_signature, leaves))
        self._now = (signature, self._times[signature])
        self._times[signature] += 1
        self._operands = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, Patched)]
        before = self._made_with.get(self._now)
        return before is None or all(map(_unchanged, before, self._operands))

    def result(self, make: Callable[[], Tensor], part: object = None) -> Tensor:
        """The operation's result for the image itself, (1, C, H, W): made by `make`, then kept with its operands."""
        key = (self._now, part)
        if key not in self._results:
            self._results[key] = make()
            self._made_with[self._now] = [(operand, _version(operand)) for operand in self._operands]
        return self._results[key]


def _signature(leaf: object) -> object:
    if isinstance(leaf, Patched):
        return id(leaf.whole)  # which is kept, so that nothing else gets its id
    return (tuple(leaf.shape), leaf.dtype) if isinstance(leaf, Tensor) else leaf


def _unchanged(kept: Operand, given: Tensor) -> bool:
    """Whether a tensor, of the same shape and kind, has the values that a kept one had."""
    tensor, version = kept
    return _version(tensor) == version and (tensor is given or torch.equal(tensor, given))


def _version(tensor: Tensor) -> int:
    """How often a tensor was written to; those made for inference alone cannot be, outside of it."""
    return 0 if tensor.is_inference() else tensor._version


class Patched(Tensor):
    """A batch (N, C, H, W) of copies of one image that differ in a rectangle each.

    Attributes:
        whole: The image, or what a layer makes of it, (1, C, H, W).
        patch: What is in the rectangles, (N, C, h, w).
        corners: Row and column where each rectangle begins.
        kept: What is known of the image itself.
    """

    whole: Tensor
    patch: Tensor
    corners: Corners
    kept: Kept
    _full: Tensor | None
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, whole: Tensor, patch: Tensor, corners: Corners, kept: Kept) -> Patched:
        shape = (len(patch), *whole.shape[1:])
        made: Patched = Tensor._make_wrapper_subclass(cls, shape, dtype=whole.dtype, device=whole.device)
        made.kept = kept
        made.become(whole, patch, corners)
        return made

    def become(self, whole: Tensor, patch: Tensor, corners: Corners) -> None:
        """Take another value, `patch` (N, C, h, w) at `corners` of `whole` (1, C, H, W), as in-place operations do."""
        self.whole, self.patch, self.corners, self._full = whole, patch, corners, None

    def full(self) -> Tensor:
        """The batch as an ordinary tensor, (N, C, H, W)."""
        if self._full is None:
            layout = (
                torch.channels_last
                if self.whole.is_contiguous(memory_format=torch.channels_last)
                else torch.contiguous_format
            )
            self._full = self.whole.expand(len(self.patch), -1, -1, -1).clone(memory_format=layout)
            height, width = self.patch.shape[2:]
            for copy, patch, (top, left) in zip(self._full, self.patch, self.corners, strict=True):
                copy[:, top : top + height, left : left + width] = patch
        return self._full

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        kwargs = kwargs or {}
        patched = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Patched)]
        in_place = func in IN_PLACE and isinstance(args[0], Patched)
        operation = IN_PLACE[func] if in_place else func
        if operation in LOCAL and patched[0].kept.enter(operation, args, kwargs):
            out = LOCAL[operation](operation, *args, **kwargs)
            if out is not None and in_place:
                args[0].become(out.whole, out.patch, out.corners)
                return args[0]
            if out is not None:
                return out
        args, kwargs = tree_map(lambda leaf: leaf.full() if isinstance(leaf, Patched) else leaf, (args, kwargs))
        out = func(*args, **kwargs)
        for copies in patched:
            if func._schema.is_mutable and any(copies.full() is leaf for leaf in tree_leaves(out)):
                copies.become(copies.whole, copies.full(), [(0, 0)] * len(copies))
                return copies
        return out


def cut(kept: Kept, inputs: Tensor, differs: Tensor) -> Patched:
    """Inputs (N, C, H, W) as copies of the image that is kept, given where each differs, (N, H, W)."""
    spans = []
    for lines in (differs.any(2), differs.any(1)):
        first = lines.byte().argmax(1)
        last = lines.shape[1] - lines.flip(1).byte().argmax(1)
        size = int((last - first).max())
        spans.append((size, first.clamp(max=lines.shape[1] - size).tolist()))
    (height, tops), (width, lefts) = spans
    corners = list(zip(tops, lefts, strict=True))
    patch = torch.stack(
        [image[:, y : y + height, x : x + width] for image, (y, x) in zip(inputs, corners, strict=True)]
    )
    return Patched(kept.image, patch.contiguous(memory_format=torch.channels_last), corners, kept)


def _rectangles(
    x: Patched, corners: Corners, size: tuple[int, int], margin: tuple[int, int] = (0, 0), fill: float = 0
) -> Tensor:
    """Rectangles (N, C, *size) of the batch from `corners`, which count from the corner of a margin of `fill`."""
    down, right = margin
    whole = x.whole
    if down or right:
        pad = (right, right, down, down)
        whole = x.kept.result(lambda: torch.nn.functional.pad(x.whole, pad, value=fill), part=pad)
    layout = (
        torch.channels_last if x.whole.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    )
    out = torch.empty((len(x.patch), x.whole.shape[1], *size), dtype=x.whole.dtype, memory_format=layout)
    height, width = x.patch.shape[2:]
    for copy, patch, (y, left), (top, start) in zip(out, x.patch, x.corners, corners, strict=True):
        copy[:] = whole[0, :, top : top + size[0], start : start + size[1]]
        row, column = y + down - top, left + right - start
        r0, r1, c0, c1 = max(row, 0), min(row + height, size[0]), max(column, 0), min(column + width, size[1])
        if r0 < r1 and c0 < c1:
            copy[:, r0:r1, c0:c1] = patch[:, r0 - row : r1 - row, c0 - column : c1 - column]
    return out


def _pointwise(func: Operation, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Each place by itself. Of several results, as BatchNorm's, the first is the output; the rest is for training."""
    if not isinstance(x, Patched):
        return None
    out = func(x.patch, *args, **kwargs)
    first = out[0] if isinstance(out, tuple) else out
    if first.shape != x.patch.shape:
        return None

    def for_image() -> Tensor:
        made = func(x.whole, *args, **kwargs)
        return made[0] if isinstance(made, tuple) else made

    made = Patched(x.kept.result(for_image), first, x.corners, x.kept)
    return (made, *out[1:]) if isinstance(out, tuple) else made


def _batch_norm(func: Operation, x: Any, *args: Any) -> Any:
    training = args[4] if len(args) == 7 else False
    return None if training else _pointwise(func, x, *args)


def _combine(func: Operation, x: Any, y: Any, *args: Any, **kwargs: Any) -> Any:
    """Two batches, or a batch and what is the same at every place."""
    if isinstance(x, Patched) and isinstance(y, Patched):
        return _join(lambda both: func(*both, *args, **kwargs), [x, y]) if x.shape == y.shape else None
    if isinstance(x, Patched):
        even = (
            not isinstance(y, Tensor)
            or y.ndim == 0
            or (y.ndim >= 3 and y.shape[-2:] == (1, 1) and (y.ndim == 3 or len(y) == 1))
        )
        return _pointwise(func, x, y, *args, **kwargs) if even else None
    return None


def _concatenate(func: Operation, parts: Sequence[Any], dim: int = 0) -> Any:
    if dim not in (1, -3) or not all(isinstance(part, Patched) for part in parts):
        return None
    return _join(lambda each: func(each, dim), list(parts))


def _join(join: Callable[[list[Tensor]], Tensor], parts: list[Patched]) -> Patched | None:
    """Join batches over rectangles that hold those of all."""
    starts, sizes = [], []
    for axis in (0, 1):
        first = [min(corners) for corners in zip(*([c[axis] for c in x.corners] for x in parts), strict=True)]
        last = [
            max(ends)
            for ends in zip(*([c[axis] + x.patch.shape[2 + axis] for c in x.corners] for x in parts), strict=True)
        ]
        size = max(b - a for a, b in zip(first, last, strict=True))
        starts.append([min(a, parts[0].shape[2 + axis] - size) for a in first])
        sizes.append(size)
    corners, size = list(zip(*starts, strict=True)), (sizes[0], sizes[1])
    if math.prod(size) > OUTGROWN * math.prod(parts[0].shape[2:]):
        return None
    fitting = [
        x.patch if x.corners == corners and x.patch.shape[2:] == size else _rectangles(x, corners, size) for x in parts
    ]
    whole = parts[0].kept.result(lambda: join([x.whole for x in parts]))
    return Patched(whole, join(fitting), corners, parts[0].kept)


def _slid(
    x: Patched, apply: Callable[[Tensor, Iterable[int]], Tensor], window: Sequence[Sequence[int]], fill: float = 0
) -> Patched | None:
    """A window that slides over the batch, with kernel, stride, padding and dilation given as a row and a column each.

    `apply` does it, with a padding that it is given.
    """
    kernel, stride, padding, dilation = ((w[0], w[-1]) for w in window)
    whole = x.kept.result(lambda: apply(x.whole, padding))
    starts, sizes, needed = [], [], []
    for axis, (k, s, p, d) in enumerate(zip(kernel, stride, padding, dilation, strict=True)):
        reach, limit = (k - 1) * d, whole.shape[2 + axis]
        size = min((x.patch.shape[2 + axis] + reach - 1) // s + 1, limit)
        starts.append([max(0, min(-((reach - p - corner[axis]) // s), limit - size)) for corner in x.corners])
        sizes.append(size)
        needed.append((size - 1) * s + reach + 1)
    if math.prod(sizes) > OUTGROWN * math.prod(whole.shape[2:]):
        return None
    begin = [(y * stride[0], z * stride[1]) for y, z in zip(*starts, strict=True)]
    as_is = kernel == stride == (1, 1) and padding == (0, 0)
    part = x.patch if as_is else _rectangles(x, begin, (needed[0], needed[1]), padding, fill)
    return Patched(whole, apply(part, (0, 0)), list(zip(*starts, strict=True)), x.kept)


def _convolution(
    func: Operation,
    x: Any,
    w: Tensor,
    b: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    extra: Any,
    groups: int,
) -> Any:
    if transposed or w.ndim != 4 or not isinstance(x, Patched):
        return None
    out = _slid(
        x,
        lambda z, p: func(z, w, b, stride, list(p), dilation, False, extra, groups),
        (w.shape[2:], stride, padding, dilation),
    )
    if out is not None:
        x.kept.spared += 2 * (out.numel() - out.patch.numel()) * math.prod(w.shape[1:])
    return out


def _max_pool(
    func: Operation,
    x: Any,
    kernel: Any,
    stride: Any = (),
    padding: Any = (0,),
    dilation: Any = (1,),
    ceil: bool = False,
) -> Any:
    if ceil or not isinstance(x, Patched):
        return None
    stride = stride or kernel
    window = (kernel, stride, padding, dilation)
    out = _slid(x, lambda z, p: func(z, kernel, stride, list(p), dilation)[0], window, fill=-math.inf)
    return None if out is None else (out, torch.empty(0, dtype=torch.long))


def _avg_pool(
    func: Operation, x: Any, kernel: Any, stride: Any = (), padding: Any = (0,), ceil: bool = False, *options: Any
) -> Any:
    if ceil or any(padding) or not isinstance(x, Patched):
        return None
    stride = stride or kernel
    return _slid(x, lambda z, p: func(z, kernel, stride, [0, 0], False, *options), (kernel, stride, padding, (1,)))


def _pad(func: Operation, x: Any, pad: Sequence[int], value: float = 0) -> Any:
    if len(pad) != 4 or min(pad) < 0 or not isinstance(x, Patched):
        return None
    whole = x.kept.result(lambda: func(x.whole, pad, value))
    return Patched(whole, x.patch, [(y + pad[2], left + pad[0]) for y, left in x.corners], x.kept)


_POINTWISE = (
    *(
        "relu",
        "hardtanh",
        "silu",
        "gelu",
        "elu",
        "leaky_relu",
        "mish",
        "hardswish",
        "hardsigmoid",
        "sigmoid",
        "tanh",
        "softplus",
    ),
    *("clamp", "neg", "clone", "detach", "alias"),
)
_COMBINED = ("add", "sub", "mul", "div")
LOCAL: dict[Operation, Operation] = (
    {getattr(_aten, name).default: _pointwise for name in _POINTWISE}
    | {getattr(_aten, name).Tensor: _combine for name in _COMBINED}
    | {
        _aten.convolution.default: _convolution,
        _aten.native_batch_norm.default: _batch_norm,
        _aten._native_batch_norm_legit_no_training.default: _batch_norm,
        _aten.max_pool2d_with_indices.default: _max_pool,
        _aten.avg_pool2d.default: _avg_pool,
        _aten.constant_pad_nd.default: _pad,
        _aten.cat.default: _concatenate,
    }
)
IN_PLACE: dict[Operation, Operation] = {
    getattr(_aten, f"{name}_").default: getattr(_aten, name).default
    for name in _POINTWISE
    if hasattr(_aten, f"{name}_")
} | {getattr(_aten, f"{name}_").Tensor: getattr(_aten, name).Tensor for name in _COMBINED}
