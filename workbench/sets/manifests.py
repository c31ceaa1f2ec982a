"""Tables that list the images of a set: which file is the table, and what it makes of the set."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import LeftOut, Question
from workbench.sets.class_names import names_folders
from workbench.sets.listings import (
    Listing,
    candidates,
    check_lists,
    folder_label,
    groups,
    listing_of,
    rank_of,
    read_at_once,
)
from workbench.sets.named_files import Finder
from workbench.sets.readings import Reading
from workbench.sets.rows import SYNTHETIC, reading_of
from workbench.sets.trees import HERE, Tree
from workbench.sets.words import tokens

NO_LIST = "a table, but none of its columns names images of this set"
FORM = "a form for predictions, whose labels are examples"
RESULT = "a table of results, by its name: if it lists the images, say so by the option table"
RESULTS = frozenset(
    ("prediction", "predictions", "preds", "results", "result", "scores", "metrics", "history", "log", "logs")
)
SHEET = "a spreadsheet, which is not read: save it as CSV"
SHEETS = (".xlsx", ".xls", ".ods")
NO_TABLE = "none"
__all__ = [
    "NO_TABLE",
    "SYNTHETIC",
    "Search",
    "check_no_columns",
    "look_for_tables",
    "manifest",
    "read_manifest",
]


@dataclass
class Search:
    """What the tables of a tree say.

    Attributes:
        reading: The set that they list; None where they list none.
        stated: Whether it is to be read so whatever else the tree looks like: by a manifest, or because it was asked.
        tables: Those that list images.
        left_out: Tables that do not.
        questions: What to ask where another layout reads the set.
    """

    reading: Reading | None = None
    stated: bool = False
    tables: tuple[str, ...] = ()
    left_out: list[LeftOut] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    def told(self, reading: Reading, prefix: PurePosixPath) -> Reading:
        """The reading of another layout, with what is said of tables that it did not use."""
        used = {str(prefix / path) for path in reading.used} | {n for group in reading.left_out for n in group.names}
        beside = LeftOut(f"a table of images, beside the layout {reading.layout} that is read", self.tables)
        for group in (beside, *self.left_out) if reading.layout != "manifest" else self.left_out:
            if names := tuple(name for name in group.names if name not in used):
                reading.left_out.append(LeftOut(group.reason, names))
        reading.questions += self.questions
        return reading


def check_no_columns(tree: Tree, options: ReadOptions) -> None:
    """Refuse options that tell of a table where the set is read without one."""
    given = "table" if options.table not in (None, NO_TABLE) else "columns" if options.columns else None
    if given is not None:
        raise InputError(
            f"{tree.name} is not read from a table, of which the option {given} tells: remove it, or name the table"
            " with the options layout=manifest and table."
        )


def manifest(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """The set that the tables of a tree list. Errors as `look_for_tables`."""
    return look_for_tables(tree, options, asked).reading


def read_manifest(tree: Tree, path: PurePosixPath, options: ReadOptions) -> Reading:
    """The set that one table lists.

    Args:
        tree: What its paths are looked for in.
        path: Of the table, in the tree.
        options: Corrections.

    Raises:
        InputError: It is no such table, lists no images, or names none that is there.
    """
    listing = check_lists(tree, path, listing_of(tree, path, options, Finder(tree, options.root)))
    return reading_of(tree, [listing], options)


def look_for_tables(tree: Tree, options: ReadOptions, asked: bool) -> Search:
    """Look into every table of a tree.

    Args:
        tree: The set.
        options: Corrections.
        asked: Whether the set must be read from a table.

    Raises:
        InputError: The one that was asked for, or is called a manifest, cannot be read or lists nothing that is there.
    """
    search = Search()
    if options.table == NO_TABLE:
        return search
    finder = Finder(tree, options.root)
    paths = _wanted(tree, options, search)
    listings: list[Listing] = []
    unread: dict[PurePosixPath, InputError] = {}
    silent: list[str] = []
    tables = read_at_once(tree, paths)
    for path in paths:
        try:
            listing = listing_of(tree, path, options, finder, tables.get(path))
        except InputError as error:
            unread[path] = error
            continue
        if listing is None or not listing.count:
            silent.append(str(path))
        else:
            listings.append(listing)
    if silent:
        search.left_out.append(LeftOut(NO_LIST, tuple(silent)))
    search.left_out += [LeftOut(f"a table that cannot be read: {error}", (str(p),)) for p, error in unread.items()]
    sets = _sets(listings, tree, options)
    if not sets:
        _check_named(tree, paths, unread, options, asked, finder)
        return search
    return _chosen(search, sets, tree, options, asked)


def _wanted(tree: Tree, options: ReadOptions, search: Search) -> list[PurePosixPath]:
    """The tables to look into: those that the options name, or a manifest at the shallowest place, or all.

    Raises:
        InputError: The options name none that is there.
    """
    paths = candidates(tree)
    if options.table is not None:
        named = [path for path in tree.files if fnmatchcase(str(path), options.table)]
        if not named:
            raise InputError(f"{tree.name} has no table {options.table!r}: correct the option table.")
        return named
    paths = [path for path in paths if not names_folders(path, tree)]
    forms = [path for path in paths if "submission" in tokens(path.stem)]
    results = [path for path in paths if path not in forms and RESULTS & set(tokens(path.stem))]
    sheets = [path for path in tree.files if path.suffix.lower() in SHEETS]
    aside = ((FORM, forms), (RESULT, results), (SHEET, sheets))
    search.left_out += [LeftOut(why, tuple(map(str, found))) for why, found in aside if found]
    paths = [path for path in paths if path not in forms and path not in results]
    if options.root is not None:
        inside = [path for path in paths if path.is_relative_to(options.root)]
        paths = inside or paths
    manifests = [path for path in paths if rank_of(path) == 0]
    depth = min((len(path.parts) for path in manifests), default=0)
    manifests = [path for path in manifests if len(path.parts) == depth]
    first = min((TYPES.index(path.suffix.lower()) for path in manifests), default=0)
    return [path for path in manifests if TYPES.index(path.suffix.lower()) == first] or paths


TYPES = (".csv", ".parquet", ".tsv", ".jsonl", ".ndjson", ".json", ".txt")
"""Endings of manifests, the first of which wins."""


def _check_named(
    tree: Tree,
    paths: Sequence[PurePosixPath],
    unread: dict[PurePosixPath, InputError],
    options: ReadOptions,
    asked: bool,
    finder: Finder,
) -> None:
    """Refuse where the table that must be read cannot be, or lists nothing: a manifest, or one asked for."""
    must = [path for path in paths if asked or options.table is not None or rank_of(path) == 0]
    must += [path for path in unread if rank_of(path) == 1 and path.suffix.lower() in (".csv", ".tsv", ".parquet")]
    for path in must:
        if path in unread:
            raise unread[path]
        check_lists(tree, path, listing_of(tree, path, options, finder))


def _sets(listings: Sequence[Listing], tree: Tree, options: ReadOptions) -> list[list[Listing]]:
    """The listings that belong together, the likeliest first."""
    by_path = {listing.path: listing for listing in listings}
    sets = [[by_path[path] for path in group] for group in groups(by_path, options)]
    if options.table is not None:
        sets = [list(listings)] if listings else []
    return sorted(sets, key=lambda group: _worth(group), reverse=True)


def _worth(group: Sequence[Listing]) -> tuple[bool, bool, int, int]:
    first = group[0]
    rank = rank_of(first.path)
    return rank == 0, any(one.labelled for one in group), -rank, sum(one.count for one in group)


def _chosen(search: Search, sets: Sequence[Sequence[Listing]], tree: Tree, options: ReadOptions, asked: bool) -> Search:
    """The set that the likeliest tables list, or a question where they list few images of classes in folders."""
    best, *others = sets
    images = tree.images()
    count = sum(listing.count for listing in best)
    kinds = {folder_label(folder / "x", options) for folder in {path.parent for path in images}} - {None}
    settled = asked or options.table is not None or rank_of(best[0].path) == 0 or len(kinds) < 2
    names = tuple(str(listing.path) for group in sets for listing in group)
    told = any(listing.labelled or listing.columns.split for listing in best)
    if not (asked or options.table is not None or rank_of(best[0].path) == 0 or told) and count < len(images):
        reason = f"a table that says nothing of the images that it may name ({count:,} of {len(images):,})"
        search.left_out.append(LeftOut(reason, names))
        return search
    if not settled and count < len(images) and not any(listing.labelled for listing in best):
        reason = f"a table without labels that lists {count:,} of {len(images):,} images"
        search.left_out.append(LeftOut(reason, names))
        return search
    nested = any(len(listing.path.parts) > 1 for listing in best)
    if not settled and 2 * count < len(images) and (nested or rank_of(best[0].path) == 2):
        search.left_out.append(LeftOut(f"a table that lists {count:,} of {len(images):,} images", names))
        sentence = f"{names[0]} lists {count:,} of {len(images):,} images: is the set these alone, or all by folders?"
        choices = ((NO_TABLE, "all images, by their folders"), (_pattern(best), "those that the table lists"))
        search.questions.append(Question("table", sentence, choices))
        return search
    try:
        reading = reading_of(tree, best, options)
    except InputError as error:
        if settled or not others:
            raise
        left = LeftOut(f"a table that cannot be read: {error}", tuple(str(listing.path) for listing in best))
        return _chosen(dataclasses.replace(search, left_out=[*search.left_out, left]), others, tree, options, asked)
    _compare(reading, best, others, tree, options)
    stated = asked or options.table is not None or rank_of(best[0].path) == 0
    return dataclasses.replace(search, reading=search.told(reading, HERE), stated=stated, tables=names)


def _compare(
    reading: Reading,
    best: Sequence[Listing],
    others: Iterable[Sequence[Listing]],
    tree: Tree,
    options: ReadOptions,
) -> None:
    """Say what becomes of the other tables: they say the same, they say less, or it is asked which to read."""
    own = {id(item.source): (item.label, item.split) for item in reading.items}
    choices = [(_pattern(best), f"{len(reading.items):,} images{_labels(own)}")]
    for group in others:
        names = tuple(str(listing.path) for listing in group if listing.path not in reading.used)
        if not names:
            continue
        if not any(listing.labelled for listing in group) and any(listing.labelled for listing in best):
            reading.left_out.append(
                LeftOut(f"a table of the same images without labels; {best[0].path} is read", names)
            )
            continue
        try:
            other = reading_of(tree, list(group), options)
        except InputError:
            reading.left_out.append(LeftOut(f"another table; {best[0].path} is read", names))
            continue
        said = {id(item.source): (item.label, item.split) for item in other.items}
        reading.left_out.append(LeftOut(f"another table of images; {best[0].path} is read", names))
        if said != own:
            choices.append((_pattern(group), f"{len(other.items):,} images{_labels(said)}"))
    if len(choices) > 1 and options.table is None:
        reading.questions.append(Question("table", "Several tables list images: which is the set's?", tuple(choices)))


def _labels(items: dict[int, tuple[str | None, str | None]]) -> str:
    count = Counter(label for label, _ in items.values() if label is not None)
    return f" of {len(count):,} classes" if count else " without labels"


def _pattern(group: Sequence[Listing]) -> str:
    """What names these tables in the options: the path of one, or a pattern of several."""
    paths = [str(listing.path) for listing in group]
    if len(paths) == 1:
        return paths[0]
    begin, end = _start_of(paths), _start_of([path[::-1] for path in paths])[::-1]
    return f"{begin}*{end}"


def _start_of(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in same)
