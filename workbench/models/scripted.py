"""Models in TorchScript archives: the computation in torch's own language, without Python, and without its layers."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.files import file_digest, open_zip
from workbench.models.metadata import check_task, classes_in, prepared
from workbench.models.reading import Fact, Opened

LARGEST_NOTE = 2**22
NO_LAYERS = (
    "TorchScript keeps its layers to itself, so that none can be looked at: choose a gradient or perturbation method"
)


class Scripted(nn.Module):
    """A TorchScript program as an ordinary module, always in evaluation mode.

    Attributes:
        refusals: Why methods of a family do not suit it, by the family.
    """

    def __init__(self, program: Any) -> None:
        super().__init__()
        self.program: Any
        self.__dict__["program"] = program.eval()
        self._parameters = dict(program.named_parameters())
        self.refusals = {"layer": NO_LAYERS, "attention": NO_LAYERS}

    def forward(self, x: Tensor) -> object:
        """What the program answers for inputs of shape (N, C, H, W).

        Raises:
            InputError: Its code asks for a device that is not here.
        """
        try:
            return self.program(x)
        except (RuntimeError, NotImplementedError) as error:
            if "cuda" in str(error).lower() and x.device.type != "cuda":
                raise InputError(
                    "This TorchScript archive was traced on a GPU and names it in its code: trace the model again on"
                    " the CPU (model.cpu() before torch.jit.trace)."
                ) from error
            raise

    def _apply(self, fn: Any, recurse: bool = True) -> Scripted:
        self.program._apply(fn)
        self._parameters = dict(self.program.named_parameters())
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Scripted:
        return Scripted(copy.deepcopy(self.program, memo))


def is_scripted(path: Path) -> bool:
    """Whether a file is a TorchScript archive, whatever its name: a zip that holds code."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":
            return False
    try:
        with open_zip(path, path.name) as archive:
            names = archive.namelist()
    except InputError:
        return False
    insides = [name.split("/")[1:] for name in names]
    return ["constants.pkl"] in insides and any(inside[:1] == ["code"] for inside in insides)


def read_scripted(path: Path, device: torch.device) -> Opened:
    """Load an archive from a trusted source.

    Its code runs in torch's interpreter rather than Python, but is code all the same: found in torch 2.15, a program
    whose `forward` calls `torch.save` writes any file it names. No setting forbids that, so archives from a page are
    refused before they come here.

    Raises:
        InputError: It cannot be read, or is no image classifier.
    """
    notes = {"config.txt": ""}
    try:
        program = torch.jit.load(str(path), map_location=device, _extra_files=notes)
    except Exception as error:  # of torch's own kinds, for a damaged archive
        raise InputError(
            f"{path.name} is a TorchScript archive that torch {torch.__version__} cannot read"
            f" ({' '.join(str(error).split())[:160]}): save it again with torch.jit.save."
        ) from None
    metadata = _metadata(notes["config.txt"])
    check_task(metadata, path.name)
    return Opened(
        Scripted(program),
        file_digest(path),
        path.stem,
        preprocessing=prepared(metadata),
        source="config.txt in the archive" if metadata else "",
        classes=classes_in(metadata),
        facts=(Fact("format", "TorchScript archive: gradients, but no layers", path.name, "stated"),),
    )


def _metadata(text: object) -> dict[str, Any]:
    """The notes that Ultralytics leaves in an archive."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    try:
        table = json.loads(plain) if 0 < len(plain) < LARGEST_NOTE else {}
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
