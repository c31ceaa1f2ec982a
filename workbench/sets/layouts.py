"""Read image sets from folders, zips, tables and installed packages.

A `Tree` lists files; the first of `LAYOUTS` that knows the tree turns it into a `Reading`, of which the image set and
its load report are made.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from workbench.catalog import (
    IMAGES_VARIABLE,
    READ_VARIABLE,
    ReadOptions,
    check_local,
    load_catalog,
    package_folder,
    stored_path,
)
from workbench.errors import InputError
from workbench.files import Stamp, stamp_from, stamp_of
from workbench.images import FileSource, Guess, ImageSet, parts_of, seed_of, set_folder, stored_set
from workbench.sets.archives import zip_tree
from workbench.sets.class_folders import STRAYS, class_folders
from workbench.sets.elpv import elpv
from workbench.sets.folder_roles import EVERY
from workbench.sets.folder_tree import kind_of
from workbench.sets.industrial import anomaly_folders, mvtec
from workbench.sets.kolektor import dagm, kolektor
from workbench.sets.listings import TABLES
from workbench.sets.manifests import Search, check_no_columns, look_for_tables, manifest, read_manifest
from workbench.sets.obeyed import check_met, watched
from workbench.sets.options import options_from
from workbench.sets.others import nothing_read
from workbench.sets.pairs import pairs
from workbench.sets.proposing import own_root
from workbench.sets.readings import Reading, image_set, without
from workbench.sets.real_iad import real_iad
from workbench.sets.told_layouts import defects, names, unlabelled
from workbench.sets.tool_files import cvat, labelme, yolo
from workbench.sets.trees import Tree, folder_tree, table_tree
from workbench.sets.visa import visa
from workbench.sets.voc import voc
from workbench.sets.walks import Walk
from workbench.sets.words import is_lot, role_of
from workbench.texts import sentence_list

DEEPEST = 16
NOTES = ("annotations.xml", "image_anno.csv")
"""Files at the root of a set that tell of its images, of CVAT and of VisA."""
LAYOUTS: dict[str, Callable[[Tree, ReadOptions, bool], Reading | None]] = {
    "visa": visa,
    "manifest": manifest,
    "cvat": cvat,
    "voc": voc,
    "mvtec": mvtec,
    "anomalib": anomaly_folders,
    "kolektor": kolektor,
    "dagm": dagm,
    "real-iad": real_iad,
    "labelme": labelme,
    "yolo": yolo,
    "pairs": pairs,
    "folders": class_folders,
    "names": names,
    "defects": defects,
    "unlabelled": unlabelled,
}
"""By name, in the order in which they are tried, tables but a manifest after the published layouts: each takes the
tree, the corrections, and whether it was asked for by name, and gives None where the tree is not laid out so."""
IN_FOLDERS = ("pairs", "folders", "names", "defects", "unlabelled")
"""Layouts that know a set which begins in each folder of its root."""
DEFAULT = ReadOptions()


def load_images(
    ref: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    trusted: bool = True,
    options: ReadOptions | None = None,
    follow: bool = True,
) -> ImageSet:
    """Load an image set.

    Args:
        ref: A catalog name, a folder, a `.zip`, a manifest `.csv` or `.parquet`, or `stamped-metal:SEED`.
        class_names: Where given, every label must be one of these.
        trusted: False for names typed by a visitor of a shared server: then the catalog's names alone are read.
        options: How it is to be read, where the reader's own guess is wrong; in place of what the catalog says.
        follow: Whether links in it to folders, and to files outside of it, are followed: False for a path that a
            visitor typed. A set of the catalog's is read with them in every case.

    Returns:
        The set, with its load report.

    Raises:
        InputError: Nothing usable is there, or a label is not among `class_names`.

    Example:
        >>> images = wb.load_images("solar-cells")
        >>> images.items[0].name
        'cell0001.png'
    """
    entry = load_catalog().images.get(str(ref))
    if entry is not None:
        own = watched(options or entry.read)
        images = _locate(entry.ref, stored_path(entry.root) if entry.root else None, own, follow=True)
        images = replace(images, name=entry.title, synthetic=entry.synthetic or images.synthetic)
    elif trusted:
        own = watched(options or _stated(str(ref)))
        images = _locate(str(ref), None, own, follow)
    else:
        raise InputError(f"There is no image set named {str(ref)!r}: choose one of {', '.join(load_catalog().images)}.")
    check_met(own, images.name)
    if class_names is not None:
        check_labels(images, class_names)
    return images


def _stated(ref: str) -> ReadOptions:
    """How the command line that started the server said that its own set is to be read."""
    text = os.environ.get(READ_VARIABLE)
    return options_from(text) if text and ref == os.environ.get(IMAGES_VARIABLE) else DEFAULT


def stamp(ref: str, images: ImageSet | None = None, *, follow: bool = True) -> str:
    """A digest that changes when an image set on disk does: names, sizes, times and places of all files that it is read
    from, also of those behind links that are followed, and the names of what is left out.

    Args:
        ref: As for `load_images`.
        images: The set as it was loaded: the files that it names are looked at too, wherever they lie. Errors as
            `stored_path`.
        follow: As for `load_images`.
    """
    entry = load_catalog().images.get(ref)
    ref = entry.ref if entry else ref
    seed = seed_of(ref)
    root = package_folder("elpv_dataset") if ref == "elpv" else stored_path(ref) if seed is None else set_folder(seed)
    stamps: dict[str, Stamp | None] = {}
    digest = hashlib.sha256()
    if root.is_dir():
        walk = Walk(root, follow or entry is not None)
        stamps = {path: stamp_from(about) for path, about in sorted(walk.files.values())}
        digest.update(repr(sorted((reason, sorted(names)) for reason, names in walk.passed_over.items())).encode())
    else:
        stamps[str(root)] = _stamp(root)
    for source in (source for item in images or () for source in (item.source, *parts_of(item.mask))):
        if isinstance(source, FileSource) and (path := str(source.path)) not in stamps:
            stamps[path] = _stamp(path)
    digest.update(repr(list(stamps.items())).encode())
    return digest.hexdigest()


def _stamp(path: Path | str) -> Stamp | None:
    try:
        return stamp_of(path)
    except (OSError, ValueError):
        return None


def images_from_zip(data: bytes, name: str, options: ReadOptions = DEFAULT) -> ImageSet:
    """Load an image set from the bytes of a zip: an upload. Errors as `load_images`."""
    own = watched(options)
    images = _from_tree(zip_tree(data, name, options.names), own)
    check_met(own, images.name)
    return images


def tree_of(ref: str, *, trusted: bool = True, follow: bool = True) -> Tree | None:
    """The files of a set before any layout is recognised; None where no layout reads it, as for the solar cells.

    Args:
        ref: As for `load_images`.
        trusted: As for `load_images`.
        follow: As for `load_images`.

    Raises:
        InputError: As `load_images` where the files cannot be listed.
    """
    entry = load_catalog().images.get(ref)
    place = entry.ref if entry else ref
    if not (entry or trusted) or place == "elpv":
        return None
    if (seed := seed_of(place)) is not None:
        return folder_tree(stored_set(seed))
    path = stored_path(place)
    if path.is_dir():
        return folder_tree(path, follow=follow or entry is not None)
    if path.suffix.lower() == ".zip" and path.is_file():
        return zip_tree(path, path.name)
    return table_tree(path, path.parent) if path.is_file() else None


def check_labels(images: ImageSet, class_names: Sequence[str]) -> None:
    """Refuse `images` whose labels are not all among `class_names`."""
    strange = sorted({item.label for item in images if item.label is not None} - set(class_names))
    if strange:
        raise InputError(
            f"{images.name} has labels that the model does not know ({sentence_list(strange)}; the model knows"
            f" {sentence_list(class_names)}): rename them in a manifest, or choose the model they belong to."
        )


def _locate(ref: str, root: Path | None, options: ReadOptions, follow: bool) -> ImageSet:
    if options.names is not None and not ref.lower().endswith(".zip"):
        raise InputError(f"{Path(ref).name} is no zip, so the option 'names' says nothing of it: leave it out.")
    if ref == "elpv":
        return elpv(options)
    if (seed := seed_of(ref)) is not None:
        return replace(_from_tree(folder_tree(stored_set(seed)), options), name=ref)
    path = stored_path(ref)
    check_local(ref)
    if not ref.strip() or not path.exists():
        raise InputError(
            f"There is no folder, zip, manifest or catalog entry {ref!r}: the catalog has"
            f" {', '.join(load_catalog().images)}."
        )
    if path.is_dir():
        return _from_tree(folder_tree(path, follow=follow), options)
    if path.suffix.lower() == ".zip" and path.is_file():
        return _from_tree(zip_tree(path, path.name, options.names), options)
    if path.suffix.lower() in TABLES:
        tree = table_tree(path, root or (own_root(path) if follow else None) or path.parent, follow=follow)
        return image_set(tree, tree, read_manifest(tree, PurePosixPath(path.name), options), options)
    raise InputError(f"{path.name} is not an image set: give a folder, a .zip, or a table ({', '.join(TABLES)}).")


def _from_tree(whole: Tree, options: ReadOptions = DEFAULT) -> ImageSet:
    whole = without(whole, options)
    if options.layout is not None and options.layout not in LAYOUTS:
        raise InputError(f"There is no layout {options.layout!r}: choose one of {', '.join(LAYOUTS)}.")
    search = Search()
    if options.layout in (None, "manifest"):
        search = look_for_tables(whole, options, options.layout is not None)
        if search.reading is not None and search.stated:
            return image_set(whole, whole, search.reading, options)
    tree = _rooted(whole, options)
    if not tree.images() and search.reading is None:
        raise nothing_read(tree.name, tree.files, whole.passed_over)
    for name, read in LAYOUTS.items():
        if name in IN_FOLDERS and search.reading is not None:
            return image_set(whole, whole, search.reading, options)
        usable = name in IN_FOLDERS or not (options.root or "").endswith(EVERY)
        if name != "manifest" and options.layout in (None, name) and usable:
            reading = read(tree, options, options.layout == name)
            if reading is not None:
                check_no_columns(tree, options)
                if tree.prefix.parts and options.root is None:
                    why = "all images of the set lie there"
                    reading.guesses.append(Guess("root", str(tree.prefix), why, "recognised", "root"))
                return image_set(whole, tree, search.told(reading, tree.prefix), options)
    raise InputError(f"{tree.name} is not laid out as {options.layout}: choose another layout, or leave it open.")


def _rooted(tree: Tree, options: ReadOptions) -> Tree:
    """The part of a tree that the set begins at: what the options say, else below folders that wrap all of it."""
    if options.root is not None:
        parts = PurePosixPath(options.root).parts
        for part in parts[:-1] if parts[-1:] == (EVERY,) else parts:
            tree = tree.below(part)
        if not tree.files:
            raise InputError(f"{tree.name} has no folder {options.root!r} with files: correct the root.")
        return tree
    inner = tree
    for _ in range(DEEPEST):
        below, is_set = _further(inner, options)
        if below is None:
            break
        inner, tree = below, below if is_set else tree
    return tree


def _further(tree: Tree, options: ReadOptions) -> tuple[Tree | None, bool]:
    """The tree one folder further down where all images lie in one, and whether a set may well begin there."""
    images = tree.images()
    nested = [path for path in images if len(path.parts) > 1]
    tops = {path.parts[0] for path in nested}
    loose = len(images) - len(nested)
    if len(tops) != 1 or tree.manifest or loose > STRAYS or loose >= len(nested):
        return None, False
    top = tops.pop()
    if kind_of(top, options) in ("split", "class") or _has_notes(tree, top):
        return None, False
    inner = tree.below(top)
    if inner.manifest is not None or (top == tree.name and not loose):
        return inner, True
    names = {path.parts[1] for path in nested if len(path.parts) > 2}
    kinds = [kind_of(name, options) for name in names]
    several = (
        len(names) > 1 and kinds.count("plain") + kinds.count("class") == len(names) and not all(map(is_lot, names))
    )
    flat = sum(len(path.parts) == 2 for path in nested)
    return inner, ("split" in kinds or "masks" in kinds or several) and flat <= STRAYS


def _has_notes(tree: Tree, top: str) -> bool:
    """Whether files that tell of the images in a folder lie beside it, as annotation tools and VisA write them."""
    outside = [path for path in tree.files if path.parts[0] != top]
    if any(str(path).lower() in NOTES for path in outside):
        return True
    notes = (path for path in outside if path.suffix.lower() in (".txt", ".xml", ".json"))
    aside = ("masks", "aside")
    return role_of(top) == "images" and any(role_of(part) in aside for path in notes for part in path.parts[:-1])
