"""What is known of one image file: what it is, whether it is whole, what its camera wrote, what its pixels measure."""

from __future__ import annotations

import contextlib
import functools
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.images import FORMATS, MAGIC, ImageItem, Raster, heard, open_with, orientation_of, read_source, shown
from workbench.quality.file_ends import wholeness
from workbench.quality.pixel_measures import pixel_measures
from workbench.quality.profiles import jpeg_quality, printable, profile_name

if TYPE_CHECKING:
    from PIL import Image

MAKE, MODEL_TAG, CHANGED, EXIF, TAKEN, BITS = 271, 272, 306, 0x8769, 36867, 258
"""Tags of EXIF and TIFF."""
MOST_WARNINGS, MPO = 3, "MPO"


def facts_of_image(item: ImageItem) -> dict[str, object]:
    """All that is known of an image, as values that JSON takes; `error` says why it cannot be read, else None.

    It is decoded once.
    """
    result: dict[str, object] = {"error": None, "warning": None, "whole": None, "extra": 0, "bytes": 0}
    with heard() as texts:
        try:
            result["bytes"] = item.source.size
            held = item.held()
            data = read_source(held.source, item.name)
            result |= _header(data, item.name)
            opened = held.load()
            raster = opened if isinstance(opened, Raster) else None
            image = shown(opened, item.window) if isinstance(opened, Raster) else opened
            result |= pixel_measures(image, raster) | ({} if raster is None else _deep(raster))
        except (InputError, OSError) as error:
            result["error"] = str(error) if isinstance(error, InputError) else f"{item.name} cannot be read."
    if texts:
        result["warning"] = "; ".join(printable(text) for text in list(dict.fromkeys(texts))[:MOST_WARNINGS])
    return result


def _deep(raster: Raster) -> dict[str, object]:
    width, height = raster.size
    return {"width": width, "height": height, "bits": 8 * raster.values.dtype.itemsize}


def _header(data: bytes, name: str) -> dict[str, object]:
    for kind, mark, at in (("NPY", MAGIC, 0), ("DICOM", b"DICM", 128)):
        if data[at : at + len(mark)] == mark:
            return {"format": kind, "mode": kind, "orientation": 1, "profile": "sRGB", "frames": False}
    facts = open_with(data, name, functools.partial(_pillow, data))
    facts["whole"], facts["extra"] = wholeness(data, str(facts["format"]))
    if facts["format"] == MPO:  # more images follow the first
        facts |= {"format": "JPEG", "whole": None, "extra": 0}
    return facts | {"orientation": orientation_of(data)}


def _pillow(data: bytes, image: Image.Image) -> dict[str, object]:
    """What the header of an opened image says; no pixel is decoded."""
    several = False
    with contextlib.suppress(Exception):  # a damaged second frame is none
        several = bool(getattr(image, "is_animated", False))
        image.seek(0)
    return {
        "format": str(image.format),
        "width": image.width,
        "height": image.height,
        "mode": image.mode,
        "bits": _bits(image),
        "frames": several,
        "profile": profile_name(image.info.get("icc_profile")),
        "quality": jpeg_quality(getattr(image, "quantization", None)),
        **_camera(image, data),
    }


def _bits(image: Image.Image) -> int:
    stated = getattr(image, "tag_v2", {}).get(BITS)
    if isinstance(stated, tuple) and stated and isinstance(stated[0], int):
        return stated[0]
    raw = str(image.tile[0].args) if getattr(image, "tile", None) else ""  # type: ignore[attr-defined]
    if ";16" in image.mode + raw:
        return 16
    return {"1": 1, "I": 32, "F": 32}.get(image.mode, 8)


def _camera(image: Image.Image, data: bytes) -> dict[str, str | None]:
    """Make and model, and the day on which the image was taken."""
    if image.format == "PNG" and not any(mark in data for mark in (b"eXIf", b"Raw profile type exif")):
        return {"camera": None, "taken": None}  # else Pillow would decode all of it
    tags = image.getexif()
    words = (printable(tags.get(tag) or "") for tag in (MAKE, MODEL_TAG))
    day = printable(tags.get_ifd(EXIF).get(TAKEN) or tags.get(CHANGED) or "")[:10]
    return {"camera": " ".join(word for word in words if word) or None, "taken": day or None}


def expected_format(name: str) -> str | None:
    """The format that the ending of a name stands for; None where it stands for none."""
    ending = PurePosixPath(name).suffix.lower()
    return next((kind for kind, endings in FORMATS.items() if ending and ending in endings.split()), None)
