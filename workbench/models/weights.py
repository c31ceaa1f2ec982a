"""Read weights without running anybody's code, and lay them into a network."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.files import open_zip

MOST_HEADER = 16 * 2**20
"""Bytes in which a .safetensors file may describe its tensors."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from `.safetensors`, or from `.pt`/`.pth` without unpickling anything but tensors.

    Raises:
        InputError: It holds something else, or more than its length can.
    """
    safe = path.suffix.lower() == ".safetensors"
    try:
        (_check_header if safe else _check_records)(path)
        state = _safe(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # safetensors, zipfile and torch each raise their own kinds on a damaged file
        if "memory" in str(error) and "alloc" in str(error):
            raise MemoryError from None
        why = (
            "it holds pickled objects, which could run code"
            if re.search("unsupported (global|class)", str(error), re.IGNORECASE) or _is_pickle(path)
            else "it is damaged or something else"
        )
        raise InputError(
            f"{path.name} is not a file of weights this will open ({why}): save the state dict as .safetensors."
        ) from None
    if safe:
        return state
    for wrapper in ("state_dict", "model", "model_state_dict"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    ):
        raise InputError(f"{path.name} holds no state dict: save model.state_dict() as .safetensors.")
    for name, tensor in state.items():
        if strange := _strange(tensor):
            raise InputError(
                f"{path.name} holds {name} as a tensor that {strange}: save the weights of the plain model."
            )
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() != ".safetensors" and file.read(1) == b"\x80"


def _safe(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _check_header(path: Path) -> None:
    """Refuse a description that is longer than any network's: it is read before anything is known of it."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if MOST_HEADER < length < path.stat().st_size:
        raise InputError(
            f"{path.name} describes its tensors in {length / 2**20:,.0f} MB, over the limit of 16 MB: save it again."
        )


def _check_records(path: Path) -> None:
    """Refuse an archive that unpacks to more than it holds: `torch.save` packs nothing."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":
            return
    with open_zip(path, path.name) as archive:
        records = archive.infolist()
    if any(
        record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size for record in records
    ):
        raise InputError(
            f"{path.name} holds records that are packed, as torch.save leaves none: save it again with torch.save."
        )


def _strange(tensor: Tensor) -> str | None:
    """What keeps a tensor from being numbers in rows, before any of them is looked at."""
    if tensor.is_quantized:
        return "is quantised"
    if tensor.layout is not torch.strided or tensor.is_nested:
        return "is sparse or nested"
    return "has a shape but no numbers (it is on the device meta)" if tensor.is_meta else None


def fit_weights(model: nn.Module, state: Mapping[str, Tensor], name: str, *, by_order: bool = False) -> None:
    """Load weights into a model. Arguments and errors as `matched`."""
    model.load_state_dict(matched(model, state, name, by_order=by_order))


def matched(model: nn.Module, state: Mapping[str, Tensor], name: str, *, by_order: bool = False) -> dict[str, Tensor]:
    """Weights under the names that a model gives them.

    Args:
        model: It may be one on "meta".
        state: Tensors of the model's shapes, found by name or, with `by_order`, by their order.
        name: What to call their file in a message.

    Raises:
        InputError: They do not fit; the message names the first that does not.
    """
    own = model.state_dict()
    if by_order:
        if len(own) != len(state):
            raise InputError(
                f"{name} holds {len(state)} tensors but the architecture has {len(own)}: they do not belong together."
            )
        state = dict(zip(own, state.values(), strict=True))
    missing, strange = own.keys() - state.keys(), state.keys() - own.keys()
    both = own.keys() & state.keys()
    wrong = [k for k in both if own[k].shape != state[k].shape]
    if missing or strange or wrong:
        first = sorted(wrong)[0] if wrong else sorted(missing or strange)[0]
        kind = "has another shape" if wrong else "is missing" if missing else "is not part of the architecture"
        raise InputError(
            f"{name} does not fit the architecture: {first} {kind}; correct the architecture or its number of classes."
        )
    if unlike := sorted(k for k in both if own[k].is_floating_point() and not state[k].is_floating_point()):
        kinds = [str(tensors[unlike[0]].dtype).removeprefix("torch.") for tensors in (state, own)]
        raise InputError(
            f"{name} holds {unlike[0]} as {kinds[0]} where the architecture has {kinds[1]}: save the weights as they"
            " were trained, not quantised."
        )
    return dict(state)
