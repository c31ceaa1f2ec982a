"""Which column of a table is what: its image, label, split, mask and group, by their usual names and by their cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.files import Table
from workbench.images import Guess, Question
from workbench.sets.proposing import PROPOSING, ROOT
from workbench.sets.words import split_of
from workbench.texts import scalar, sentence_list, shown

ROLES = {
    "image": (
        "image imagepath imagefile imagefilename imagename filename filepath file path img imgpath imgname imgfile"
        " fname fn name imageid imgid id photo picture sample uri url src key imagefilepath relativepath relpath"
    ),
    "label": (
        "label labels labelname lbl class classes classname classlabel category categoryname categories cat cats target"
        " y truth groundtruth gtlabel diagnosis dx annotation defecttype defectclass classid labelid"
        " categoryid targetname"
    ),
    "split": "split subset set partition usage phase datasplit isvalid isvalidation istest istrain fold",
    "mask": (
        "mask masks segmentationmask maskpath maskfile maskfilename maskname maskid segmentation segmentationpath"
        " groundtruthmask"
    ),
    "group": (
        "group groupid lot lotid patient patientid part partid serial serialnumber serialno batch batchid module"
        " moduleid wafer waferid subject subjectid unit unitid panel panelid"
    ),
}
"""How columns of each role are called, in lower case and without signs, the likeliest first."""
MAY_BE_LABEL = (
    "choice choices breed species variety finding findings findinglabel findinglabels disease diseases defect defects"
    " fault faults condition result verdict quality grade tag tags classification disposition"
)
"""How columns of labels are called too, where none has a usual name."""
FLAGS = {"isvalid": "validation", "isvalidation": "validation", "istest": "test", "istrain": "train"}
TRUE, FALSE, UNSURE = ("yes", "true", "1"), ("no", "false", "0"), ("-1", "-1.0")
ROW_NUMBERS = re.compile(r"Unnamed: \d+|__index_level_\d+__|index|level_\d+", re.IGNORECASE)
NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
MOST_OF_LABEL, MOST_NUMBERS = 50, 10
"""Distinct values of a column that may be the label by its cells, and decimal numbers of one that is called so."""


def text_of(value: object) -> str | None:
    """A cell as text, None where it is empty. A column of whole numbers with gaps is read as floats: 3.0 means 3."""
    cell = scalar(value)
    return None if cell is None else shown(cell).strip() or None


@dataclass
class Sheet:
    """A table whose columns are looked at again and again.

    Attributes:
        name: Of its file, for sentences.
    """

    table: Table
    name: str
    _cells: dict[str, list[str | None]] = field(default_factory=dict)
    _distinct: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """By name."""
        return self.table.columns

    def cells(self, column: str) -> list[str | None]:
        """The cells of a column as text."""
        if column not in self._cells:
            self._cells[column] = [text_of(row.get(column)) for _, row in self.table.rows]
        return self._cells[column]

    def distinct(self, column: str) -> frozenset[str]:
        """What stands in a column."""
        if column not in self._distinct:
            self._distinct[column] = frozenset(cell for cell in self.cells(column) if cell is not None)
        return self._distinct[column]

    @property
    def length(self) -> int:
        """How many rows there are."""
        return len(self.table.rows)


@dataclass
class Columns:
    """What the columns of a table are.

    Attributes:
        image: Of paths, or of images themselves.
        classes: Columns of which exactly one says 1 in each row, in place of a label.
        candidates: Columns that may be the label, where none is taken for it.
        rest: What becomes an attribute.
    """

    image: str
    label: str | None = None
    split: str | None = None
    mask: str | None = None
    group: str | None = None
    classes: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    guesses: list[Guess] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def columns_of(sheet: Sheet, options: ReadOptions, share: Callable[[str], float]) -> Columns | None:
    """What each column is, or None where none of them names images.

    Args:
        sheet: With at least one row.
        options: Corrections.
        share: How many of the first cells of a column name files of the set, from 0 to 1.

    Raises:
        InputError: The options name a column that is not there.
    """
    for role, column in options.columns.items():
        if column and column not in sheet.columns:
            raise InputError(
                f"{sheet.name} has no column {column!r} for {role} (it has {sentence_list(sheet.columns)}): correct"
                f" the option column.{role}."
            )
    image = options.columns.get("image") or _image(sheet, share)
    if image is None:
        return None
    columns = Columns(image)
    if _plain(image) != "image" or image in options.columns.values():
        value = f"{called(image)} of {sheet.name}"
        columns.guesses.append(Guess("files", value, "it names the files", "recognised", "column.image"))
    free = [column for column in sheet.columns if column != image]
    index = [c for c in free if ROW_NUMBERS.fullmatch(c) and _counts(sheet, c)]
    if index:
        columns.notes.append(f"The column {index[0]} of {sheet.name} only counts its rows and is left out.")
        free = [column for column in free if column not in index]
    if {*PROPOSING} <= {*free}:
        columns.notes.append(
            f"The columns {sentence_list(PROPOSING)} of {sheet.name} propose changes and are left out."
        )
        free = [column for column in free if column not in (*PROPOSING, ROOT)]
    _choose_label(columns, sheet, options, free)
    for role in ("split", "mask", "group"):
        _choose(columns, role, sheet, options, free)
    used = {columns.image, columns.label, columns.split, columns.mask, *columns.classes}
    columns.rest = tuple(column for column in free if column not in used)
    return columns


def called(column: str) -> str:
    """A column in a sentence; those of tables without a header are called column 1 and so on."""
    return column if re.fullmatch(r"column \d+", column) else f"column {column}"


def _plain(column: str) -> str:
    return re.sub(r"[\W_]+", "", column.casefold())


def _named(role: str, columns: Iterable[str]) -> list[str]:
    """The columns that are called like a role, the likeliest name first."""
    words = ROLES[role].split()
    named = [column for column in columns if _plain(column) in words]
    return sorted(named, key=lambda column: words.index(_plain(column)))


def _image(sheet: Sheet, share: Callable[[str], float]) -> str | None:
    """The column that names files of the set, or holds the images."""
    inside = sorted(sheet.table.lengths, key=lambda column: _plain(column) in ROLES["mask"].split())
    if inside:
        return inside[0]
    named = _named("image", sheet.columns)
    others = [
        column
        for column in sheet.columns
        if not any(_named(role, [column]) for role in ROLES) and 2 * len(sheet.distinct(column)) > sheet.length
    ]
    for group in (named, others):
        shares = {column: share(column) for column in group}
        best = max(shares, key=lambda column: shares[column], default=None)
        if best is not None and shares[best] > 0:
            return best
    return next((column for column in named if _plain(column) == "image"), None)


def _counts(sheet: Sheet, column: str) -> bool:
    """Whether a column holds 0, 1, 2, ... or 1, 2, 3, ..."""
    values = sheet.cells(column)
    return any(values == [str(number) for number in range(b, b + len(values))] for b in (0, 1))


def _numbers_rows(sheet: Sheet, column: str) -> bool:
    """Whether a column of a table without a header only numbers its rows; two labels of two rows may be 0 and 1."""
    return sheet.length > 2 and _counts(sheet, column)


def _choose(columns: Columns, role: str, sheet: Sheet, options: ReadOptions, free: Sequence[str]) -> None:
    """The column of a role by its name, unless its cells say otherwise."""
    given = next((column for name, column in options.columns.items() if name == role), None)
    taken = {columns.image, columns.label}
    named = [c for c in _named(role, free) if c not in taken]
    if role == "split":
        named = [c for c in named if _plain(c) in FLAGS or _plain(c) == "split" or _says_splits(sheet, c, options)]
    if given == "":
        return
    column = given or next(iter(named), None)
    if column is None:
        return
    setattr(columns, role, column)
    if _plain(column) != role or given:
        topic = {"split": "splits", "mask": "masks", "group": "groups"}[role]
        how = "stated" if given else "recognised"
        columns.guesses.append(Guess(topic, f"{called(column)} of {sheet.name}", "by its name", how, f"column.{role}"))


def _says_splits(sheet: Sheet, column: str, options: ReadOptions) -> bool:
    return any(split_of(cell, options) for cell in sheet.distinct(column))


def _choose_label(columns: Columns, sheet: Sheet, options: ReadOptions, free: Sequence[str]) -> None:
    given = options.columns.get("label")
    named = [*_named("label", free), *(column for column in free if column in sheet.table.names)]
    named = [c for c in dict.fromkeys(named) if sheet.distinct(c) and not _measures(sheet, c)]
    if given == "":
        return
    if given is not None:
        columns.label = given
        columns.guesses.append(
            Guess("labels", f"{called(given)} of {sheet.name}", "you say so", "stated", "column.label")
        )
    elif named:
        _label_of_several(columns, sheet, named)
    elif classes := _one_hot(sheet, free):
        columns.classes = classes
        columns.guesses.append(
            Guess("labels", f"of {', '.join(classes[:6])} the column that says 1", "one of them does in most rows",
                  "recognised", "column.label")
        )  # fmt: skip
        unsure = [column for column in classes if sheet.distinct(column) & set(UNSURE)]
        if unsure:
            value = f"-1 (not sure) in {sentence_list(unsure)} of {sheet.name} is no"
            columns.guesses.append(Guess("labels", value, "it is neither yes nor no", "assumed", "column.label"))
    else:
        _label_by_cells(columns, sheet, free)


def _measures(sheet: Sheet, column: str) -> bool:
    """Whether a column holds measured values, not classes."""
    distinct = sheet.distinct(column)
    whole = all(re.fullmatch(r"-?\d+(\.0*)?", cell) for cell in distinct)
    return len(distinct) > MOST_NUMBERS and not whole and all(NUMBER.fullmatch(cell) for cell in distinct)


def _label_of_several(columns: Columns, sheet: Sheet, named: list[str]) -> None:
    """Of several columns that may be the label: the words where others are their numbers, else the likeliest, asked."""
    words = [column for column in named if not all(re.fullmatch(r"-?\d+(\.0)?", c) for c in sheet.distinct(column))]
    ranked = [*words, *(column for column in named if column not in words)]
    same = [column for column in ranked[1:] if _are_one(sheet, ranked[0], column)]
    others = [column for column in ranked[1:] if column not in same]
    exact = next((column for column in named if column == "label"), None)
    columns.label = exact if exact and others and not same else ranked[0]
    if _plain(columns.label) != "label" or same:
        also = f"; {', '.join(same)} says the same" if same else ""
        columns.guesses.append(
            Guess(
                "labels", f"{called(columns.label)} of {sheet.name}{also}", "by its name", "recognised", "column.label"
            )
        )
    if others and not (columns.label == exact and columns.image == "image"):
        columns.questions.append(_which(sheet.name, [columns.label, *others]))


def _are_one(sheet: Sheet, one: str, other: str) -> bool:
    """Whether two columns say the same in other words: each word of one stands beside a single word of the other."""
    pairs = set(zip(sheet.cells(one), sheet.cells(other), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _which(name: str, columns: Sequence[str]) -> Question:
    choices = tuple((column, called(column)) for column in columns)
    return Question("column.label", f"Which column of {name} is the label?", choices)


def _one_hot(sheet: Sheet, free: Sequence[str]) -> tuple[str, ...]:
    """Two columns or more of yes and no, exactly one of which is yes in most rows."""
    binary = [
        column
        for column in free
        if _plain(column) not in FLAGS
        and {c.lower() for c in sheet.distinct(column)} <= {*TRUE, *FALSE, "0.0", "1.0", *UNSURE}
    ]
    binary = [column for column in binary if sheet.distinct(column)]
    if len(binary) < 2:
        return ()
    ones = [sum(is_true(row.get(column)) for column in binary) for _, row in sheet.table.rows]
    return tuple(binary) if 2 * ones.count(1) > len(ones) else ()


def is_true(value: object) -> bool:
    """Whether a cell says yes."""
    return (text_of(value) or "").lower() in (*TRUE, "1.0")


def _label_by_cells(columns: Columns, sheet: Sheet, free: Sequence[str]) -> None:
    """The only other column, where its values repeat; asked where several would do."""
    roles = {column for role in ("split", "mask", "group") for column in _named(role, free)}
    few = [c for c in free if c not in roles and 1 < len(sheet.distinct(c)) <= min(MOST_OF_LABEL, sheet.length - 1)]
    columns.candidates = tuple(c for c in few if not _measures(sheet, c))
    if columns.image == "image" and not sheet.table.headless:
        return  # the form of a manifest, where any other column is an attribute
    if called_so := [c for c in columns.candidates if _plain(c) in MAY_BE_LABEL.split()]:
        few = called_so[:1]
        free = [*few, *roles]
    few = few or ([c for c in free if c not in roles and not _numbers_rows(sheet, c)] if sheet.table.headless else [])
    if len(few) == 1 and len(free) - len(roles) == 1:
        columns.label = few[0]
        columns.guesses.append(
            Guess("labels", f"{called(few[0])} of {sheet.name}", "the only other column", "assumed", "column.label")
        )
    elif sheet.table.headless and few:
        columns.label = few[0]
        columns.questions.append(_which(sheet.name, few))
