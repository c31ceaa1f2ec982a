"""One folder a class, below a folder a split or not."""

from __future__ import annotations

from workbench.catalog import ReadOptions
from workbench.images.item import ImageItem
from workbench.images.readings import Reading
from workbench.images.trees import Tree
from workbench.images.words import split_of


def class_folders(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """Any other tree of images; `x.png` beside `x.jpg` is its mask."""
    images = tree.images()
    reading = Reading("folders", "each folder is taken for a class")
    stems = {path.with_suffix("") for path in images if path.suffix.lower() in (".jpg", ".jpeg", ".bmp")}
    masks = {
        path.with_suffix(""): tree.files[path]
        for path in images
        if path.suffix.lower() == ".png" and path.with_suffix("") in stems
    }
    reading.used = set(images)
    for path in images:
        if path.suffix.lower() == ".png" and path.with_suffix("") in masks:
            continue
        folders = path.parts[:-1]
        split = split_of(folders[0], options) if folders else None
        folders = folders[1:] if split else folders
        mask = masks.get(path.with_suffix("")) if path.with_suffix("") in stems else None
        reading.items.append(ImageItem(str(path), tree.files[path], folders[0] if folders else None, mask, split))
    return reading
