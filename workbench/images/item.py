"""Images and sets of images, decoded safely.

Nothing here knows where an image comes from: a `Source` hands over bytes, whether they lie in a folder, in a zip or
came through the browser. Layouts of whole sets are read in `workbench.sets.layouts`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.files import file_digest, read_file, store, unique_text
from workbench.images.decoding import FORMATS, decode
from workbench.images.deep import decode_mask, is_mapped, is_plain, read_raster, shown, upright_size
from workbench.images.mask_rules import AUTO
from workbench.images.mask_turns import fitting, orientation_of
from workbench.images.raster import Raster
from workbench.images.report import LoadReport
from workbench.texts import scalar

MAX_BYTES = 200 * 2**20
MAPPED, MAX_MAPPED = 64 * 2**20, 2**31
"""Bytes from which on a file is mapped into memory where its format allows it, and the most that such a file has."""
SUFFIXES = frozenset((*" ".join(FORMATS.values()).split(), ".npy", ".dcm", ".dicom"))


def no_images(name: str) -> InputError:
    """What to say where nothing of a set is an image that can be read, whatever else it holds."""
    kinds = ", ".join(sorted(SUFFIXES))
    return InputError(f"{name} holds no images of a kind that is read: add some, or convert what it holds, as {kinds}.")


class Source(Protocol):
    """Where bytes come from."""

    @property
    def size(self) -> int:
        """Length in bytes, known without reading."""

    def read(self) -> bytes:
        """All the bytes."""

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes in hex, of what they are now."""


@runtime_checkable
class Parts(Protocol):
    """Several files that are one mask, and what in each of them is inside."""

    @property
    def parts(self) -> tuple[Source, ...]:
        """The files."""

    @property
    def rule(self) -> str:
        """As `ReadOptions.mask_rule`."""


@dataclasses.dataclass(frozen=True)
class FileSource:
    """A file on disk."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def read(self) -> bytes:
        return read_file(self.path, MAX_BYTES)

    @property
    def digest(self) -> str:
        return file_digest(self.path)


@dataclasses.dataclass(frozen=True)
class BytesSource:
    """Bytes in memory: an upload."""

    data: bytes = dataclasses.field(repr=False)

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self) -> bytes:
        return self.data

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclasses.dataclass(frozen=True)
class ImageItem:
    """One image of a set.

    Attributes:
        name: Unique within its set; for files the path below the set's folder.
        source: Where its bytes come from.
        label: Ground-truth class, where known.
        mask: Ground-truth region, where there is one: an image of the same size, whose values say what is inside
            (docs/images/masks.md).
        split: "train", "validation", "test" or None.
        attributes: Anything else that is known: camera, line, module type. Text, numbers and booleans, whatever was
            handed in (see `values.scalar`); what is missing or has no name is left out.
        window: The values that are shown black and white where it holds more than 8 bits, as the whole set is shown. A
            model reads the values as they are, whatever is shown.

    Example:
        >>> item.name, item.label, item.split
        ('cell0001.png', 'defective', 'test')
        >>> item.open().size
        (300, 300)
    """

    name: str
    source: Source
    label: str | None = None
    mask: Source | None = None
    split: str | None = None
    attributes: Mapping[str, object] = dataclasses.field(default_factory=dict)
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        pairs = ((str(name), scalar(value)) for name, value in self.attributes.items())
        object.__setattr__(self, "attributes", {name: value for name, value in pairs if name and value is not None})

    @property
    def id(self) -> str:
        """SHA-256 of the bytes in hex, of what the file holds now.

        Raises:
            InputError: The file cannot be read, or is larger than the limits.
        """
        return source_digest(self.source, self.name)

    @property
    def readable_id(self) -> str | None:
        """The same; None where the file cannot be read."""
        try:
            return self.id
        except InputError:
            return None

    @property
    def look(self) -> str:
        """A digest of what a person sees of it: of its bytes and its window. Errors as `id`."""
        return self.id if self.window is None else f"{self.id} {self.window}"

    @property
    def mask_id(self) -> str | None:
        """SHA-256 of the mask's bytes in hex; None where there is no mask. Errors as `id`."""
        return None if self.mask is None else source_digest(self.mask, f"the mask of {self.name}")

    @property
    def key(self) -> str:
        """Digest of everything known of the image: name, bytes, mask, label, split and attributes."""
        return hashlib.sha256(unique_text(self._facts()).encode()).hexdigest()

    def _facts(self) -> tuple[object, ...]:
        contents = _contents(self.source, self.name), self.mask and _contents(self.mask, self.name)
        return (
            self.name,
            *contents,
            self.label,
            self.split,
            {k: f"{type(v).__name__}:{v}" for k, v in self.attributes.items()},
        )

    def open(self) -> Image.Image:
        """Decode to RGB of 8 bits, upright: what a person looks at.

        Raises:
            InputError: The file is missing, is no image, is cut off, or is larger than the limits.
        """
        opened = self.load()
        return shown(opened, self.window) if isinstance(opened, Raster) else opened

    def load(self, *, bands: bool = False) -> Image.Image | Raster:
        """What a model reads: upright RGB where 8 bits are all that the file holds, else its values as they are.

        Args:
            bands: Whether the values are wanted in every case, with all channels, and pages of a TIFF as channels.

        Raises:
            InputError: As `open`.
        """
        data = _data(self.source, self.name)
        raster = read_raster(data, self.name, bands=bands)
        if raster is None:
            return decode(data if isinstance(data, bytes) else read_file(data, MAX_MAPPED), self.name)
        return shown(raster) if is_plain(raster) and not bands else raster

    def held(self) -> ImageItem:
        """The image with its bytes of now in memory; one that is mapped stays where it lies. Errors as `open`."""
        data = _data(self.source, self.name)
        return self if isinstance(data, Path) else dataclasses.replace(self, source=BytesSource(data))

    def open_mask(self) -> NDArray[np.bool_] | None:
        """The mask as booleans of shape (H, W) in the pixels of the image, or None where there is none.

        Of the image only the header is read. A mask that was drawn on the image before EXIF turned it is turned too.

        Raises:
            InputError: The mask cannot be read, its values are no mask's, or it has another size than the image.
        """
        if self.mask is None:
            return None
        image = _data(self.source, self.name)
        size, turn = upright_size(image, self.name), orientation_of(image)
        several = isinstance(self.mask, Parts)
        joined = np.zeros(size[::-1], np.bool_)
        for part in self.mask.parts if isinstance(self.mask, Parts) else (self.mask,):
            name = f"the mask of {self.name}"
            if several and isinstance(part, FileSource):
                name = f"{name} ({part.path.name})"
            data = _data(part, name)
            mask = decode_mask(data, name, self.mask.rule if isinstance(self.mask, Parts) else AUTO)
            joined |= fitting(mask, size, orientation_of(data), turn, name)
        return joined


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """A named sequence of images.

    Attributes:
        name: How the set is called on the screen.
        items: The images, in a stable order.
        class_names: The labels that occur, sorted, or the order that the layout gives.
        synthetic: True where the images are made, not photographed.
        notes: What of the set could not be taken, one sentence each.
        report: How it was read; None for sets that were not read from files.

    Example:
        >>> len(images), images.class_names
        (2624, ('functional', 'defective'))
        >>> [item.name for item in images if item.split == "test"][:2]
        ['cell0001.png', 'cell0002.png']
    """

    name: str
    items: tuple[ImageItem, ...]
    class_names: tuple[str, ...] = ()
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    report: LoadReport | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        names = Counter(item.name for item in self.items)
        if not names:
            raise no_images(self.name)
        name, count = names.most_common(1)[0]
        if count > 1:
            raise InputError(f"{self.name} names {name} {count} times: list each image once.")

    @cached_property
    def asked(self) -> dict[tuple[str, ...], ImageSet]:
        """This set with other labels, by the question that they answer: kept, so that each is made and read once."""
        return {}

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[ImageItem]:
        return iter(self.items)

    @cached_property
    def by_name(self) -> dict[str, ImageItem]:
        """Images by name."""
        return {item.name: item for item in self.items}

    @cached_property
    def key(self) -> str:
        """Digest of all that is known of its images, their bytes among it, in order: of the first time that it was
        asked for.

        Files are read for it that were not read before, or that changed.
        """
        digest = hashlib.sha256(unique_text(self.class_names).encode())
        for item in self.items:
            digest.update(item.key.encode())
        store()
        return digest.hexdigest()

    @cached_property
    def pixels_key(self) -> str:
        """Digest of the bytes of its images, in order, whatever else is known of them: of the first time, as `key`."""
        contents = [_contents(item.source, "it") for item in self.items]
        return hashlib.sha256(unique_text(contents).encode()).hexdigest()

    @property
    def background(self) -> Sequence[ImageItem]:
        """The images that represent the set where a method compares with it: its training split, otherwise all."""
        return [item for item in self.items if item.split == "train"] or self.items

    @cached_property
    def attribute_names(self) -> tuple[str, ...]:
        """The attributes that any image carries, in order of first appearance."""
        return tuple(dict.fromkeys(name for item in self.items for name in item.attributes))


def image_from_file(path: Path | str) -> ImageItem:
    """The image in one file, named after it.

    Raises:
        InputError: It is a folder, or is not there.
    """
    path = Path(path)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError:  # a name that is too long, or a folder that may not be entered
        is_file = is_folder = False
    if is_folder:
        raise InputError(f"{path} is a folder: name one image in it.")
    if not is_file:
        raise InputError(f"There is no file {path}: check the path.")
    return ImageItem(path.name, FileSource(path))


def image_from_bytes(data: bytes, name: str) -> ImageItem:
    """An image that came as bytes, checked to decode.

    Raises:
        InputError: As `ImageItem.open`.
    """
    item = ImageItem(name, BytesSource(data))
    item.open()
    return item


def _lies_in(source: Source, above: int) -> Path | None:
    """The file that is mapped in place of being read: one of over `above` bytes, of a format that allows it."""
    if not isinstance(source, FileSource) or source.path.suffix.lower() not in (".npy", ".tif", ".tiff"):
        return None
    return source.path if source.size > above and is_mapped(source.path) else None


def _data(source: Source, name: str) -> bytes | Path:
    """All the bytes of `source`, or where they lie for mapping, or an InputError that calls it `name`."""
    with _reading(source, name):
        return _lies_in(source, MAPPED) or source.read()


def read_source(source: Source, name: str) -> bytes:
    """All the bytes of `source`, or an InputError that calls it `name`."""
    with _reading(source, name):
        return source.read()


@contextlib.contextmanager
def _reading(source: Source, name: str) -> Iterator[None]:
    """Errors of reading `source` as an InputError that calls it `name`; it is refused where it is too large."""
    try:
        most = MAX_MAPPED if _lies_in(source, MAX_BYTES) else MAX_BYTES
        if source.size > most:
            raise InputError(
                f"{name} is {source.size / 2**20:,.0f} MB, over the limit of {most // 2**20:,} MB: compress or crop"
                " it first."
            )
        yield
    except FileNotFoundError:
        raise InputError(f"{name} is no longer there: load the image set again.") from None
    except OSError as error:
        raise InputError(
            f"{name} cannot be read ({error.strerror or type(error).__name__}): check the file and its permissions."
        ) from None


def source_digest(source: Source, name: str) -> str:
    """SHA-256 of the bytes of `source` in hex, or an InputError that calls it `name`."""
    with _reading(source, name):
        return source.digest


def _contents(source: Source, name: str) -> str:
    """The digest of what can be read, or why it cannot."""
    try:
        return source_digest(source, name)
    except InputError as error:
        return f"unreadable: {error}"
