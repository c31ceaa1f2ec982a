"""Pascal VOC, and exports of CVAT in its form: `JPEGImages`, `Annotations`, `SegmentationClass`, `ImageSets`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from PIL import Image

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import Finding, Guess, open_with, read_source
from workbench.sets.annotated import (
    Labels,
    add_annotated,
    beside,
    in_class_folders,
    photos,
    splits_by_folder,
    text_of,
    xml_of,
)
from workbench.sets.industrial import leave_out
from workbench.sets.mask_pairs import listed
from workbench.sets.readings import Reading
from workbench.sets.trees import Tree
from workbench.sets.words import split_of

LISTS = ("main", "segmentation")
"""Folders of ImageSets whose lists deal the images, the first that does counts."""
BORDER = (224, 224, 192)
"""The colour that VOC draws around objects."""
Colour = tuple[int, int, int]


def voc(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """Labels by the lists of ImageSets/Main, by the objects in XML files, or by the colours of masks, in this order."""
    images = [path for path in tree.images() if _in(path, "jpegimages")] or photos(tree)
    files = beside(tree, images, ".xml")
    masks = _masks(tree, images)
    is_voc = any(_in(path, "jpegimages") for path in images)
    if not images and any(_in(path, "segmentationclass") for path in tree.images()):
        raise InputError(f"{tree.name} holds masks in SegmentationClass but no images: export it with its images.")
    if not images or (not is_voc and in_class_folders(images, options)):
        return None
    if not (is_voc and (files or masks or _lists(tree))) and 2 * len(files) < len(images):
        return None
    lists = _lists(tree)
    objects = {path: _objects(tree, files[path]) for path in images if path in files}
    if objects and all(names is None for names in objects.values()):
        return None
    reading = Reading("voc", _why(is_voc, len(files), len(masks)))
    reading.used |= {files[path] for path, names in objects.items() if names is not None}
    labels: Labels
    labels, why = _by_lists(reading, tree, images, lists), "the lists of each class in ImageSets say so"
    if not labels and objects:
        labels, why = {path: objects.get(path) for path in images}, "objects in XML files, one or more an image"
    if not labels:
        labels = _by_colours(reading, tree, images, masks)
        why = f"the colours of {len(masks):,} masks, which were decoded for it, by labelmap.txt or class_names.txt"
    splits = _dealt(reading, tree, images, lists, options) or splits_by_folder(images, options)
    years = {path: str(PurePosixPath(*path.parts[: _place(path)])) for path in images if _in(path, "jpegimages")}
    add_annotated(reading, tree, labels, splits, why, masks, years if len(set(years.values())) > 1 else {})
    if masks:
        value = f"images with a mask: {len(masks):,}, of all that is not background"
        reading.guesses.append(Guess("masks", value, "by name in SegmentationClass", "recognised", "masks"))
    apart = [path for path in tree.images() if _in(path, "segmentationobject") and path not in reading.used]
    leave_out(reading, tree, "a colour an object; SegmentationClass has the masks", apart)
    return reading


def _place(path: PurePosixPath) -> int:
    return [part.lower() for part in path.parts].index("jpegimages")


def _in(path: PurePosixPath, folder: str) -> bool:
    return folder in (part.lower() for part in path.parts[:-1])


def _why(is_voc: bool, files: int, masks: int) -> str:
    if not is_voc:
        return f"{files:,} images have an XML file of their name that lists objects"
    return f"images lie in JPEGImages, with {files:,} XML files of objects and {masks:,} masks beside"


def _masks(tree: Tree, images: Sequence[PurePosixPath]) -> dict[PurePosixPath, PurePosixPath]:
    """Files of SegmentationClass by their images."""
    found = {}
    for path in sorted(tree.images(), key=lambda path: path.suffix.lower() == ".png"):
        words = [part.lower().removesuffix("png") for part in path.parts[:-1]]
        if "segmentationclass" in words:
            place = words.index("segmentationclass")
            found[(*path.parts[:place], *path.parts[place + 1 : -1], path.stem)] = path
    if not found:
        return {}
    pairs = ((path, found.get((*_without_jpegimages(path).parts[:-1], path.stem))) for path in images)
    return {path: mask for path, mask in pairs if mask is not None}


def _without_jpegimages(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*(part for part in path.parts if part.lower() != "jpegimages"))


def _lists(tree: Tree) -> dict[str, list[PurePosixPath]]:
    """Lists of images by the folder of ImageSets in which they lie."""
    lists = defaultdict(list)
    for path in tree.files:
        if path.suffix.lower() == ".txt" and len(path.parts) > 2 and path.parts[-3].lower() == "imagesets":
            lists[path.parts[-2].lower()].append(path)
    return lists


def _objects(tree: Tree, path: PurePosixPath) -> list[str] | None:
    """Names of the objects in an XML file, each once; None where it lists none in the form of VOC."""
    try:
        root = xml_of(tree.files[path], path.name)
    except InputError:
        return None
    names = (element.findtext("name", "").strip() for element in root.iter("object"))
    return sorted({name for name in names if name}) if root.tag == "annotation" else None


def _named(images: Sequence[PurePosixPath], table: PurePosixPath) -> dict[str, PurePosixPath]:
    """Images by the name that a list beside them gives: below JPEGImages, without ending."""
    above = table.parts[:-3]
    names = {}
    for path in images:
        if path.parts[: len(above)] == above:
            below = _without_jpegimages(PurePosixPath(*path.parts[len(above) :]))
            names[str(below.with_suffix(""))] = path
    return names


def _lines(tree: Tree, table: PurePosixPath) -> Iterator[str]:
    return (line.strip() for line in text_of(tree.files[table], table.name).splitlines() if line.strip())


def _by_lists(
    reading: Reading, tree: Tree, images: Sequence[PurePosixPath], lists: Mapping[str, Sequence[PurePosixPath]]
) -> dict[PurePosixPath, list[str] | None]:
    """Labels by `cat_train.txt`: a name and 1, 0 (present, hard to see) or -1 a line."""
    labels: dict[PurePosixPath, set[str]] = {}
    hard: set[str] = set()
    for table in lists.get("main", ()):
        kind, _, part = table.stem.rpartition("_")
        if not kind or split_of(part, ReadOptions()) is None:
            continue
        names = _named(images, table)
        for line in _lines(tree, table):
            name, _, flag = line.rpartition(" ")
            path = names.get(name.strip().strip('"'))
            if path is not None and flag in ("1", "0", "-1"):
                labels.setdefault(path, set()).update({kind} if flag == "1" else ())
                hard |= {str(path)} if flag == "0" else set()
        reading.used.add(table)
    if hard:
        sentence = f"{len(hard):,} images show objects that their lists call hard to see, which are not counted."
        reading.findings.append(Finding("hard to see", sentence, tuple(sorted(hard))))
    return {path: sorted(labels[path]) if path in labels else None for path in images} if labels else {}


def _dealt(
    reading: Reading,
    tree: Tree,
    images: Sequence[PurePosixPath],
    lists: Mapping[str, Sequence[PurePosixPath]],
    options: ReadOptions,
) -> dict[PurePosixPath, str]:
    """Splits by `train.txt`, `val.txt` and `test.txt`; an image in two of them is told of."""
    for folder in (*LISTS, *sorted(lists.keys() - set(LISTS))):
        tables = [(path, split_of(path.stem, options)) for path in lists.get(folder, ()) if path.stem != "trainval"]
        splits: dict[PurePosixPath, str] = {}
        twice: list[str] = []
        for table, split in tables:
            if split is None or ("_" in table.stem and table in reading.used):
                continue
            names = _named(images, table)
            listing = {names[name] for line in _lines(tree, table) if (name := line.strip('"')) in names}
            twice += sorted(str(path) for path in listing if splits.get(path, split) != split)
            splits |= dict.fromkeys(listing, split)
            reading.used.add(table)
        if splits:
            value = f"by the lists of ImageSets/{folder.capitalize()}"
            reading.guesses.append(Guess("splits", value, "the set's own lists", "stated", "splits"))
            if twice:
                sentence = f"{len(twice):,} images are in the lists of two splits: {listed(twice)}."
                reading.findings.append(Finding("in two splits", sentence, tuple(twice)))
            return splits
    return {}


def _by_colours(
    reading: Reading, tree: Tree, images: Sequence[PurePosixPath], masks: Mapping[PurePosixPath, PurePosixPath]
) -> Labels:
    """Labels by the colours of masks, which `labelmap.txt` names; None for images without a mask or a name."""
    tables = [path for path in tree.files if path.name.lower() == "labelmap.txt"]
    names: dict[Colour, str] = {}
    for table in tables:
        for line in _lines(tree, table):
            parts = line.split(":")
            colour = parts[1].split(",") if len(parts) > 1 and not line.startswith("#") else []
            if len(colour) == 3 and all(part.strip().isdigit() for part in colour):
                names[int(colour[0]), int(colour[1]), int(colour[2])] = parts[0]
        reading.used.add(table)
    for table in (path for path in tree.files if path.name.lower() == "class_names.txt" and not names):
        names = {_voc_colour(number): line for number, line in enumerate(_lines(tree, table))}
        reading.used.add(table)
    labels: dict[PurePosixPath, list[str] | None] = dict.fromkeys(images)
    strange = []
    for path, mask in masks.items() if names else ():
        colours = _colours(tree, mask) - {BORDER}
        unknown = colours - names.keys() - {(0, 0, 0)}
        if unknown:
            strange.append(str(mask))
        else:
            kinds = {names.get(colour, "background") for colour in colours}
            labels[path] = sorted(kind for kind in kinds if kind.lower().strip("_") != "background")
    if strange:
        sentence = f"{len(strange):,} masks hold colours that no file gives a name: {listed(strange)}."
        reading.findings.append(Finding("colour without a name", sentence))
    return labels


def _voc_colour(number: int) -> Colour:
    """The colour of a class's number in masks of VOC: its bits, dealt to red, green and blue from the highest down."""
    red, green, blue = (
        sum((number >> 3 * step + channel & 1) << 7 - step for step in range(8)) for channel in range(3)
    )
    return red, green, blue


def _colours(tree: Tree, mask: PurePosixPath) -> set[Colour]:
    """The distinct colours of a mask; one that cannot be read has one that no table names."""

    def read(image: Image.Image) -> set[Colour]:
        counts = image.convert("RGB").getcolors(4096) or [(0, (-1, -1, -1))]
        return {(colour[0], colour[1], colour[2]) for _, colour in counts if isinstance(colour, tuple)}

    try:
        return open_with(read_source(tree.files[mask], mask.name), mask.name, read)
    except InputError:
        return {(-1, -1, -1)}
