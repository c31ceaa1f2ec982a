"""Uploaded models: only what their `model.toml` names is unpacked, and they are tried in a separate process first."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from workbench.catalog import LARGEST_TEXT, LARGEST_TOML
from workbench.errors import InputError
from workbench.files import read_apart
from workbench.images import MAX_BYTES, Source, read_source
from workbench.models.folder import WEIGHTS as WEIGHTS_FILE
from workbench.models.folder import ModelSpec, read_description, read_spec
from workbench.models.hub import CONFIG, GRAPHS, HUB_FILES, PROCESSOR
from workbench.models.shards import shards
from workbench.sets import zip_tree

if TYPE_CHECKING:
    from workbench.models.classifier import Classifier

MEMORY, SECONDS = 6144, 90
"""Megabytes and seconds that loading and trying a model may take, with the import of its library."""
WEIGHTS = frozenset({".safetensors", ".pt", ".pth", ".pt2", ".ckpt", ".bin", ".tar", ".pkl", ".th", ".onnx"})
TEXTS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt")
"""What turns texts into numbers, for models that are asked with them."""


def upload_model(data: bytes, name: str) -> tuple[Classifier, ModelSpec]:
    """An uploaded model and its description: an ONNX file, a zip of a Hugging Face folder, or a zip of `model.toml`,
    its weights and perhaps its class list.

    Raises:
        InputError: It cannot be used; also where loading it takes too much memory or time.
    """
    from workbench.models.loading import load_stranger

    with tempfile.TemporaryDirectory(prefix="workbench") as place:
        title = re.sub(r"[^\w .-]", "_", Path(name).stem)[:60].strip(". ") or "model"
        path = Path(place, title)
        if name.lower().endswith(".onnx"):
            path = path.with_name(f"{title}.onnx")
            check_length(len(data), name)
            path.write_bytes(data)
        else:
            path.mkdir()
            unpack(data, name, path)
        read_apart("workbench.models.loading:tried", b"", str(path), name=name, megabytes=MEMORY, seconds=SECONDS)
        classifier = load_stranger(path)
        if (path / "model.toml").is_file():
            return classifier, read_spec(path)
        weights = path.name if path.is_file() else _hub_weights(path)
        architecture = "onnx" if weights.endswith(".onnx") else "huggingface"
        classes = list(classifier.class_names)
        return classifier, ModelSpec(architecture=architecture, weights=weights, classes=classes)


def check_length(length: int, name: str) -> None:
    """Refuse, by InputError, an upload that is too large."""
    if length > MAX_BYTES:
        raise InputError(
            f"{name} has {length / 2**20:,.0f} MB, over the limit of {MAX_BYTES / 2**20:,.0f} MB: give a smaller model."
        )


def _hub_weights(folder: Path) -> str:
    return next((name for name in (*HUB_FILES, *GRAPHS) if (folder / name).is_file()), WEIGHTS_FILE)


def unpack(data: bytes, name: str, folder: Path) -> None:
    """Write the `model.toml` in a zip, and what it names beside it, into an empty folder; without one, the files of a
    Hugging Face folder. Nothing else takes disk.

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
        _unpack_hub(files, name, folder)
        return
    home = min(homes, key=lambda path: len(path.parts))
    _write(files[home / "model.toml"], folder / "model.toml", LARGEST_TOML)
    spec = read_description(folder)
    for named in (spec.weights, spec.classes):
        if isinstance(named, str) and PurePosixPath(named).name == named:
            _write_all(files, home, named, folder)


def _unpack_hub(files: Mapping[PurePosixPath, Source], name: str, folder: Path) -> None:
    homes = [path.parent for path in files if path.name == CONFIG]
    if not homes:
        raise InputError(
            f"{name} holds neither model.toml nor {CONFIG}: zip a Hugging Face folder, or write a model.toml beside the"
            " weights (the README shows how)."
        )
    home = min(homes, key=lambda path: len(path.parts))
    weights = next((part for part in (*HUB_FILES, *GRAPHS) if home / part in files), None)
    if weights is None:
        raise InputError(f"{name} holds {CONFIG} but no weights: add {WEIGHTS_FILE} beside it.")
    for part in (CONFIG, PROCESSOR, *TEXTS, weights):
        _write_all(files, home, part, folder)


def _write_all(files: Mapping[PurePosixPath, Source], home: PurePosixPath, name: str, folder: Path) -> None:
    """Write a member, and what it names where it is an index of weights."""
    source, path = files.get(home / name), folder / name
    if source is None:
        return
    path.parent.mkdir(exist_ok=True)
    _write(source, path, MAX_BYTES if path.suffix.lower() in WEIGHTS else LARGEST_TEXT)
    if name.endswith(".index.json"):
        for part in shards(path):
            _write_all(files, home, part, folder)


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
