"""Image sets as people lay them out: small files in a folder, and what a count by hand says of them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.catalog import ReadOptions
from workbench.images import Finding, ImageSet, LoadReport
from workbench.sets.layouts import load_images

SIDE = 16
DEFAULT = ReadOptions()


def photo(seed: int = 0, ending: str = "png", size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """The bytes of an image in colour of many values; another seed gives another image."""
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(values), ending)


def disc(radius: float = 4, ending: str = "png", size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """The bytes of a mask: 255 in a disc, 0 around it."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    inside = (rows - size[1] // 2) ** 2 + (columns - size[0] // 2) ** 2 <= radius**2
    return encoded(Image.fromarray(np.uint8(255) * inside), ending)


def blank(ending: str = "png") -> bytes:
    """The bytes of a mask with nothing inside."""
    return encoded(Image.new("L", (SIDE, SIDE)), ending)


def encoded(image: Image.Image, ending: str) -> bytes:
    """An image as the bytes of a file."""
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "jfif": "JPEG", "jpe": "JPEG"}.get(ending.lower())
    image.save(buffer, kind or ending.upper())
    return buffer.getvalue()


@dataclass(frozen=True)
class Case:
    """A set and what must be read of it.

    Attributes:
        name: Of the layout, as it stands in the documentation.
        files: Contents by path. In place of bytes "photo" stands for an image of its own, "mask" for a disc, any other
            text for itself.
        labels: Images by class; "" for those without one.
        splits: Images by split; "" for those without one.
        masks: Images with a mask.
        empty: How many of the masks have nothing inside.
        left_out: Files that are left out with a reason.
        layout: The name of the layout that is recognised.
        options: Corrections that the set needs; the documentation names them.
        asks: The options of the questions that the report asks, in order.
    """

    name: str
    files: Mapping[str, bytes | str]
    labels: Mapping[str, int]
    splits: Mapping[str, int]
    masks: int = 0
    empty: int = 0
    left_out: int = 0
    layout: str = "folders"
    options: ReadOptions = DEFAULT
    asks: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """How many there are."""
        return sum(self.labels.values())

    def lay(self, folder: Path) -> Path:
        """Write the files below `folder`, which is handed back."""
        for seed, (name, content) in enumerate(self.files.items()):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            ending = path.suffix.lstrip(".").lower()
            if content == "photo":
                content = photo(seed, ending)
            elif content == "mask":
                content = disc(3 + seed / 1000, ending)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder


def read(tmp_path: Path, files: Mapping[str, bytes | str], **options: object) -> tuple[ImageSet, LoadReport]:
    """The set of some files, and its report."""
    folder = Case("set", files, {}, {}).lay(tmp_path / "set")
    images = load_images(folder, options=ReadOptions.model_validate(options))
    assert images.report is not None
    return images, images.report


def facts(images: ImageSet) -> dict[str, tuple[str | None, str | None, bool]]:
    """Name to (label, split, whether there is a mask)."""
    return {item.name: (item.label, item.split, item.mask is not None) for item in images}


def finding(report: LoadReport, kind: str) -> Finding:
    """The one finding of a kind."""
    (found,) = [found for found in report.findings if found.kind == kind]
    return found
