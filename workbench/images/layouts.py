"""Read image sets from folders, zips, manifests and installed packages.

A `Tree` lists files by their path below a root and hands out their sources; each layout turns a tree into items. A zip
is read in place and never unpacked, so that nothing it holds can land outside of it.
"""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from workbench.catalog import (
    check_local,
    has_drive,
    is_inside,
    load_catalog,
    package_folder,
    read_text,
    shared,
    stored_path,
)
from workbench.errors import InputError
from workbench.files import Stamp, csv_rows, open_zip, stamp_of
from workbench.images.item import MAX_BYTES, SUFFIXES, FileSource, ImageItem, ImageSet, Source, no_images, read_source
from workbench.images.manifests import MAX_MEMBERS, SPLIT_WORDS, files_below, read_manifest, sentence_list
from workbench.images.stamped_metal import seed_of, set_folder, stored_set

MAX_UNPACKED = 20 * 2**30
MAX_RATIO = 200
DEEPEST = 16
LISTING = 10.0
"""Seconds that looking through a folder may take."""
MANIFESTS = ("manifest.csv", "manifest.parquet")


@dataclass(frozen=True)
class ZipSource:
    """One member of a zip."""

    archive: zipfile.ZipFile = field(repr=False, compare=False)
    member: zipfile.ZipInfo

    @property
    def size(self) -> int:
        return self.member.file_size

    def read(self) -> bytes:
        """All the bytes.

        Raises:
            InputError: The member is damaged.
        """
        try:
            with self.archive.open(self.member) as file:
                return file.read(self.size)  # a bound, for read() without one unpacks what the header does not admit
        except Exception as error:  # zipfile, zlib and the file system each raise their own kinds
            raise InputError(f"{self.member.filename} in the zip cannot be unpacked ({error}): zip it again.") from None

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.read()).hexdigest()


@dataclass(frozen=True)
class Tree:
    """Files by their path below a root, sorted, without hidden ones; of a `folder`, images and manifests only."""

    name: str
    files: Mapping[PurePosixPath, Source]
    folder: Path | None = None

    @property
    def manifest(self) -> PurePosixPath | None:
        """The manifest at the root, in whatever case its name is written; a CSV before a Parquet file."""
        manifests = sorted(path for path in self.files if len(path.parts) == 1 and path.name.lower() in MANIFESTS)
        return min(manifests, key=lambda path: MANIFESTS.index(path.name.lower()), default=None)

    def images(self) -> list[PurePosixPath]:
        """Paths with an image's ending."""
        return [path for path in self.files if path.suffix.lower() in SUFFIXES]

    def below(self, part: str) -> Tree:
        """The tree under one of the root's folders."""
        files = {
            PurePosixPath(*p.parts[1:]): s for p, s in self.files.items() if p.parts[0] == part and len(p.parts) > 1
        }
        return Tree(self.name, files, self.folder and self.folder / part)

    def find(self, path: str) -> Source | None:
        """The file that a manifest names by its path below the root, whatever its ending."""
        return self.files.get(PurePosixPath(path)) or (files_below(self.folder)(path) if self.folder else None)


def folder_tree(folder: Path) -> Tree:
    """The images and manifests under `folder`; links to folders are not followed.

    Raises:
        InputError: It holds more files than the limit, or an image in it is a link that leads out of it.
    """
    files: dict[PurePosixPath, Source] = {}
    count, name, started = 0, folder.resolve().name or str(folder), time.monotonic()
    for base, folders, names in os.walk(folder):
        count += len(folders) + len(names)
        if time.monotonic() - started > LISTING:
            raise InputError(
                f"{name} takes over {LISTING:g} seconds to look through: choose a folder of the images alone."
            )
        if count > MAX_MEMBERS:
            raise InputError(
                f"{name} holds over {MAX_MEMBERS:,} files and folders: choose a folder of the images alone, or"
                " split it."
            )
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in names:
            if not file.startswith(".") and (
                os.path.splitext(file)[1].lower() in SUFFIXES or file.lower() in MANIFESTS
            ):
                path = Path(base, file)
                relative = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")
                if path.is_symlink() and os.path.exists(path) and not is_inside(path, folder):
                    raise InputError(
                        f"{relative} in {name} is a link that leads out of it: copy the file there instead."
                    )
                files[PurePosixPath(relative)] = FileSource(path)
    return Tree(name, dict(sorted(files.items())), folder)


def zip_tree(data: Path | bytes, name: str) -> Tree:
    """The members of a zip, after checks of paths, number, size and ratio.

    Args:
        data: The file, or its contents.
        name: Of the file; the tree is called so, less the ending.

    Raises:
        InputError: It is no zip, climbs out of its folder, or would unpack to more than the limits.
    """
    archive = open_zip(data, name)
    members = [m for m in archive.infolist() if m.filename and not m.is_dir()]
    _check_sizes(members, name)
    files: dict[PurePosixPath, Source] = {}
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{name} holds {member.filename!r}, which points outside of the zip: zip the folder again from"
                " inside it."
            )
        if drive := next((part[:2] for part in path.parts if has_drive(part)), None):
            raise InputError(
                f"{name} holds {member.filename!r}, where {drive!r} names a drive of Windows: rename it and zip the"
                " folder again."
            )
        if member.flag_bits & 0x1:
            raise InputError(f"{name} is protected by a password: zip the folder again without one.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(
                f"{name} is packed in a way this does not unpack: zip the folder again with the usual method, deflate."
            )
        if path in files:
            raise InputError(f"{name} holds {member.filename!r} twice: zip the folder again.")
        if path.parts and not any(part.startswith((".", "__MACOSX")) for part in path.parts):
            files[path] = ZipSource(archive, member)
    return Tree(Path(name).stem, dict(sorted(files.items())))


def _check_sizes(members: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Refuse a zip that would unpack to more than the limits."""
    packed, unpacked = sum(m.compress_size for m in members), sum(m.file_size for m in members)
    if unpacked > MAX_RATIO * max(packed, 2**16):
        raise InputError(
            f"{name} would unpack from {packed / 2**20:,.1f} MB to {unpacked / 2**20:,.0f} MB, which looks like a zip"
            " bomb: zip the images themselves, without padding."
        )
    largest = max(members, key=lambda m: m.file_size, default=None)
    if largest is not None and largest.file_size > MAX_BYTES:
        raise InputError(
            f"{name} holds {largest.filename!r} of {largest.file_size / 2**20:,.0f} MB, over the limit of"
            f" {MAX_BYTES // 2**20} MB a file: leave it out, or compress or crop it."
        )
    if unpacked > MAX_UNPACKED:
        raise InputError(
            f"{name} holds {unpacked / 2**30:,.1f} GB, over the limit of {MAX_UNPACKED // 2**30} GB: "
            "split it, or unpack it and give the folder."
        )


def load_images(
    ref: str | os.PathLike[str], *, class_names: Sequence[str] | None = None, trusted: bool = True
) -> ImageSet:
    """Load an image set.

    Args:
        ref: A catalog name, a folder, a `.zip`, a manifest `.csv` or `.parquet`, or `stamped-metal:SEED`.
        class_names: Where given, every label must be one of these.
        trusted: False for names typed by a visitor of a shared server: then the catalog's names alone are read.

    Returns:
        The set; no image is decoded yet.

    Raises:
        InputError: Nothing usable is there, or a label is not among `class_names`.

    Example:
        >>> images = wb.load_images("solar-cells")
        >>> images.items[0].name
        'cell0001.png'
    """
    entry = load_catalog().images.get(str(ref))
    if entry is not None:
        images = _locate(entry.ref, stored_path(entry.root) if entry.root else None)
        images = replace(images, name=entry.title, synthetic=entry.synthetic or images.synthetic)
    elif trusted:
        images = _locate(str(ref), None)
    else:
        raise InputError(f"There is no image set named {str(ref)!r}: choose one of {', '.join(load_catalog().images)}.")
    if class_names is not None:
        check_labels(images, class_names)
    return images


def stamp(ref: str, images: ImageSet | None = None) -> str:
    """A digest that changes when an image set on disk does: names, sizes, times and places of all files that it is read
    from.

    Args:
        ref: As for `load_images`.
        images: The set as it was loaded: the files that it names are looked at too, wherever they lie. Errors as
            `stored_path`.
    """
    entry = load_catalog().images.get(ref)
    ref = entry.ref if entry else ref
    seed = seed_of(ref)
    root = package_folder("elpv_dataset") if ref == "elpv" else stored_path(ref) if seed is None else set_folder(seed)
    sources = list(folder_tree(root).files.values()) if root.is_dir() else []
    sources += [source for item in images or () for source in (item.source, item.mask) if source is not None]
    paths = dict.fromkeys(source.path for source in sources if isinstance(source, FileSource))
    if not root.is_dir():
        paths[root] = None
    digest = hashlib.sha256()
    for path in paths:
        digest.update(repr((str(path), _stamp(path))).encode())
    return digest.hexdigest()


def _stamp(path: Path) -> Stamp | None:
    try:
        return stamp_of(path)
    except (OSError, ValueError):
        return None


def images_from_zip(data: bytes, name: str) -> ImageSet:
    """Load an image set from the bytes of a zip: an upload. Errors as `load_images`."""
    return _from_tree(zip_tree(data, name))


def check_labels(images: ImageSet, class_names: Sequence[str]) -> None:
    """Refuse `images` whose labels are not all among `class_names`."""
    strange = sorted({item.label for item in images if item.label is not None} - set(class_names))
    if strange:
        raise InputError(
            f"{images.name} has labels that the model does not know ({sentence_list(strange)}; the model knows"
            f" {sentence_list(class_names)}): rename them in a manifest, or choose the model they belong to."
        )


def _locate(ref: str, root: Path | None) -> ImageSet:
    if ref == "elpv":
        return _elpv()
    if (seed := seed_of(ref)) is not None:
        return replace(_from_tree(folder_tree(stored_set(seed))), name=ref)
    path = stored_path(ref)
    check_local(ref)
    if not ref.strip() or not path.exists():
        raise InputError(
            f"There is no folder, zip, manifest or catalog entry {ref!r}: the catalog has"
            f" {', '.join(load_catalog().images)}."
        )
    if path.is_dir():
        return _from_tree(folder_tree(path))
    if path.suffix.lower() == ".zip" and path.is_file():
        return _from_tree(zip_tree(path, path.name))
    if path.suffix.lower() in (".csv", ".parquet"):
        return read_manifest(
            path.stem, path.name, read_source(FileSource(path), path.name), files_below(root or path.parent)
        )
    raise InputError(f"{path.name} is not an image set: give a folder, a .zip, or a manifest .csv or .parquet.")


def _from_tree(tree: Tree) -> ImageSet:
    for _ in range(DEEPEST):
        if not _is_wrapped(tree):
            break
        tree = tree.below(tree.images()[0].parts[0])
    if path := tree.manifest:
        return read_manifest(tree.name, path.name, read_source(tree.files[path], path.name), tree.find)
    images = tree.images()
    if not images:
        raise no_images(tree.name)
    tops = {path.parts[0] for path in images}
    if {"test"} < tops and "ground_truth" in tops:
        return _image_set(tree.name, _mvtec(tree, images))
    return _image_set(tree.name, _class_folders(tree, images))


def _is_wrapped(tree: Tree) -> bool:
    """Whether the set begins one folder further down: all lies in one that is neither a split nor a class."""
    images = tree.images()
    tops = {path.parts[0] for path in images}
    if len(tops) != 1 or tree.manifest or any(len(path.parts) < 2 for path in images):
        return False
    top = tops.pop()
    if top.lower() in SPLIT_WORDS:
        return False
    return tree.below(top).manifest is not None or top == tree.name or all(len(path.parts) > 2 for path in images)


def _image_set(name: str, items: Iterable[ImageItem]) -> ImageSet:
    items = tuple(items)
    return ImageSet(name, items, tuple(sorted({item.label for item in items if item.label is not None})))


def _mvtec(tree: Tree, images: Sequence[PurePosixPath]) -> Iterable[ImageItem]:
    """MVTec AD: `train/good`, `test/<kind>`, `ground_truth/<kind>/<name>_mask.png`."""
    for path in images:
        if path.parts[0] in SPLIT_WORDS and len(path.parts) > 2:
            kind = path.parts[1]
            mask = PurePosixPath("ground_truth", *path.parts[1:-1], f"{path.stem}_mask.png")
            yield ImageItem(str(path), tree.files[path], kind, tree.files.get(mask), SPLIT_WORDS[path.parts[0]])


def _class_folders(tree: Tree, images: Sequence[PurePosixPath]) -> Iterable[ImageItem]:
    """One folder a class, below a folder a split or not; `x.png` beside `x.jpg` is its mask."""
    stems = {path.with_suffix("") for path in images if path.suffix.lower() in (".jpg", ".jpeg", ".bmp")}
    masks = {
        path.with_suffix(""): tree.files[path]
        for path in images
        if path.suffix.lower() == ".png" and path.with_suffix("") in stems
    }
    for path in images:
        if path.suffix.lower() == ".png" and path.with_suffix("") in masks:
            continue
        folders = path.parts[:-1]
        split = SPLIT_WORDS.get(folders[0].lower()) if folders else None
        folders = folders[1:] if split else folders
        mask = masks.get(path.with_suffix("")) if path.with_suffix("") in stems else None
        yield ImageItem(str(path), tree.files[path], folders[0] if folders else None, mask, split)


def _elpv() -> ImageSet:
    """The package `elpv-dataset` (Deitsch et al. 2019), with the split that ships in assets/splits/elpv.csv."""
    data = package_folder("elpv_dataset") / "data"
    rows = csv_rows(shared("splits/elpv.csv").read_bytes(), "elpv.csv")
    splits = {str(row["name"]): str(row["split"]) for row in rows}
    items = []
    for line in read_text(data / "labels.csv").splitlines():
        if line.strip():
            name, probability, kind = line.split()
            items.append(
                ImageItem(
                    name=name.removeprefix("images/"),
                    source=FileSource(data / name),
                    label="defective" if float(probability) >= 0.5 else "functional",
                    split=splits[name],
                    attributes={"module type": kind, "defect probability": round(float(probability), 3)},
                )
            )
    return ImageSet("elpv", tuple(items), ("functional", "defective"))
