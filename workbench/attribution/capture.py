"""One layer's activation and its gradient, as grids, from one pass; and which layer to look at."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from workbench.attribution.job import NO_GRADIENT, SCRIPTED, Job
from workbench.errors import InputError
from workbench.models import Classifier, Grid, is_attention, untouched

MIXED = "after "
"""Goes before the names of attention modules in the survey, whose outputs are kept also where they are no layers."""


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a pass over noise tells of a model's layers.

    Attributes:
        live: Layers whose grid the scores depend on. (The last block of a transformer passes on its class token alone.)
        default: The deepest of them that runs once and lies before global pooling; None where there is none but the
            first.
        readers: For each token, whether the scores are read from it after the last attention (without attention: at the
            last layer of tokens); empty without tokens.
    """

    live: frozenset[str]
    default: str | None
    readers: tuple[bool, ...]


_surveys: WeakKeyDictionary[Classifier, Survey] = WeakKeyDictionary()


def survey(classifier: Classifier) -> Survey:
    """What is known of a classifier's layers, found with one forward and backward pass and remembered."""
    if classifier not in _surveys:
        _surveys[classifier] = _survey(classifier)
    return _surveys[classifier]


def choose_layer(classifier: Classifier, name: object) -> str:
    """The layer called `name`, or where that is None the deepest one that the scores depend on.

    Raises:
        InputError: There is no such layer, or it runs more than once in a pass.
    """
    grids = classifier.grids
    once = [layer for layer, grid in grids.items() if grid.calls == 1]
    if isinstance(classifier.model, torch.jit.ScriptModule):
        raise InputError(f"Layer methods do not suit this model: {SCRIPTED}.")
    if not once:
        raise InputError(
            "No layer of this model keeps the image's places, which layer methods need: a change in one corner of the"
            " image shows in that corner of none. Choose another method, or set prefix_tokens for a transformer."
        )
    if name is None:
        default = survey(classifier).default
        if default is None:
            raise InputError(_no_default(classifier))
        return default
    such = f"choose one such as {', '.join(once[-3:])}"
    if not isinstance(name, str) or name not in grids:
        raise InputError(f"There is no layer {name!r} with a spatial output: {such}.")
    if grids[name].calls > 1:
        raise InputError(
            f"The layer {name} runs {grids[name].calls} times in one pass, which no single map can show: {such}."
        )
    return name


def _no_default(classifier: Classifier) -> str:
    """The sentence that says why no layer is looked at unless told."""
    live, first = survey(classifier).live, next(iter(classifier.grids))
    if not live:
        return "This model's scores depend on no layer with a spatial output: choose another method."
    return (
        f"Only the first layer of this model, {first}, keeps the image's places and matters to the scores: it has seen"
        " hardly anything. Choose another method, set prefix_tokens for a transformer, or name that layer."
    )


def capture(job: Job) -> tuple[Tensor, Tensor]:
    """The activation of the job's layer and the gradient of the score to it, each (1, C, h, w).

    Gradients start at the layer's output: what lies before it runs without a graph.

    Raises:
        InputError: No gradient reaches the layer's grid, whatever the image.
    """
    name, kept = str(job.params["layer"]), list[Tensor]()
    grid = job.classifier.grids[name]

    def cut(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0].clone()  # what follows may work in place

    handle = job.classifier.model.get_submodule(name).register_forward_hook(cut)
    try:
        score = job.forward(job.x)
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(score.sum(), kept, allow_unused=True) if score.requires_grad else (None,)
    if gradient is None and name in survey(job.classifier).live:
        raise job.refuse(NO_GRADIENT)
    spread = grid.spread(torch.zeros_like(kept[0]) if gradient is None else gradient).float()
    if not spread.any() and name not in survey(job.classifier).live:
        raise job.refuse(_dead(job.classifier, name))
    return grid.spread(kept[0].detach()).float(), spread


def activation(job: Job) -> Tensor:
    """The activation of the job's layer, (1, C, h, w), without a gradient.

    Raises:
        InputError: As `capture`: a layer that the score does not depend on explains nothing either.
    """
    name = str(job.params["layer"])
    if name not in survey(job.classifier).live:
        return capture(job)[0]
    grid, kept = job.classifier.grids[name], list[Tensor]()
    handle = job.classifier.model.get_submodule(name).register_forward_hook(
        lambda module, inputs, output: kept.append(output.clone())
    )
    try:
        with torch.inference_mode():
            job.forward(job.x)
    finally:
        handle.remove()
    return grid.spread(kept[0]).float()


def _dead(classifier: Classifier, name: str) -> str:
    """The clause that says why no gradient reaches a layer."""
    better = survey(classifier).default
    if not survey(classifier).live:
        return NO_GRADIENT
    cure = f"choose {better}" if better else "choose another method"
    grid = classifier.grids[name]
    if grid.layout == "tokens" and grid.beside:
        return (
            f"the score is read from the class token, and no longer depends on the image's own tokens at {name}: {cure}"
        )
    return f"the score does not depend on the layer {name}: {cure}"


def _survey(classifier: Classifier) -> Survey:
    model, outputs = classifier.model, dict[str, Tensor]()
    grids = {name: grid for name, grid in classifier.grids.items() if grid.calls == 1}
    mixers = [(name, module) for name, module in model.named_modules() if is_attention(module)]
    chance = torch.Generator().manual_seed(0)
    with untouched(classifier), torch.inference_mode(False), torch.enable_grad(), contextlib.ExitStack() as undo:
        noise = torch.randn(1, len(classifier.preprocessing.mean), *classifier.preprocessing.size, generator=chance)
        for module in model.modules():
            if isinstance(module, nn.Linear) and not module.weight.any():
                undo.callback(_awake(module, chance).remove)
        for name in grids:
            undo.callback(model.get_submodule(name).register_forward_hook(_keep(outputs, name)).remove)
        for name, module in mixers:
            undo.callback(module.register_forward_hook(_keep(outputs, f"{MIXED}{name}")).remove)
        logits = classifier.logits(noise.to(classifier.device).requires_grad_())
        weighted = (
            logits.cpu() * torch.randn(logits.shape, generator=chance)
        ).sum()  # no class stands out, none cancels
        bound = {name: output for name, output in outputs.items() if output.requires_grad}
        reachable = weighted.requires_grad and bool(bound)
        slopes = _slopes(weighted, list(bound.values())) if reachable else ()
        changed = [] if any(slope is not None for slope in slopes) else _changing(classifier, noise, list(grids))
    gradients = {name: gradient for name, gradient in zip(bound, slopes, strict=False) if gradient is not None}
    live = [name for name in grids if name in gradients and grids[name].spread(gradients[name]).any()]
    tokens = [name for name in gradients if name.startswith(MIXED)] or [
        n for n in gradients if grids[n].layout == "tokens"
    ]
    readers = gradients[tokens[-1]][0].flatten(1).any(1).tolist() if tokens else []
    if not live:  # the model gives no gradient
        return Survey(frozenset(changed), _deepest(classifier, changed, outputs), ())
    return Survey(frozenset(live), _deepest(classifier, live, outputs, gradients), tuple(readers))


def _slopes(weighted: Tensor, outputs: list[Tensor]) -> tuple[Tensor | None, ...]:
    try:
        return torch.autograd.grad(weighted, outputs, allow_unused=True)
    except RuntimeError:  # as with checkpoints that are re-entrant
        return ()


def _changing(classifier: Classifier, noise: Tensor, layers: list[str]) -> list[str]:
    """Layers on whose grid the scores depend, without gradients: from the deepest back to the first that is noticed
    when it is changed, and all before that one."""
    before = classifier.logits(noise.to(classifier.device))
    for last in range(len(layers) - 1, -1, -1):
        grid = classifier.grids[layers[last]]

        def louder(module: nn.Module, inputs: object, output: Tensor, grid: Grid = grid) -> Tensor:
            other = output.clone()
            where = output.shape[1] - grid.suffix if grid.layout == "tokens" else None
            other[:, grid.prefix : where] = 2 * other[:, grid.prefix : where] + 1
            return other

        handle = classifier.model.get_submodule(layers[last]).register_forward_hook(louder)
        try:
            after = classifier.logits(noise.to(classifier.device))
        finally:
            handle.remove()
        if not torch.equal(before, after):
            return layers[: last + 1]
    return []


def _keep(outputs: dict[str, Tensor], name: str) -> Callable[[nn.Module, object, Tensor | tuple[Tensor, ...]], object]:
    """A hook that puts a module's output into `outputs` and passes on a copy: what follows may work in place."""

    def hook(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> object:
        outputs.pop(name, None)
        if isinstance(output, Tensor):
            outputs[name] = output
            return output.clone()
        outputs[name] = output[0]
        return (output[0].clone(), *output[1:])

    return hook


def _awake(module: nn.Linear, chance: torch.Generator) -> RemovableHandle:
    """Have a linear layer whose weights are all zero, as the heads of untrained transformers are, pass something on."""
    instead = torch.randn(module.weight.shape, generator=chance).to(module.weight)
    return module.register_forward_hook(lambda module, inputs, output: functional.linear(inputs[0], instead))


def _deepest(classifier: Classifier, live: list[str], *tensors: Mapping[str, Tensor]) -> str | None:
    """The last live layer before pooling, by the plainest name for the same activation and gradient; never the first
    layer, by any name."""
    pooling = nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d
    fit = [name for name in live if not isinstance(classifier.model.get_submodule(name), pooling)]
    first = next(iter(classifier.grids), None)

    def same(name: str, other: str) -> bool:
        grid, last = classifier.grids[name], classifier.grids[other]
        return all(torch.equal(grid.spread(values[name]), last.spread(values[other])) for values in tensors)

    while fit and (fit[-1] == first or (first in live and same(fit[-1], str(first)))):
        fit.pop()
    return min((name for name in fit if same(name, fit[-1])), key=lambda name: name.count("."), default=None)
