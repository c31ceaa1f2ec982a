"""Names of classes that a file beside the folders gives for their numbers or codes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from workbench.errors import InputError
from workbench.images import SHOWN, SUFFIXES, Finding, read_source
from workbench.sets.trees import Tree
from workbench.texts import sentence_list

NAME_FILES = re.compile(
    r"(?:classes|labels?|class_?names|label_?names|names|categories|label_?map|idx_?to_?(?:class|label)"
    r"|class_?to_?idx|id2label|class_?indices|imagenet_class_index|loc_synset_mapping|synset_?words|words)"
    r"\.(?:txt|json|names)",
    re.IGNORECASE,
)
LARGEST_LIST = 2**22
"""Bytes of a file of names."""
LINE = re.compile(r"\s*([^\s,:;=]+)(?:\s*[,:;=]\s*|\s+)(.+?)\s*")


@dataclass
class ClassNames:
    """What a file says that the folders of classes are called.

    Attributes:
        path: Of the file; None where there is none, or it speaks of something else.
        names: By the folder's name.
        order: The classes in the file's order.
        why: How the file is read.
    """

    path: PurePosixPath | None = None
    names: dict[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    why: str = ""
    findings: list[Finding] = field(default_factory=list)


def class_names(tree: Tree, labels: Sequence[str]) -> ClassNames:
    """Look for a file at the root that names the classes of these folders."""
    for path in tree.files if labels else ():
        if len(path.parts) == 1 and NAME_FILES.fullmatch(path.name):
            result = _names_in(path, tree, labels)
            if result is not None:
                return result
    return ClassNames()


def names_folders(path: PurePosixPath, tree: Tree) -> bool:
    """Whether a file names the classes of the folders beside it; else it may be a table of images."""
    if not NAME_FILES.fullmatch(path.name):
        return False
    parents = {image.parent for image in tree.images() if image.is_relative_to(path.parent)}
    labels = sorted({parent.name for parent in parents if parent != path.parent})
    return bool(labels) and _names_in(path, tree, labels) is not None


def _names_in(path: PurePosixPath, tree: Tree, labels: Sequence[str]) -> ClassNames | None:
    table = _table(path, tree)
    if table is None or any(PurePosixPath(str(key)).suffix.lower() in SUFFIXES for key in (*table, *table.values())):
        return None
    if set(labels) <= set(table.values()) and not set(labels) <= set(table):
        order = tuple(dict.fromkeys(table.values()))
        return ClassNames(path, {}, order, "it lists the names of the folders, in this order")
    keys = {_plain(label): label for label in labels}
    if not set(keys) <= set(table) and set(keys) == {str(int(key) + 1) for key in table if key.isdigit()}:
        table = {str(int(key) + 1): name for key, name in table.items()}  # a list of names for folders from 1 on
    known = {label: table[key] for key, label in keys.items() if key in table}
    if 2 * len(known) <= len(keys):
        return None
    twice = {name for name, number in Counter(known.values()).items() if number > 1}
    names = {label: f"{name} ({label})" if name in twice else name for label, name in known.items()}
    result = ClassNames(path, names, (), "it has a name for each folder")
    unnamed = [label for label in labels if label not in known]
    if unnamed:
        sentence = f"{path.name} has no name for {len(unnamed):,} folders: {sentence_list(unnamed, SHOWN)}."
        result.findings.append(Finding("class without a name", sentence))
        result.why = f"it has a name for {len(known):,} of {len(keys):,} folders"
    if twice:
        sentence = (
            f"{path.name} gives one name to several folders ({', '.join(sorted(twice)[:SHOWN])}): they stay apart."
        )
        result.findings.append(Finding("name of two classes", sentence))
    known_order = sorted(names, key=lambda label: list(table).index(_plain(label)))
    result.order = (*(names[label] for label in known_order), *unnamed)
    return result


def _plain(label: str) -> str:
    """A number without zeros before it; anything else as it is."""
    return str(int(label)) if label.isdecimal() else label


def _table(path: PurePosixPath, tree: Tree) -> dict[str, str] | None:
    """The names by number or code, as a JSON file or lines of text give them; None where it holds something else."""
    try:
        source = tree.files[path]
        if source.size > LARGEST_LIST:
            return None
        text = read_source(source, path.name).decode("utf-8-sig")
        return _of_json(json.loads(text)) if path.suffix.lower() == ".json" else _of_lines(text)
    except (InputError, ValueError, RecursionError):
        return None


def _of_json(data: object) -> dict[str, str] | None:
    if isinstance(data, list) and data and all(isinstance(name, str) for name in data):
        return {str(number): name for number, name in enumerate(data)}
    if not isinstance(data, Mapping) or not data:
        return None
    if all(isinstance(value, int) and not isinstance(value, bool) for value in data.values()):
        return {str(number): str(name) for name, number in data.items()}
    if all(isinstance(value, str) for value in data.values()):
        return {_plain(str(key)): value for key, value in data.items()}
    if all(isinstance(value, list) and len(value) == 2 for value in data.values()):  # {"0": ["n01440764", "tench"]}
        return {str(code): str(name) for code, name in data.values()}
    return None


def _of_lines(text: str) -> dict[str, str] | None:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return None
    pairs = [LINE.fullmatch(line) for line in lines]
    codes = [pair[1] for pair in pairs if pair]
    if len(codes) == len(lines) == len(set(codes)) and all(re.fullmatch(r"\d+|n\d{8}", code) for code in codes):
        return {_plain(pair[1]): pair[2] for pair in pairs if pair}
    if all(pair and pair[2].isdecimal() for pair in pairs):  # "good 0"
        return {_plain(pair[2]): pair[1] for pair in pairs if pair}
    return {str(number): line for number, line in enumerate(lines)}
