"""Read manifests: tables that name the pictures of a set and what is known of each."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.errors import InputError
from workbench.images import FileSource, ImageItem, ImageSet, Source
from workbench.sheets import unguarded
from workbench.values import scalar, shown

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
    numbered = _parquet_rows(data, name) if name.lower().endswith(".parquet") else _csv_lines(data, name)
    if not numbered:
        raise InputError(f"{name} lists no images: add a row for each.")
    rows = [row for _, row in numbered]
    if "image" not in rows[0]:
        raise InputError(f"{name} has no column 'image' (it has {some(list(rows[0]))}): name the column of paths 'image'.")

    def source(path: str, where: str) -> Source:
        found = find(path) or find(path.replace("\\", "/"))
        if found is None:
            raise InputError(f"{name} names {path!r} in {where}, but no such file lies in its folder: paths start there and stay inside.")
        return found

    synthetic = all((_text(row.get(SYNTHETIC)) or "").lower() in TRUE for row in rows)
    known = (*RESERVED, SYNTHETIC) if synthetic else RESERVED
    items = []
    for where, row in numbered:
        image, mask, split = (_text(row.get(column)) for column in ("image", "mask", "split"))
        if image is None:
            raise InputError(f"{name} names no image in {where}: fill in the column 'image' or remove the row.")
        if split is not None and split.lower() not in SPLITS:
            raise InputError(f"{name} has the split {split!r} in {where}: use train, validation or test.")
        items.append(
            ImageItem(
                name=image,
                source=source(image, where),
                label=_text(row.get("label")),
                mask=source(mask, where) if mask else None,
                split=SPLITS[split.lower()] if split else None,
                attributes={k: v for k, v in row.items() if k not in known and _text(v) is not None},
            )
        )
    labels = {item.label for item in items if item.label is not None}
    return ImageSet(set_name, tuple(items), tuple(sorted(labels)), synthetic)


def csv_rows(data: bytes, name: str) -> list[dict[str, object]]:
    """Rows of a CSV with commas, semicolons or tabs; lines above the header that start with # are comments."""
    return [row for _, row in _csv_lines(data, name)]


def _csv_lines(data: bytes, name: str) -> list[tuple[str, dict[str, object]]]:
    """The rows of a CSV, each with the line that it begins in, as an editor counts them."""
    try:
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8: save it as CSV (UTF-8).") from None
    above, start, line = 0, 0, text.readline()
    while line.startswith(("#", "\n", "\r")):
        above, start, line = above + 1, text.tell(), text.readline()
    text.seek(start)
    reader = csv.reader(text, delimiter=max(",;\t", key=line.count))
    try:
        header = [unguarded(cell.strip()) for cell in next(reader, [])]
        _check_once(header, name)
        found: list[tuple[str, dict[str, object]]] = []
        begin = reader.line_num
        for cells in reader:
            where, begin = f"line {above + begin + 1}", reader.line_num
            if any(cells[len(header) :]):
                raise InputError(
                    f"{name} has {len(cells)} cells in {where}, but its header names {len(header)}: put quotes around a cell that holds "
                    "what divides the cells."
                )
            if any(cells):
                row = dict.fromkeys(header) | {column: _cell(cell) for column, cell in zip(header, cells, strict=False)}
                row.pop("", None)
                found.append((where, row))
        return found
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV this can read ({error}): save it again as CSV.") from None


def _check_once(columns: Sequence[str], name: str) -> None:
    """Refuse a column that is named twice: one of the two would be lost."""
    twice = [column for column, count in Counter(columns).items() if count > 1 and column]
    if twice:
        raise InputError(f"{name} names the column {twice[0]!r} more than once: rename or remove one of them.")


def _cell(text: str) -> str | None:
    """What a cell of a CSV says, without the apostrophe that keeps a spreadsheet from computing it.

    None where it says nothing, or NaN, which is how programs write nothing.
    """
    text = text.strip()
    return None if text.lower() in ("", "nan") else unguarded(text)


def _parquet_rows(data: bytes, name: str) -> list[tuple[str, dict[str, object]]]:
    """The rows of a Parquet file, each with its number."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        rows = file.metadata.num_rows
        kinds = {field.name: field.type for field in file.schema_arrow}
    except Exception:  # pyarrow raises its own kinds
        raise InputError(f"{name} is not a Parquet file this can read: write it again.") from None
    if rows > MAX_MEMBERS:
        raise InputError(f"{name} lists {rows:,} images, over the limit of {MAX_MEMBERS:,}: split it.")
    _check_once(file.schema_arrow.names, name)
    inside = kinds.get("image")
    if inside is not None and (pyarrow.types.is_nested(inside) or pyarrow.types.is_binary(inside) or pyarrow.types.is_large_binary(inside)):
        raise InputError(
            f"{name} holds the images themselves in its column 'image', as data sets of Hugging Face do, which is not read: save each "
            "image as a file beside it, and give the files' paths in that column."
        )
    try:
        table = file.read().to_pylist()
    except Exception:  # pyarrow's own kinds, and those of Python for values that Python cannot hold
        raise InputError(f"{name} is not a Parquet file this can read: write it again.") from None
    return [(f"row {number}", {k: v for k, v in row.items() if k}) for number, row in enumerate(table, 1)]


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
    known = scalar(value)
    return None if known is None else shown(known).strip() or None


def some(names: Sequence[str], most: int = 6) -> str:
    """The first of `names` as a list in a sentence, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
