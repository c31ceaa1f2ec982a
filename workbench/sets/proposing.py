"""What tables hold that the workbench wrote: columns that only propose, and one that says where paths start."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from workbench.errors import InputError
from workbench.files import open_file, unguarded

PROPOSING, ROOT = ("proposed label", "proposed split", "why"), "root"
MOST_CELL = 100_000
"""Characters of the first two rows that are looked at."""


def own_root(path: Path) -> Path | None:
    """The folder that the paths of a table start at by its own column `ROOT`; None where it is no such table.

    Args:
        path: Of the table. Only of one that was named on this machine: a table that came from elsewhere may name any
            folder.

    Raises:
        InputError: The folder is not there.
    """
    if path.suffix.lower() != ".csv":
        return None
    try:
        with open_file(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
            row = next(csv.DictReader(iter(lambda: file.readline(MOST_CELL), "")), {})
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    if not {*PROPOSING, ROOT} <= row.keys() or not row[ROOT]:
        return None
    root = Path(unguarded(row[ROOT]))
    if not root.is_absolute() or not root.is_dir():
        raise InputError(
            f"The folder {str(root)!r}, in which the images of {path.name} lie by its column {ROOT}, is not there:"
            " write the table again, or put it into the folder of its images and remove that column."
        )
    return root
