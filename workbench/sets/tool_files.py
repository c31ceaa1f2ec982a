"""Exports of annotation tools: labelme's JSON files, YOLO's text files, CVAT's one XML file. Only labels are read."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from xml.etree import ElementTree

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import Finding
from workbench.sets.annotated import (
    add_annotated,
    beside,
    in_class_folders,
    json_of,
    photos,
    splits_by_folder,
    text_of,
    xml_of,
)
from workbench.sets.readings import Reading
from workbench.sets.trees import Tree
from workbench.sets.words import split_of

SHAPES = "Shapes are read for their labels alone: no mask is drawn of them, and no box is kept."
MOST_YAML = 2**20
DRAWN = ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "skeleton", "mask")


def labelme(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """`x.json` of labelme beside `x.jpg`: the flags that are set, else the labels of its shapes."""
    images = photos(tree)
    files = beside(tree, images, ".json")
    if not files or 2 * len(files) < len(images) or in_class_folders(images, options):
        return None
    labels: dict[PurePosixPath, list[str] | None] = dict.fromkeys(images)
    for path, file in files.items():
        labels[path] = _of_labelme(tree, file)
    if all(names is None for names in labels.values()):
        return None
    reading = Reading("labelme", f"{len(files):,} images have a JSON file of labelme of their name")
    reading.used |= {file for path, file in files.items() if labels[path] is not None}
    add_annotated(reading, tree, labels, splits_by_folder(images, options), "flags or shapes in labelme's JSON files")
    reading.findings.append(Finding("shapes", SHAPES))
    return reading


def _of_labelme(tree: Tree, file: PurePosixPath) -> list[str] | None:
    try:
        value = json_of(tree.files[file], file.name)
    except InputError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("shapes"), list):
        return None
    flags = value.get("flags")
    names = {str(name) for name, flag in flags.items() if flag is True} if isinstance(flags, dict) else set()
    shapes = (shape.get("label") for shape in value["shapes"] if isinstance(shape, dict))
    return sorted(names or {str(name).strip() for name in shapes if name})


def yolo(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """`labels/x.txt` for `images/x.jpg`: lines that begin with the number of a class, which `data.yaml` names."""
    images = photos(tree)
    files = beside(tree, images, ".txt")
    if not files or 2 * len(files) < len(images) or in_class_folders(images, options):
        return None
    numbers = {path: _of_yolo(tree, file) for path, file in files.items()}
    if any(found is None for found in numbers.values()):
        return None
    reading = Reading("yolo", f"{len(files):,} images have a text file of their name with a box a line")
    names = _yolo_names(reading, tree)
    labels: dict[PurePosixPath, list[str] | None] = dict.fromkeys(images)
    for path, found in numbers.items():
        labels[path] = [names.get(number, f"class {number}") for number in sorted(found or ())]
    reading.used |= set(files.values())
    strange = sorted({number for found in numbers.values() for number in found or ()} - names.keys())
    if strange:
        numbers_text = ", ".join(map(str, strange[:5]))
        sentence = f"No file names the classes {numbers_text}: add data.yaml or classes.txt, or rename their labels."
        reading.findings.append(Finding("class without a name", sentence))
    why = "the number of the class in each line of its text file"
    add_annotated(reading, tree, labels, splits_by_folder(images, options), why)
    reading.findings.append(Finding("shapes", SHAPES))
    return reading


def _of_yolo(tree: Tree, file: PurePosixPath) -> set[int] | None:
    """Numbers of classes in a file; None where a line is no number with the values of a shape."""
    numbers = set()
    for line in text_of(tree.files[file], file.name).splitlines():
        if line.strip():
            if not re.fullmatch(r"\s*\d{1,5}(\s+[\d.eE+-]+){4,}\s*", line):
                return None
            numbers.add(int(line.split()[0]))
    return numbers


def _yolo_names(reading: Reading, tree: Tree) -> dict[int, str]:
    """Names of classes by number: of a `names` in a YAML file at the root, or the lines of `classes.txt`."""
    for path in tree.files:
        name = path.name.lower()
        if name in ("classes.txt", "obj.names") and len(path.parts) < 3:
            reading.used.add(path)
            lines = text_of(tree.files[path], path.name).splitlines()
            return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
        if path.suffix.lower() in (".yaml", ".yml") and len(path.parts) == 1:
            names = _yaml_names(text_of(tree.files[path], path.name))
            if names:
                reading.used.add(path)
                return names
    return {}


def _yaml_names(text: str) -> dict[int, str]:
    """What stands under `names`, a list or a mapping of numbers; empty where there is none."""
    import yaml

    try:
        value = yaml.safe_load(text) if len(text) <= MOST_YAML else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    names = value.get("names") if isinstance(value, dict) else None
    pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    return {int(number): str(name) for number, name in pairs if str(number).isdigit()}


def cvat(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """CVAT for images: `annotations.xml` names images, with tags, else shapes, as their labels."""
    path = PurePosixPath("annotations.xml")
    if path not in tree.files:
        return None
    try:
        root = xml_of(tree.files[path], path.name)
    except InputError:
        if asked:
            raise
        return None
    if root.tag != "annotations" or root.find("image") is None:
        return None
    images = photos(tree)
    places: dict[str, list[PurePosixPath]] = {}
    for image in images:
        for start in range(len(image.parts)):
            places.setdefault("/".join(image.parts[start:]), []).append(image)
    reading = Reading("cvat", "annotations.xml of CVAT lists the images", used={path})
    labels: dict[PurePosixPath, list[str] | None] = dict.fromkeys(images)
    splits: dict[PurePosixPath, str] = {}
    missing: list[str] = []
    for element in root.iter("image"):
        name, subset = element.get("name", "").replace("\\", "/"), element.get("subset", "")
        found = next((p for key in (f"{subset}/{name}", name) if len(p := places.get(key, [])) == 1), [])
        if not found:
            missing.append(name)
            continue
        labels[found[0]] = _of_cvat(element)
        if split := split_of(subset, options):
            splits[found[0]] = split
    if missing:
        sentence = f"annotations.xml names {len(missing):,} images that are not there, the first {missing[0]!r}."
        reading.findings.append(Finding("image missing", sentence))
    add_annotated(reading, tree, labels, splits, "tags, else shapes, in annotations.xml")
    reading.findings.append(Finding("shapes", SHAPES))
    return reading


def _of_cvat(element: ElementTree.Element) -> list[str]:
    tags = {tag.get("label", "") for tag in element.iter("tag")}
    return sorted(tags or {shape.get("label", "") for kind in DRAWN for shape in element.iter(kind)})
