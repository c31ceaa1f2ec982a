"""Methods that follow attention from the tokens that the score is read from back to the image.

Maps are (1, 1, H, W). The matrices are those that the model itself computed in the pass: fused attention, which hides
them, is switched off for its duration and back on afterwards.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.attribution.capture import survey
from workbench.attribution.job import NO_GRADIENT, SCRIPTED, Implementation, Job
from workbench.models import Grid, is_attention

_POSITIONS = (
    "query",
    "key",
    "value",
    "key_padding_mask",
    "need_weights",
    "attn_mask",
    "average_attn_weights",
    "is_causal",
)


def attention_rollout(job: Job) -> Tensor:
    """How much each patch reaches the tokens that the score is read from, through the attention of all blocks; for
    every class.

    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers": half of each block's way is its attention,
    averaged over heads, half is the residual connection.

    Raises:
        InputError: The model's attention cannot be read, or does not lie over the image as one grid of tokens.
    """
    with torch.inference_mode():
        _, matrices = _forward(job)
        grid = _grid(job, matrices)
        flow = torch.eye(matrices[0].shape[-1], device=job.x.device)
        for matrix in matrices:
            flow = (0.5 * matrix[0].mean(0) + 0.5 * torch.eye(len(flow), device=flow.device)) @ flow
        return _read_out(job, flow, grid)


def gradient_attention(job: Job) -> Tensor:
    """Attention that spoke for the score: each block's attention times the score's gradient to it, where positive.

    Chefer et al. 2021, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
    Transformers": R starts as the identity and each block adds mean over heads of max(gradient * attention, 0), times
    R. The identity itself is left out of the map: it is the same for every patch.

    Raises:
        InputError: No gradient reaches the attention of some block, or as `attention_rollout`.
    """
    score, matrices = _forward(job)
    grid = _grid(job, matrices)
    if not score.requires_grad:
        raise job.refuse(NO_GRADIENT)
    gradients = torch.autograd.grad(score.sum(), [_within(matrix) for matrix in matrices], allow_unused=True)
    if any(gradient is None for gradient in gradients):
        raise job.refuse("no gradient reaches the attention of some of its blocks: choose attention rollout")
    flow = torch.eye(matrices[0].shape[-1], device=job.x.device)
    for matrix, gradient in zip(matrices, gradients, strict=True):
        flow = flow + (matrix.detach() * gradient.view_as(matrix))[0].relu().mean(0) @ flow
    return _read_out(job, flow - torch.eye(len(flow), device=flow.device), grid)


def _forward(job: Job) -> tuple[Tensor, list[Tensor]]:
    """The score, (1,), and every block's matrix of attention, (1, heads, T, T), in order."""
    if isinstance(job.classifier.model, torch.jit.ScriptModule):
        raise job.refuse(SCRIPTED)
    modules = [module for module in job.classifier.model.modules() if is_attention(module)]
    if not modules:
        raise job.refuse("it has no attention modules to read: choose a layer method such as Grad-CAM")
    matrices: list[Tensor] = []
    with _recording(job, modules, matrices):
        score = job.forward(job.x if torch.is_inference_mode_enabled() else job.x.clone().requires_grad_())
    if len(matrices) != len(modules):
        raise job.refuse(
            f"{len(modules)} attention modules gave {len(matrices)} matrices: choose a layer method such as Grad-CAM"
        )
    return score, matrices


@contextlib.contextmanager
def _recording(job: Job, modules: list[nn.Module], matrices: list[Tensor]) -> Iterator[None]:
    """Have each module's matrix of attention put into `matrices` as it runs."""
    with contextlib.ExitStack() as undo:
        for module in modules:
            if isinstance(module, nn.MultiheadAttention):
                undo.callback(module.register_forward_pre_hook(_ask_for_weights, with_kwargs=True).remove)
                undo.callback(module.register_forward_hook(_keep(matrices, 1)).remove)
            elif isinstance(getattr(module, "fused_attn", None), bool) and isinstance(
                getattr(module, "attn_drop", None), nn.Module
            ):
                undo.callback(setattr, module, "fused_attn", module.fused_attn)
                module.fused_attn = False  # type: ignore[assignment]
                undo.callback(module.attn_drop.register_forward_hook(_keep(matrices)).remove)  # type: ignore[union-attr]
            elif isinstance(getattr(config := getattr(module, "config", None), "_attn_implementation", None), str):
                undo.callback(setattr, config, "_attn_implementation", config._attn_implementation)  # type: ignore[union-attr]
                config._attn_implementation = "eager"  # type: ignore[union-attr]  # as transformers calls it
                undo.callback(module.register_forward_hook(_keep(matrices, 1)).remove)
            else:
                raise job.refuse(
                    f"the attention of its {type(module).__name__} cannot be read: choose a layer method such as"
                    " Grad-CAM"
                )
        yield


def _ask_for_weights(
    module: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> tuple[tuple[()], dict[str, object]]:
    named = dict(zip(_POSITIONS, args, strict=False))
    return (), {**named, **kwargs, "need_weights": True, "average_attn_weights": False}


def _keep(matrices: list[Tensor], place: int | None = None) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor | None, ...]) -> None:
        matrix = output if isinstance(output, Tensor) else output[place or 0]
        if isinstance(matrix, Tensor) and (place is None or not isinstance(output, Tensor)):
            matrices.append(matrix)

    return hook


def _within(matrix: Tensor) -> Tensor:
    """The tensor that the model itself goes on with: torch's own module hands out a view of it."""
    return matrix if matrix._base is None else matrix._base


def _grid(job: Job, matrices: list[Tensor]) -> Grid:
    """How the tokens of the matrices lie over the image."""
    tokens = matrices[0].shape[-1]
    if any(matrix.shape[:1] + matrix.shape[2:] != (1, tokens, tokens) for matrix in matrices):
        raise job.refuse(
            "its attention stays within windows or changes its grid between blocks: choose a layer method such as"
            " Grad-CAM"
        )
    if any(not torch.allclose(matrix.sum(-1), matrix.new_ones(()), atol=1e-3) for matrix in matrices):
        raise job.refuse(
            "its attention does not share out a whole among the tokens: choose a layer method such as Grad-CAM"
        )
    for grid in reversed(list(job.classifier.grids.values())):
        if grid.layout == "tokens" and grid.shape[1] * grid.shape[2] + grid.beside == tokens:
            return grid
    raise job.refuse(f"its {tokens} tokens form no grid over the image: choose a gradient method")


def _read_out(job: Job, flow: Tensor, grid: Grid) -> Tensor:
    """What the tokens that the score is read from have from each patch, over the input: (1, 1, H, W)."""
    readers = list(survey(job.classifier).readers)
    away = len(flow) - len(readers)  # a model may put its class token away before the last layer
    if away not in (0, grid.beside) or not any(readers) or (away and grid.middle):
        raise job.refuse(
            "it cannot be told from which tokens the score is read: choose a layer method such as Grad-CAM"
        )
    if away:
        readers = [False] * grid.prefix + readers + [False] * grid.suffix
    shares = flow[torch.tensor(readers, device=flow.device)].mean(0)[None, :, None]
    laid = dataclasses.replace(grid, shape=(1, *grid.shape[1:])).spread(shares)
    return functional.interpolate(laid, tuple(job.x.shape[2:]), mode="bilinear")


IMPLEMENTATIONS = {
    "attention_rollout": Implementation(attention_rollout),
    "gradient_attention": Implementation(gradient_attention),
}
