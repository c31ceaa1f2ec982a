"""Masks that lie in the folder of their images: `x.png` beside `x.jpg`, or `x_mask.png`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from workbench.images import doubtful, evenly_spread
from workbench.sets.anatomy import stems
from workbench.sets.trees import Tree

LIKELY = (".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm")
"""Endings of masks, the likeliest first; any other is likelier that of a photo."""
LOOKS_A_FOLDER = 4
"""Files that are looked at to see what a folder holds."""
MARK = re.compile("mask|gt|label|seg|anno|truth")
Pair = tuple[PurePosixPath, PurePosixPath]


@dataclass
class Beside:
    """Masks of images in the folders of these images.

    Attributes:
        masks: By image.
        photos: Pairs of one name in which neither is a mask.
    """

    masks: dict[PurePosixPath, list[PurePosixPath]] = field(default_factory=lambda: defaultdict(list))
    photos: list[Pair] = field(default_factory=list)


def masks_beside(tree: Tree, folders: Iterable[Sequence[PurePosixPath]]) -> Beside:
    """Find masks by the stems of names, and see by their values that they are no photos.

    Args:
        tree: Where they lie.
        folders: Files with an image's ending, of one folder each.
    """
    beside = Beside()
    groups: dict[tuple[str, ...], list[Pair]] = defaultdict(list)
    for images in folders:
        for image, mask in _candidates(images):
            marked = "" if mask.stem.lower() == image.stem.lower() else "marked"
            groups[mask.suffix.lower(), image.suffix.lower(), marked].append((image, mask))
    for (*_, marked), pairs in groups.items():
        photos = no_masks(tree, pairs)
        turned = no_masks(tree, [(mask, image) for image, mask in pairs if mask in photos and not marked])
        for image, mask in pairs:
            if mask not in photos:
                beside.masks[image].append(mask)
            elif not marked and image not in turned:
                beside.masks[mask].append(image)
            else:
                beside.photos.append((image, mask))
    return beside


def no_masks(tree: Tree, pairs: Sequence[Pair]) -> set[PurePosixPath]:
    """Which of the masks of images are photos by their values."""
    reasons = doubtful((str(mask), tree.files[mask], tree.files[image]) for image, mask in pairs)
    return {mask for _, mask in pairs if str(mask) in reasons}


def are_masks(tree: Tree, paths: Sequence[PurePosixPath]) -> bool:
    """Whether most of a few of these files are masks by their values."""
    few = evenly_spread(paths, LOOKS_A_FOLDER)
    return 2 * len(no_masks(tree, [(path, path) for path in few])) < len(few)


def _candidates(images: Sequence[PurePosixPath]) -> Iterable[Pair]:
    """Images and what may be their masks, in one folder."""
    by_stem: dict[str, list[PurePosixPath]] = defaultdict(list)
    for path in images:
        by_stem[path.stem.lower()].append(path)
    for stem, paths in by_stem.items():
        if len(paths) > 1:
            image, *others = sorted(paths, key=_likelihood)
            yield from ((image, mask) for mask in others)
        if MARK.search(stem):
            names = (name for name in stems(PurePosixPath(f"{stem}.x")) if name != stem and name in by_stem)
            if (name := next(names, None)) is not None:
                image = min(by_stem[name], key=_likelihood)
                yield from ((image, mask) for mask in paths)


def _likelihood(path: PurePosixPath) -> tuple[int, str]:
    """Orders files by how likely they are masks."""
    suffix = path.suffix.lower()
    return (len(LIKELY) - LIKELY.index(suffix) if suffix in LIKELY else 0), str(path)
