"""Weights that fit once they are laid otherwise: a head under another name, positions of another size, names that the
publisher of an architecture converts."""

from __future__ import annotations

import logging
import math
import re
import sys
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from workbench.models.choosing import Tensors, module_of

POSITIONS = ("pos_embed", "encoder.pos_embedding")
"""Learned positions of timm's and torchvision's transformers."""


def moved_head(model: nn.Module, missing: Iterable[str], left: Tensors) -> dict[str, str] | None:
    """Where a network's last layer stands in a file, by the names of both, where nothing else is left there for it.

    Args:
        model: The network.
        missing: Its tensors that are not found by name.
        left: The file's that are left over.
    """
    wanted = list(missing)
    modules, owners = {module_of(name) for name in wanted}, {module_of(name) for name in left}
    if len(modules) != 1 or len(owners) != 1 or len(wanted) != len(left):
        return None
    if not isinstance(model.get_submodule(next(iter(modules))), nn.Linear):
        return None
    kinds = {re.split(r"[./]", name)[-1]: name for name in left}
    names = {name: kinds.get(name.rpartition(".")[2], "") for name in wanted}
    return names if all(names.values()) else None


def stored_size(model: nn.Module, given: Tensors) -> tuple[int, int] | None:
    """(height, width) in pixels of the inputs that a file's position embeddings are for, where they are another's than
    the network's; None where nothing tells."""
    name = next((name for name in POSITIONS if name in given), None)
    own = model.state_dict().get(name) if name else None
    if name is None or own is None or own.ndim != 3 or given[name].ndim != 3 or own.shape == given[name].shape:
        return None
    patch = _patch(model)
    size = built_size(model)
    if patch is None or size is None:
        return None
    others = own.shape[1] - math.prod(length // patch for length in size)
    side = math.isqrt(max(given[name].shape[1] - others, 0))
    if others < 0 or side == 0 or side * side != given[name].shape[1] - others or given[name].shape[2] != own.shape[2]:
        return None
    return side * patch, side * patch


def _patch(model: nn.Module) -> int | None:
    embedding = getattr(getattr(model, "patch_embed", None), "proj", None) or getattr(model, "conv_proj", None)
    steps = getattr(embedding, "stride", None)
    return steps[0] if isinstance(steps, tuple) and len(set(steps)) == 1 else None


def built_size(model: nn.Module) -> tuple[int, int] | None:
    """(height, width) of the inputs that a network's positions were built for; None where it has none."""
    embedding = getattr(model, "patch_embed", None)
    size = getattr(embedding, "img_size", None)
    if type(model).__module__ == "torchvision.models.vision_transformer":
        size = getattr(model, "image_size", None)
    elif not getattr(embedding, "strict_img_size", False) and not any(hasattr(model, name) for name in POSITIONS):
        return None
    return (size, size) if isinstance(size, int) else (size[0], size[1]) if isinstance(size, tuple) else None


def published(model: nn.Module, given: Tensors) -> dict[str, Tensor] | None:
    """The weights as the publisher of an architecture makes them fit it: other names of theirs converted, position
    embeddings and bias tables interpolated; None where it has no such function, or that fails."""
    home = sys.modules.get(type(model).__module__)
    convert = getattr(home, "checkpoint_filter_fn", None)
    try:
        with torch.no_grad():
            if type(model).__module__.startswith("timm.models.") and convert is not None:
                result: Mapping[str, Tensor] = convert(dict(given), model)
            elif type(model).__module__ == "torchvision.models.vision_transformer":
                from torchvision.models.vision_transformer import interpolate_embeddings

                size, patch = built_size(model), _patch(model)
                if size is None or patch is None:
                    return None
                result = interpolate_embeddings(size[0], patch, dict(given))
            else:
                return None
            return {name: tensor for name, tensor in result.items() if isinstance(tensor, Tensor)}
    except Exception as error:  # each converter raises its own kinds for names and shapes that it does not expect
        logging.getLogger(__name__).debug("weights were not converted: %s", error)
        return None
