"""Read the tensors of a file without running anybody's code."""

from __future__ import annotations

import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from workbench.errors import InputError
from workbench.files import open_file, open_zip
from workbench.models.pickles import INERT, classes_in, reason
from workbench.models.shards import weight_files

MOST_HEADER = 16 * 2**20
"""Bytes in which a .safetensors file may describe its tensors."""
MOST_TENSORS, DEEPEST, LONGEST_PATH = 200_000, 8, 500
"""Values of a checkpoint that are looked at, dicts within dicts, and characters of a name."""
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar", ".pkl", ".pickle", ".th", ".index.json", ".index")
"""How names of files of weights end."""
_LOADING = threading.Lock()


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file, of a file of `torch.save` or of an index of such files, by name.

    Of a checkpoint all tensors are read: one named `w` in the dict under "state_dict" is called `state_dict/w`.

    Raises:
        InputError: It holds something else, or more than its length can.
    """
    parts = [_read(part) for part in weight_files(path)]
    tensors = {name: tensor for part in parts for name, tensor in part.items()}
    if len(tensors) < sum(map(len, parts)):
        raise InputError(f"{path.name} names files that hold the same tensor twice: save the model again.")
    if not tensors and path.suffix.lower() != ".safetensors":
        raise InputError(f"{path.name} holds no state dict: save model.state_dict() as .safetensors.")
    for name, tensor in tensors.items():
        if strange := _strange(tensor):
            raise InputError(
                f"{path.name} holds {name} as a tensor that {strange}: save the weights of the plain model."
            )
    return tensors


def holds_weights(path: Path) -> bool:
    """Whether a file is to be read as weights, by its name or by what `torch.save` and `pickle` begin with."""
    name = path.name.lower()
    if name.endswith(SUFFIXES):
        return True
    try:
        with open_file(path) as file:
            start = file.read(2)
        if start == b"PK":
            with open_zip(path, path.name) as archive:
                return any(member.endswith("/data.pkl") for member in archive.namelist())
    except (OSError, InputError):
        return False
    return start[:1] == b"\x80"


def weights_title(path: Path) -> str:
    """What to call the weights in a file."""
    name = path.name
    while name.lower().endswith(SUFFIXES) and (shorter := name.rpartition(".")[0]):
        name = shorter
    return name


def _read(path: Path) -> dict[str, Tensor]:
    safe = _is_safe(path)
    try:
        (_check_header if safe else _check_records)(path)
        return _safe(path) if safe else dict(_tensors(_load(path)))
    except (InputError, MemoryError):
        raise
    except Exception as error:  # safetensors, zipfile and torch each raise their own kinds on a damaged file
        if "memory" in str(error) and "alloc" in str(error):
            raise MemoryError from None
        raise InputError(f"{path.name} is not a file of weights this will open ({_why(path, error)}.") from None


def _why(path: Path, error: Exception) -> str:
    classes = () if _is_safe(path) else classes_in(path)
    if classes and (
        re.search("unsupported (global|class)|reduce|only (create|build)", str(error), re.IGNORECASE)
        or _is_pickle(path)
    ):
        return reason(path, classes)
    if _is_pickle(path):
        return reason(path, ())
    return "it is damaged or something else): save the state dict as .safetensors"


def _load(path: Path) -> object:
    """What `torch.save` wrote; in the place of settings and records of other classes stands nothing."""
    records = [(_Nothing, name) for name in classes_in(path) if INERT.fullmatch(name)]
    with _LOADING, torch.serialization.safe_globals(list(records)):
        return torch.load(path, map_location="cpu", weights_only=True)


class _Nothing:
    """Stands in for an object of somebody's class: it takes whatever that was made of, and keeps none of it."""

    def __new__(cls, *_: object) -> _Nothing:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def _tensors(checkpoint: object) -> Iterator[tuple[str, Tensor]]:
    """The tensors in a dict and in the dicts and lists within, as far as they have names of a sane length."""
    rest: list[tuple[str, object, int]] = [("", checkpoint, 0)] if isinstance(checkpoint, Mapping) else []
    for _ in range(MOST_TENSORS):
        if not rest:
            return
        path, value, depth = rest.pop()
        if isinstance(value, Tensor):
            yield path, value
        elif isinstance(value, Mapping | list | tuple) and depth < DEEPEST and len(value) < MOST_TENSORS:
            inside = value.items() if isinstance(value, Mapping) else enumerate(value)
            named = [(str(name), part) for name, part in inside if isinstance(name, str | int)]
            start = f"{path}/" if path else ""
            rest += [
                (start + name, part, depth + 1) for name, part in reversed(named) if len(start + name) < LONGEST_PATH
            ]


def _is_safe(path: Path) -> bool:
    return path.suffix.lower() == ".safetensors"


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return not _is_safe(path) and file.read(1) == b"\x80"


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
