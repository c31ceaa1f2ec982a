"""Read manifests: tables that name the images of a set and what is known of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.errors import InputError
from workbench.files import read_table
from workbench.images.item import FileSource, ImageItem, ImageSet, Source
from workbench.texts import scalar, shown

MAX_MEMBERS = 200_000
SPLIT_WORDS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
RESERVED = ("image", "label", "split", "mask")
SYNTHETIC, TRUE = "synthetic", ("yes", "true", "1")


def read_manifest(set_name: str, name: str, data: bytes, find: Callable[[str], Source | None]) -> ImageSet:
    """A table with the column `image`, and `label`, `split`, `mask` and any others where known.

    Where the column `synthetic` says yes in every row, the set is synthetic; else it is an attribute like any other.

    Args:
        set_name: How the set is to be called.
        name: Of the manifest's file.
        data: Its contents.
        find: Gives the file that a path in the manifest names, or None.

    Raises:
        InputError: It is no such table, lists no images, or names a file that is not there or a split that is none.
    """
    table = read_table(data, name)
    if not table.rows:
        raise InputError(f"{name} lists no images: add a row for each.")
    rows = [row for _, row in table.rows]
    if "image" not in rows[0]:
        raise InputError(
            f"{name} has no column 'image' (it has {sentence_list(list(rows[0]))}): name the column of paths 'image'."
        )

    def source(path: str, where: str) -> Source:
        file = find(path) or find(path.replace("\\", "/"))
        if file is None:
            raise InputError(
                f"{name} names {path!r} in {where}, but no such file lies in its folder: paths start there and stay"
                " inside."
            )
        return file

    synthetic = all((_text(row.get(SYNTHETIC)) or "").lower() in TRUE for row in rows)
    own_columns = (*RESERVED, SYNTHETIC) if synthetic else RESERVED
    items = []
    for where, row in table.rows:
        image, mask, split = (_text(row.get(column)) for column in ("image", "mask", "split"))
        if image is None:
            raise InputError(f"{name} names no image in {where}: fill in the column 'image' or remove the row.")
        if split is not None and split.lower() not in SPLIT_WORDS:
            raise InputError(f"{name} has the split {split!r} in {where}: use train, validation or test.")
        items.append(
            ImageItem(
                name=image,
                source=source(image, where),
                label=_text(row.get("label")),
                mask=source(mask, where) if mask else None,
                split=SPLIT_WORDS[split.lower()] if split else None,
                attributes={k: v for k, v in row.items() if k not in own_columns and _text(v) is not None},
            )
        )
    labels = sorted({item.label for item in items if item.label is not None})
    notes = (f"The column {name} holds too many values in lists or tables and is left out." for name in table.left_out)
    return ImageSet(set_name, tuple(items), tuple(labels), synthetic, tuple(notes))


def files_below(folder: Path) -> Callable[[str], Source | None]:
    """Finds the files of a manifest: never above its folder, whatever the manifest says."""
    base = os.path.abspath(folder)

    def find(path: str) -> Source | None:
        target = Path(os.path.abspath(os.path.join(base, path)))
        try:
            return FileSource(target) if target.is_relative_to(base) and target.is_file() else None
        except OSError:  # too long for a path, or not permitted
            return None

    return find


def _text(value: object) -> str | None:
    """A cell as text, None where it is empty. A column of whole numbers with gaps is read as floats: 3.0 means 3."""
    cell = scalar(value)
    return None if cell is None else shown(cell).strip() or None


def sentence_list(names: Sequence[str], most: int = 6) -> str:
    """The first `most` of `names` as a list in a sentence, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
