"""Tables in text: commas, semicolons, tabs, bars or blanks, with or without a header."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest

from workbench.errors import InputError
from workbench.files.encodings import encoding_of
from workbench.files.sheets import unguarded
from workbench.files.table_limits import LONGEST_LINE, MOST_BYTES, MOST_LINES, Room, Row, Table, check_once, over

DELIMITERS, BLANKS = ",;\t|", " "
SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The first line in which Excel says what divides the cells."""
IMAGE = r"\.(?:png|jpe?g|jfif|jpe|bmp|gif|tiff?|webp|npy|dcm|jp2|avif|ppm|pgm)"
IMAGE_CELL = re.compile(rf"\S.*{IMAGE}", re.IGNORECASE | re.DOTALL)
PATH_FIRST = re.compile(rf"(\S.*?{IMAGE})\s+(\S.*)", re.IGNORECASE)
PEEK = 5
"""Lines by which it is told what divides the cells."""


def read_delimited(data: bytes, name: str, headless: bool = False) -> Table:
    """The table in a text; # starts a comment above the header.

    Args:
        data: The contents of the file.
        name: Of the file, for sentences.
        headless: Whether the first row is known to be no header.

    Raises:
        InputError: It is no such text, larger than the limits, or names a column twice.
    """
    if len(data) > MOST_BYTES:
        raise over(name, f"{len(data) / 2**20:,.0f} MB", f"{MOST_BYTES // 2**20} MB")
    encoding, said = encoding_of(data, name)
    try:
        return _table(_lines(data, name, encoding), name, headless, [said] if said else [])
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8: save it as CSV (UTF-8).") from None


def _table(lines: Iterator[str], name: str, headless: bool, notes: list[str]) -> Table:
    above, delimiter = 0, None
    while (first := next(lines, "")).startswith(("#", "\n", "\r")) or SEPARATOR.fullmatch(first):
        stated = SEPARATOR.fullmatch(first)
        above, delimiter = above + 1, stated[1] if stated else delimiter
    peek = [first, *islice(lines, PEEK)]
    delimiter = delimiter or _delimiter(peek, name)
    records = _records(chain(peek, lines), delimiter, name, above)
    where, header = next(records, ("", []))
    header = [unguarded(cell.strip()) for cell in header]
    headless = headless or any(IMAGE_CELL.fullmatch(cell) for cell in header)
    if headless:
        records = chain([(where, header)], records)
        header = [f"column {number}" for number in range(1, len(header) + 1)]
    while header and not header[-1]:
        header.pop()
    check_once(header, name)
    return _collected(records, header, name, headless, notes)


def _collected(
    records: Iterator[tuple[str, list[str]]], header: list[str], name: str, headless: bool, notes: list[str]
) -> Table:
    room, rows, short = Room(name), [], []
    for where, cells in records:
        if any(cells):
            room.take(cells)
            rows.append((where, _row(header, cells, name, where)))
            if len(cells) < len(header):
                short.append(where)
    if short and len(header) > 1:
        notes.append(
            f"{name} has {len(short):,} rows with fewer cells than its header names, the first in {short[0]}: what"
            " they lack is not known."
        )
    if "" in header:
        notes.append(f"A column of {name} has no name and is left out.")
    return Table(rows, notes=tuple(notes), headless=headless)


def _records(lines: Iterator[str], delimiter: str, name: str, above: int) -> Iterator[tuple[str, list[str]]]:
    """Where each record begins, and its cells.

    Raises:
        InputError: A quote is not closed, or closed only in a later row.
    """
    if delimiter == BLANKS:
        yield from ((f"line {above + number}", _words(line)) for number, line in enumerate(lines, 1))
        return
    swallowed = re.compile(rf"{IMAGE}\"?{re.escape(delimiter)}(?=\S)", re.IGNORECASE)
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t")
    while True:
        where, begin = f"line {above + reader.line_num + 1}", reader.line_num
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if "limit" in str(error):
                raise InputError(f"{name} is not a CSV this can read ({error}): save it again as CSV.") from None
            raise _unclosed(name, where) from None
        if cells is None:
            return
        if reader.line_num > begin + 1 and any(swallowed.search(cell) for cell in cells):
            raise _unclosed(name, where)
        yield where, cells


def _words(line: str) -> list[str]:
    """The words of a line; a path that it begins with is one of them, blanks in it or not."""
    path = PATH_FIRST.match(line.strip())
    return [path[1], *path[2].split()] if path else line.split()


def _unclosed(name: str, where: str) -> InputError:
    return InputError(
        f"{name} has a quote in {where} that is not closed where its cell ends, which would swallow the rows after it:"
        " close it, or write two quotes for one that is part of the text."
    )


def _delimiter(lines: Sequence[str], name: str) -> str:
    """What divides the cells of the first line, and as many of the next ones."""
    counts = {sign: [len(_cells(line, sign)) for line in lines if line.strip()] for sign in DELIMITERS}
    best = max(DELIMITERS, key=lambda sign: _fit(counts[sign]))
    if lines and _fit(counts[best])[0] == 0:
        blanks = [_words(line) for line in lines if line.strip()]
        named = any(IMAGE_CELL.fullmatch(word) for line in blanks[:1] for word in line)
        if len({len(words) for words in blanks}) == 1 and len(blanks[0]) > 1:
            return BLANKS if named or name.lower().endswith(".txt") else best
    return best


def _fit(counts: Sequence[int]) -> tuple[int, int]:
    """How many lines have as many cells as the first, and how many those are; nothing where it has one."""
    return (sum(count == counts[0] for count in counts), counts[0]) if counts and counts[0] > 1 else (0, 0)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _row(header: Sequence[str], cells: Sequence[str], name: str, where: str) -> Row:
    if any(cells[len(header) :]):
        raise InputError(
            f"{name} has {len(cells):,} cells in {where}, but its header names {len(header)}: put quotes around a cell"
            " that holds what divides the cells."
        )
    return {column: _cell(cell or "") for column, cell in zip_longest(header, cells[: len(header)]) if column}


def _cell(text: str) -> str | None:
    """What a cell of a CSV says, without the apostrophe that keeps a spreadsheet from computing it.

    None where it says nothing, or NaN, which is how programs write nothing.
    """
    text = text.strip()
    return None if text.lower() in ("", "nan") else unguarded(text)


def _lines(data: bytes, name: str, encoding: str) -> Iterator[str]:
    text = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")
    for _ in range(MOST_LINES):
        line = text.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise over(name, "a longer line", f"{LONGEST_LINE:,} characters")
        if not line:
            return
        yield line
    if text.read(1):
        raise over(name, "more lines", f"{MOST_LINES:,}")
