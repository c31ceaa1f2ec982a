"""Tables as CSV that a spreadsheet can open without taking a text in them for a formula.

A text that begins like a formula gets an apostrophe before it (OWASP, "CSV Injection"), as does one that begins with
apostrophes and goes on like one, so that `unguarded` gives back each text as it was. Numbers stay numbers, negative
ones too, also where they are written as text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
"""How a text begins that a spreadsheet would compute, or that would read like one that is guarded already."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
END = "\r\n"
MISSING = ("NAType", "NaTType")
"""The kinds of value that pandas puts where there is none."""


def guarded(text: str) -> str:
    """A text as a cell that no spreadsheet computes."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unguarded(text: str) -> str:
    """The text that `guarded` was given."""
    return text[1:] if text.startswith("'") and FORMULA.match(text[1:]) else text


def to_csv(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A CSV as RFC 4180 has it, with commas and a header.

    Args:
        header: The names of the columns.
        rows: Their cells. None and NaN are empty, numbers the shortest text that reads back to the same, and several
            texts stand in one cell with semicolons between. Half a pair of surrogates, which no file can hold, becomes
            a replacement character.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=END)  # with both of them, a cell that holds either is quoted
    writer.writerow([_cell(name) for name in header])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def frame_csv(frame: pd.DataFrame, index: str | None = None) -> str:
    """A table as CSV, as `to_csv`; `index` names a first column of row labels, which are left out if it is None."""
    columns = [frame.iloc[:, place].to_numpy() for place in range(frame.shape[1])]
    if index is None:
        return to_csv([*frame.columns], zip(*columns, strict=True))
    return to_csv([index, *frame.columns], zip(frame.index, *columns, strict=True))


def _cell(value: object) -> str:
    if value is None or type(value).__name__ in MISSING:
        return ""
    if isinstance(value, int | float | np.number | np.bool_):
        return "" if value != value else str(value)
    text = "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return guarded(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
