"""What a forward pass was made of, read from the graph that autograd keeps of it.

Captum's DeepLift and guided backprop work through hooks on modules and do not notice what happens between them: there
they fall back on the plain gradient in silence. The graph names every operation, so that it can be told what the hooks
would miss.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections import deque
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from workbench.attribution.job import NO_GRADIENT, REENTRANT, SCRIPTED, Job

ACTIVATIONS = re.compile(
    "elu|silu|swish|mish|hard|glu|sigmoid|tanh|soft|shrink|threshold|clamp|maximum|minimum|attention|copyslices",
    re.IGNORECASE,
)
"""Operations that switch or bend what flows through them."""
NONLINEAR = re.compile(
    ACTIVATIONS.pattern
    + "|max|min|exp(?!and)|log|pow|sqrt|abs|erf|sin|cos|reciprocal"
    + "|where|sort|topk|median|var|std|prod|(?<!batch)norm|dist|masked",
    re.IGNORECASE,
)
"""The activations, and all else whose effects do not simply add up."""
SWITCHES = re.compile("Mul|Div|Where|Masked|Index|Gather|Scatter|Take")
"""Operations that multiply by, choose by or cut out by something, which may come from the image without a gradient."""
PRODUCTS = re.compile("Mul|Div|Mm|Bmm|Addmm|Baddbmm|Einsum|Mv|Dot|Convolution")


@dataclasses.dataclass(frozen=True)
class Trace:
    """One forward pass.

    Attributes:
        x: The image, (1, C, H, W), which asks for gradients.
        score: Its score, (1,), with its graph.
        nodes: Every operation between the two, nearest to the score first.
        calls: For each watched module that was used, the operation that each of its calls ended with.
        kinds: Those modules' kinds.
    """

    x: Tensor
    score: Tensor
    nodes: tuple[Node, ...]
    calls: Mapping[nn.Module, list[Node | None]]
    kinds: tuple[type[nn.Module], ...]


def trace(job: Job, kinds: tuple[type[nn.Module], ...]) -> Trace:
    """Ask about the image once and keep what happened, watching modules of `kinds`.

    Raises:
        InputError: No gradient flows from the score to the image.
    """
    if isinstance(job.classifier.model, torch.jit.ScriptModule):
        raise job.refuse(SCRIPTED)
    calls: dict[nn.Module, list[Node | None]] = {}

    def note(module: nn.Module, inputs: object, output: Tensor) -> None:
        calls.setdefault(module, []).append(output.grad_fn if isinstance(output, Tensor) else None)

    x = job.x.clone().requires_grad_()
    with bare(job.classifier.model, kinds), contextlib.ExitStack() as hooks:
        for module in job.classifier.model.modules():
            if isinstance(module, kinds):
                hooks.enter_context(module.register_forward_hook(note))
        with torch.enable_grad():
            score = job.forward(x)
    if score.grad_fn is None:
        raise job.refuse(NO_GRADIENT)
    nodes = tuple(_upstream(score.grad_fn))
    if any(_name(node) == "CheckpointFunctionBackward" for node in nodes):
        raise job.refuse(REENTRANT)
    if any(_name(node).startswith("CppFunction") for node in nodes):  # quantised layers have no derivative
        raise job.refuse(NO_GRADIENT)
    return Trace(x, score, nodes, calls, kinds)


@contextlib.contextmanager
def bare(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[None]:
    """Modules of `kinds` without the owner's backward hooks, for which Captum would leave a module out."""
    modules = [module for module in model.modules() if isinstance(module, kinds)]
    kept = [dict(module._backward_hooks) for module in modules]
    try:
        for module in modules:
            module._backward_hooks.clear()
        yield
    finally:
        for module, hooks in zip(modules, kept, strict=True):
            module._backward_hooks.update(hooks)


@contextlib.contextmanager
def apart(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[None]:
    """A copy of its input for every call of a module of `kinds`.

    Captum hooks the input itself. Where a shortcut around the module uses that input too, its gradient would be changed
    as well.
    """

    def copy(module: nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(value.clone() if isinstance(value, Tensor) else value for value in inputs)

    with bare(model, kinds), contextlib.ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, kinds):
                hooks.enter_context(module.register_forward_pre_hook(copy))
        yield


def uncovered(nodes: tuple[Node, ...], covered: set[Node], kind: re.Pattern[str]) -> list[str]:
    """Names of the operations of a kind that are not in `covered`, each once."""
    names = {
        readable(node): None for node in nodes if node not in covered and (kind.search(_name(node)) or _opaque(node))
    }
    return list(names)


def entangled(node: Node) -> bool:
    """Whether an operation multiplies or divides by something that depends on the image, or uses batch statistics."""
    operands = [operand is not None for operand, _ in node.next_functions]
    if _name(node).startswith("Div"):
        return len(operands) > 1 and operands[1]
    return (bool(PRODUCTS.match(_name(node))) and sum(operands) > 1) or bool(getattr(node, "_saved_training", False))


def switched(job: Job, graph: Trace) -> list[str]:
    """Names of operations that let the image decide what flows through them, past any gradient: ReLU written as
    `torch.where(h > 0, h, 0)` or `h * (h > 0)`. They are those that use something else on another image."""
    doubtful = [node for node in graph.nodes if SWITCHES.match(_name(node)) and not entangled(node)]
    if not any(map(_saved, doubtful)):
        return []

    def uncounted(x: Tensor) -> Tensor:
        return job.score.of(job.classifier, job.classifier.logits(x))

    other = trace(dataclasses.replace(job, x=-job.x.flip((2, 3)), forward=uncounted), graph.kinds)
    if [_name(node) for node in graph.nodes] != [_name(node) for node in other.nodes]:
        return ["other operations for other images"]
    names = {
        readable(one): None
        for one, two in zip(graph.nodes, other.nodes, strict=True)
        if one in doubtful and not _same(_saved(one), _saved(two))
    }
    return list(names)


def _saved(node: Node) -> list[Tensor]:
    values = (getattr(node, name) for name in dir(node) if name.startswith("_saved_"))
    parts = (value if isinstance(value, tuple) else (value,) for value in values)
    return [tensor for part in parts for tensor in part if isinstance(tensor, Tensor)]


def _same(these: list[Tensor], those: list[Tensor]) -> bool:
    return len(these) == len(those) and all(map(torch.equal, these, those))


def readable(node: Node) -> str:
    """The operation's name without what autograd adds to it and without the kind of its kernel."""
    plain = re.sub(r"^Native|Backward\d*$", "", _name(node))
    return "attention" if plain.startswith("ScaledDotProduct") else plain


def _name(node: Node) -> str:
    return type(node).__name__


def _opaque(node: Node) -> bool:
    """Whether what it computes cannot be known: functions of the model's own, compiled parts."""
    return not _name(node)[-1].isdigit() and _name(node) not in ("AccumulateGrad", "BackwardHookFunctionBackward")


def _upstream(start: Node) -> Iterator[Node]:
    seen, waiting = {start}, deque([start])
    while waiting:
        node = waiting.popleft()
        yield node
        for source, _ in node.next_functions:
            if source is not None and source not in seen:
                seen.add(source)
                waiting.append(source)
