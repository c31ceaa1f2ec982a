"""Bounds of the models that a page may ask for. Who starts the workbench may load anything that the machine can hold."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from workbench.errors import InputError

MOST_PARAMETERS = 350_000_000  # a ViT-L passes
MOST_PIXELS = 1024 * 1024
LARGEST_OPTION = 2048
SHORT = 64


def check_options(options: Mapping[str, object]) -> None:
    """Refuse options that make a network endless, or that give an outline memory all the same."""
    for name, value in options.items():
        if name == "device" or (isinstance(value, int | float) and abs(value) > LARGEST_OPTION):
            raise InputError(
                f"A model.toml from a page may not set {name!r} to {value}: name no device, and no number over {LARGEST_OPTION:,}."
            )


def check_size(size: tuple[int, int]) -> None:
    """Refuse an input (height, width) that takes too much memory on its way through a network."""
    if math.prod(size) > MOST_PIXELS:
        raise InputError(
            f"A model from a page may not take {size[0]:,} x {size[1]:,} pixels: choose a size of {MOST_PIXELS:,} pixels at most."
        )


def check_parameters(drawn: nn.Module, ref: str) -> None:
    """Refuse an outline that would be too large a network."""
    count = sum(tensor.numel() for tensor in (*drawn.parameters(), *drawn.buffers()))
    if count > MOST_PARAMETERS:
        raise InputError(
            f"{ref} would have {count / 1e6:,.0f} million parameters, over the {MOST_PARAMETERS // 10**6} million that a page may ask for: "
            "choose a smaller one, or name it when you start the workbench (--model)."
        )


def outline(make: Callable[[], nn.Module], *, short_lists: bool = False) -> nn.Module:
    """The network that `make` makes, with tensors that have shapes but take no memory.

    With `short_lists`, short lists of numbers hold their numbers: torchvision's RegNets reckon their widths with them.
    """
    with torch.device("meta"), _ShortLists() if short_lists else contextlib.nullcontext():
        return make()


class _ShortLists(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        return func(*args, **{**kwargs, "device": "cpu"}) if func in (torch.arange, torch.tensor) and out.numel() <= SHORT else out
