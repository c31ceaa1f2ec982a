"""Read manifests: tables that name the images of a set and what is known of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.files import read_table
from workbench.images.item import ImageItem, Source, read_source
from workbench.images.readings import Reading
from workbench.images.trees import Tree
from workbench.images.words import split_of
from workbench.texts import scalar, shown

RESERVED = ("image", "label", "split", "mask")
SYNTHETIC, TRUE = "synthetic", ("yes", "true", "1")


def manifest(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """A table at the root of the tree. Errors as `read_manifest`."""
    path = tree.manifest
    return None if path is None else read_manifest(tree, path, options)


def read_manifest(tree: Tree, path: PurePosixPath, options: ReadOptions) -> Reading:
    """A table with the column `image`, and `label`, `split`, `mask` and any others where known.

    Where the column `synthetic` says yes in every row, the set is synthetic; else it is an attribute like any other.

    Args:
        tree: What its paths are looked for in.
        path: Of the table, in the tree.
        options: Corrections.

    Raises:
        InputError: It is no such table, lists no images, or names a file that is not there or a split that is none.
    """
    name, data = path.name, read_source(tree.files[path], path.name)
    table = read_table(data, name)
    if not table.rows:
        raise InputError(f"{name} lists no images: add a row for each.")
    rows = [row for _, row in table.rows]
    if "image" not in rows[0]:
        raise InputError(
            f"{name} has no column 'image' (it has {sentence_list(list(rows[0]))}): name the column of paths 'image'."
        )

    reading = Reading("manifest", f"the table {name} lists the images", ordered=True, used={path})

    synthetic = all((_text(row.get(SYNTHETIC)) or "").lower() in TRUE for row in rows)
    own_columns = (*RESERVED, SYNTHETIC) if synthetic else RESERVED
    for where, row in table.rows:
        image, mask, split = (_text(row.get(column)) for column in ("image", "mask", "split"))
        if image is None:
            raise InputError(f"{name} names no image in {where}: fill in the column 'image' or remove the row.")
        if split is not None and split_of(split, options) is None and options.splits.get(split) != "none":
            raise InputError(f"{name} has the split {split!r} in {where}: use train, validation or test.")
        reading.items.append(
            ImageItem(
                name=image,
                source=_source(tree, image, f"{name} names {image!r} in {where}", reading),
                label=_text(row.get("label")),
                mask=_source(tree, mask, f"{name} names {mask!r} in {where}", reading) if mask else None,
                split=split_of(split, options) if split else None,
                attributes={k: v for k, v in row.items() if k not in own_columns and _text(v) is not None},
            )
        )
    reading.synthetic = synthetic
    reading.notes = [
        f"The column {name} holds too many values in lists or tables and is left out." for name in table.left_out
    ]
    return reading


def _source(tree: Tree, text: str, what: str, reading: Reading) -> Source:
    """The file that a cell names, noted as used."""
    for place in (text, text.replace("\\", "/")):
        if (file := tree.find(place)) is not None:
            reading.used.add(PurePosixPath(os.path.normpath(place)))
            return file
    raise InputError(f"{what}, but no such file lies in its folder: paths start there and stay inside.")


def _text(value: object) -> str | None:
    """A cell as text, None where it is empty. A column of whole numbers with gaps is read as floats: 3.0 means 3."""
    cell = scalar(value)
    return None if cell is None else shown(cell).strip() or None


def sentence_list(names: Sequence[str], most: int = 6) -> str:
    """The first `most` of `names` as a list in a sentence, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
