"""Class lists as people keep them: one name a line, with numbers, or as a dict or JSON. Needs no torch."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from workbench.errors import InputError

MOST_LITERAL, MOST_NUMBERED = 2**20, 25_000
"""Characters of a dict in Python's own notation, and lines or characters of a line that are searched for numbers."""
_KEYS = (
    "id2label", "class_to_idx", "label2id", "idx_to_class", "classes", "class_names", "labels", "names", "categories",
)  # fmt: skip
_HEADER = re.compile(
    r"(index|idx|id|no|number|label|class|name|class_?(id|name|index)|label_?(id|name))", re.IGNORECASE
)
_SEPARATOR = r"\s*[:=\t,;]\s*"
_BEFORE = re.compile(rf"['\"]?(?P<number>\d{{1,9}})['\"]?(?P<sign>{_SEPARATOR}|\s+)(?P<name>.+)")
_AFTER = re.compile(r"(?P<name>[^:=\t,;]+)(?P<sign>[:=\t,;])\s*['\"]?(?P<number>\d{1,9})['\"]?")


@dataclasses.dataclass(frozen=True)
class ClassList:
    """Class names in the order of a model's outputs.

    Attributes:
        names: They.
        form: How they were written, as the end of "read from ...".
    """

    names: list[str]
    form: str


def read_class_list(text: str, file: str) -> ClassList:
    """The class names in a text: lines, lines with numbers, comma-separated columns, a dict or JSON.

    Args:
        text: Without a byte order mark.
        file: What sentences call it.

    Raises:
        InputError: There are no names, a number is missing or there twice, or the text is a dict without class names.
    """
    stripped = text.strip()
    if stripped[:1] in ("{", "["):
        value = _value(stripped)
        if value is not None:
            return classes_of(value, file)
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and line not in ("---", "...") and not re.match(r"(#|//)(\s|$)", line)]
    if not kept:
        raise InputError(f"{file} names nothing: write one class name a line, in the order of the model's outputs.")
    if len(kept) > 1 and re.fullmatch(rf"({'|'.join(_KEYS)})\s*:", kept[0]):
        kept = kept[1:]
    if kept and all(line.startswith("- ") for line in kept):
        return ClassList([_bare(line[2:]) for line in kept], "a list with dashes")
    numbered = _numbered(kept, file)
    if numbered is not None:
        return numbered
    passed = len(kept) < len(text.rstrip().splitlines())
    return ClassList(kept, "one name a line" + (", blank lines and comments passed over" if passed else ""))


def classes_of(value: object, file: str) -> ClassList:
    """The class names in a list, or in a dict of numbers to names, of names to numbers, or that holds such a one.

    Args:
        value: It.
        file: What sentences call it.

    Raises:
        InputError: As `read_class_list`.
    """
    if isinstance(value, Mapping):
        inner = next((key for key in _KEYS if isinstance(value.get(key), Mapping | list | tuple)), None)
        if inner is not None:
            return dataclasses.replace(classes_of(value[inner], file), form=f"{inner} of a dict")
        pairs = [(_number(key), _name(part)) for key, part in value.items()]
        form = "a dict of numbers to names"
        if any(number is None for number, _ in pairs):
            pairs, form = [(_number(part), _name(key)) for key, part in value.items()], "a dict of names to numbers"
        if pairs and all(number is not None and name is not None for number, name in pairs):
            return ClassList(_ordered([(int(number or 0), str(name)) for number, name in pairs], file), form)
    elif isinstance(value, list | tuple):
        names = [_name(part.get("name") if isinstance(part, Mapping) else part) for part in value]
        if all(name is not None for name in names):
            return ClassList([str(name) for name in names], "a list")
    raise InputError(
        f"{file} is no class list: give one name a line, a list of names, or a dict of numbers to names or of names to"
        " numbers."
    )


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text) if len(text) <= MOST_LITERAL else None
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _numbered(lines: Sequence[str], file: str) -> ClassList | None:
    """Names by the numbers beside them; None where the lines are names alone."""
    if len(lines) > MOST_NUMBERED or max(map(len, lines), default=0) > MOST_NUMBERED:
        return None
    for pattern, form in ((_BEFORE, "before"), (_AFTER, "after")):
        header = 1 if len(lines) > 1 and _is_header(lines[0]) else 0
        found = [match for line in lines[header:] if (match := pattern.fullmatch(line))]
        if not found or len(found) < len(lines) - header:
            continue
        pairs = [(int(match["number"]), _bare(match["name"])) for match in found]
        numbers = sorted(place for place, _ in pairs)
        spaced = any(not match["sign"].strip(" ") for match in found)
        if spaced and (numbers[0] > 1 or numbers[-1] > 2 * len(numbers)):
            return None  # such as "3 mm", "5 mm": numbers that are part of the names
        return ClassList(_ordered(pairs, file), f"names with their numbers {form} them")
    return None


def _ordered(pairs: Sequence[tuple[int, str]], file: str) -> list[str]:
    """Names by number, from 0 without a gap."""
    numbers = [number for number, _ in pairs]
    by_number = dict(pairs)
    twice, times = Counter(numbers).most_common(1)[0]
    if times > 1:
        raise InputError(f"{file} gives the number {twice} to two classes: number each output of the model once.")
    gap = next((number for number in range(len(pairs)) if number not in by_number), None)
    if gap == 0 and min(numbers) == 1 and max(numbers) == len(pairs):
        raise InputError(
            f"{file} counts the classes from 1, and outputs are counted from 0: number them from 0, with a name for"
            " output 0, or leave the numbers out."
        )
    if gap is not None:
        raise InputError(
            f"{file} has no class for output {gap} but goes up to {max(numbers)}: name every output, from 0 on."
        )
    return [by_number[number] for number in range(len(pairs))]


def _is_header(line: str) -> bool:
    cells = re.split(r"[,;\t]", line)
    return len(cells) > 1 and all(_HEADER.fullmatch(cell.strip(" '\"")) for cell in cells)


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\s*", value) else None


def _name(value: object) -> str | None:
    if isinstance(value, list | tuple) and value and all(isinstance(part, str) for part in value):
        value = value[-1]  # as in ImageNet's class index: "0": ["n01440764", "tench"]
    return value.strip() if isinstance(value, str) else str(value) if isinstance(value, int) else None


def _bare(name: str) -> str:
    name = name.strip().removesuffix(",").strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"" else name
