"""Folders of classes and splits in any order, and sets without classes."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.images import Finding, Guess, ImageItem, LeftOut, Question, mask_of
from workbench.sets.beside import are_masks, masks_beside
from workbench.sets.class_names import ClassNames, class_names
from workbench.sets.folder_roles import FolderRoles
from workbench.sets.folder_tree import Branch, Folder, folders_of, kind_of
from workbench.sets.mask_pairs import listed
from workbench.sets.readings import Reading
from workbench.sets.trees import Tree
from workbench.sets.views import seen_twice
from workbench.sets.words import is_dated, is_plain_split, role_of, same_name, tokens

FOLDER = "folder"
"""The attribute for folders that are neither a split nor a class."""
STRAYS = 3
"""The most images outside of the folders of a set that are taken for figures about it."""
NUMBERED = re.compile(r"(.*?)[\s._-]*(?:\(\d+\)|\d+)?", re.DOTALL)
ENDING = re.compile(r"[_-][A-Za-z]{1,8}$")
"""What may stand behind the name of an image in that of a mask, as in `0_L`."""
MOST_NAMES, SINGLE = 50, 5
"""The most classes that names of files are asked about, and the least folders of one image that are."""
Masks = Mapping[PurePosixPath, Sequence[PurePosixPath]]


def class_folders(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """Any other tree of images: what its folders are is read from their names, and from what lies in them."""
    return read_folders(tree, options, Reading("folders", ""), tree.images(), asked)


def label_in(path: PurePosixPath) -> str | None:
    """What a file is called, less the number at its end."""
    match = NUMBERED.fullmatch(path.stem)
    return (match[1] if match else path.stem) or None


def read_folders(
    tree: Tree,
    options: ReadOptions,
    reading: Reading,
    images: Sequence[PurePosixPath],
    asked: bool,
    masks: Masks | None = None,
    holders: Sequence[str] = (),
) -> Reading:
    """Fill a reading from the folders of images.

    Args:
        tree: The files.
        options: Corrections.
        reading: What is filled.
        images: Those that are no masks, where `masks` are known; else they are looked for beside their images.
        asked: Whether the layout was named.
        masks: By image.
        holders: Folders that are known to say no more than that images lie in them.
    """
    root = folders_of(images)
    roles = FolderRoles(options, tree.name, tree.prefix, partial(are_masks, tree))
    roles.nameless = dict.fromkeys(holders, "images")
    roles.read(root)
    branches = _without_figures(reading, roles, root, tree)
    labels = _one_class(reading, branches, tree, options, asked) or _spellings(reading, branches, options)
    if masks is None:
        masks = _beside(reading, tree, branches)
    names_of = class_names(tree, sorted(set(labels.values())))
    for branch in branches:
        _add_items(reading, tree, options, branch, labels, masks, names_of)
    _tell(reading, roles, branches, names_of, tree)
    if not asked and reading.layout == "folders":
        ask_for_classes(reading)
    return reading


def _without_figures(reading: Reading, roles: FolderRoles, root: Folder, tree: Tree) -> list[Branch]:
    """All branches but that of a few images at the root which lie outside of all folders of classes or splits."""
    others = sum(len(branch.folder.images) for branch in roles.places if branch.folder is not root)
    inside = any(branch.label or branch.split for branch in roles.places)
    few = 0 < len(root.images) <= min(STRAYS, others) and inside
    if roles.strict or not root.images or not (few or roles.narrowed):
        return roles.places
    figures = tuple(str(tree.prefix / path) for path in root.images)
    reading.left_out.append(LeftOut("outside of the folders of the set", figures))
    why = f"all other images lie in folders; root = {tree.prefix} takes them too"
    reading.guesses.append(Guess("files", f"{listed(figures)}: no part of the set", why, "assumed", "root"))
    return [branch for branch in roles.places if branch.folder is not root]


def _one_class(
    reading: Reading, branches: Sequence[Branch], tree: Tree, options: ReadOptions, asked: bool
) -> dict[str, str]:
    """The folder's own name as the one class where all it holds is a folder such as Imgs; as {"": name}."""
    known = any(branch.label or branch.split for branch in branches)
    if known or reading.layout != "folders" or options.root is not None:
        return {}
    tops = {path.parts[0] for path in tree.files if len(path.parts) > 1}
    documents = (".md", ".rst", ".pdf", "")
    bare = all(len(path.parts) > 1 or path.suffix.lower() in documents for path in tree.files)
    if len(tops) != 1 or not bare or kind_of(tree.name, options) not in ("plain", "class"):
        return {}
    if not asked:
        choices = (("folders", f"all are of the class {tree.name}"), ("unlabelled", "they have no class"))
        sentence = f"All images lie in {tops.pop()}: the folder above it, {tree.name}, may be their class."
        reading.questions.append(Question("layout", sentence, choices))
    return {"": tree.name}


def _spellings(reading: Reading, branches: Sequence[Branch], options: ReadOptions) -> dict[str, str]:
    """The class of each folder's name: those that differ in capitals or spaces alone are one, as most are written."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for branch in branches:
        if branch.label is not None:
            key = f"/{branch.label}" if branch.label in options.labels else same_name(branch.label)
            counts[key][branch.label] += len(branch.folder.images)
    labels: dict[str, str] = {}
    for spellings in counts.values():
        usual = min(spellings, key=lambda name: (-spellings[name], name != name.strip(), name))
        labels |= dict.fromkeys(spellings, usual.strip() if len(spellings) == 1 else usual)
        if len(spellings) > 1:
            written = " and ".join(repr(name) for name in sorted(spellings))
            reading.findings.append(Finding("spelling of a class", f"The folders {written} are called alike."))
            for name in sorted(spellings.keys() - {usual}):
                choices = ((usual, f"one class, {usual}"), (name, f"{name!r} is a class of its own"))
                sentence = f"The folders {written} differ in capitals, spaces or accents alone: are they one class?"
                reading.questions.append(Question(f"label.{name}", sentence, choices))
    return labels


def _beside(reading: Reading, tree: Tree, branches: Sequence[Branch]) -> Masks:
    """Masks in the folders of their images."""
    beside = masks_beside(tree, [branch.folder.images for branch in branches])
    if beside.masks:
        value, why = f"{len(beside.masks):,} images have a mask", "files of their names beside them that are no photos"
        reading.guesses.append(Guess("masks", value, why, "recognised", "masks"))
    if beside.photos:
        pairs = tuple(str(path) for pair in beside.photos for path in pair)
        sentence = f"{len(beside.photos):,} pairs of images share a name, and neither is a mask: {listed(pairs)}."
        reading.findings.append(Finding("two images of one name", sentence, pairs))
    return beside.masks


def _add_items(
    reading: Reading,
    tree: Tree,
    options: ReadOptions,
    branch: Branch,
    labels: Mapping[str, str],
    masks: Masks,
    names_of: ClassNames,
) -> None:
    """An item for each image of a folder that is no mask."""
    label = labels.get(branch.label or "")
    label = names_of.names.get(label, label) if label else None
    attributes = {FOLDER: "/".join(branch.extra)} if branch.extra else {}
    no_images = {part for parts in masks.values() for part in parts}
    for path in branch.folder.images:
        if path in no_images:
            continue
        parts = masks.get(path, ())
        mask = mask_of([tree.files[part] for part in parts], options.mask_rule)
        reading.items.append(ImageItem(str(path), tree.files[path], label, mask, branch.split, attributes))
        reading.used |= {path, *parts}


def _tell(reading: Reading, roles: FolderRoles, branches: Sequence[Branch], names_of: ClassNames, tree: Tree) -> None:
    """What the folders were read as."""
    reading.guesses += roles.guesses
    reading.questions = [*roles.questions, *reading.questions]
    reading.findings += [*roles.findings, *names_of.findings]
    reading.left_out += roles.left_out
    if names_of.path is not None:
        reading.used.add(names_of.path)
        reading.class_names = names_of.order
        reading.guesses.append(Guess("labels", f"names from {names_of.path.name}", names_of.why, "stated", "labels"))
    labels = sorted({item.label for item in reading.items if item.label is not None})
    words = sorted(roles.splits)
    if labels:
        value = f"{len(labels):,} {'class' if len(labels) == 1 else 'classes'}: {listed(labels)}"
        reading.guesses.append(Guess("labels", value, "folders of these names hold their images", "assumed", "labels"))
    extra = sorted({"/".join(branch.extra) for branch in branches if branch.extra})
    if extra:
        why = "folders that are neither a split nor a class"
        reading.guesses.append(Guess("groups", f"{listed(extra)}: the attribute {FOLDER}", why, "assumed", "root"))
    bare = [item.name for item in reading.items if item.label is None]
    if labels and bare:
        value = f"{len(bare):,} images have none: {listed(bare)}"
        reading.guesses.append(Guess("labels", value, "they lie in no folder of a class", "assumed", "root"))
    above = f"folders of splits ({listed(words)})" if words else ""
    below = f"folders of classes ({listed(labels)})" if labels else "images without folders of classes"
    reading.why = reading.why or " with ".join(part for part in (above, below) if part)
    reading.findings += _empty(tree, branches)
    known = {question.option for question in reading.questions} | {f"split.{name}" for name in roles.options.splits}
    reading.questions += [q for q in _same_split(reading.items, roles.splits) if q.option not in known]


def _empty(tree: Tree, branches: Sequence[Branch]) -> list[Finding]:
    """Folders without images beside those of classes."""
    levels = {branch.folder.path.parent for branch in branches if branch.label and not branch.extra}
    folders = {path.parent for path in tree.images()}
    hold = folders.union(*(folder.parents for folder in folders))
    empty = []
    for level in sorted(levels if tree.folder else ()):
        if level.name and role_of(level.name):
            continue
        with os.scandir(str(tree.folder / level) if tree.folder else ".") as entries:
            empty += [level / entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    without = sorted(str(path) for path in empty if path not in hold and not _says_no_class(path.name))
    if not without:
        return []
    number = "1 folder" if len(without) == 1 else f"{len(without):,} folders"
    return [Finding("empty folder", f"{number} without an image beside those of classes: {listed(without)}.")]


def _says_no_class(name: str) -> bool:
    return role_of(name) != "" or not tokens(name)


def _same_split(items: Sequence[ImageItem], splits: Mapping[str, str]) -> list[Question]:
    """What to ask where two folders are read as one split and their images are called alike."""
    plain_first = sorted(splits, key=lambda name: not is_plain_split(name))
    alike = [(a, b) for a, b in combinations(plain_first, 2) if splits[a] and splits[a] == splits[b]]
    questions = []
    for first, second in alike:
        stems: dict[str, set[str]] = defaultdict(set)
        for item in items:
            path = PurePosixPath(item.name)
            stems[next((part for part in path.parts if part in (first, second)), "")].add(ENDING.sub("", path.stem))
        common = stems[first] & stems[second]
        if len(common) > 1 and 2 * len(common) > len(stems[second]):
            choices = ((splits[second], "images of their own"), ("none", f"{second} is in no split"))
            sentence = (
                f"{first} and {second} are both read as {splits[first]} and hold images of the same names: are those of"
                f" {second} images of their own? As masks: masks = {second}/{{stem}}*; not at all: leave_out ="
                f" {second}/*"
            )
            questions.append(Question(f"split.{second}", sentence, choices))
    return questions


def ask_for_classes(reading: Reading) -> None:
    """Whether masks, or names such as `cat.0.jpg` and `dog.1.jpg`, say the class where no folder does."""
    labels = Counter(item.label for item in reading.items if item.label is not None)
    if labels:
        _ask_whether_classes(reading, labels)
        return
    none = "pairs" if reading.layout == "pairs" else "unlabelled"
    choices, reasons = [(none, "the images have no class")], []
    masks = sum(item.mask is not None for item in reading.items)
    if masks:
        choices.append(("defects", "images are defective where their mask is not empty, and good elsewhere"))
        reasons.append(f"{masks:,} of {len(reading.items):,} images have a mask")
    counts = Counter(label_in(PurePosixPath(item.name)) for item in reading.items)
    repeated = {name: number for name, number in counts.items() if name and number > 1}
    if 2 <= len(repeated) <= MOST_NAMES and 2 * sum(repeated.values()) > sum(counts.values()):
        shown = listed(sorted(repeated))
        choices.append(("names", f"the classes are {shown}"))
        reasons.append(f"the names of files begin with {len(repeated)} words")
    if reasons:
        sentence = f"No folder names a class, but {' and '.join(reasons)}: do they say it?"
        reading.questions.append(Question("layout", sentence, tuple(choices)))


def _ask_whether_classes(reading: Reading, labels: Mapping[str, int]) -> None:
    """Whether folders are classes that are called after days or lots, or hold one image each."""
    single = len(labels) >= SINGLE and set(labels.values()) == {1}
    if (views := seen_twice(reading.items)) is not None:
        choices = ((reading.layout, "they are classes"), ("unlabelled", "the images have no class"))
        sentence = f"{views[0]} and {views[1]} hold images of the same names that show the same: are they classes?"
        reading.questions.append(Question("layout", sentence, choices))
    elif len(labels) > 1 and (single or all(map(is_dated, labels))):
        why = "hold one image each" if single else "are called after days, lots or the like"
        choices = ((reading.layout, "they are classes"), ("unlabelled", "the images have no class"))
        sentence = f"The folders {listed(sorted(labels))} {why}: are they classes?"
        reading.questions.append(Question("layout", sentence, choices))
