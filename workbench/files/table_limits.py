"""How large a table from users may be, and what is said where it is larger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from workbench.errors import InputError

MOST_BYTES = 64 * 2**20
"""Of a file, and of what its columns unpack to."""
MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 200_000, 500, 4_000_000
MOST_NESTED = 1_000_000
"""Values of a column of lists or tables."""
MOST_LINES = 5 * MOST_ROWS
LONGEST_CELL, LONGEST_LINE = 20_000, 2**20
"""In characters."""
MOST_FOOTER = 8 * 2**20
"""Bytes in which a Parquet file describes itself."""
Row = dict[str, object]


@dataclass(frozen=True)
class Table:
    """What a table holds.

    Attributes:
        rows: Where each stands ("line 3" of a CSV, as an editor counts them, "row 2" of a Parquet file), and its values
            by column.
        left_out: Columns that hold so many values in lists or tables that they are not read.
        form: What kind of file it is.
        notes: What had to be understood to read it, one sentence each.
        names: What the numbers of a column stand for, where the file says it.
        lengths: Columns whose cells are images themselves: the bytes of each, None where there is none.
        leaves: Which part of such a column the bytes are.
        headless: Whether no header names the columns, which are then called column 1, column 2 and so on.
    """

    rows: list[tuple[str, Row]]
    left_out: tuple[str, ...] = ()
    form: str = "csv"
    notes: Sequence[str] = ()
    names: dict[str, list[str]] = field(default_factory=dict)
    lengths: dict[str, list[int | None]] = field(default_factory=dict)
    leaves: dict[str, str] = field(default_factory=dict)
    headless: bool = False

    @property
    def columns(self) -> list[str]:
        """By name."""
        return list(self.rows[0][1]) if self.rows else []


@dataclass
class Room:
    """How much of a table was read."""

    name: str
    rows: int = 0
    cells: int = 0
    letters: int = 0

    def take(self, cells: Sequence[object]) -> None:
        """Count a row."""
        self.rows += 1
        self.cells += len(cells)
        if self.rows > MOST_ROWS:
            raise InputError(f"{self.name} lists more than {MOST_ROWS:,} images, which is the limit: split it.")
        if len(cells) > MOST_COLUMNS:
            raise over(self.name, f"{len(cells):,} columns", f"{MOST_COLUMNS:,}")
        if self.cells > MOST_CELLS:
            raise over(self.name, "more cells", f"{MOST_CELLS:,}")
        self.read(cells)

    def read(self, values: Sequence[object]) -> None:
        """Count the letters of values that take memory of their own."""
        lengths = [len(value) for value in values if isinstance(value, str | bytes)]
        self.letters += sum(lengths)
        if max(lengths, default=0) > LONGEST_CELL:
            raise over(self.name, f"a cell of {max(lengths):,} characters", f"{LONGEST_CELL:,}")
        if self.letters > MOST_BYTES:
            raise over(self.name, "more text", f"{MOST_BYTES // 2**20} MB")


def check_once(columns: Sequence[str], name: str) -> None:
    """Refuse a column that is named twice: one of the two would be lost."""
    twice = [column for column, count in Counter(columns).items() if count > 1 and column]
    if twice:
        raise InputError(f"{name} names the column {twice[0]!r} more than once: rename or remove one of them.")


def over(name: str, what: str, limit: str) -> InputError:
    """That a table has more of something than may be."""
    return InputError(
        f"{name} has {what}, over the limit of {limit} for a table: split it, or leave out what need not be known."
    )
