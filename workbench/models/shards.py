"""Files that belong together: weights in several, and the digest of all of them. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePath

from workbench.catalog import is_inside, read_text, stored_path
from workbench.errors import InputError
from workbench.files import file_digest

INDEX, MOST_SHARDS = ".index.json", 500
"""How the name of an index of files of weights ends, and how many files it may name."""


def weight_files(path: Path) -> tuple[Path, ...]:
    """The files that hold the weights at `path`: those that an index (`*.index.json`) names beside it, else itself.

    Raises:
        InputError: The index is damaged, or names a file that is missing or lies elsewhere.
    """
    if not path.name.lower().endswith(INDEX):
        return (path,)
    names = shards(path)
    for name in names:
        part = stored_path(name, path.parent)
        if not is_inside(part, path.parent) or not part.is_file():
            raise InputError(f"{path.name} names the weights {name!r}, which are not beside it: put the file there.")
    return tuple(path.parent / name for name in names)


def shards(path: Path) -> tuple[str, ...]:
    """The names of the files that an index of weights names, each beside it.

    Raises:
        InputError: It is damaged, or names a file that lies elsewhere.
    """
    try:
        names = dict.fromkeys(json.loads(read_text(path))["weight_map"].values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        names = {}
    if not 0 < len(names) <= MOST_SHARDS:
        raise InputError(f"{path.name} is no index of files of weights: save the model again.")
    for name in names:
        if not isinstance(name, str) or PurePath(name).name != name or name.lower().endswith(INDEX):
            raise InputError(f"{path.name} names weights outside of its folder ({name!r}): put the files beside it.")
    return tuple(names)


def content_key(path: Path) -> str:
    """Digest of a file of a model, with the files that belong to it: shards, and weights that an ONNX file keeps beside
    itself."""
    if path.suffix.lower() != ".onnx":
        return weights_digest(path)
    beside = [part for part in path.parent.iterdir() if part.name.startswith(path.stem) and part.is_file()]
    return hashlib.sha256(" ".join(map(file_digest, [path, *sorted({*beside} - {path})])).encode()).hexdigest()


def weights_digest(path: Path) -> str:
    """Digest of the weights at `path`, with every file that an index names."""
    files = weight_files(path)
    if files == (path,):
        return file_digest(path)
    return hashlib.sha256("".join(map(file_digest, (path, *files))).encode()).hexdigest()
