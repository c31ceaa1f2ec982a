"""Bounds of the models that a page may ask for; whoever starts the workbench may load anything."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from workbench.errors import InputError

MOST_PARAMETERS = 350_000_000  # a ViT-L passes
MOST_PIXELS = 1024 * 1024
LARGEST_OPTION = 2048
MOST_STEPS = 500 * 10**9
"""Floating-point operations of one pass: a ViT-L at 384 pixels passes, and takes some 10 s on one core."""
SHORT = 64


def check_options(options: Mapping[str, object]) -> None:
    """Refuse options that make a network endless, or that give an outline memory all the same, by `InputError`."""
    for name, value in options.items():
        if name == "device" or (isinstance(value, int | float) and abs(value) > LARGEST_OPTION):
            raise InputError(
                f"A model.toml from a page may not set {name!r} to {value}: name no device, and no number over"
                f" {LARGEST_OPTION:,}."
            )


def check_size(size: tuple[int, int]) -> None:
    """Refuse an input (height, width) that takes too much memory in a network, by `InputError`."""
    if math.prod(size) > MOST_PIXELS:
        raise InputError(
            f"A model from a page may not take {size[0]:,} x {size[1]:,} pixels: choose a size of {MOST_PIXELS:,}"
            " pixels at most."
        )


def check_parameters(drawn: nn.Module, ref: str) -> None:
    """Refuse an outline that would be too large a network, `ref`, by `InputError`."""
    count = sum(tensor.numel() for tensor in (*drawn.parameters(), *drawn.buffers()))
    if count > MOST_PARAMETERS:
        raise InputError(
            f"{ref} would have {count / 1e6:,.0f} million parameters, over the {MOST_PARAMETERS // 10**6} million that"
            " a page may ask for: choose a smaller one, or name it when you start the workbench (--model)."
        )


def check_cost(model: nn.Module, shape: tuple[int, int, int]) -> None:
    """Refuse a network whose pass over one image of shape (C, H, W) takes too long, by a pass without numbers.

    Pixels and parameters alone do not bound it: attention goes by the square of the tokens, and a small patch makes
    many.

    Raises:
        InputError: It does.
    """
    tensors = {name: tensor.detach().to("meta") for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            functional_call(model, tensors, (torch.empty(1, *shape, device="meta"),))
    except Exception:  # of the network's own code where there are no numbers: then the trial tells, within its time
        return
    finally:
        for module, mode in modes:
            module.training = mode
    steps = counter.get_total_flops()
    if steps > MOST_STEPS:
        raise InputError(
            f"The model would take {steps / 1e9:,.0f} billion operations an image, over the {MOST_STEPS // 10**9}"
            " billion that a page may ask for: choose a smaller input or larger patches, or name it when you start the"
            " workbench (--model)."
        )


def outline(make: Callable[[], nn.Module], *, short_lists: bool = False) -> nn.Module:
    """The network that `make` makes, with tensors that have shapes but take no memory.

    With `short_lists`, short lists of numbers hold their numbers: torchvision's RegNets compute their widths from them.
    """
    with torch.device("meta"), _ShortLists() if short_lists else contextlib.nullcontext():
        return make()


class _ShortLists(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        return (
            func(*args, **{**kwargs, "device": "cpu"})
            if func in (torch.arange, torch.tensor) and out.numel() <= SHORT
            else out
        )
