"""Labels of images from files of annotations beside them: what the formats of annotation tools have in common."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import Finding, Guess, Source, mask_of, read_source
from workbench.sets.industrial import CATEGORY, add
from workbench.sets.mask_pairs import listed
from workbench.sets.readings import Reading
from workbench.sets.trees import Tree
from workbench.sets.words import role_of, split_of

NOTHING_SHOWN, JOINED = "none", " + "
"""The label of an image whose annotations name nothing, and what stands between several."""
MOST_TEXT = 64 * 2**20
"""Bytes of a file of annotations."""
Labels = Mapping[PurePosixPath, Sequence[str] | None]


def photos(tree: Tree) -> list[PurePosixPath]:
    """Images that lie in no folder of masks, predictions or the like."""
    allowed: dict[PurePosixPath, bool] = {}
    for path in tree.images():
        if path.parent not in allowed:
            allowed[path.parent] = all(role_of(part) in ("", "images") for part in path.parent.parts)
    return [path for path in tree.images() if allowed[path.parent]]


def beside(tree: Tree, images: Sequence[PurePosixPath], ending: str) -> dict[PurePosixPath, PurePosixPath]:
    """The file of annotations of each image: of the same name, beside it or where `labels` stands for `images`."""
    files: dict[tuple[tuple[str, ...], str], list[PurePosixPath]] = defaultdict(list)
    for path in tree.files:
        if path.suffix.lower() == ending:
            files[_apart(path.parent), path.stem].append(path)
    if not files:
        return {}
    pairs = ((path, files.get((_apart(path.parent), path.stem), [])) for path in images)
    return {path: found[0] for path, found in pairs if len(found) == 1}


def _apart(folder: PurePosixPath) -> tuple[str, ...]:
    return tuple(part for part in folder.parts if not role_of(part))


def in_class_folders(images: Sequence[PurePosixPath], options: ReadOptions) -> bool:
    """Whether folders other than those of splits tell images apart."""
    folders = {path.parent for path in images}
    return len({tuple(part for part in _apart(folder) if not split_of(part, options)) for folder in folders}) > 1


def splits_by_folder(images: Sequence[PurePosixPath], options: ReadOptions) -> dict[PurePosixPath, str]:
    """The split that the first folder of each image names that names one."""
    found = ((path, next(filter(None, (split_of(part, options) for part in path.parts[:-1])), None)) for path in images)
    return {path: split for path, split in found if split}


def add_annotated(
    reading: Reading,
    tree: Tree,
    labels: Labels,
    splits: Mapping[PurePosixPath, str],
    why: str,
    masks: Mapping[PurePosixPath, PurePosixPath] | None = None,
    categories: Mapping[PurePosixPath, str] | None = None,
) -> None:
    """An item for each image, labelled by all that its annotations name, and what the report says of it.

    Args:
        reading: To be added to.
        tree: The files.
        labels: Of each image; None where nothing is said of it, empty where it is said to show nothing.
        splits: Of those images that have one.
        why: Where the labels come from.
        masks: Of those images that have one.
        categories: Of those images that have one.
    """
    masks, categories = masks or {}, categories or {}
    for path, names in labels.items():
        label = None if names is None else JOINED.join(names) or NOTHING_SHOWN
        mask = mask_of([tree.files[masks[path]]] if path in masks else [])
        add(reading, tree, path, label, mask, splits.get(path), {CATEGORY: categories.get(path)})
        reading.used |= {masks[path]} if path in masks else set()
    classes = {name for names in labels.values() for name in names or ()}
    bare = tuple(str(path) for path, names in labels.items() if names is None)
    empty = sum(names is not None and not names for names in labels.values())
    value = f"{len(classes)} classes" + (f", {NOTHING_SHOWN} for {empty:,} images of nothing" if empty else "")
    reading.guesses.append(Guess("labels", value, why, "stated", "labels"))
    several = tuple(str(path) for path, names in labels.items() if names and len(names) > 1)
    if several:
        sentence = (
            f"{len(several):,} of {len(labels):,} images show several classes; their label is all names joined by"
            f" {JOINED.strip()}, which a model of several labels reads, and any other takes for a class of its own:"
            f" {listed(several)}."
        )
        reading.findings.append(Finding("several labels", sentence, several))
    if not classes:
        sentence = "No annotation names a class: export them again, with their labels."
        reading.findings.append(Finding("no class", sentence))
    if bare:
        sentence = f"{len(bare):,} of {len(labels):,} images have no annotation, so no label: {listed(bare)}."
        reading.findings.append(Finding("label missing", sentence, bare))


def text_of(source: Source, name: str) -> str:
    """The text of a file of annotations.

    Raises:
        InputError: It is too large, or no text.
    """
    if source.size > MOST_TEXT:
        raise InputError(f"{name} is over {MOST_TEXT // 2**20} MB: split the export.")
    try:
        return read_source(source, name).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8: export it again.") from None


def xml_of(source: Source, name: str) -> ElementTree.Element:
    """The root of an XML file, which may define no entities. Errors as `text_of`, and where it is no XML."""
    text = text_of(source, name)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{name} defines entities, which are not read: export it without a document type.")
    try:
        return ElementTree.fromstring(text.encode())
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{name} is not valid XML ({error}): export it again.") from None


def json_of(source: Source, name: str) -> Any:
    """The value of a JSON file. Errors as `text_of`, and where it is no JSON."""
    try:
        return json.loads(text_of(source, name))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not valid JSON ({error}): export it again.") from None
