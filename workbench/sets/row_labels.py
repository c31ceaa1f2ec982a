"""Labels of the rows of tables: several of them, numbers and codes, and spellings that differ."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.images import Finding, Guess, LeftOut, Question, Source
from workbench.sets.columns import is_true
from workbench.sets.label_maps import CODE, label_map
from workbench.sets.listings import Listing, folder_label, own_folder
from workbench.sets.readings import Reading
from workbench.sets.trees import Tree
from workbench.texts import sentence_list

WHOLE = re.compile(r"-?\d+\.0+")


@dataclass
class Entry:
    """An image as its rows tell of it.

    Attributes:
        where: Its first row.
        path: Of its file, or of the table that it lies in.
    """

    name: str
    where: str
    path: PurePosixPath
    source: Source
    labels: list[str] = field(default_factory=list)
    split: str | None = None
    mask: Source | None = None
    attributes: dict[str, object] = field(default_factory=dict)


def labels_of(listing: Listing) -> list[list[str]]:
    """What each row says: no label, one, or several in a list or in columns of yes and no."""
    sheet, columns = listing.sheet, listing.columns
    if columns.classes:
        return [[c for c in columns.classes if is_true(row.get(c))] for _, row in sheet.table.rows]
    if columns.label is None:
        return [[] for _ in range(sheet.length)]
    values = sheet.cells(columns.label)
    whole = all(re.fullmatch(r"-?\d+(\.0+)?", value) for value in sheet.distinct(columns.label))
    between = _between(sheet.distinct(columns.label))
    return [
        [] if v is None else _words(v.partition(".")[0] if whole and WHOLE.fullmatch(v) else v, between) for v in values
    ]


def _between(values: Collection[str]) -> str:
    """What stands between the labels of a cell that holds several, which other cells know too; else nothing."""
    for sign in ("|", ";", ",", " "):
        lists = [value.split(sign) for value in values if sign in value]
        count = Counter(word.strip() for words in lists for word in words)
        known = [word for word in count if word in values or count[word] > 1]
        if lists and all(count) and (known if sign in "|;" else len(known) == len(count)):
            return sign
    return ""


def _words(value: str, between: str) -> list[str]:
    """The words in a cell that holds a list of them."""
    if between:
        return [word.strip() for word in value.split(between)]
    if not value.startswith("["):
        return [value]
    try:
        words = json.loads(value.replace("'", '"'))
    except (ValueError, RecursionError):
        return [value]
    return [str(word) for word in words] if isinstance(words, list) else [value]


def in_cells(listings: Sequence[Listing]) -> bool:
    """Whether cells hold several labels, with `;` and the like between them: the form for models of several labels."""
    labels = [(listing.sheet, listing.columns.label) for listing in listings if listing.columns.label]
    return any(_between(sheet.distinct(label)) for sheet, label in labels)


def one_label(entries: list[Entry], reading: Reading, options: ReadOptions, names: str, stated: bool) -> list[Entry]:
    """The images with what they count as where they have several labels, which is asked.

    Args:
        entries: The images.
        reading: What the finding and the question go to.
        options: Corrections.
        names: Of the tables.
        stated: Whether cells give several labels as such: then all are kept until somebody says otherwise.
    """
    several = [entry for entry in entries if len(entry.labels) > 1]
    if not several:
        return entries
    shown = sentence_list([f"{e.name}: {' and '.join(e.labels[:3])}" for e in several], 3)
    images = tuple(entry.name for entry in several)
    reading.findings.append(
        Finding("labels", f"{names} gives {len(several):,} images several labels ({shown}).", images)
    )
    choice = options.several or ("all" if stated else "leave_out")
    if options.several is None:
        sentence = f"{len(several):,} images have several labels in {names}: what do they count as?"
        choices = (
            ("leave_out", "they are no part of the set"),
            ("all", "all their labels at once, for a model of several labels"),
            ("first", "their first label (of COCO the most frequent)"),
            ("none", "images without a label"),
        )
        reading.questions.append(Question("several", sentence, tuple(sorted(choices, key=lambda c: c[0] != choice))))
    if choice != "leave_out":
        for entry in several:
            entry.labels = {"first": entry.labels[:1], "none": []}.get(choice, entry.labels)
        return entries
    gone = {id(entry) for entry in several}
    files = [entry.path for entry in several if entry.path not in {e.path for e in entries if id(e) not in gone}]
    files = [path for path in files if path.suffix.lower() != ".parquet"]
    reading.used -= set(files)
    reading.left_out.append(LeftOut(f"several labels in {names}", tuple(map(str, files))))
    return [entry for entry in entries if id(entry) not in gone]


def translate(
    entries: Sequence[Entry], tree: Tree, listings: Sequence[Listing], reading: Reading, options: ReadOptions
) -> None:
    """Labels in numbers or codes by the names that the table, a file or the folders give them."""
    labels = {label for entry in entries for label in entry.labels}
    told = _told(listings)
    if told and labels <= told.keys() | {"-1"}:
        names, why, how = told | {"-1": ""}, f"the names in {listings[0].path.name}", "stated"
    elif not labels or not all(CODE.fullmatch(label) for label in labels) or labels & options.labels.keys():
        return
    elif found := label_map(tree, {own_folder(one.path) for one in listings}, labels, {o.path for o in listings}):
        path, names = found
        reading.used.add(path)
        why, how = str(path), "recognised"
    elif found_names := _folder_names(entries, options):
        names, why, how = found_names, "the folders that the images lie in", "assumed"
    else:
        if all(label.isdigit() for label in labels):
            value = f"numbers ({sentence_list(sorted(labels, key=int), 4)})"
            reading.guesses.append(Guess("labels", value, "no file names the classes", "assumed", "labels"))
        return
    for entry in entries:
        entry.labels = [names[label] for label in entry.labels if names[label]]
    meanings = [f"{label} = {names[label]}" for label in names if label in labels and names[label]]
    reading.guesses.append(Guess("labels", sentence_list(meanings, 4), why, how, "labels"))
    used = {names[label] for label in labels}
    reading.class_names = tuple(dict.fromkeys(name for name in names.values() if name and name in used))


def _told(listings: Sequence[Listing]) -> dict[str, str]:
    """The names that the tables themselves give to numbers."""
    tables = [listing.sheet.table.names.get(listing.columns.label or "", []) for listing in listings]
    return {str(n): name for n, name in enumerate(tables[0])} if all(names == tables[0] for names in tables) else {}


def _folder_names(entries: Sequence[Entry], options: ReadOptions) -> dict[str, str]:
    """The folder that each number stands for, where each has its own."""
    pairs = {(e.labels[0], folder_label(e.path, options)) for e in entries if e.labels}
    names = {label: folder for label, folder in pairs if folder is not None}
    single = len(pairs) == len(names) == len({folder for _, folder in pairs})
    return dict(sorted(names.items(), key=lambda pair: (len(pair[0]), pair[0]))) if single and len(names) > 1 else {}


def check_spelling(reading: Reading) -> None:
    """Labels that differ in capitals or blanks alone."""
    forms = defaultdict[str, Counter[str]](Counter)
    for item in reading.items:
        if item.label is not None:
            forms[" ".join(item.label.casefold().replace("_", " ").split())][item.label] += 1
    for count in forms.values():
        if len(count) > 1:
            words = " and ".join(f"{label!r} ({number:,})" for label, number in count.most_common())
            images = tuple(item.name for item in reading.items if item.label in count)
            reading.findings.append(Finding("labels", f"Labels differ in their spelling alone: {words}.", images))
