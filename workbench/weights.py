"""Read weights without running anybody's code, and lay them into a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.errors import InputError


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from `.safetensors`, or from `.pt`/`.pth` without unpickling anything but tensors.

    Raises:
        InputError: It holds something else.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, zipfile and torch each raise their own kinds on a damaged file
        why = (
            "it holds pickled objects, which could run code"
            if "weights_only" in str(error) or "Unpickler" in str(error)
            else "it is damaged or something else"
        )
        raise InputError(f"{path.name} is not a file of weights this will open ({why}): save the state dict as .safetensors.") from None
    for wrapper in ("state_dict", "model", "model_state_dict"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path.name} holds no state dict: save model.state_dict() as .safetensors.")
    return {str(k).removeprefix("module."): v for k, v in state.items()}


def fit_weights(model: nn.Module, state: Mapping[str, Tensor], name: str, *, by_order: bool = False) -> None:
    """Load weights into a model. Errors as `matched`."""
    model.load_state_dict(matched(model, state, name, by_order=by_order))


def matched(model: nn.Module, state: Mapping[str, Tensor], name: str, *, by_order: bool = False) -> dict[str, Tensor]:
    """Weights under the names that a model gives them, found by name or, where asked, by order. The model may be one on "meta".

    Raises:
        InputError: They do not fit; the message names the first that does not.
    """
    own = model.state_dict()
    if by_order:
        if len(own) != len(state):
            raise InputError(f"{name} holds {len(state)} tensors but the architecture has {len(own)}: they do not belong together.")
        state = dict(zip(own, state.values(), strict=True))
    missing, strange = own.keys() - state.keys(), state.keys() - own.keys()
    wrong = [k for k in own.keys() & state.keys() if own[k].shape != state[k].shape]
    if missing or strange or wrong:
        first = sorted(wrong)[0] if wrong else sorted(missing or strange)[0]
        kind = "has another shape" if wrong else "is missing" if missing else "is not part of the architecture"
        raise InputError(f"{name} does not fit the architecture: {first} {kind}; correct the architecture or its number of classes.")
    return dict(state)
