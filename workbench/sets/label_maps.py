"""What labels in numbers or codes stand for: files that list the names of classes."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from workbench.catalog import LARGEST_TEXT
from workbench.errors import InputError
from workbench.images import read_source
from workbench.sets.trees import HERE, Tree
from workbench.sets.words import tokens

CODE = re.compile(r"\d+|n\d{8}")
"""A label that is the number of a class, or its synset in WordNet."""
LINE = re.compile(r"(\d+|n\d{8})[\s,;:=|]+(\S.*)")
MAP_ENDINGS = (".txt", ".json", ".csv", ".names", ".tsv")
MAP_WORDS = frozenset(
    tokens("class classes label labels category categories index idx names synset synsets mapping map labelmap wnids")
)


def label_map(
    tree: Tree, folders: Collection[PurePosixPath], labels: Collection[str], tables: Collection[PurePosixPath]
) -> tuple[PurePosixPath, dict[str, str]] | None:
    """The file that names all of `labels`, and the name of each; None where there is none.

    Args:
        tree: The set.
        folders: Where else than at its root the file may lie.
        labels: Numbers or codes.
        tables: Files that list images, which are no such map.
    """
    for path in tree.files:
        near = path.parent in (HERE, *folders)
        if near and path not in tables and path.suffix.lower() in MAP_ENDINGS and MAP_WORDS & set(tokens(path.stem)):
            names = _names_in(tree, path)
            if labels and set(labels) <= names.keys():
                return path, names
    return None


def _names_in(tree: Tree, path: PurePosixPath) -> dict[str, str]:
    """Names by number or code; empty where a file holds no such thing."""
    source = tree.files[path]
    try:
        if source.size > LARGEST_TEXT:
            return {}
        text = read_source(source, path.name).decode("utf-8-sig")
        return _of_json(json.loads(text)) if path.suffix.lower() == ".json" else dict(_of_lines(text))
    except (InputError, OSError, ValueError, RecursionError, csv.Error):
        return {}


def _of_json(value: object) -> dict[str, str]:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {str(number): name for number, name in enumerate(value)}
    if not isinstance(value, dict):
        return {}
    if all(isinstance(number, int) for number in value.values()):
        pairs = {str(number): str(name) for name, number in value.items()}
        return pairs if len(pairs) == len(value) else {}
    if all(isinstance(name, str) for name in value.values()):
        numbered = all(CODE.fullmatch(str(key)) for key in value)
        return {str(k): str(v) for k, v in value.items()} if numbered else {str(v): str(k) for k, v in value.items()}
    return {}


def _of_lines(text: str) -> Iterator[tuple[str, str]]:
    """Lines that begin with a number or code, end with it, or are counted from 0."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    named = [LINE.fullmatch(line) for line in lines]
    if lines and named[0] is None and all(named[1:]) and len(lines) > 1:
        named = named[1:]  # a header
    found = [match for match in named if match]
    if found and len(found) == len(named):
        yield from ((match[1], match[2].strip().strip('"')) for match in found)
        return
    ends = [re.fullmatch(r"(.*\S)[\s,;:=|]+(\d+|n\d{8})", line) for line in lines]
    if lines and ends[0] is None and all(ends[1:]) and len(lines) > 1:
        ends = ends[1:]
    found = [match for match in ends if match]
    if found and len(found) == len(ends):
        yield from ((match[2], match[1].strip().strip('"')) for match in found)
        return
    yield from ((str(number), line) for number, line in enumerate(lines))
