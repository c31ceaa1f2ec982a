"""Uploaded models: only what their `model.toml` names is unpacked, and they are tried in a separate process first."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from workbench.catalog import LARGEST_TEXT, LARGEST_TOML
from workbench.errors import InputError
from workbench.files import read_apart
from workbench.images import MAX_BYTES, Source, read_source, zip_tree
from workbench.models.folder import read_description

if TYPE_CHECKING:
    from workbench.models.classifier import Classifier

MEMORY, SECONDS = 6144, 90
"""Megabytes and seconds that loading and trying a model may take, with the import of its library."""
WEIGHTS = frozenset({".safetensors", ".pt", ".pth", ".pt2"})


def model_from_zip(data: bytes, name: str) -> Classifier:
    """The model in a zip of `model.toml`, its weights and perhaps its class list.

    Raises:
        InputError: It cannot be used; also where loading it takes too much memory or time.
    """
    from workbench.models.loading import load_folder

    with tempfile.TemporaryDirectory(prefix="workbench") as place:
        folder = Path(place, re.sub(r"[^\w .-]", "_", Path(name).stem)[:60].strip(". ") or "model")
        folder.mkdir()
        unpack(data, name, folder)
        read_apart("workbench.models.loading:tried", b"", str(folder), name=name, megabytes=MEMORY, seconds=SECONDS)
        return load_folder(folder, trusted=False)


def unpack(data: bytes, name: str, folder: Path) -> None:
    """Write the `model.toml` in a zip, and what it names beside it, into an empty folder: nothing else takes disk.

    Args:
        data: The zip.
        name: What to call it in a message.
        folder: Where to.

    Raises:
        InputError: A file is missing, or larger than the limits.
    """
    files = zip_tree(data, name).files
    homes = [path.parent for path in files if path.name == "model.toml"]
    if not homes:
        raise InputError(f"{name} holds no model.toml: add one beside the weights (the README shows how).")
    home = min(homes, key=lambda path: len(path.parts))
    _write(files[home / "model.toml"], folder / "model.toml", LARGEST_TOML)
    spec = read_description(folder)
    for named in (spec.weights, spec.classes):
        source = files.get(home / named) if isinstance(named, str) and PurePosixPath(named).name == named else None
        if source is not None:
            _write(
                source,
                folder / str(named),
                MAX_BYTES if PurePosixPath(str(named)).suffix.lower() in WEIGHTS else LARGEST_TEXT,
            )


def _write(source: Source, path: Path, most: int) -> None:
    if source.size > most:
        raise InputError(
            f"{path.name} has {source.size / 2**20:,.0f} MB, over the limit of {most / 2**20:,.0f} MB: shorten it."
        )
    data = read_source(source, path.name)
    try:
        path.write_bytes(data)
    except (OSError, ValueError):  # a name that this system cannot hold
        raise InputError(
            f"{path.name!r} is not a name that a file can have here: rename it, also in model.toml."
        ) from None
