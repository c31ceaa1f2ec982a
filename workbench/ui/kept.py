"""Results that stand again after a restart: on their shelf, and on disk under the same key; those of the demo come with
the package."""

from __future__ import annotations

import contextlib
from typing import Any

from workbench.files import read_value, write_value
from workbench.report import study_paths
from workbench.ui import choice, session
from workbench.ui.cache import Slot

MOST_FILES = 200
"""Results on disk, the newest ones."""


def recall(place: Slot, *types: type) -> Any:
    """A result from its shelf, or else from the disk or from what comes with the package; None where it is in none.

    Args:
        place: Its place.
        types: As for `workbench.files.read_value`.
    """
    result = place.get()
    for path in () if result is not None else study_paths(place.key):
        if path.is_file() and (result := read_value(path, *types)) is not None:
            place.put(result, 4 * path.stat().st_size)
            break
    return result


def keep(place: Slot, value: object, size: int) -> None:
    """Keep a result, which takes `size` bytes, and on disk too, unless it is of what a visitor uploaded: that goes when
    they do."""
    place.put(value, size)
    if not lasting():
        return
    path, _ = study_paths(place.key)
    write_value(path, value)
    with contextlib.suppress(OSError):
        files = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[MOST_FILES:]:
            file.unlink()


def lasting() -> bool:
    """Whether what is found of the chosen images may lie on disk: not of what a visitor uploaded."""
    return choice.set_ref(choice.whole()) not in session.own("sets")
