"""From the rows of tables to the images of a set, with all that was understood on the way and all that contradicts."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import (
    AUTO,
    MASK_MARK,
    SUFFIXES,
    Finding,
    Guess,
    ImageItem,
    LeftOut,
    Question,
    Source,
    mask_of,
    parts_of,
)
from workbench.sets.cells import CellSource, cells_of
from workbench.sets.columns import FLAGS, TRUE, called, is_true, text_of
from workbench.sets.listings import Listing, folder_label, folder_split, rank_of
from workbench.sets.named_files import Finder
from workbench.sets.readings import Reading
from workbench.sets.row_labels import Entry, check_spelling, in_cells, labels_of, one_label, translate
from workbench.sets.trees import Tree
from workbench.sets.words import role_of, split_of
from workbench.texts import sentence_list

MASK_END = re.compile(r"[_-](mask|gt|seg|label)$", re.IGNORECASE)
SYNTHETIC = "synthetic"
ROWS_SHOWN = 5
"""Rows that a sentence names."""


def reading_of(tree: Tree, listings: Sequence[Listing], options: ReadOptions) -> Reading:
    """The set that tables list.

    Args:
        tree: The set's files.
        listings: Tables that belong together.
        options: Corrections.

    Raises:
        InputError: A row names no image, or none of them is there.
    """
    names = sentence_list([str(listing.path) for listing in listings], 3)
    table = "the table" if len(listings) == 1 else "the tables"
    inside = any(listing.inside for listing in listings)
    why = f"{table} {names} {'hold' if inside else 'list'}{'s' if len(listings) == 1 else ''} the images"
    reading = Reading("manifest", why, ordered=True, used={listing.path for listing in listings})
    reading.synthetic = all(_is_synthetic(listing) for listing in listings)
    entries: dict[object, Entry] = {}
    _like_each_other(listings)
    _note_splits(reading, listings)
    for listing in listings:
        _note(reading, listing)
        for key, entry in _entries(tree, listing, reading, options, len(listings) > 1):
            _join(entries, key, entry, reading, listing)
    chosen = one_label(list(entries.values()), reading, options, names, in_cells(listings))
    if not chosen:
        raise InputError(f"{names} lists no images that remain: correct the options of the set.")
    translate(chosen, tree, listings, reading, options)
    _by_folders(chosen, listings, reading, options)
    if options.masks == AUTO and all(listing.columns.mask is None for listing in listings):
        _masks_beside(tree, chosen, reading, options)
    _unlisted(tree, chosen, reading, names)
    reading.items = [
        ImageItem(e.name, e.source, ";".join(e.labels) or None, e.mask, e.split, e.attributes) for e in chosen
    ]
    check_spelling(reading)
    return reading


def _like_each_other(listings: Sequence[Listing]) -> None:
    """Give tables that belong together the label of the one that shows which column it is."""
    label = next((listing.columns.label for listing in listings if listing.columns.label), None)
    classes = next((listing.columns.classes for listing in listings if listing.columns.classes), ())
    for listing in listings:
        if not listing.labelled and label in listing.sheet.columns:
            listing.columns.label = label
        elif not listing.labelled and {*classes} <= {*listing.sheet.columns}:
            listing.columns.classes = classes


def _is_synthetic(listing: Listing) -> bool:
    return all((text_of(row.get(SYNTHETIC)) or "").lower() in TRUE for _, row in listing.sheet.table.rows)


def _note_splits(reading: Reading, listings: Sequence[Listing]) -> None:
    """Splits that the names of tables say."""
    named = [listing for listing in listings if listing.columns.split is None and listing.split]
    for split in dict.fromkeys(listing.split for listing in named):
        paths = sentence_list([str(listing.path) for listing in named if listing.split == split], 2)
        reading.guesses.append(Guess("splits", f"{split}: all images of {paths}", "by name", "recognised", "splits"))


def _note(reading: Reading, listing: Listing) -> None:
    """What was understood of a table's columns and of where its paths start."""
    table, name = listing.sheet.table, listing.path.name
    said = {(guess.topic, guess.option, guess.value.partition(" of ")[0]) for guess in reading.guesses}
    reading.guesses += [
        g for g in listing.columns.guesses if (g.topic, g.option, g.value.partition(" of ")[0]) not in said
    ]
    known = {question.option for question in reading.questions}
    reading.questions += [question for question in listing.columns.questions if question.option not in known]
    reading.guesses += [Guess("files", note, "its bytes" if "UTF" in note else "its rows", "recognised")
                        for note in table.notes]  # fmt: skip
    reading.notes += listing.columns.notes
    other = [column for column in table.lengths if column not in (listing.columns.image, listing.columns.mask)]
    reading.notes += [f"The column {column} of {name} holds other images and is left out." for column in other]
    reading.notes += [f"The column {c} holds too many values in lists or tables and is left out."
                      for c in table.left_out]  # fmt: skip
    if table.headless:
        value = f"{name} has no header: its columns are taken by what stands in them"
        reading.guesses.append(Guess("files", value, "its first row names a file", "recognised", "column.image"))
    for places, kind in ((listing.places, "images"), (listing.masks, "masks")):
        if places.rule:
            reading.guesses.append(Guess("root", f"{kind} of {name}: {places.rule}", "the ends of paths that agree",
                                         "recognised", "root"))  # fmt: skip
        if places.rivals:
            choices = tuple((str(folder), f"paths start at {folder}") for folder in places.rivals[:8])
            sentence = f"The {kind} that {name} names lie in several folders by the same names: which are meant?"
            reading.questions.append(Question("root", sentence, choices))


def _entries(
    tree: Tree, listing: Listing, reading: Reading, options: ReadOptions, several: bool
) -> Iterable[tuple[object, Entry]]:
    """What each row says, by its file; rows whose file is missing are a finding."""
    sheet, columns, name = listing.sheet, listing.columns, listing.path.name
    texts, labels = sheet.cells(columns.image), labels_of(listing)
    splits = _splits(listing, reading, options)
    cells = cells_of(tree.files[listing.path], name) if sheet.table.lengths else None
    names = _cell_names(listing) if listing.inside else []
    missing: list[str] = []
    lost: list[str] = []
    for number, (where, row) in enumerate(sheet.table.rows):
        text, path = texts[number], listing.places.paths[number]
        if listing.inside and cells is not None:
            source = _cell(cells, listing, columns.image, number)
            if source is None:
                missing.append(where)
                continue
            key: object = (listing.path, number)
            entry = Entry(names[number], where, listing.path, source)
        elif text is None:
            raise InputError(
                f"{name} names no image in {where}: fill in the column {columns.image!r} or remove the row."
            )
        elif number in listing.places.unwanted:
            continue
        elif path is None:
            missing.append(f"{where} ({_short(text)})")
            continue
        else:
            key = path
            own = text.removeprefix("./") if listing.places.near and not several else str(path)
            entry = Entry(own, where, path, _source(tree, path))
            reading.used.add(path)
        entry.labels, entry.split = labels[number], splits[number]
        entry.mask = _mask(tree, listing, cells, number, where, lost, reading, options)
        entry.attributes = {c: row[c] for c in columns.rest if not (c == SYNTHETIC and reading.synthetic)}
        if columns.group in options.columns.values() and columns.group is not None:
            entry.attributes["group"] = row[columns.group]
        entry.attributes = {c: v for c, v in entry.attributes.items() if text_of(v) is not None}
        yield key, entry
    for kind, rows in (("images", missing), ("masks", lost)):
        if rows:
            reading.findings.append(Finding("missing", _missing(name, kind, rows, sheet.length)))


def _missing(name: str, kind: str, rows: Sequence[str], total: int) -> str:
    shown = "; ".join(rows[:ROWS_SHOWN]) + (f"; and {len(rows) - ROWS_SHOWN:,} more" if len(rows) > ROWS_SHOWN else "")
    rest = "these rows are skipped" if kind == "images" else "these images have none"
    return f"{name} names {len(rows):,} {kind} in its {total:,} rows that are not there, and {rest}: {shown}."


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _source(tree: Tree, path: PurePosixPath) -> Source:
    source = tree.files.get(path) or tree.find(str(path))
    if source is None:
        raise InputError(f"{path} is no longer there: load the image set again.")
    return source


def _cell(cells: object, listing: Listing, column: str, number: int) -> CellSource | None:
    from workbench.files import ParquetCells

    size = listing.sheet.table.lengths[column][number]
    leaf = listing.sheet.table.leaves[column]
    return CellSource(cells, leaf, number, size) if isinstance(cells, ParquetCells) and size is not None else None


def _cell_names(listing: Listing) -> list[str]:
    """Names for images in cells: what they were called, where that is unique; else the table and the row."""
    texts = listing.sheet.cells(listing.columns.image)
    stem = listing.path.with_suffix("")
    own = [PurePosixPath(text.replace("\\", "/")).name if text else "" for text in texts]
    if all(own) and len(set(own)) == len(own):
        return [f"{stem}/{name}" for name in own]
    return [f"{stem}/{number:06d}" for number in range(1, len(texts) + 1)]


def _splits(listing: Listing, reading: Reading, options: ReadOptions) -> list[str | None]:
    """The split of each row: by its column, by the table's name, or by none."""
    column, sheet, name = listing.columns.split, listing.sheet, listing.path.name
    flag = FLAGS.get(re.sub(r"[\W_]+", "", column.casefold())) if column else None
    if column is not None and flag is not None:
        other = "test" if flag == "train" else "train"
        meaning = f"yes is {flag}, no is {other}"
        reading.guesses.append(Guess("splits", f"column {column} of {name}: {meaning}", "by its name", "recognised",
                                     "column.split"))  # fmt: skip
        return [flag if is_true(cell) else other for cell in sheet.cells(column)]
    if column is None:
        return [listing.split] * sheet.length
    strange = sorted(
        word for word in sheet.distinct(column) if split_of(word, options) is None and word not in options.splits
    )
    for word in strange[:ROWS_SHOWN]:
        choices = tuple((value, value) for value in ("none", "train", "validation", "test"))
        sentence = f"{name} has the split {word!r} in its column {column}: which is meant? Until then it is none."
        reading.questions.append(Question(f"split.{word}", sentence, choices))
    meant = {word: split for word in sheet.distinct(column) if (split := split_of(word, options))}
    if said := [f"{word} = {split}" for word, split in sorted(meant.items()) if word.lower() != split]:
        reading.guesses.append(Guess("splits", ", ".join(said[:ROWS_SHOWN]), f"the words in column {column} of {name}",
                                     "recognised", "splits"))  # fmt: skip
    return [meant.get(cell) if cell else listing.split for cell in sheet.cells(column)]


def _mask(
    tree: Tree,
    listing: Listing,
    cells: object,
    number: int,
    where: str,
    lost: list[str],
    reading: Reading,
    options: ReadOptions,
) -> Source | None:
    """The mask that a row names; one that is not there is noted in `lost`."""
    column = listing.columns.mask
    if column is None or options.masks == "none":
        return None
    if column in listing.sheet.table.lengths:
        inside = _cell(cells, listing, column, number)
        return None if inside is None else mask_of([inside], options.mask_rule)
    text, path = listing.sheet.cells(column)[number], listing.masks.paths[number]
    paths = [path] if path is not None else _several(tree, listing, text, options)
    if text is not None and not paths:
        lost.append(f"{where} ({_short(text)})")
    reading.used.update(paths)
    return mask_of([_source(tree, path) for path in paths], options.mask_rule)


def _several(tree: Tree, listing: Listing, text: str | None, options: ReadOptions) -> list[PurePosixPath]:
    """The files of a cell that names more than one, as `a.png;b.png`; none where any is not there."""
    if text is None or MASK_MARK not in text:
        return []
    finder = Finder(tree, options.root)
    base = listing.path.parent if finder.root is None else finder.root
    whole = finder.direct(base, text)
    pieces = [text] if whole is not None else [piece.strip() for piece in text.split(MASK_MARK)]
    paths = [finder.direct(base, piece) for piece in pieces if piece]
    return [path for path in paths if path is not None] if None not in paths else []


def _join(entries: dict[object, Entry], key: object, entry: Entry, reading: Reading, listing: Listing) -> None:
    """Add a row to what other rows say of the same image."""
    before = entries.setdefault(key, entry)
    if before is entry:
        return
    new = [label for label in entry.labels if label not in before.labels]
    before.labels = [*before.labels, *new]
    before.mask = mask_of(list(dict.fromkeys((*parts_of(before.mask), *parts_of(entry.mask)))))
    name = listing.path.name
    if before.split != entry.split:
        sentence = f"{before.name} is in the split {before.split} by {before.where} and {entry.split} by {entry.where}"
        reading.findings.append(Finding("splits", f"{sentence} of {name}: the first is taken.", (before.name,)))
    elif not new and listing.sheet.table.form not in ("coco", "label studio"):
        sentence = f"{name} lists {before.name} in {before.where} and again in {entry.where}: it counts once."
        reading.findings.append(Finding("rows", sentence, (before.name,)))


def _ask_for_label(listings: Sequence[Listing], reading: Reading, names: str) -> None:
    """Whether a column that may be the label is it, where nothing else names classes."""
    candidates = dict.fromkeys(column for listing in listings for column in listing.columns.candidates)
    if candidates:
        choices = (
            ("", "none of them: the images have no class"),
            *((c, f"{called(c)} says the class") for c in candidates),
        )
        sentence = f"No column of {names} is called a label: is one of the others it?"
        reading.questions.append(Question("column.label", sentence, choices))


def _by_folders(entries: Sequence[Entry], listings: Sequence[Listing], reading: Reading, options: ReadOptions) -> None:
    """What folders say beside the tables: labels and splits that these lack, and labels that they contradict."""
    if any(listing.inside for listing in listings):
        return
    splits = [folder_split(entry.path, options) for entry in entries]
    if all(splits) and all(entry.split is None for entry in entries):
        for entry, split in zip(entries, splits, strict=True):
            entry.split = split
        reading.guesses.append(Guess("splits", "the folders that the images lie in", "the table names none",
                                     "recognised", "splits"))  # fmt: skip
    kinds = [folder_label(entry.path, options) for entry in entries]
    names = sentence_list([listing.path.name for listing in listings], 3)
    if not any(listing.labelled for listing in listings):
        given = "label" in options.columns or any(rank_of(listing.path) == 0 for listing in listings)
        if len({*kinds} - {None}) > 1 and not given:
            for entry, kind in zip(entries, kinds, strict=True):
                entry.labels = [kind] if kind else []
            reading.guesses.append(Guess("labels", "the folders that the images lie in", f"{names} has no column of"
                                         " labels", "assumed", "column.label"))  # fmt: skip
        elif "label" not in options.columns:
            _ask_for_label(listings, reading, names)
        return
    labels = {label.casefold() for entry in entries for label in entry.labels}
    against = [
        entry.name
        for entry, kind in zip(entries, kinds, strict=True)
        if entry.labels and kind and kind.casefold() in labels and kind.casefold() != entry.labels[0].casefold()
    ]
    if against:
        sentence = f"{len(against):,} images lie in the folder of another class than {names} gives them"
        reading.findings.append(Finding("labels", f"{sentence} ({sentence_list(against, 3)}).", tuple(against)))
        if options.layout is None:
            choices = (("manifest", f"{names}"), ("folders", "the folders"))
            reading.questions.append(Question("layout", f"{sentence}: which is right?", choices))


def _masks_beside(tree: Tree, entries: Sequence[Entry], reading: Reading, options: ReadOptions) -> None:
    """Masks that no column names: files in folders of masks, called like one image each."""
    masks = defaultdict[str, list[PurePosixPath]](list)
    for path in tree.images():
        if path not in reading.used and any(role_of(part) == "masks" for part in path.parts[:-1]):
            masks[MASK_END.sub("", path.stem)].append(path)
    names = Counter(entry.path.stem for entry in entries)
    pairs = [(e, masks[e.path.stem][0]) for e in entries if names[e.path.stem] == 1 and len(masks[e.path.stem]) == 1]
    for entry, path in pairs:
        entry.mask = mask_of([tree.files[path]], options.mask_rule)
        reading.used.add(path)
    if pairs:
        value = f"{len(pairs):,} images have one of their name in a folder of masks, as {pairs[0][1]}"
        reading.guesses.append(Guess("masks", value, "the table names none", "recognised", "masks"))


def _unlisted(tree: Tree, entries: Sequence[Entry], reading: Reading, names: str) -> None:
    """Images that no table names."""
    spoken_of = {name for group in reading.left_out for name in group.names}
    rest = [
        str(path)
        for path in tree.files
        if path.suffix.lower() in SUFFIXES and path not in reading.used and str(path) not in spoken_of
    ]
    if rest:
        reading.left_out.append(LeftOut(f"images that {names} does not list", tuple(rest)))
