"""VisA as it is downloaded: `candle/Data/Images/Normal`, `candle/Data/Masks/Anomaly`, `split_csv/1cls.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.files import read_table
from workbench.images import Finding, Guess, Source, mask_of, read_source
from workbench.sets.anatomy import Place
from workbench.sets.industrial import CATEGORY, add, ask_for_product, leave_out
from workbench.sets.mask_pairs import mask_findings, pair
from workbench.sets.readings import Reading
from workbench.sets.trees import MANIFESTS, Tree
from workbench.sets.words import split_of
from workbench.texts import scalar, shown

SPLIT_TABLES = "split_csv"
USUAL_TABLE = "1cls.csv"
ABOUT = "image_anno.csv"


def visa(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """VisA, one object or all: splits by a table of `split_csv`, kinds of defect by `image_anno.csv`."""
    if any(len(path.parts) == 1 and path.name.lower() in MANIFESTS for path in tree.files) and not asked:
        return None
    places = {path: place for path in tree.images() if (place := _place(path)) is not None}
    images = {path: place for path, place in places.items() if not place.masks}
    if not images:
        return None
    masks = {path: place for path, place in places.items() if place.masks}
    pairs = pair(images, masks)
    products = sorted({"/".join(place.product) for place in images.values()})
    reading = Reading("visa", "images lie in Data/Images, a folder a class, and masks in Data/Masks")
    splits = _splits(reading, tree, options)
    kinds = _kinds(reading, tree, images)
    for path, place in images.items():
        mask = mask_of([tree.files[mask] for mask in pairs.masks.get(path, [])], options.mask_rule)
        attributes = {CATEGORY: "/".join(place.product)} if len(products) > 1 else {}
        if path in kinds:
            attributes["defect"] = kinds[path]
        add(reading, tree, path, place.kinds[0], mask, splits.get(str(path).lower()), attributes)
        reading.used |= set(pairs.masks.get(path, []))
    value = " and ".join(sorted({place.kinds[0] for place in images.values()}))
    reading.guesses.append(Guess("labels", value, "the folder below Data/Images is the class", "recognised", "labels"))
    value, why = f"images with a mask: {len(pairs.masks):,}", "by class and name in Data/Masks"
    reading.guesses.append(Guess("masks", value, why, "recognised", "masks"))
    leave_out(reading, tree, "masks without an image", pairs.orphans)
    if options.masks == "auto":
        reading.findings += mask_findings(reading.items, pairs.orphans)
    if splits:
        bare = tuple(item.name for item in reading.items if item.split is None)
        if bare:
            sentence = f"{len(bare):,} of {len(images):,} images are in no row of the table of splits."
            reading.findings.append(Finding("split missing", sentence, bare))
    ask_for_product(reading, tree, options, products)
    return reading


def _place(path: PurePosixPath) -> Place | None:
    """What the folders say of an image or a mask; None where the path is no such."""
    above, kind = path.parts[:-2], path.parts[-2] if len(path.parts) > 3 else ""
    words = "/".join(above[-2:]).lower()
    if not kind or words not in ("data/images", "data/masks"):
        return None
    return Place(above[:-2], kinds=(kind,), masks=above[-1] if words == "data/masks" else "")


def _splits(reading: Reading, tree: Tree, options: ReadOptions) -> dict[str, str]:
    """The split of each image, by its path in lower case, from the usual table of `split_csv` or the first."""
    files = tree.files if tree.above is None else tree.above
    tables = [path for path in files if path.parent.name.lower() == SPLIT_TABLES and path.suffix.lower() == ".csv"]
    if not tables:
        return {}
    table = next((path for path in tables if path.name.lower() == USUAL_TABLE), tables[0])
    splits = {}
    begin = str(tree.prefix.relative_to(table.parent.parent)) if tree.prefix.is_relative_to(table.parent.parent) else ""
    begin = "" if begin == "." else f"{begin.lower()}/"
    for row in _rows(files[table], table.name):
        split = split_of(row.get("split", ""), options)
        if row.get("image") and split:
            splits[_slashes(row["image"]).lower().removeprefix(begin)] = split
    reading.used |= {table.relative_to(tree.prefix)} if table.is_relative_to(tree.prefix) else set()
    others = [path for path in tables if path != table]
    value = f"by {table.name}" + (f", not by {' or '.join(path.name for path in others)}" if others else "")
    why = f"the tables of {table.parent.name} deal the same images in several ways: leave {table.name} out for another"
    reading.guesses.append(Guess("splits", value, why if others else "the set's own table", "stated", "leave_out"))
    within = [path.relative_to(tree.prefix) for path in others if path.is_relative_to(tree.prefix)]
    leave_out(reading, tree, "another split of the same images", within)
    return splits


def _kinds(reading: Reading, tree: Tree, images: Mapping[PurePosixPath, Place]) -> dict[PurePosixPath, str]:
    """The kinds of defect that `image_anno.csv` names, of images that are not called as their class."""
    kinds = {}
    for product in {place.product for place in images.values()}:
        table = PurePosixPath(*product, ABOUT)
        if table not in tree.files:
            continue
        reading.used.add(table)
        for row in _rows(tree.files[table], table.name):
            image = PurePosixPath(_slashes(row.get("image", "")))
            path = image if image in images else PurePosixPath(*image.parts[1:])
            label = row.get("label", "")
            if path in images and label and label.lower() != images[path].kinds[0].lower():
                kinds[path] = label
    return kinds


def _rows(source: Source, name: str) -> list[dict[str, str]]:
    """A table's rows as text, columns in lower case.

    Raises:
        InputError: It is no table.
    """
    rows = [row for _, row in read_table(read_source(source, name), name).rows]
    if not rows:
        raise InputError(f"{name} has no rows: leave it out, or download it again.")
    return [
        {name.lower(): shown(value).strip() for name, cell in row.items() if (value := scalar(cell)) is not None}
        for row in rows
    ]


def _slashes(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")
