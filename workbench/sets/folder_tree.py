"""The folders of a set that hold images, and what is known of the images in each from the folders above it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.sets.words import role_of, split_of, usual_split


@dataclass(eq=False)
class Folder:
    """A folder that holds images, itself or further down.

    Attributes:
        path: Below the root.
        folders: Those in it that hold images, by name.
        images: Those that lie in itself.
    """

    path: PurePosixPath
    folders: dict[str, Folder] = field(default_factory=dict)
    images: list[PurePosixPath] = field(default_factory=list)

    def all_images(self) -> Iterator[PurePosixPath]:
        """Images in it and below."""
        folders = [self]
        while folders:
            folder = folders.pop()
            yield from folder.images
            folders += folder.folders.values()


def folders_of(images: Iterable[PurePosixPath]) -> Folder:
    """The folders of images, from the root on."""
    root = Folder(PurePosixPath())
    places: dict[PurePosixPath, Folder] = {root.path: root}
    for image in images:
        parent = image.parent
        if (place := places.get(parent)) is None:
            place = root
            for name in parent.parts:
                place = place.folders.setdefault(name, Folder(place.path / name))
            places[parent] = place
        place.images.append(image)
    return root


@dataclass(frozen=True)
class Branch:
    """A folder, and what the folders above it say of its images; `extra` are names that are neither split nor class."""

    folder: Folder
    split: str | None = None
    label: str | None = None
    extra: tuple[str, ...] = ()

    def into(self, name: str) -> Branch:
        """One of its folders."""
        return dataclasses.replace(self, folder=self.folder.folders[name])


def kind_of(name: str, options: ReadOptions) -> str:
    """What a folder may be by its name alone: "split", "images", "masks", "aside", "plain", or "class" where the
    options say so. The word of a split that is said to be none is a class.
    """
    if (given := options.splits.get(name)) is not None:
        return "split" if given != "none" else "class" if usual_split(name) else "plain"
    if name in options.labels:
        return "class"
    return "split" if split_of(name, options) else role_of(name) or "plain"


def names_below(folders: Iterable[Folder], options: ReadOptions) -> set[str]:
    """The names of folders that may be classes, below folders of splits and of images."""
    names, above = set(), list(folders)
    while above:
        for name, below in above.pop().folders.items():
            kind = kind_of(name, options)
            if kind in ("plain", "class"):
                names.add(name)
            elif kind in ("split", "images"):
                above.append(below)
    return names
