"""What a report is made of: sections of blocks, in which every figure has a name and can be held against another."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from workbench.files import frame_csv
from workbench.stats import Rate
from workbench.texts import apart, shown

if TYPE_CHECKING:
    import pandas as pd

ROWS_SHOWN, COLUMNS_SHOWN = 12, 12
"""Of a table that is shown; a longer one is named with the digest of all its rows."""
FIGURE_DIGITS = 10
"""Significant digits of the machine-readable figures."""
LONG_CELL, LONGEST_WORD = 60, 24
"""Characters from which on a cell is a sentence, and of a word that is not broken."""
BLANK_CELL = "not known"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One value as it is read, and the figure behind it.

    Attributes:
        text: What is read.
        value: The figure, None where the value is no number.
        low: Lower end of its interval.
        high: Upper end.
        support: What it rests on.
        tone: "good", "bad", "doubt" or "": what the text says already, for the eye.
    """

    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    support: int | None = None
    tone: str = ""

    @property
    def look(self) -> str:
        """The classes of its cell in a table: its tone, and whether a word of it must be broken to fit."""
        wide = any(len(word) > LONGEST_WORD for word in self.text.split())
        return f"{self.tone}{' long' if wide else ''}".strip()

    @property
    def figure(self) -> dict[str, float | int]:
        """What of it is a number, by name, to `FIGURE_DIGITS` significant digits; empty where nothing is."""
        numbers = {"value": self.value, "low": self.low, "high": self.high, "support": self.support}
        return {
            name: _digits(number) for name, number in numbers.items() if number is not None and math.isfinite(number)
        }


@dataclasses.dataclass(frozen=True)
class Block:
    """A part of a section.

    Attributes:
        name: Of the figures in it; unique in the section.
        anchor: What links lead to it; "" where none does.
    """

    name: str
    anchor: str = dataclasses.field(default="", kw_only=True)

    @property
    def kind(self) -> str:
        """How it is laid out."""
        return type(self).__name__.lower()


@dataclasses.dataclass(frozen=True)
class Heading(Block):
    """A heading within a section."""

    title: str


@dataclasses.dataclass(frozen=True)
class Words(Block):
    """A paragraph. Its `tone` is "good", "bad", "doubt" or "" and is always said in words too."""

    text: str
    tone: str = ""


@dataclasses.dataclass(frozen=True)
class Prose(Block):
    """Somebody's own words in Markdown, of which images, HTML and styles stay text; `title` says whose."""

    markdown: str
    title: str


@dataclasses.dataclass(frozen=True)
class Facts(Block):
    """Terms and what is known of each."""

    rows: tuple[tuple[str, Cell], ...]


@dataclasses.dataclass(frozen=True)
class Grid(Block):
    """A table: the first cell of each row says what it is about; `columns` are its titles."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    @property
    def stacked(self) -> bool:
        """Whether its cells stand below each other on a narrow screen: sentences do not fit side by side."""
        return any(len(cell.text) > LONG_CELL for row in self.rows for cell in row)

    @property
    def keys(self) -> tuple[str, ...]:
        """What each row is called in the names of its figures, no two alike."""
        return tuple(apart(row[0].text for row in self.rows))


@dataclasses.dataclass(frozen=True)
class Bars(Block):
    """Shares from 0 to 1 with their intervals, a row each, as a chart beside their words."""

    title: str
    rows: tuple[tuple[str, Cell], ...]


@dataclasses.dataclass(frozen=True)
class Images(Block):
    """Images side by side: each with PNG bytes and a caption."""

    images: tuple[tuple[bytes, str], ...]


@dataclasses.dataclass(frozen=True)
class Listing(Block):
    """Text as it is typed or stored: a command, an entry of the journal."""

    text: str


@dataclasses.dataclass(frozen=True)
class Links(Block):
    """Questions, each with where it is answered: (question, title, anchor); an empty anchor is where it is not."""

    rows: tuple[tuple[str, str, str], ...]


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of a report.

    Attributes:
        name: Its anchor, and how its figures' names begin.
        title: Its heading.
        blocks: What stands in it.
        note: What a person added, Markdown.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    note: str = ""


def said(text: object) -> Cell:
    """A value without a number behind it; what is missing is said to be."""
    missing = text is None or text == "" or (isinstance(text, float) and math.isnan(text))
    return Cell(BLANK_CELL if missing else shown(text))


def number(value: float | int | None, form: str = ",") -> Cell:
    """A number in a form of `format`."""
    if value is None or not math.isfinite(value):
        return Cell(BLANK_CELL)
    return Cell(format(value, form), value)


def spanned(value: float | None, low: float | None, high: float | None, form: str, support: int | None = None) -> Cell:
    """A figure in a form of `format` with its interval; what of it is no finite number is said to be missing."""
    if value is None or not math.isfinite(value):
        return Cell(BLANK_CELL, support=support)
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return Cell(format(value, form), value, support=support)
    return Cell(f"{format(value, form)} ({format(low, form)} to {format(high, form)})", value, low, high, support)


def rate(figure: Rate, *, percent: bool = True) -> Cell:
    """A figure with its interval and what it rests on."""
    if figure.value is None:
        return Cell(f"{BLANK_CELL}: nothing to compute it from", support=figure.support)
    form = (lambda x: f"{x:.1%}") if percent else (lambda x: f"{x:.3f}")
    known = figure.low is not None and figure.high is not None and not figure.few_units
    span = f"{form(figure.low)} to {form(figure.high)}" if known else "no interval can be trusted"
    text = f"{form(figure.value)} ({span}; {figure.support:,} images{figure.in_units()})"
    return Cell(text, figure.value, figure.low if known else None, figure.high if known else None, figure.support)


def of_frame(name: str, frame: pd.DataFrame) -> Block:
    """A table as a block: whole where it is short and narrow, else its first rows; with the digest of all of it."""
    import hashlib

    columns = tuple(map(str, frame.columns))[:COLUMNS_SHOWN]
    digest = hashlib.sha256(frame_csv(frame).encode()).hexdigest()
    rows = tuple(
        tuple(_value(value) for value in row[: len(columns)])
        for row in frame.head(ROWS_SHOWN).itertuples(index=False, name=None)
    )
    shown_rows = "" if len(rows) == len(frame) else f", of which the first {len(rows)} are shown"
    shown_columns = "" if len(columns) == len(frame.columns) else f", {len(columns)} of {len(frame.columns)} columns"
    caption = f"{name}: {len(frame):,} rows{shown_rows}{shown_columns}. SHA-256 of the whole table as CSV: {digest}"
    return Grid(name, columns, rows, caption)


def _value(value: object) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return said(value)
    return number(value, "," if isinstance(value, int) or float(value).is_integer() else ".4g")


def _digits(value: float | int) -> float | int:
    return value if isinstance(value, int) else float(f"{value:.{FIGURE_DIGITS}g}")


def figures_of(sections: Iterable[Section]) -> dict[str, dict[str, float | int]]:
    """Every number of the report by the name that its text is marked with."""
    found: dict[str, dict[str, float | int]] = {}
    for section in sections:
        for block in section.blocks:
            for name, cell in _cells(block):
                if cell.figure:
                    found[f"{section.name}/{block.name}/{name}"] = cell.figure
    return found


def _cells(block: Block) -> Sequence[tuple[str, Cell]]:
    if isinstance(block, Facts | Bars):
        return block.rows
    if isinstance(block, Grid):
        return [
            (f"{key}/{column}", cell)
            for key, row in zip(block.keys, block.rows, strict=True)
            for column, cell in zip(block.columns, row, strict=True)
        ]
    return []
