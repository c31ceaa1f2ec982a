"""Read manifests: tables that name the pictures of a set and what is known of each."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.errors import InputError
from workbench.images import FileSource, ImageItem, ImageSet, Source

MAX_MEMBERS = 200_000
SPLITS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
RESERVED = ("image", "label", "split", "mask")
SYNTHETIC, TRUE = "synthetic", ("yes", "true", "1")


def read_manifest(set_name: str, name: str, data: bytes, find: Callable[[str], Source | None]) -> ImageSet:
    """A table with the column `image`, and `label`, `split`, `mask` and any others where known.

    Where the column `synthetic` says yes in every row, the set is synthetic; else it is an attribute like any other.
    """
    rows = _parquet_rows(data, name) if name.endswith(".parquet") else csv_rows(data, name)
    if not rows:
        raise InputError(f"{name} lists no pictures: add a row for each.")
    if "image" not in rows[0]:
        raise InputError(f"{name} has no column 'image' (it has {some(list(rows[0]))}): name the column of paths 'image'.")

    def source(path: str, number: int) -> Source:
        found = find(path) or find(path.replace("\\", "/"))
        if found is None:
            raise InputError(
                f"{name} names {path!r} in row {number}, but no such file lies in its folder: paths start there and stay inside."
            )
        return found

    synthetic = all((_text(row.get(SYNTHETIC)) or "").lower() in TRUE for row in rows)
    known = (*RESERVED, SYNTHETIC) if synthetic else RESERVED
    items = []
    for number, row in enumerate(rows, 1):
        image, mask, split = (_text(row.get(column)) for column in ("image", "mask", "split"))
        if image is None:
            raise InputError(f"{name} names no picture in row {number}: fill in the column 'image' or remove the row.")
        if split is not None and split.lower() not in SPLITS:
            raise InputError(f"{name} has the split {split!r} in row {number}: use train, validation or test.")
        items.append(
            ImageItem(
                name=image,
                source=source(image, number),
                label=_text(row.get("label")),
                mask=source(mask, number) if mask else None,
                split=SPLITS[split.lower()] if split else None,
                attributes={str(k): v for k, v in row.items() if k not in known and _text(v) is not None},
            )
        )
    labels = {item.label for item in items if item.label is not None}
    return ImageSet(set_name, tuple(items), tuple(sorted(labels)), synthetic)


def csv_rows(data: bytes, name: str) -> list[dict[str, object]]:
    """Rows of a CSV with commas, semicolons or tabs; lines above the header that start with # are comments."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8: save it as CSV (UTF-8).") from None
    while text.startswith(("#", "\n", "\r")):
        text = text.partition("\n")[2]
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [{k.strip(): v for k, v in row.items() if k} for row in rows if any(row.values())]
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV this can read ({error}): save it again as CSV.") from None


def _parquet_rows(data: bytes, name: str) -> list[dict[str, object]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        rows = file.metadata.num_rows
        found = file.read().to_pylist() if rows <= MAX_MEMBERS else []
    except Exception:  # pyarrow raises its own kinds, and those of Python for values that Python cannot hold
        raise InputError(f"{name} is not a Parquet file this can read: write it again.") from None
    if rows > MAX_MEMBERS:
        raise InputError(f"{name} lists {rows:,} pictures, over the limit of {MAX_MEMBERS:,}: split it.")
    return found


def files_below(folder: Path) -> Callable[[str], Source | None]:
    """Finds the files of a manifest: never above its folder, whatever the manifest says."""
    base = os.path.abspath(folder)

    def find(path: str) -> Source | None:
        whole = Path(os.path.abspath(os.path.join(base, path)))
        try:
            return FileSource(whole) if whole.is_relative_to(base) and whole.is_file() else None
        except OSError:  # too long for a path, or not permitted
            return None

    return find


def _text(value: object) -> str | None:
    """A cell as text, None where it is empty. A column of whole numbers with gaps is read as floats: 3.0 means 3."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    text = "" if value is None else str(value).strip()
    return None if text.lower() in ("", "nan") else text


def some(names: Sequence[str], most: int = 6) -> str:
    """The first of `names` as a list in a sentence, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
