"""Layouts without a folder a class, where the mask says whether an image is good: KolektorSDD, KolektorSDD2, DAGM."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import Finding, Guess, Question, mask_of, read_source
from workbench.sets.anatomy import Anatomy, anatomy, split_folder
from workbench.sets.industrial import CATEGORY, add, ask_for_product, leave_out
from workbench.sets.mask_pairs import Pairs, are_masks, is_empty, listed, mask_findings, pair
from workbench.sets.readings import Reading
from workbench.sets.trees import Tree

GOOD_PART, DEFECTIVE_PART = "good", "defective"
_BESIDE = re.compile(r"(.+)_(label|gt|mask)", re.IGNORECASE)
_ITEM = re.compile(r"(\D+)\d+")


def kolektor(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """`x_label.bmp` or `x_GT.png` beside each image; folders are splits (KolektorSDD2) or parts (`kos01`)."""
    masks = _beside(tree)
    images = [path for path in tree.images() if path not in masks.values()]
    folders = {path.parent for path in images}
    parts = {folder for folder in folders if folder.parts and split_folder(folder.name, options) is None}
    if not masks or any(len(folder.parts) > 1 for folder in folders):
        return None
    is_flat, is_named = not parts, bool(parts) and all(part.name.lower().startswith("kos") for part in parts)
    alike = len({match[1].lower() if (match := _ITEM.fullmatch(part.name)) else part.name for part in parts}) == 1
    is_numbered = len(parts) > 1 and alike and masks.keys() >= set(images)
    if not (asked or is_flat or (is_named and alike) or is_numbered):
        return None
    pairs = Pairs({image: [mask] for image, mask in masks.items()})
    if not are_masks(pairs, tree.files, len(masks)):
        return None
    example = next(iter(masks.values())).name
    reading = Reading("kolektor", f"each image has a mask beside it, called as {example}, and no folder is a class")
    rule = options.mask_rule
    sources = {path: mask_of([tree.files[mask]], rule) for path, mask in masks.items()}
    empty = {path: is_empty(mask) for path, mask in sources.items()}
    for path in images:
        folder = path.parent.name
        attributes = {"group": folder} if path.parent in parts else {}
        split = None if path.parent in parts or not folder else split_folder(folder, options)
        add(reading, tree, path, _LABELS[empty.get(path)], sources.get(path), split, attributes)
    reading.used |= set(masks.values())
    _tell_labels(reading, images, empty)
    if parts:
        value = f"{len(parts)} parts, each with several images"
        reading.guesses.append(Guess("groups", value, "the folder is the part", "recognised", ""))
    if parts and not is_named and not asked:
        sentence = (
            f"The {len(parts)} folders ({listed(sorted(part.name for part in parts))}) are numbered alike and every"
            " image has a mask: is a folder a part, or a class?"
        )
        choices = (
            ("kolektor", "a part: the mask says whether an image is good"),
            ("folders", "a class: the folder is the label"),
        )
        reading.questions.append(Question("layout", sentence, choices))
    return reading


_LABELS = {True: GOOD_PART, False: DEFECTIVE_PART, None: None}
"""By whether the mask is empty; None where there is none that can be read."""


def dagm(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """DAGM 2007: `Class1/Train/0576.PNG`, `Class1/Train/Label/0576_label.PNG`, `Label/Labels.txt`."""
    parts = anatomy(tree, options)
    images = {path: place for path, place in parts.images.items() if place.word}
    inside = {path for path in parts.masks if any(path.parent.parent == image.parent for image in images)}
    if not images or any(place.kinds for place in images.values()) or not inside or len(inside) < len(parts.masks):
        return None
    pairs = pair(images, parts.masks)
    if not asked and not are_masks(pairs, tree.files, len(parts.masks)):
        return None
    word = next(iter(parts.masks.values())).masks
    reading = Reading("dagm", f"a folder {word} of masks lies in each folder of images, and no folder is a class")
    flags = _flags(reading, tree, parts)
    products = parts.products
    empty: dict[PurePosixPath, bool | None] = {}
    for path, place in images.items():
        mask = mask_of([tree.files[part] for part in pairs.masks.get(path, [])], options.mask_rule)
        if mask is not None:
            empty[path] = is_empty(mask)
        label = _LABELS[empty.get(path)]
        if path in flags:
            label = DEFECTIVE_PART if flags[path] else GOOD_PART
        elif mask is None and _is_texture(tree, place.product):
            label = GOOD_PART
        attributes = {CATEGORY: "/".join(place.product)} if len(products) > 1 else {}
        add(reading, tree, path, label, mask, place.split, attributes)
        reading.used |= set(pairs.masks.get(path, []))
    leave_out(reading, tree, "masks without an image", pairs.orphans)
    leave_out(reading, tree, "in no folder of a split", [path for path in parts.images if path not in images])
    reading.findings += mask_findings(reading.items, pairs.orphans)
    ask_for_product(reading, tree, options, products)
    _tell_labels(reading, list(images), empty, stated=len(flags))
    return reading


def _beside(tree: Tree) -> dict[PurePosixPath, PurePosixPath]:
    """Masks by the image beside which they lie and whose name they carry."""
    stems: dict[tuple[PurePosixPath, str], list[PurePosixPath]] = defaultdict(list)
    for path in tree.images():
        stems[path.parent, path.stem.lower()].append(path)
    masks = {}
    for path in tree.images():
        match = _BESIDE.fullmatch(path.stem)
        images = stems.get((path.parent, match[1].lower()), []) if match else []
        if len(images) == 1:
            masks[images[0]] = path
    return masks


def _is_texture(tree: Tree, product: tuple[str, ...]) -> bool:
    """Whether a product is one of DAGM's, of which the good images have no mask."""
    name = product[-1] if product else tree.prefix.name or tree.name
    return re.fullmatch(r"class\d+", name, re.IGNORECASE) is not None


def _flags(reading: Reading, tree: Tree, parts: Anatomy) -> dict[PurePosixPath, bool]:
    """Whether an image shows a defect by the tables `Labels.txt`: number, 0 or 1, image, 0, mask."""
    flags: dict[PurePosixPath, bool] = {}
    for table in {path.parent for path in parts.masks}:
        for path in (table / "Labels.txt", table / "labels.txt"):
            if path not in tree.files:
                continue
            try:
                lines = read_source(tree.files[path], path.name).decode("utf-8", "replace").splitlines()
            except InputError:
                continue
            rows = [line.split() for line in lines]
            own = {table.parent / row[2]: row[1] == "1" for row in rows if len(row) == 5 and row[1] in ("0", "1")}
            own = {image: flag for image, flag in own.items() if image in parts.images}
            flags |= own
            reading.used |= {path} if own else set()
    return flags


def _tell_labels(
    reading: Reading, images: Sequence[PurePosixPath], empty: Mapping[PurePosixPath, bool | None], stated: int = 0
) -> None:
    """Where the labels come from, and which images have none."""
    value = f"{GOOD_PART} where the mask is empty or the set has none, else {DEFECTIVE_PART}"
    why = f"{len(empty):,} masks were decoded for it"
    if stated:
        value, why = f"{GOOD_PART} and {DEFECTIVE_PART}", f"Labels.txt says so of {stated:,} images"
    reading.guesses.append(Guess("labels", value, why, "stated" if stated else "recognised", "labels"))
    bare = tuple(item.name for item in reading.items if item.label is None)
    if bare:
        what = f"{len(bare):,} of {len(images):,} images have no mask that can be read, so they have no label"
        reading.findings.append(Finding("label missing", f"{what}: {listed(bare)}.", bare))
