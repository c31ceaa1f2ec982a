"""Folders of images with folders of their masks: `images` beside `masks`, `train` beside `train_masks`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.images import MASKS_SEEN, Finding, Guess, LeftOut, Question, evenly_spread
from workbench.sets.anatomy import stems
from workbench.sets.beside import no_masks
from workbench.sets.class_folders import ask_for_classes, read_folders
from workbench.sets.folder_tree import Folder, folders_of, kind_of
from workbench.sets.mask_pairs import listed
from workbench.sets.readings import Reading
from workbench.sets.trees import Tree
from workbench.sets.words import IMAGE_TOKENS, MASK_TOKENS, SPLIT_TOKENS, tokens

ENDS = ("annot", "masks", "mask", "labels", "label", "gt")
"""What stands after a split in one word, as in `trainannot`."""
MASK_NUMBER = re.compile(r"[ _.-]+\d+$")
"""Behind the name of an image that has several masks."""
SIDES, ALIKE = 12, 0.9
"""Folders side by side that are compared, and the share of names that a folder of masks has in common with another."""
Key = tuple[str, ...]


@dataclass
class Pairs:
    """Images and their masks in folders of their own.

    Attributes:
        why: By what they were recognised.
        masks: By image.
        orphans: Masks without an image.
        photos: What lies among the masks and is none, by its values.
        holder: The folder of the images, where neither its name nor that of the masks says what it is.
    """

    why: str
    masks: dict[PurePosixPath, list[PurePosixPath]] = field(default_factory=lambda: defaultdict(list))
    orphans: list[PurePosixPath] = field(default_factory=list)
    photos: set[PurePosixPath] = field(default_factory=set)
    holder: str = ""


def pairs(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """Sets in which masks lie in a folder beside that of the images, under the same names."""
    images = tree.images()
    result = _by_words(tree, images, options) or _by_looks(tree, images, options)
    if result is None:
        return None
    masks = {mask for group in result.masks.values() for mask in group}
    away = {*masks, *result.orphans, *result.photos}
    reading = Reading("pairs", result.why)
    read_folders(tree, options, reading, [p for p in images if p not in away], asked, result.masks, [result.holder])
    value = f"{len(result.masks):,} images have a mask"
    reading.guesses.append(Guess("masks", value, f"{result.why}, with the same names", "recognised", "masks"))
    for reason, paths in (("masks without an image", result.orphans), ("no mask by its values", result.photos)):
        if paths:
            names = tuple(str(tree.prefix / path) for path in sorted(paths))
            reading.left_out.append(LeftOut(reason, names))
            reading.findings.append(Finding(reason, f"{len(names):,} {reason}: {listed(names)}."))
    if not asked:
        if result.holder:
            choices = (("pairs", "one folder holds masks of the other's images"), ("folders", "each is a class"))
            reading.questions.append(Question("layout", f"{result.why}: are they its masks?", choices))
        else:
            ask_for_classes(reading)
    return reading


def _by_words(tree: Tree, images: Sequence[PurePosixPath], options: ReadOptions) -> Pairs | None:
    """Pairs of folders of which one is called mask, label, ground truth or the like."""
    photos: dict[Key, dict[str, list[PurePosixPath]]] = defaultdict(lambda: defaultdict(list))
    masks: dict[PurePosixPath, Key] = {}
    words: set[str] = set()
    known: dict[PurePosixPath, tuple[Key, str]] = {}
    for path in images:
        key, word = known.get(path.parent) or known.setdefault(path.parent, _side(path.parent, options))
        if word:
            masks[path] = key
            words.add(word)
        else:
            photos[key][path.stem.lower()].append(path)
    if not masks or not photos:
        return None
    near = {key: _near(key, photos) for key in set(masks.values())}
    result = Pairs(f"{listed(sorted(words))} beside the images")
    for mask, key in masks.items():
        image = _image_of(mask, near[key])
        if image is None:
            result.orphans.append(mask)
        else:
            result.masks[image].append(mask)
    if 2 * len(result.orphans) > len(masks):
        return None
    all_pairs = [(image, mask) for image, group in result.masks.items() for mask in group]
    result.photos = no_masks(tree, all_pairs)
    if 2 * len(result.photos) > len(all_pairs):
        return None
    kept = {i: [m for m in group if m not in result.photos] for i, group in result.masks.items()}
    result.masks = {image: group for image, group in kept.items() if group}
    return result


def _near(key: Key, photos: Mapping[Key, dict[str, list[PurePosixPath]]]) -> list[dict[str, list[PurePosixPath]]]:
    """Where the images of masks may lie: in the folder of the same words, else in those above or below it."""
    if key in photos:
        return [photos[key]]
    return [group for other, group in photos.items() if other[: len(key)] == key or key[: len(other)] == other]


def _image_of(mask: PurePosixPath, groups: Sequence[Mapping[str, Sequence[PurePosixPath]]]) -> PurePosixPath | None:
    """The one image that a mask is called after."""
    alone = next(iter(groups[0].values())) if len(groups) == 1 and len(groups[0]) == 1 else ()
    names = stems(mask)
    for stem in (*names, *(MASK_NUMBER.sub("", name) for name in names)):
        matches = [path for group in groups for path in group.get(stem, ())]
        if len(matches) > 1:
            matches = [path for path in matches if path.suffix.lower() == mask.suffix.lower()]
        if len(matches) == 1:
            return matches[0]
    return alone[0] if len(alone) == 1 else None


def _side(folder: PurePosixPath, options: ReadOptions) -> tuple[Key, str]:
    """What the names of folders say apart from images and masks, and the one that says masks, or ""."""
    key: list[str] = []
    word = ""
    for part in folder.parts:
        kind = kind_of(part, options)
        if kind == "masks":
            word = part
        elif kind != "images":
            words = [piece for token in tokens(part) for piece in _pieces(token)]
            rest = [piece for piece in words if piece not in MASK_TOKENS]
            if kind != "class" and rest and len(rest) < len(words):
                word = part
            else:
                rest = words
            key.append(" ".join([piece for piece in rest if piece not in IMAGE_TOKENS] or rest))
    return tuple(key), word


def _pieces(token: str) -> Iterable[str]:
    """A split and what stands after it in one word."""
    for end in ENDS:
        if token.endswith(end) and token.removesuffix(end) in SPLIT_TOKENS:
            return token.removesuffix(end), end
    return (token,)


def _by_looks(tree: Tree, images: Sequence[PurePosixPath], options: ReadOptions) -> Pairs | None:
    """Two folders side by side with the same names in them, of which one holds masks by their values."""
    parents = _all_below(folders_of(images))
    for folder in parents:
        sides = [side for name, side in folder.folders.items() if kind_of(name, options) in ("plain", "images")]
        if 2 <= len(sides) <= SIDES and (pair := _pair_of(tree, sides)) is not None:
            photo, mask = pair
            result = Pairs(f"{mask.path} holds masks by their values, called as the images of {photo.path}")
            result.holder = photo.path.name
            alike = [p.folders for p in parents if photo.path.name in p.folders and mask.path.name in p.folders]
            for folders in alike:
                _add(result, folders[photo.path.name], folders[mask.path.name])
            return result
    return None


def _all_below(folder: Folder) -> list[Folder]:
    folders = [folder]
    for place in folders:
        folders += place.folders.values()
    return folders


def _names(side: Folder) -> dict[str, PurePosixPath]:
    return {path.relative_to(side.path).with_suffix("").as_posix().lower(): path for path in side.all_images()}


def _add(result: Pairs, photo: Folder, mask: Folder) -> None:
    images = _names(photo)
    for name, path in _names(mask).items():
        if name in images:
            result.masks[images[name]].append(path)
        else:
            result.orphans.append(path)


def _pair_of(tree: Tree, sides: Sequence[Folder]) -> tuple[Folder, Folder] | None:
    """Of folders side by side that of images and that of their masks."""
    names = [_names(side) for side in sides]
    looks: dict[int, bool] = {}

    def holds_masks(place: int) -> bool:
        if place not in looks:
            paths = list(names[place].values())
            sample = evenly_spread(paths, MASKS_SEEN)
            looks[place] = not no_masks(tree, [(path, path) for path in sample])
        return looks[place]

    for one, mine in enumerate(names):
        for other, others in enumerate(names):
            common = mine.keys() & others.keys()
            if one == other or len(common) < ALIKE * len(others) or holds_masks(one) or not holds_masks(other):
                continue
            pairs_here = [(mine[name], others[name]) for name in common]
            if 2 * len(no_masks(tree, pairs_here)) <= len(pairs_here):
                return sides[one], sides[other]
    return None
