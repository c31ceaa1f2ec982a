"""Results that stand again after a restart: on their shelf, and on disk under the same key."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from workbench.files import cache_folder, read_value, write_value
from workbench.ui import choice, session
from workbench.ui.cache import Slot

RESULTS = "results"
MOST_FILES = 200
"""Results on disk, the newest ones."""


def recall(place: Slot, *types: type) -> Any:
    """A result from its shelf, or else from the disk; None where it is in neither.

    Args:
        place: Its place.
        types: As for `workbench.files.read_value`.
    """
    result = place.get()
    if result is None and (path := _path(place)).is_file():
        result = read_value(path, *types)
        if result is not None:
            place.put(result, 4 * path.stat().st_size)
    return result


def keep(place: Slot, value: object, size: int) -> None:
    """Keep a result, which takes `size` bytes, and on disk too, unless it is of what a visitor uploaded: that goes when
    they do."""
    place.put(value, size)
    if choice.set_ref(choice.whole()) in session.own("sets"):
        return
    path = _path(place)
    write_value(path, value)
    with contextlib.suppress(OSError):
        files = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[MOST_FILES:]:
            file.unlink()


def _path(place: Slot) -> Path:
    return cache_folder() / RESULTS / f"{place.key}.json"
