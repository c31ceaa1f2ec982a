"""What the folders of an inspection set say of a file: the product, the split, the class, and whether it is a mask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.images import SUFFIXES
from workbench.sets.trees import Tree
from workbench.sets.words import MASK_TOKENS, split_of, tokens

SURE_MASKS = frozenset(("ground_truth", "groundtruth"))
"""Names of folders that mean masks and nothing else."""
NOTHING_SAID = frozenset(("rgb", "image", "images", "img", "imgs"))
"""Names of folders that say no more than that images lie there."""
DEPTH = frozenset(("xyz", "depth", "pcd"))
TEST_SETS = re.compile(r"test_(public|private|private_mixed)")
_MARK = r"(?:masks?|gt|labels?|seg|segmentation|anno|annotation|ground[_ ]?truth)"
_AFTER = re.compile(rf"(.+?)[ _.\-]+{_MARK}(?:[ _.\-]*\d+)?", re.IGNORECASE)
_BEFORE = re.compile(rf"{_MARK}[ _.\-]+(.+)", re.IGNORECASE)
_NUMBERED = re.compile(rf"{_MARK}[ _.\-]*(\d+)", re.IGNORECASE)
_FILLERS = frozenset(("dir", "folder", "file", "files", "png", "image", "images", "binary"))


@dataclass(frozen=True)
class Place:
    """What the folders above a file say.

    Attributes:
        product: The folders above the first that names a split or holds masks.
        split: By the first folder that names one.
        word: That folder as it is written; empty where there is none.
        kinds: The folders that are left: a class, and what is below it.
        masks: The folder that says that masks lie here; empty for images.
        depth: Whether depth lies here, in place of an image.
    """

    product: tuple[str, ...] = ()
    split: str | None = None
    word: str = ""
    kinds: tuple[str, ...] = ()
    masks: str = ""
    depth: bool = False


@dataclass(frozen=True)
class Anatomy:
    """The files with an image's ending by what they are."""

    images: Mapping[PurePosixPath, Place]
    masks: Mapping[PurePosixPath, Place]
    depth: tuple[PurePosixPath, ...]

    @property
    def products(self) -> list[str]:
        """Folders of products, "" for the root, in order."""
        return sorted({"/".join(place.product) for place in self.images.values() if place.word})


def plain(word: str) -> str:
    """A folder's name in one form: "Ground Truth" as "ground_truth"."""
    return re.sub(r"[ \-]+", "_", word.strip().lower())


def anatomy(tree: Tree, options: ReadOptions) -> Anatomy:
    """What each image, mask and depth map of a tree is, by its folders alone."""
    places: dict[PurePosixPath, Place] = {}
    files: dict[PurePosixPath, Place] = {}
    for path in tree.files:
        if path.suffix.lower() in SUFFIXES:
            folder = path.parent
            if folder not in places:
                places[folder] = _place(folder.parts, options)
            files[path] = places[folder]
    has_colour = any("rgb" in (plain(part) for part in folder.parts) for folder in places)
    depth = tuple(path for path, place in files.items() if place.depth and has_colour)
    images = {path: place for path, place in files.items() if not place.masks and path not in set(depth)}
    products = {place.product for place in images.values()}
    masks = {
        path: place if place.product in products else replace(place, product=(), kinds=(*place.product, *place.kinds))
        for path, place in files.items()
        if place.masks
    }
    return Anatomy(images, masks, depth)


def _place(folders: tuple[str, ...], options: ReadOptions) -> Place:
    product: list[str] = []
    kinds: list[str] = []
    split, word, masks, depth = None, "", "", False
    for folder in folders:
        name = plain(folder)
        own = split_folder(folder, options) if not word else None
        if own:
            split, word = own, folder
        elif not masks and holds_masks(folder):
            masks = folder
        elif name in DEPTH:
            depth = True
        elif name not in NOTHING_SAID:
            (kinds if word or masks else product).append(folder)
    if not word and not masks:
        product, kinds = [], product
    return Place(tuple(product), split, word, tuple(kinds), masks, depth)


def split_folder(folder: str, options: ReadOptions) -> str | None:
    """The split that a folder stands for, those of the public and of the private test sets among them."""
    own = split_of(folder, options)
    is_test = folder not in options.splits and TEST_SETS.fullmatch(plain(folder))
    return "test" if is_test and own is None else own


def holds_masks(folder: str) -> bool:
    """Whether a folder's name says that masks lie in it: gt, mask_dir, Masks PNG."""
    words = [word for word in tokens(folder) if word not in _FILLERS and not word.isdigit()]
    return bool(words) and ("".join(words) in MASK_TOKENS or all(word in MASK_TOKENS for word in words))


def unmarked(folder: str) -> str:
    """A folder's name in lower case without a mark of masks at its end: `bent_mask` as `bent`."""
    match = _AFTER.fullmatch(folder.lower())
    return match[1] if match else folder.lower()


def stems(path: PurePosixPath) -> tuple[str, ...]:
    """What the image of a mask may be called, without its ending, in lower case, the likeliest first."""
    stem = path.stem.lower()
    names = [stem]
    if number := _NUMBERED.fullmatch(stem):
        names += [number[1], *(f"{word}{mark}{number[1]}" for word in ("image", "img") for mark in ("", "_", "-"))]
    names += [match[1] for pattern in (_AFTER, _BEFORE) if (match := pattern.fullmatch(stem))]
    names += [str(PurePosixPath(name).with_suffix("")) for name in names if PurePosixPath(name).suffix in SUFFIXES]
    return tuple(dict.fromkeys(names))
