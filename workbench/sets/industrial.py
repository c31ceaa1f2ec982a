"""Layouts of inspection sets in which a folder of masks mirrors the folders of the images."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.images import Finding, Guess, ImageItem, LeftOut, Question, Source, mask_of
from workbench.sets.anatomy import SURE_MASKS, TEST_SETS, Anatomy, Place, anatomy, plain
from workbench.sets.mask_pairs import Pairs, are_masks, listed, mask_findings, pair
from workbench.sets.readings import Reading
from workbench.sets.trees import Tree
from workbench.sets.words import role_of
from workbench.texts import reads_as_good

CATEGORY = "category"
"""The attribute for the product of an image where a set has several."""
_LIGHT = re.compile(r"(\d+)_(regular|overexposed|underexposed|shift_\d+|mixed)", re.IGNORECASE)
_TESTED = re.compile(r"(.+)[_-](train|test)", re.IGNORECASE)


def mvtec(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """MVTec AD and its kin: `train/good`, `test/<kind>`, `ground_truth/<kind>`, for one product or a folder each.

    MVTec LOCO AD, MVTec AD 2, MVTec 3D-AD, BTAD, MPDD and VisA as it is converted for training lie so too.
    """
    parts = anatomy(tree, options)
    images = {path: place for path, place in parts.images.items() if place.word}
    if not any(place.kinds for place in images.values()):
        return None
    products = parts.products
    pairs = pair(images, parts.masks)
    if not (asked or _masks_hold(tree, parts, pairs) or _several(images, products)):
        return None
    mask_words = sorted({place.masks for place in parts.masks.values()})
    words = sorted({place.word for place in images.values()})
    beside = f"a folder {mask_words[0]} stands beside {' and '.join(words)}" if mask_words else "no folder holds masks"
    why = beside if products in ([""], []) else f"{len(products)} folders of products in one form: {beside}"
    reading = Reading("mvtec", why)
    _add_items(reading, tree, options, images, pairs)
    ask_for_product(reading, tree, options, products)
    _tell(reading, tree, parts, pairs, options)
    away = [path for path in parts.images if path not in images]
    leave_out(reading, tree, "in no folder of a split", away)
    return reading


def anomaly_folders(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """Anomalib's Folder: `good`, `colour`, `mask/colour`, without splits, or with `normal_test` beside `normal`."""
    parts = anatomy(tree, options)
    if any(place.word for place in parts.images.values()) or not parts.masks:
        return None
    images = {path: place for path, place in parts.images.items() if place.kinds}
    if all(role_of(path.parts[0]) == "images" for path in images):
        return None
    images, tested = _with_tests(images)
    pairs = pair(images, parts.masks)
    if not (asked or _masks_hold(tree, parts, pairs)):
        return None
    mask_word = next(iter(parts.masks.values())).masks
    reading = Reading("anomalib", f"a folder {mask_word} of masks stands beside the folders of the classes")
    _add_items(reading, tree, options, images, pairs)
    if tested:
        value, why = f"train {tested}, test all others", f"a folder {tested}_test stands beside {tested}"
        reading.guesses.append(Guess("splits", value, why, "recognised", "layout"))
    _tell(reading, tree, parts, pairs, options)
    return reading


def _masks_hold(tree: Tree, parts: Anatomy, pairs: Pairs) -> bool:
    """Whether what lies in folders of masks are masks: by a name that says nothing else, or by their images and looks.

    "mask" is a class of faces too, and "label" one of products.
    """
    if not parts.masks:
        return False
    if any(plain(place.masks) in SURE_MASKS for place in parts.masks.values()):
        return True
    return are_masks(pairs, tree.files, len(parts.masks))


def _several(images: Mapping[PurePosixPath, Place], products: Sequence[str]) -> bool:
    """Whether most of several products have a folder of good images, so that their classes lie below the split."""
    good = {place.product for place in images.values() if place.kinds and reads_as_good(place.kinds[0])}
    return len(products) > 1 and 2 * len(good) > len(products)


def _with_tests(images: Mapping[PurePosixPath, Place]) -> tuple[dict[PurePosixPath, Place], str]:
    """`normal_test` as the test images of `normal`; also the name of the class that has such a folder, or ""."""
    kinds = {place.kinds[0].lower() for place in images.values()}
    pairs = {name: match for name in kinds if (match := _TESTED.fullmatch(name)) and match[1] in kinds}
    if not pairs:
        return dict(images), ""
    own = {match[1] for match in pairs.values()}
    split = {}
    for path, place in images.items():
        name = place.kinds[0].lower()
        kind = place.kinds[0][: len(pairs[name][1])] if name in pairs else place.kinds[0]
        part = pairs[name][2] if name in pairs else "train" if name in own else "test"
        split[path] = Place(place.product, part, "", (kind, *place.kinds[1:]))
    return split, sorted(own)[0]


def _add_items(
    reading: Reading, tree: Tree, options: ReadOptions, images: Mapping[PurePosixPath, Place], pairs: Pairs
) -> None:
    """An item for each image, with its label, mask and attributes."""
    if any(len(place.kinds) > 1 for place in images.values()) and not _category_above(images):
        value, why = "the attribute folder", "folders below those of the classes"
        reading.guesses.append(Guess("groups", value, why, "assumed", "root"))
    above = _category_above(images)
    level = 1 if above else 0
    labels = _labels(reading, images, level)
    several = len({place.product for place in images.values()}) > 1
    for path, place in images.items():
        attributes: dict[str, object] = {}
        if several or above:
            attributes[CATEGORY] = place.kinds[0] if above and place.kinds else "/".join(place.product)
        if below := place.kinds[level + 1 :]:
            attributes["folder"] = "/".join(below)
        attributes |= _lighting(path, place)
        masks = pairs.masks.get(path, [])
        mask = mask_of([tree.files[mask] for mask in masks], options.mask_rule)
        add(reading, tree, path, labels.get(path), mask, place.split, attributes)
        reading.used |= set(masks)


def _category_above(images: Mapping[PurePosixPath, Place]) -> bool:
    """Whether products lie between the split and the class, as in `train/bottle/good`."""
    kinds = [place.kinds for place in images.values() if place.kinds]
    below = all(len(kind) == 2 for kind in kinds) and any(reads_as_good(kind[1]) for kind in kinds)
    return below and not any(reads_as_good(kind[0]) for kind in kinds)


def _labels(reading: Reading, images: Mapping[PurePosixPath, Place], level: int) -> dict[PurePosixPath, str]:
    """The class of each image; those that differ in capitals alone are one, in its commonest spelling."""
    names = {path: place.kinds[level] for path, place in images.items() if len(place.kinds) > level}
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for name in names.values():
        spellings[name.lower()][name] += 1
    usual = {lower: counts.most_common(1)[0][0] for lower, counts in spellings.items()}
    for lower, counts in spellings.items():
        if len(counts) > 1:
            sentence = f"{' and '.join(sorted(counts))} differ in capitals alone and are read as {usual[lower]}."
            reading.findings.append(Finding("class in two spellings", sentence))
    below = "the folder below that of the product" if level else "the folder below the split"
    where = below if any(place.word for place in images.values()) else "the folder"
    good = ", ".join(sorted(name for name in usual.values() if reads_as_good(name))) or "none reads as good"
    value = f"classes: {len(usual)}, of good parts: {good}"
    reading.guesses.append(Guess("labels", value, f"{where} is the class", "recognised", "labels"))
    return {path: usual[name.lower()] for path, name in names.items()}


def _lighting(path: PurePosixPath, place: Place) -> dict[str, object]:
    """MVTec AD 2 writes the lighting into the name, and shows one object under several."""
    test_set = TEST_SETS.fullmatch(plain(place.word))
    attributes: dict[str, object] = {"test set": test_set[1]} if test_set else {}
    if match := _LIGHT.fullmatch(path.stem):
        attributes |= {"lighting": match[2].lower(), "group": f"{path.parent}/{match[1]}"}
    return attributes


def ask_for_product(reading: Reading, tree: Tree, options: ReadOptions, products: Sequence[str]) -> None:
    """Whether several products are one set: a guess, and a question until a root is given."""
    if len(products) < 2:
        return
    counts = Counter(str(item.attributes.get(CATEGORY, "")) for item in reading.items)
    value = f"{len(products)} products together, the attribute {CATEGORY} tells them apart"
    how = "recognised" if options.root is None else "stated"
    reading.guesses.append(Guess("root", value, listed(products), how, "root"))
    if options.root is None:
        choices = [(str(tree.prefix), "all together")]
        choices += [(str(tree.prefix / name), f"{name} alone: {counts[name]:,} images") for name in products if name]
        sentence = (
            f"The folder holds {len(products)} products ({listed(products)}), which usually have a model each: is it"
            " one set, or is one of them meant?"
        )
        reading.questions.append(Question("root", sentence, tuple(choices)))


def _tell(reading: Reading, tree: Tree, parts: Anatomy, pairs: Pairs, options: ReadOptions) -> None:
    """Guesses and findings about masks, and what is left out with a reason of its own."""
    leave_out(reading, tree, "depth of a 3D set, which is not read", parts.depth)
    leave_out(reading, tree, "masks without an image", pairs.orphans)
    if parts.masks:
        several = sum(len(masks) > 1 for masks in pairs.masks.values())
        joined = f", several joined for {several:,} of them" if several else ""
        value = f"images with a mask: {len(pairs.masks):,}{joined}"
        why = "by class and name in " + ", ".join(sorted({place.masks for place in parts.masks.values()}))
        reading.guesses.append(Guess("masks", value, why, "recognised", "masks"))
    if options.masks == "auto":
        reading.findings += mask_findings(reading.items, pairs.orphans)


def add(
    reading: Reading,
    tree: Tree,
    path: PurePosixPath,
    label: str | None,
    mask: Source | None,
    split: str | None,
    attributes: Mapping[str, object],
) -> None:
    """One more image of the set, by its file."""
    reading.items.append(ImageItem(str(path), tree.files[path], label, mask, split, attributes))
    reading.used.add(path)


def leave_out(reading: Reading, tree: Tree, reason: str, paths: Sequence[PurePosixPath]) -> None:
    """Note files that are no images of the set, with the reason; nothing where there are none."""
    if paths:
        reading.left_out.append(LeftOut(reason, tuple(str(tree.prefix / path) for path in paths)))
