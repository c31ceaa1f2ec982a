"""From what a layout makes of a tree to an image set: every file is used, or left out with a reason."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import (
    AUTO,
    SPLITS,
    Count,
    Finding,
    Guess,
    ImageItem,
    ImageSet,
    LeftOut,
    LoadReport,
    Question,
    Source,
    check_rule,
    judge,
    mask_of,
    parts_of,
    ruled,
)
from workbench.sets.contradictions import contradictions
from workbench.sets.depths import with_depths
from workbench.sets.mask_paths import masks_by_pattern
from workbench.sets.others import NO_IMAGE, is_read, reasons
from workbench.sets.told_groups import grouped
from workbench.sets.trees import Tree, composed, natural

ANNOTATION = "called as an image: annotations, such as boxes or polygons, that are not read"
UNUSED = "no part of this layout"
NO_MASKS, MASK_KINDS = "none", "mask kinds"
NOT_WANTED, OUTSIDE = "left out by your pattern", "outside of the root"


@dataclass
class Reading:
    """What a layout makes of a tree.

    Attributes:
        layout: Its name.
        why: By what it was recognised, a sentence.
        items: The images in order, labels as the set writes them.
        used: All files that are images or masks, or told something of them.
        ordered: Whether the order of `items` is the set's own (a table's), not that of the files' names.
        class_names: In an order that the set gives, or empty.
        left_out: Files with a reason of their own; every other file that is not used is listed without one.
    """

    layout: str
    why: str
    items: list[ImageItem] = field(default_factory=list)
    used: set[PurePosixPath] = field(default_factory=set)
    ordered: bool = False
    class_names: tuple[str, ...] = ()
    synthetic: bool = False
    guesses: list[Guess] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def image_set(whole: Tree, tree: Tree, reading: Reading, options: ReadOptions) -> ImageSet:
    """The set that a reading describes, labels renamed, with its report.

    Args:
        whole: All files that were listed.
        tree: The part of them that the layout read.
        reading: What it made of them.
        options: Corrections.
    """
    check_rule(options.mask_rule)
    _check_labels(tree.name, reading, options)
    if options.masks != AUTO:
        _other_masks(tree, reading, options.masks)
    judgement = judge(reading.items, options.mask_rule)
    reading.items = ruled(reading.items, judgement.rule)
    reading.guesses += judgement.guesses
    kinds = {finding.kind for finding in reading.findings}
    reading.findings += [finding for finding in judgement.findings if finding.kind not in kinds]
    reading.questions += judgement.questions
    reading.used, guesses = _called(tree, reading.used)
    items = [_renamed(item, options) for item in _labelled(tree, reading, options)]
    if not reading.ordered:
        items.sort(key=lambda item: natural(item.name))
    if options.group is not None:
        items, told = grouped(items, options.group, tree.name)
        reading.guesses = [guess for guess in reading.guesses if guess.topic != "groups"] + [told]
    against, unlooked = contradictions(items)
    items, values, strange = with_depths(items, options.window)
    reading.guesses = [*whole.guesses, *reading.guesses, *guesses, *values, *unlooked]
    reading.findings += [*strange, *against]
    reading.questions = [*whole.questions, *reading.questions]
    report = _report(whole, tree, reading, items, options)
    labels = {item.label for item in items if item.label is not None}
    order = dict.fromkeys(options.labels.get(name, composed(name)) for name in reading.class_names)
    names = tuple(order) if labels <= set(order) else tuple(sorted(labels))
    return ImageSet(tree.name, tuple(items), names, reading.synthetic, tuple(reading.notes), report)


def _check_labels(name: str, reading: Reading, options: ReadOptions) -> None:
    """Refuse corrections of labels that the set does not have."""
    there = {item.label for item in reading.items if item.label is not None} | set(reading.class_names)
    strange = [label for label in options.labels if label not in there]
    if strange:
        kinds = ", ".join(sorted(there)[:10]) or "none"
        raise InputError(
            f"{name} has no label {strange[0]!r}, which the options speak of: correct it, or leave it out. Its labels"
            f" are: {kinds}{' and more' if len(there) > 10 else ''}."
        )


def _labelled(tree: Tree, reading: Reading, options: ReadOptions) -> list[ImageItem]:
    """The images but for those whose label is to be left out, which are then told of with their masks."""
    gone = [item for item in reading.items if item.label is not None and options.labels.get(item.label) == ""]
    if not gone:
        return reading.items
    names = {item.name for item in gone}
    items = [item for item in reading.items if item.name not in names]
    sources, kept = ({s for item in some for s in (item.source, *parts_of(item.mask))} for some in (gone, items))
    paths = {path for path in reading.used if tree.find(str(path)) in sources - kept}
    reading.used -= paths
    told = sorted((str(tree.prefix / path) for path in paths), key=natural) or sorted(names, key=natural)
    reading.left_out.append(LeftOut("their label is left out", tuple(told)))
    return items


def _report(whole: Tree, tree: Tree, reading: Reading, items: Sequence[ImageItem], options: ReadOptions) -> LoadReport:
    """The report of a reading, of which `items` are the images that are left."""
    used = {tree.prefix / path for path in reading.used}
    told = {PurePosixPath(name) for group in reading.left_out for name in group.names}
    passed_over = _unused(whole.passed_over, set(map(str, used)))
    return LoadReport(
        reading.layout,
        reading.why,
        _counts(items),
        len(whole.files.keys() | used | told) + sum(len(group.names) for group in passed_over),
        len(reading.used),
        options,
        tuple(reading.guesses),
        (*passed_over, *reading.left_out, *_rest(whole, tree, reading)),
        tuple(reading.findings),
        tuple(reading.questions),
    )


def _other_masks(tree: Tree, reading: Reading, pattern: str) -> None:
    """Masks by a pattern, or none, in place of those that the layout recognised."""
    paths = {tree.find(str(path)) or path: path for path in reading.used}
    before = {paths[part] for item in reading.items for part in parts_of(item.mask) if part in paths}
    masks, kinds = ({}, {}) if pattern == NO_MASKS else masks_by_pattern(tree, reading.items, pattern)
    now = {path for found in masks.values() for path in found}
    folders = {path.parent for path in now} - {PurePosixPath(name).parent for name in masks}
    images = {PurePosixPath(item.name) for item in reading.items}
    reading.items = [
        dataclasses.replace(
            item,
            mask=mask_of(tuple(masks.get(item.name, {}).values())),
            attributes={**item.attributes, **({MASK_KINDS: kinds[item.name]} if item.name in kinds else {})},
        )
        for item in reading.items
        if (path := PurePosixPath(item.name)) not in now and path.parent not in folders
    ]
    gone = (before | images) - now - {PurePosixPath(item.name) for item in reading.items}
    reading.used = (reading.used - gone) | now
    _leave_out(reading, "no mask by your option", sorted(path for path in gone if path in tree.files), tree, now)
    value = f"of {len(masks):,} images by {pattern}" if masks else "none"
    reading.guesses = [guess for guess in reading.guesses if guess.topic != "masks"]
    reading.guesses.append(Guess("masks", value, "your option", "stated", "masks"))


def _leave_out(
    reading: Reading, reason: str, paths: Sequence[PurePosixPath], tree: Tree, now: Iterable[PurePosixPath]
) -> None:
    """Files that are left out too, and those that are not any longer."""
    names = {str(tree.prefix / path) for path in now}
    kept = (LeftOut(left.reason, tuple(n for n in left.names if n not in names)) for left in reading.left_out)
    reading.left_out = [left for left in kept if left.names]
    if paths:
        reading.left_out.append(LeftOut(reason, tuple(str(tree.prefix / path) for path in paths)))


def _renamed(item: ImageItem, options: ReadOptions) -> ImageItem:
    label = options.labels.get(item.label, composed(item.label)) if item.label is not None else None
    return item if label in (None, item.label) else dataclasses.replace(item, label=label)


def _called(tree: Tree, used: set[PurePosixPath]) -> tuple[set[PurePosixPath], list[Guess]]:
    """The files that were used, as they are called themselves, and how many of them a table calls otherwise."""
    names = {path: tree.path_of(str(path)) or path for path in used if path not in tree.files}
    used = {names.get(path, path) for path in used}
    forms = {place: composed(name) == composed(str(place)) for name, place in tree.called.items() if place in used}
    what = {"other capitals": False, "accents written as signs of their own, or not": True}
    return used, [
        Guess("files", f"{number:,} files found under names in {how}", "no other file could be meant", "recognised")
        for how, form in what.items()
        if (number := sum(same == form for same in forms.values()))
    ]


def _unused(groups: Iterable[LeftOut], used: set[str]) -> list[LeftOut]:
    """What was passed over in listing the files, less what a table names all the same."""
    kept = (LeftOut(group.reason, tuple(name for name in group.names if name not in used)) for group in groups)
    return [group for group in kept if group.names]


def _rest(whole: Tree, tree: Tree, reading: Reading) -> Iterable[LeftOut]:
    """Files that the layout did not speak of, by reason."""
    begin = f"{tree.prefix}/" if tree.prefix.parts else ""
    spoken_of = {f"{begin}{path}" for path in reading.used} | {
        name for group in reading.left_out for name in group.names
    }
    groups: dict[str, list[str]] = defaultdict(list)
    others: dict[PurePosixPath, Source] = {}
    for path, source in whole.files.items():
        name = str(path)
        if name in spoken_of:
            continue
        if is_read(path):
            groups[UNUSED if name.startswith(begin) else OUTSIDE].append(name)
        else:
            others[path] = source
    stems = {PurePosixPath(item.name).stem for item in reading.items}
    for path, reason in reasons(others).items():
        is_note = reason == NO_IMAGE and path.suffix.lower() in (".xml", ".json", ".txt") and path.stem in stems
        groups[ANNOTATION if is_note else reason].append(str(path))
    return (LeftOut(reason, tuple(names)) for reason, names in groups.items())


def _counts(items: Iterable[ImageItem]) -> tuple[Count, ...]:
    count = Counter((item.label, item.split) for item in items)
    masks = Counter((item.label, item.split) for item in items if item.mask is not None)
    splits = {split: place for place, split in enumerate((*SPLITS, None))}
    order = sorted(count, key=lambda key: (key[0] is None, key[0] or "", splits[key[1]]))
    return tuple(Count(*key, count[key], masks[key]) for key in order)


def without(tree: Tree, options: ReadOptions) -> Tree:
    """The tree without what `leave_out` names, which it then tells of."""
    matches = {pattern: [str(p) for p in tree.files if fnmatchcase(str(p), pattern)] for pattern in options.leave_out}
    if idle := [pattern for pattern, paths in matches.items() if not paths]:
        raise InputError(
            f"No file of {tree.name} is called as {idle[0]!r}, which is to be left out: correct the pattern, a path"
            " from the set's folder on in which * stands for anything, or remove it."
        )
    names = list(dict.fromkeys(path for paths in matches.values() for path in paths))
    gone = {PurePosixPath(name) for name in names}
    if not gone:
        return tree
    files = {path: source for path, source in tree.files.items() if path not in gone}
    passed_over = (*tree.passed_over, LeftOut(NOT_WANTED, tuple(names)))
    return dataclasses.replace(tree, files=files, passed_over=passed_over)
