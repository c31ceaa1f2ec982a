"""What a search for shortcuts came to, on disk beside the maps, so that it is known after a restart."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
from pathlib import Path

from workbench.bias import LEADS, Conclusion
from workbench.files import read_file
from workbench.ui import audits
from workbench.ui.bias.scope import Scope

LARGEST = 2**20
"""Bytes of such a file that are read."""


def write(scope: Scope, key: str, conclusions: list[Conclusion]) -> None:
    """Keep what was concluded under the key of its search; a full disk costs only the memory of it."""
    path = _path(scope, key)
    with contextlib.suppress(OSError):
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as file:
            json.dump([dataclasses.asdict(line) for line in conclusions], file)
        os.replace(file.name, path)


def read(scope: Scope, key: str) -> list[Conclusion] | None:
    """What was concluded under this key; None where nothing was, or the file holds something else."""
    try:
        lines = [Conclusion(**line) for line in json.loads(read_file(_path(scope, key), LARGEST))]
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return lines if lines and all(map(_sound, lines)) else None


def _sound(line: Conclusion) -> bool:
    """Whether a line says what a search for shortcuts can say."""
    texts = line.lead, line.sentence, line.about, line.settles
    of_its_kind = line.kind == "shortcut" and line.verdict in LEADS and line.gap is None
    return of_its_kind and all(isinstance(text, str) for text in texts)


def _path(scope: Scope, key: str) -> Path:
    return audits.folder_of(scope) / f"shortcuts-{key[:24]}.json"
