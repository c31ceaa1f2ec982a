"""Tables in JSON: lines, lists and mappings of objects, COCO, Label Studio, and what other tools write of images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from workbench.errors import InputError
from workbench.files.encodings import encoding_of
from workbench.files.table_limits import MOST_BYTES, MOST_ROWS, Room, Row, Table, over
from workbench.texts import scalar

LINES = (".jsonl", ".ndjson")
BARE = str | int | float | bool | None
Place = tuple[str, dict[str, Any]]


def read_json(data: bytes, name: str) -> Table:
    """The table in a file of JSON.

    Args:
        data: The contents of the file.
        name: Of the file: its ending tells lines of JSON from one value.

    Raises:
        InputError: It is no JSON, not in a form that lists things, or larger than the limits.
    """
    if len(data) > MOST_BYTES:
        raise over(name, f"{len(data) / 2**20:,.0f} MB", f"{MOST_BYTES // 2**20} MB")
    encoding, _ = encoding_of(data, name)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8: save it as UTF-8.") from None
    if name.lower().endswith(LINES):
        return _table(_lines(text, name), name, "jsonl")
    return _of_value(_value(text, name, ""), name)


def _value(text: str, name: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=lambda _: None)
    except RecursionError:
        raise InputError(f"{name} nests its values too deeply{where}: write a list of flat objects.") from None
    except _TwiceError as error:
        raise InputError(f"{name} gives {error.args[0]!r} twice in one object{where}: remove one of them.") from None
    except ValueError as error:  # numbers of thousands of digits are one too
        raise InputError(f"{name} is not valid JSON{where} ({error}): write it again.") from None


class _TwiceError(Exception):
    """A key stands twice in an object, of which one would be lost."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _TwiceError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return result


def _lines(text: str, name: str) -> Iterator[Place]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"line {number}", _mapping(_value(line, name, f" in line {number}"), name, f"line {number}")


def _mapping(value: Any, name: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{name} holds no object in {where}: write each image as an object.")
    return value


def _of_value(value: Any, name: str) -> Table:
    """The table that a whole document holds, by its form."""
    if isinstance(value, dict) and isinstance(value.get("images"), list) and isinstance(value.get("annotations"), list):
        return _coco(value, name)
    if isinstance(value, dict) and isinstance(value.get("data_list"), list):
        classes = value.get("metainfo") if isinstance(value.get("metainfo"), dict) else {}
        names = classes.get("classes") if isinstance(classes, dict) else None
        known = {"gt_label": [str(word) for word in names]} if isinstance(names, list | tuple) else {}
        return _table(_entries(value["data_list"], name), name, "json", known)
    if isinstance(value, dict) and list(value) == ["labels"] and isinstance(value["labels"], list):
        pairs = [pair for pair in value["labels"] if isinstance(pair, list) and len(pair) == 2]
        return _table(_pairs(pairs), name, "json")
    if isinstance(value, dict):
        return _table(_keyed(value), name, "json")
    if isinstance(value, list):
        tasks = [entry for entry in value if isinstance(entry, dict) and isinstance(entry.get("data"), dict)]
        if tasks and len(tasks) == len(value):
            return _table(_tasks(tasks), name, "label studio")
        return _table(_entries(value, name), name, "json")
    raise InputError(f"{name} holds neither a list nor an object: write a list of images.")


def _entries(value: list[Any], name: str) -> Iterator[Place]:
    return ((f"entry {n}", _mapping(entry, name, f"entry {n}")) for n, entry in enumerate(value, 1))


def _pairs(pairs: Iterable[list[Any]]) -> Iterator[Place]:
    return ((f"entry {n}", {"image": image, "label": label}) for n, (image, label) in enumerate(pairs, 1))


def _keyed(value: dict[str, Any]) -> Iterator[Place]:
    """Objects or labels by the name of their image, or lists of objects by their split."""
    for number, (key, entry) in enumerate(value.items(), 1):
        if isinstance(entry, list) and entry and all(isinstance(part, dict) for part in entry):
            yield from ((f"entry {n} of {key}", {"split": key} | part) for n, part in enumerate(entry, 1))
        elif isinstance(entry, dict):
            yield f"entry {number}", {"image": key} | entry
        else:
            yield f"entry {number}", {"image": key, "label": entry}


def _tasks(tasks: Iterable[dict[str, Any]]) -> Iterator[Place]:
    """Tasks of Label Studio: the image of each, and what was chosen for it."""
    for number, task in enumerate(tasks, 1):
        data = task["data"]
        image = data.get("image") or next((v for v in data.values() if isinstance(v, str)), None)
        words = Counter(
            word
            for annotation in _list(task.get("annotations"))
            for result in _list(annotation.get("result"))
            if isinstance(result.get("value"), dict)
            for values in result["value"].values()
            if isinstance(values, list)
            for word in values
            if isinstance(word, str)
        )
        for word in _ranked(words):
            yield f"task {number}", {"image": image, "label": word}


def _ranked(words: Counter[str]) -> list[str | None]:
    """The most frequent first; None alone where there is no word."""
    return [word for word, _ in words.most_common()] or [None]


def _list(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _coco(value: dict[str, Any], name: str) -> Table:
    """Images with the categories of their annotations, the most frequent first: a row for each, or one without."""
    categories = {str(entry.get("id")): str(entry.get("name")).strip() for entry in _list(value.get("categories"))}
    images = _list(value["images"])
    counts: dict[str, Counter[str]] = {str(image.get("id")): Counter() for image in images}
    notes, stray = [], 0
    if len(counts) < len(images):
        raise InputError(f"{name} gives the same id to several images: number its images again.")
    for annotation in _list(value["annotations"]) if "categories" in value else ():  # captions have none
        category = categories.get(str(annotation.get("category_id")))
        if category is None:
            raise InputError(
                f"{name} has an annotation of the category {annotation.get('category_id')!r}, which it does not name:"
                " add it to its categories."
            )
        if (count := counts.get(str(annotation.get("image_id")))) is None:
            stray += 1
        else:
            count[category] += 1
    if stray:
        notes.append(f"{stray:,} annotations of {name} belong to images that it does not list, and are left out.")
    rows = (
        (f"image {n} of its list", {"file_name": image.get("file_name"), "label": label})
        for n, image in enumerate(images, 1)
        for label in _ranked(counts[str(image.get("id"))])
    )
    return _table(rows, name, "coco", notes=notes)


def _table(
    places: Iterable[Place],
    name: str,
    form: str,
    names: dict[str, list[str]] | None = None,
    notes: Iterable[str] = (),
) -> Table:
    room, rows = Room(name), list[tuple[str, Row]]()
    columns: dict[str, None] = {}
    for where, entry in places:
        row: Row = {str(key): _cell(value) for key, value in entry.items() if str(key).strip()}
        room.take(list(row.values()))
        columns.update(dict.fromkeys(row))
        if len(columns) * len(rows) > MOST_ROWS * 20:
            raise over(name, "more cells", f"{MOST_ROWS * 20:,}")
        rows.append((where, row))
    empty = dict.fromkeys(columns)
    return Table([(where, empty | row) for where, row in rows], form=form, names=names or {}, notes=tuple(notes))


def _cell(value: Any) -> object:
    """A value as a cell: a list of a single word is that word."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], BARE):
        value = value[0]
    return (value.strip() or None) if isinstance(value, str) else scalar(value)
