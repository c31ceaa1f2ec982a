"""Models as their training left them, made fit to be asked and explained, where that changes nothing they say."""

from __future__ import annotations

import copy
import hashlib
import pickle
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from workbench.errors import InputError
from workbench.models.holding import held
from workbench.models.reading import Fact


def mended(model: nn.Module, shape: tuple[int, int, int], device: torch.device) -> tuple[nn.Module, tuple[Fact, ...]]:
    """A model without what would keep it from being explained, and what was done; the caller's own stays as it is.

    Compiled code is left for what it was compiled from. Weights made under `torch.inference_mode` are copied, so that
    gradients may pass them. Weights in half or double precision become float32 where the model does not take an image
    in float32 by itself.

    Args:
        model: As it was given.
        shape: (C, H, W) of its input.
        device: Where it is to compute.

    Raises:
        InputError: It has layers without weights yet.
    """
    facts: list[Fact] = []
    while isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
        model = inner
        facts.append(_done("runs as it was written, not as torch.compile made it: compiled layers cannot be watched"))
    tensors = dict([*model.named_parameters(), *model.named_buffers()])
    if lazy := next((name for name, tensor in tensors.items() if is_lazy(tensor)), None):
        raise InputError(
            f"The model's {lazy} has no values yet, as in a lazy layer that has seen no input: ask it about one image"
            " and load its trained weights before it comes here."
        )
    model = model.to(device)
    if any(tensor.is_inference() for tensor in tensors.values()):
        model = _copied(model)
        facts.append(_done("its weights, made under torch.inference_mode, are copied, so that gradients can pass"))
    kinds = {str(t.dtype).removeprefix("torch.") for t in tensors.values() if t.is_floating_point()} - {"float32"}
    if kinds and not _takes(model, torch.zeros(1, *shape, device=device)):
        model = copy.deepcopy(model).float()
        stored = " and ".join(sorted(kinds))
        facts.append(
            Fact("weights", f"stored in {stored}, computed in float32", "measured on a blank image", "measured")
        )
    return model, tuple(facts)


def state_key(model: nn.Module) -> str:
    """Digest of a model's layers and of all that it would save: weights, packed weights and extra state."""
    digest = hashlib.sha256(str(model).encode())
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(_bytes(value))
    return digest.hexdigest()


def _bytes(value: object) -> bytes:
    if isinstance(value, Tensor) and is_lazy(value):
        return b"no values"
    if isinstance(value, Tensor) and value.is_quantized:
        return f"{value.qscheme()} {value.q_scale() if value.qscheme() == torch.per_tensor_affine else ''}".encode() + (
            _bytes(value.int_repr()) + _bytes(value.dequantize())
        )
    if isinstance(value, Tensor):
        plain = value.detach().cpu().contiguous().flatten()
        return plain.view(torch.uint8).numpy().tobytes() if plain.numel() else str(value.shape).encode()
    if isinstance(value, Mapping):
        return b"".join(_bytes(key) + _bytes(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return b"".join(map(_bytes, value))
    try:
        return pickle.dumps(value)
    except Exception:  # whatever a model keeps beside its weights
        return repr(value).encode()


def _done(value: str) -> Fact:
    return Fact("behaviour", value, "seen in the model", "measured")


def _takes(model: nn.Module, blank: Tensor) -> bool:
    try:
        with held(model), torch.inference_mode():
            model(blank)
    except RuntimeError:
        return False
    return True


def _copied(model: nn.Module) -> nn.Module:
    """The same model with weights of its own that gradients may pass."""
    twin = copy.copy(model)
    twin.__dict__ = dict(vars(model))
    twin._modules = {name: part if part is None else _copied(part) for name, part in model._modules.items()}
    twin._parameters = {name: p if p is None else nn.Parameter(p.clone()) for name, p in model._parameters.items()}
    twin._buffers = {name: b if b is None else b.clone() for name, b in model._buffers.items()}
    return twin
