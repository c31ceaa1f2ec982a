"""Which reader a file or folder needs: its own contents tell, not its name alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.files import file_digest
from workbench.models.hub import CONFIG, HUB_FILES, Hub, is_hub, read_hub
from workbench.models.processors import from_processor
from workbench.models.published import Published
from workbench.models.reading import Fact, Opened
from workbench.models.settings import Settings, device_of

if TYPE_CHECKING:
    import torch


def open_path(path: Path, settings: Settings, *, trusted: bool = True) -> Opened | None:
    """The model in a file or folder that describes itself; None where it needs a `model.toml` or an architecture.

    Args:
        path: A folder of the Hugging Face hub or a file in it, an ONNX file, a TorchScript or `.pt2` archive.
        settings: What the caller says: where it shall compute, and the classes and prompt of a model that is asked
            with texts.
        trusted: False for what came from a page.

    Raises:
        InputError: It is of a format that is read, but cannot be used.
    """
    folder = path.parent if path.is_file() and path.name in HUB_FILES else path
    if folder.is_dir() and is_hub(folder):
        return _hub(read_hub(folder, trusted=trusted), settings, trusted=trusted)
    if not path.is_file():
        return None
    suffix, device = path.suffix.lower(), device_of(settings.device)
    if suffix == ".onnx":
        return _onnx(path, trusted=trusted)
    if suffix == ".pt2":
        return _exported(path, device, trusted=trusted)
    return _scripted(path, device, trusted=trusted) if suffix != ".safetensors" else None


def _hub(hub: Hub, settings: Settings, *, trusted: bool) -> Opened:
    """The model of a folder, prepared for as its `preprocessor_config.json` says."""
    if hub.kind == "onnx":
        opened = _onnx(hub.weights, trusted=trusted)
        head = "multilabel" if hub.several else opened.head or "logits"
        opened = dataclasses.replace(
            opened, key=hub.key, name=hub.folder.name, head=head, classes=hub.classes or opened.classes
        )
    else:
        from workbench.models.huggingface import read_huggingface

        opened = read_huggingface(hub, classes=tuple(settings.classes or ()), prompt=settings.prompt, trusted=trusted)
    said = _preprocessing(hub)
    fields = {**opened.preprocessing, **said.fields}
    return dataclasses.replace(opened, preprocessing=fields, source=said.source, how=said.how)


def _preprocessing(hub: Hub) -> Published:
    """Fields of `PreprocessingSpec`, and who states them."""
    family = str(hub.config.get("model_type"))
    if hub.kind == "timm" or family == "timm_wrapper":
        return Published({}, CONFIG, "stated")  # the network carries its `pretrained_cfg`
    channels = hub.config.get("num_channels", 3)
    stated = from_processor(hub.processor, family, channels if isinstance(channels, int) else 3)
    side = hub.config.get("image_size")
    if hub.processor or not isinstance(side, int):
        return stated
    rest = {name: value for name, value in stated.fields.items() if name not in ("resize", "resize_to", "crop")}
    return Published({**rest, "size": (side, side)}, f"image_size in {CONFIG}, and {stated.source}", "assumed")


def _onnx(path: Path, *, trusted: bool) -> Opened:
    from workbench.models.onnx_file import read_onnx

    return read_onnx(path, trusted=trusted)


def _exported(path: Path, device: torch.device, *, trusted: bool) -> Opened:
    from workbench.models.exported import read_exported

    if not trusted:
        raise _runs_code(".pt2 archive")
    model = read_exported(path, device)
    layers = "with its layers" if model.layered else "as one piece, without layers"
    fact = Fact("format", f"archive of torch.export, {layers}", path.name, "stated")
    return Opened(model, file_digest(path), path.stem, facts=(fact,))


def _scripted(path: Path, device: torch.device, *, trusted: bool) -> Opened | None:
    from workbench.models.scripted import is_scripted, read_scripted

    if not is_scripted(path):
        return None
    if not trusted:
        raise _runs_code("TorchScript archive")
    return read_scripted(path, device)


def _runs_code(kind: str) -> InputError:
    return InputError(
        f"Opening a {kind} can run code, so it is taken from the command line or workbench.toml only: upload weights, a"
        " Hugging Face folder or an ONNX file."
    )
