"""Cheaper copies of a model, rounded or pruned, to see whether they still decide alike and for the same reasons."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from workbench.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from workbench.models.classifier import Classifier


@dataclasses.dataclass(frozen=True)
class Saving:
    """A way to make a model cheaper.

    Attributes:
        about: What is done, as the end of a sentence that begins with "its weights".
        bits: Of each weight of a convolution or linear layer; None: as they are.
        share: Of those weights that are set to zero.
    """

    about: str
    bits: int | None = None
    share: float = 0.0


_ROUNDED = "of convolutions and linear layers are rounded to {} bits for each output channel, symmetrically"
_PRUNED = "of convolutions and linear layers are zero where they are smallest, {:.0%} of them all"
CHEAPER: Mapping[str, Saving] = MappingProxyType(
    {
        "half": Saving("are all rounded to bfloat16", 16),
        "int8": Saving(_ROUNDED.format(8), 8),
        "int4": Saving(_ROUNDED.format(4), 4),
        "pruned 30 %": Saving(_PRUNED.format(0.3), share=0.3),
        "pruned 50 %": Saving(_PRUNED.format(0.5), share=0.5),
        "pruned 80 %": Saving(_PRUNED.format(0.8), share=0.8),
    }
)
"""How a model can be made cheaper, the gentlest first. Nothing is trained again after it, which real products do."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a model takes to store.

    Attributes:
        size: Bytes: bits times numbers. A rounded layer also stores a scale of 32 bits for each output channel; a
            pruned one its weights that are not zero and one bit for each weight, which says where they are.
        weights: How many numbers, buffers of real numbers among them.
        zeros: How many of them are zero.
    """

    size: int
    weights: int
    zeros: int


def cheaper(classifier: Classifier, how: str) -> Classifier:
    """A copy of a classifier that costs less, with a key, a name and a lock of its own; the original stays as it is.

    The copy computes in floating point, so it shows what the saving does to the answers, not how fast it is. Weights
    are rounded to the nearest of 2 * (2 ** (bits - 1)) - 1 levels (Jacob et al. 2018, "Quantization and training of
    neural networks for efficient integer-arithmetic-only inference", their scheme for weights without a zero point).
    Pruning is global and by size (Han et al. 2015, "Learning both weights and connections for efficient neural
    networks", without their retraining).

    Args:
        classifier: The model.
        how: A name in `CHEAPER`.

    Raises:
        InputError: There is no such way, or the model is an archive of torch.export, or cannot be copied, or has no
            such layers.
    """
    import torch

    saving, model = _saving(how), _copy(classifier)
    layers = list(_layers(model))
    if not layers:
        raise InputError(
            "The model has no convolution or linear layer whose weights could be compressed: choose another model."
        )
    with torch.no_grad():
        if saving.share:
            _prune(layers, saving.share)
        elif how == "half":
            for tensor in (*model.parameters(), *model.buffers()):
                if tensor.is_floating_point():
                    tensor.copy_(tensor.to(torch.bfloat16))
        else:
            for module, name, channel in layers:
                _round(getattr(module, name), channel, saving.bits or 8)
    note = (
        f"It is a copy of {classifier.name} whose weights {saving.about}; it computes in floating point, as fast as the"
        " original."
    )
    return dataclasses.replace(
        classifier,
        key=hashlib.sha256(f"{classifier.key} {how}".encode()).hexdigest(),
        name=f"{classifier.name} ({how})",
        model=model,
        notes=(*classifier.notes, note),
        lock=threading.RLock(),
    )


def stored(classifier: Classifier, how: str | None = None) -> Stored:
    """What a classifier takes to store: as it is, or as that which `cheaper` made of it in the way that is named."""
    import torch

    saving = Saving("") if how is None else _saving(how)
    channels = {id(getattr(module, name)): channel for module, name, channel in _layers(classifier.model)}
    bits = count = zeros = 0
    for tensor in (*classifier.model.parameters(), *classifier.model.buffers()):
        if not tensor.is_floating_point():
            continue
        numbers, empty, own = tensor.numel(), int((tensor == 0).sum()), torch.finfo(tensor.dtype).bits
        count, zeros = count + numbers, zeros + empty
        if how == "half":
            bits += 16 * numbers
        elif id(tensor) not in channels or how is None:
            bits += own * numbers
        elif saving.share:
            bits += own * (numbers - empty) + numbers
        else:
            bits += (saving.bits or own) * numbers + 32 * tensor.shape[channels[id(tensor)]]
    return Stored(math.ceil(bits / 8), count, zeros)


def _copy(classifier: Classifier) -> nn.Module:
    """The classifier's model to be changed, its weights as plain parameters."""
    from torch.nn.utils import parametrize

    from workbench.models.classifier import untouched
    from workbench.models.exported import Exported
    from workbench.models.scripted import Scripted

    if any(isinstance(module, Exported) for module in classifier.model.modules()):
        raise InputError(
            "An archive of torch.export keeps its weights out of reach: load the model from its weights instead."
        )
    if any(isinstance(module, Scripted) for module in classifier.model.modules()):
        raise InputError("TorchScript keeps its layers to itself: load the model from its weights instead.")
    if not classifier.parameters:
        raise InputError(
            "The model's weights are held by ONNX Runtime, where they cannot be changed: load it from its weights"
            " instead."
        )
    try:
        with untouched(classifier):
            model = copy.deepcopy(classifier.model)
    except Exception as error:  # whatever a foreign module raises when it is copied
        raise InputError(
            f"The model cannot be copied ({type(error).__name__}): load it from its weights instead."
        ) from error
    for parameter in model.parameters():
        # without it a parametrised weight is left as no parameter at all
        parameter.requires_grad_(parameter.is_floating_point())
    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(module, name)
    return model


def _saving(how: str) -> Saving:
    if how not in CHEAPER:
        raise InputError(f"There is no compression {how[:40]!r}: choose one of {', '.join(CHEAPER)}.")
    return CHEAPER[how]


def _layers(model: nn.Module) -> Iterator[tuple[nn.Module, str, int]]:
    """Weights of convolutions, linear layers and attention projections: module, name, dimension of output channels."""
    import torch
    from torch import nn
    from torch.nn.modules.conv import _ConvNd

    for module in model.modules():
        names: tuple[str, ...] = ()
        if isinstance(module, nn.Linear | _ConvNd):
            names = ("weight",)
        elif isinstance(module, nn.MultiheadAttention):
            names = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        for name in names:
            weight = getattr(module, name)
            if isinstance(weight, torch.nn.Parameter) and weight.is_floating_point():
                yield module, name, int(getattr(module, "transposed", False))


def _round(weight: nn.Parameter, channel: int, bits: int) -> None:
    """Round weights in place to levels that are evenly spaced about zero, up to the largest of each output channel."""
    most = 2 ** (bits - 1) - 1
    others = [axis for axis in range(weight.ndim) if axis != channel]
    scale = weight.abs().amax(others, keepdim=True) / most
    weight.copy_((weight / scale.where(scale > 0, 1)).round().clamp(-most, most) * scale)


def _prune(layers: Sequence[tuple[nn.Module, str, int]], share: float) -> None:
    """Set the smallest of all weights together to zero."""
    import torch
    from torch.nn.utils import prune

    last = [(module, name) for module, name, _ in layers if not getattr(module, name).is_contiguous()]
    for module, name in last:  # laid out with the channels last, which the library cannot take
        getattr(module, name).data = getattr(module, name).data.contiguous()
    prune.global_unstructured([(module, name) for module, name, _ in layers], prune.L1Unstructured, amount=share)
    for module, name, _ in layers:
        prune.remove(module, name)
    for module, name in last:
        if getattr(module, name).ndim == 4:
            getattr(module, name).data = getattr(module, name).data.contiguous(memory_format=torch.channels_last)
