"""Why weights do not fit a network: the reason, where one can be told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from workbench.errors import InputError
from workbench.models.choosing import Tensors, is_computed, title

_SIGNS = (
    (r"lora_[AB]|adapter", "are an adapter alone: merge it into its model, and save that"),
    (r"parametrizations\.|weight_[gv]$", "are saved with a parametrisation: remove it before saving"),
    (r"weight_(orig|mask)$", "are saved while being pruned: call torch.nn.utils.prune.remove first"),
    (r"_packed_params|weight_scale|weight_zero_point|\.SCB$|\.absmax$|qweight", "are quantised: save them as trained"),
    (r"(^|[./])(vit|swin|beit|deit|convnext|resnet|regnet|dinov2|vision_model)\.(embeddings|embedder|encoder)",
     "have the names of transformers: give the folder with its config.json"),
    (r"^(gamma|beta|kernel)|/kernel$|moving_mean", "have the names of Keras: export the model to ONNX"),
)  # fmt: skip
"""What names of tensors tell of them."""


class WidthError(InputError):
    """Weights whose head has another width than there are classes: `width`."""

    def __init__(self, message: str, width: int) -> None:
        super().__init__(message)
        self.width = width


class SizeError(InputError):
    """Weights with position embeddings for inputs of another size: `size`, in pixels."""

    def __init__(self, message: str, size: tuple[int, int]) -> None:
        super().__init__(message)
        self.size = size


def wrong_width(own: Tensors, given: Tensors, file: str) -> WidthError | None:
    """The error for tensors that fit but for the rows of the last layer; both are named alike.

    Args:
        own: The network's tensors.
        given: The file's, each of another shape.
        file: What sentences call it.
    """
    modules = {name.rpartition(".")[0] for name in given}
    last = list(own)[-1].rpartition(".")[0]
    pairs = [(tuple(own[name].shape), tuple(tensor.shape)) for name, tensor in given.items()]
    if modules != {last} or not all(a and b and a[1:] == b[1:] for a, b in pairs):
        return None
    (wanted, *_), (width, *_) = pairs[0]
    return WidthError(
        f"{file} holds weights for {width:,} {'class' if width == 1 else 'classes'}, and the model was to have"
        f" {wanted:,}: correct the class list, or give the weights that were trained for it.",
        width,
    )


def misfit(own: Tensors, given: Tensors, root: str, lead: str, file: str) -> InputError:
    """The error for weights that do not fit.

    Args:
        own: The network's tensors.
        given: The file's.
        root: Where in the file most of them were found.
        lead: What all names of the network begin with.
        file: What sentences call it.
    """
    names = {lead + name.removeprefix(root).replace("/", "."): name for name in given if name.startswith(root)}
    both = own.keys() & names.keys()
    for pattern, says in _SIGNS:
        sign = next((name for name in given if re.search(pattern, name)), None)
        if sign and not any(re.search(pattern, name) for name in own):
            return InputError(f"{file} does not fit the architecture: its weights ({title(sign)}) {says}.")
    wrong = sorted(name for name in both if own[name].shape != given[names[name]].shape)
    missing = sorted(name for name in own.keys() - names.keys() if not is_computed(name))
    first = wrong[0] if wrong else (missing or sorted(names.keys() - own.keys()) or [file])[0]
    kind = "has another shape" if wrong else "is missing" if missing else "is not part of the architecture"
    share = f" ({len(both)} of its {len(own)} tensors are there)" if missing else ""
    return InputError(
        f"{file} does not fit the architecture{share}: {first} {kind}; correct the architecture or its number of"
        " classes."
    )


def check_kinds(own: Tensors, given: Tensors, file: str) -> None:
    """Refuse, by `InputError`, whole numbers where the network computes with fractions."""
    unlike = sorted(
        name for name in own if own[name].is_floating_point() and name in given and not given[name].is_floating_point()
    )
    if unlike:
        kinds = [str(tensors[unlike[0]].dtype).removeprefix("torch.") for tensors in (given, own)]
        raise InputError(
            f"{file} holds {unlike[0]} as {kinds[0]} where the architecture has {kinds[1]}: save the weights as they"
            " were trained, not quantised."
        )


def precisions(given: Mapping[str, Tensor], own: Iterable[str]) -> list[str]:
    """Kinds of numbers other than float32 among the weights."""
    kinds = {given[name].dtype for name in own if name in given and given[name].is_floating_point()}
    return sorted(str(kind).removeprefix("torch.") for kind in kinds if str(kind) != "torch.float32")
