"""Tables of a tree, each looked into: which of its columns names images of the set, and which files these are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.files import Table, read_shards, read_table
from workbench.images import MASK_MARK, read_source
from workbench.sets.cells import place_of
from workbench.sets.columns import ROLES, Columns, Sheet, columns_of
from workbench.sets.named_files import Finder, Places
from workbench.sets.trees import HERE, Tree
from workbench.sets.words import SPLIT_TOKENS, is_lot, role_of, split_of, split_within, tokens
from workbench.texts import sentence_list

TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
TEXTS = (".csv", ".tsv", ".txt")
BESIDE = (".jpg", ".png", ".jpeg", ".JPG", ".bmp", ".tif")
"""Endings of images that a table of the same name belongs to: it tells of that one alone."""
FOLDERS_ABOVE, MOST_ALIKE, CELLS_TRIED = 3, 20, 60
"""Folders above a table, tables of one ending in a folder, and cells of a column that are looked for at first."""
USUAL = frozenset((
    "label", "labels", "metadata", "meta", "annotations", "annotation", "instances", "dataset", "data", "index", "list",
    "images", "image", "files", "file", "info", "groundtruth", "ground", "truth", "gt", "coco", "split", "splits",
    "cls", "classification", "of", "classes", "export", "set", *SPLIT_TOKENS,
))  # fmt: skip
"""Words of names under which tables list the images of a set."""


@dataclass
class Listing:
    """A table that lists images.

    Attributes:
        path: Of the table, in the tree.
        places: The files that its images are; of images in its own cells none.
        masks: The files of its masks.
        split: What its name or folder says.
    """

    path: PurePosixPath
    sheet: Sheet
    columns: Columns
    places: Places
    masks: Places
    split: str | None = None

    @property
    def inside(self) -> bool:
        """Whether the table holds the images themselves."""
        return self.columns.image in self.sheet.table.lengths

    @property
    def count(self) -> int:
        """Rows whose image is there."""
        if self.inside:
            return sum(size is not None for size in self.sheet.table.lengths[self.columns.image])
        return self.places.count

    @property
    def labelled(self) -> bool:
        """Whether it says of which class an image is."""
        return self.columns.label is not None or bool(self.columns.classes)


def candidates(tree: Tree) -> list[PurePosixPath]:
    """Files that may be tables by their names: not those of one image each, nor forms for predictions."""
    tables = [
        path
        for path in tree.files
        if path.suffix.lower() in TABLES
        and len(path.parts) <= FOLDERS_ABOVE + 1
        and (path.suffix.lower() != ".txt" or set(tokens(path.stem)) <= USUAL)
        and not any(path.with_suffix(ending) in tree.files for ending in BESIDE)
    ]
    alike = Counter((path.parent, path.suffix.lower()) for path in tables)
    return [
        path
        for path in tables
        if path.suffix.lower() == ".parquet" or alike[path.parent, path.suffix.lower()] <= MOST_ALIKE
    ]


def rank_of(path: PurePosixPath) -> int:
    """0 for a manifest, 1 for other names under which tables list images, 2 for any other name."""
    words = {word for word in tokens(path.stem) if not word.isdigit()}
    return 0 if words == {"manifest"} else 1 if words <= USUAL else 2


def groups(paths: Iterable[PurePosixPath], options: ReadOptions) -> list[list[PurePosixPath]]:
    """Tables that belong together: one a split, one a folder, or the parts of one table."""
    result = defaultdict[object, list[PurePosixPath]](list)
    for path in paths:
        words = tokens(path.stem)
        split = split_within(path.stem) is not None
        plain = [word for word in words if word not in SPLIT_TOKENS]
        if split or path.suffix.lower() == ".parquet":
            plain = [word for word in plain if not word.isdigit() and word != "of"]
        result[len(path.parts), tuple(plain), path.suffix.lower()].append(path)
    return list(result.values())


def read_at_once(tree: Tree, paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, Table]:
    """Tables of several Parquet files on the disk, which one process reads sooner than one each."""
    places = {
        place: path
        for path in paths
        if path.suffix.lower() == ".parquet" and (place := place_of(tree.files[path])) is not None
    }
    return {places[place]: table for place, table in read_shards([*places]).items()} if len(places) > 1 else {}


def listing_of(
    tree: Tree, path: PurePosixPath, options: ReadOptions, finder: Finder, table: Table | None = None
) -> Listing | None:
    """What a table lists; None where it lists no images of the set.

    Args:
        tree: The set.
        path: Of the table.
        options: Corrections.
        finder: Of the tree.
        table: What the file holds, where that is known.

    Raises:
        InputError: It cannot be read, or the options name a column that it lacks.
    """
    table = table or _table(tree, path, headless=False)
    name = path.name
    if not table.headless and path.suffix.lower() in TEXTS and _is_first_row(table, path, finder):
        table = _table(tree, path, headless=True)
    if not table.rows:
        return None
    sheet = Sheet(table, name)

    def share(column: str) -> float:
        cells = [cell for cell in sheet.cells(column) if cell is not None]
        sample = cells[:: max(1, len(cells) // CELLS_TRIED)]
        return finder.places(sample, path).count / len(sample) if sample else 0.0

    columns = columns_of(sheet, options, share)
    if columns is None:
        return None
    split = next((s for part in reversed(path.parts[:-1]) if (s := split_of(part, options))), None)
    split = split_of(path.stem, options) or split_within(path.stem) or split
    return Listing(path, sheet, columns, *_places(sheet, columns, path, finder, options, split), split)


def _table(tree: Tree, path: PurePosixPath, headless: bool) -> Table:
    source = tree.files[path]
    place = place_of(source) if path.suffix.lower() == ".parquet" else None
    try:
        return read_table(place if place is not None else read_source(source, path.name), path.name, headless)
    except OSError:
        raise InputError(f"{path.name} cannot be read: check the file and its permissions.") from None


def _is_first_row(table: Table, path: PurePosixPath, finder: Finder) -> bool:
    """Whether what seems a header names a file, by a name that no column has."""
    words = {word for text in ROLES.values() for word in text.split()}
    header = [column for column in table.columns if "".join(tokens(column)) not in words]
    return bool(header) and finder.places(header[:1], path).count == 1 and table.columns[0] == header[0]


def _places(
    sheet: Sheet, columns: Columns, path: PurePosixPath, finder: Finder, options: ReadOptions, split: str | None
) -> tuple[Places, Places]:
    """The files of the images and of the masks."""
    none: list[str | None] = [None] * sheet.length
    splits = sheet.cells(columns.split) if columns.split else [split] * sheet.length
    labels = sheet.cells(columns.label) if columns.label else none
    hints = [
        [hint for hint in (split_of(word, options) if word else None, label) if hint]
        for word, label in zip(splits, labels, strict=True)
    ]
    inside = sheet.table.lengths
    images = (
        Places([None] * sheet.length)
        if columns.image in inside
        else finder.places(sheet.cells(columns.image), path, hints)
    )
    if columns.mask is None or columns.mask in inside or options.masks == "none":
        return images, Places([None] * sheet.length)
    single = [None if cell and MASK_MARK in cell else cell for cell in sheet.cells(columns.mask)]
    return images, finder.places(single, path, hints, masks=True)


def check_lists(tree: Tree, path: PurePosixPath, listing: Listing | None) -> Listing:
    """The listing of a table that was asked for.

    Raises:
        InputError: It lists no images, or none of those that it lists is there.
    """
    name = path.name
    if listing is None:
        columns = _table(tree, path, headless=False).columns
        if not columns:
            raise InputError(f"{name} lists no images: add a row for each.")
        raise InputError(
            f"{name} has no column 'image', nor another that names files (it has {sentence_list(columns)}): name the"
            " column of paths 'image'."
        )
    if not listing.count:
        where, row = listing.sheet.table.rows[0]
        first = row.get(listing.columns.image)
        raise InputError(
            f"{name} names {first!r} in {where}, but no such file lies in its folder, nor is any other that it names"
            " there: paths start there and stay inside, or at the folder that the option root names."
            if first
            else f"{name} names no image in {where}: fill in the column {listing.columns.image!r} or remove the row."
        )
    return listing


def folder_label(path: PurePosixPath, options: ReadOptions) -> str | None:
    """The class that an image's folders name: the last that is neither a split nor called after images."""
    named = [part for part in path.parts[:-1] if not split_of(part, options) and not role_of(part) and not is_lot(part)]
    return named[-1] if named else None


def folder_split(path: PurePosixPath, options: ReadOptions) -> str | None:
    """The split that an image's folders name."""
    return next((split for part in path.parts[:-1] if (split := split_of(part, options))), None)


def own_folder(path: PurePosixPath) -> PurePosixPath:
    """Where a table lies."""
    return path.parent if path.parent.parts else HERE
