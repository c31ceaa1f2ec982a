"""Layouts of the published sets of industrial inspection."""

from __future__ import annotations

from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.images.item import ImageItem
from workbench.images.readings import Reading
from workbench.images.trees import Tree
from workbench.images.words import split_of


def mvtec(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """MVTec AD: `train/good`, `test/<kind>`, `ground_truth/<kind>/<name>_mask.png`."""
    images = tree.images()
    tops = {path.parts[0] for path in images}
    if not ({"test"} < tops and "ground_truth" in tops):
        return None
    reading = Reading("mvtec", "a folder ground_truth stands beside test")
    for path in images:
        split = split_of(path.parts[0], options)
        if split is not None and len(path.parts) > 2:
            mask = PurePosixPath("ground_truth", *path.parts[1:-1], f"{path.stem}_mask.png")
            reading.items.append(ImageItem(str(path), tree.files[path], path.parts[1], tree.files.get(mask), split))
            reading.used |= {path} | ({mask} & tree.files.keys())
    return reading
