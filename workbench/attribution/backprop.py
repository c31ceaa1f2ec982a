"""Methods that change how gradients pass through activations; models for which they would be wrong are refused."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from workbench.attribution.job import Implementation, Job
from workbench.attribution.structure import (
    ACTIVATIONS,
    NONLINEAR,
    Trace,
    apart,
    bare,
    entangled,
    readable,
    switched,
    trace,
    uncovered,
)

BENDS = re.compile(f"{ACTIVATIONS.pattern}|abs|sgn|sqrt|sort|topk", re.IGNORECASE)
"""What guided backprop cannot guide: the activations, and what ReLU can be written with."""
TOLERANCE = 1e-3
"""Share of the change that DeepLift's map may miss: it is exact, so anything beyond rounding is a fault."""
BENT = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus)
POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
FOLLOWED = BENT + POOLS
"""Modules for which Captum has a rule of DeepLift that can keep the sum."""


class Scored(nn.Module):
    """A model together with its score: scores of shape (N, 1) for inputs of shape (N, C, H, W), as Captum's hooks need
    it.

    Attributes:
        scores: Those of the last call, (N,).
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.model = job.classifier.model
        self.score = job.forward
        self.scores = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, 1) of inputs (N, C, H, W)."""
        scores = self.score(x)
        self.scores = scores.detach()
        return scores[:, None]


def deeplift(job: Job) -> Tensor:
    """DeepLift's Rescale rule (Shrikumar et al. 2017, "Learning Important Features Through Propagating Activation
    Differences").

    Every activation's output change against the baseline is shared out by its input change, so that the map sums to the
    change of the score. Captum leaves out what is no module of a kind that it knows, and its rule for max-pooling loses
    a part with most baselines; both are refused, the first by the operations that ran, the second by the sum.

    Returns:
        (1, C, H, W), in the score's unit.

    Raises:
        InputError: Something in the model is not followed.
    """
    from captum.attr import DeepLift

    assert job.baseline is not None
    graph = trace(job, FOLLOWED)
    if reason := _why_not_followed(job, graph):
        raise job.refuse(reason)
    scored = Scored(job)
    with (
        _captum(job),
        _clean(job.classifier.model),
        bare(job.classifier.model, POOLS),
        apart(job.classifier.model, BENT),
    ):
        values = DeepLift(scored).attribute(job.x.clone().requires_grad_(), baselines=job.baseline).detach()
    _check_score(job, graph, scored)
    change = (scored.scores[0] - scored.scores[1]).double().item()
    total = values.double().sum().item()
    if abs(total - change) > max(TOLERANCE * abs(change), 1e-6 * values.double().abs().sum().item()):
        pools = any(isinstance(module, POOLS) for module in graph.calls)
        coarse = any(readable(node) == "ToCopy" for node in graph.nodes)
        why = (
            "its max-pooling is not shared out rightly against this baseline" if pools else "part of it is not followed"
        )
        why = "it computes in half precision, too coarse for the sum that DeepLift promises" if coarse else why
        instead = "the baseline mean or " if pools and job.params["baseline"] != "mean" else ""
        raise job.refuse(
            f"{why} (the map sums to {total:.3g}, the score changes by {change:.3g}), so choose {instead}integrated"
            " gradients"
        )
    return values


def guided_backprop(job: Job) -> Tensor:
    """The gradient, without what is negative at a ReLU (Springenberg et al. 2015, "Striving for Simplicity").

    It is defined for networks whose activations are all ReLUs, and Captum finds only those that are modules.

    Returns:
        (1, C, H, W), in the score's unit per unit of input.

    Raises:
        InputError: The model uses other activations, or such ReLUs as Captum does not find.
    """
    from captum.attr import GuidedBackprop

    graph = trace(job, (nn.ReLU,))
    if reason := _why_not_guided(job, graph):
        raise job.refuse(reason)
    (plain,) = torch.autograd.grad(graph.score.sum(), graph.x)
    scored = Scored(job)
    with _captum(job), apart(job.classifier.model, (nn.ReLU,)):
        values = GuidedBackprop(scored).attribute(job.x.clone().requires_grad_(), target=0).detach()
    _check_score(job, graph, scored)
    if torch.allclose(values, plain, rtol=1e-5, atol=1e-7 * plain.abs().max().item()):
        raise job.refuse("it gives the plain gradient here, which would pass for something else, so choose saliency")
    return values


def _why_not_followed(job: Job, graph: Trace) -> str | None:
    names = {module: name for name, module in job.classifier.model.named_modules()}
    for module, calls in graph.calls.items():
        if len(calls) > 1:
            return (
                f"its module {names[module]} ({type(module).__name__}) is used {len(calls)} times, which Captum's"
                " DeepLift cannot tell apart: give each use a module of its own, or choose integrated gradients"
            )
    if job.score.kind == "probability":
        return (
            "a probability passes through a softmax that DeepLift cannot follow, so explain the logit or choose"
            " integrated gradients"
        )
    covered = {
        node for module, calls in graph.calls.items() if type(module) in FOLLOWED for node in calls if node is not None
    }
    missed = uncovered(graph.nodes, covered, NONLINEAR)
    missed += ["a product of two activations"] if any(entangled(node) for node in graph.nodes) else []
    missed = missed or [f"a choice by the image itself, {name}" for name in switched(job, graph)]
    if missed:
        return (
            f"it computes what DeepLift cannot follow through modules ({_some(missed)}), so choose integrated gradients"
        )
    return None


def _why_not_guided(job: Job, graph: Trace) -> str | None:
    instead = "so choose saliency or SmoothGrad"
    relus = {
        node
        for calls in graph.calls.values()
        for node in calls
        if node is not None and type(node).__name__ == "ReluBackward0"
    }
    nodes = list(graph.nodes)
    if job.score.kind == "probability":  # the score's own softmax, nearest to the score, is no part of the model
        nodes.remove(next(node for node in nodes if type(node).__name__ == "SoftmaxBackward0"))
    missed = uncovered(tuple(nodes), relus, BENDS)
    if "Relu" in missed:
        return f"it calls ReLU as a function, where guided backprop would give the plain gradient unnoticed, {instead}"
    if missed:
        return f"guided backprop is defined for ReLU alone and this model uses {_some(missed)}, {instead}"
    if by_hand := switched(job, graph):
        return (
            f"the image itself switches what flows through it ({_some(by_hand)}), as a ReLU written by hand does, where"
            f" guided backprop would give the plain gradient unnoticed: use nn.ReLU modules, or choose saliency or"
            " SmoothGrad"
        )
    if not relus & set(nodes):
        return f"it has no ReLU module that guided backprop could guide, {instead}"
    return None


def _check_score(job: Job, graph: Trace, scored: Scored) -> None:
    """Refuse where Captum's hooks changed the score: in-place modules overwrite the copies that they pass on."""
    if not torch.allclose(scored.scores[0], graph.score[0].detach(), rtol=1e-3, atol=1e-5):
        raise job.refuse(
            "an activation changes its input in place and its result is not passed on, so use its result or choose"
            " saliency"
        )


@contextlib.contextmanager
def _captum(job: Job) -> Iterator[None]:
    """Captum without its notice on hooks, and with what it asserts of modules as a refusal."""
    # not in catch_warnings, which is one for all threads
    warnings.filterwarnings("ignore", message=r"\s*Setting .*hooks")
    try:
        yield
    except AssertionError as error:
        raise job.refuse(
            f"Captum cannot follow its modules ({str(error).splitlines()[0]}), so choose integrated gradients"
        ) from error


@contextlib.contextmanager
def _clean(model: nn.Module) -> Iterator[None]:
    """Take away the activations that Captum leaves on modules which the gradient never reached."""
    before = {module: set(vars(module)) for module in model.modules()}
    try:
        yield
    finally:
        for module, names in before.items():
            for name in vars(module).keys() - names:
                del vars(module)[name]


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")


IMPLEMENTATIONS = {
    "guided_backprop": Implementation(guided_backprop, lambda job: 2),
    "deeplift": Implementation(deeplift, lambda job: 3),
}
