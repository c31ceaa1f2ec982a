"""What the values of a set are: how deep its images are, and which counts are shown black and white.

Of a few images the header is read, and only of those that hold more than 8 bits, the values. A model reads the values
as they are, whatever is said here: its scale is `range` of its preprocessing.
"""

from __future__ import annotations

import dataclasses
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.errors import InputError
from workbench.images import (
    MAGIC,
    MAGICS,
    FileSource,
    Finding,
    Guess,
    ImageItem,
    Raster,
    Source,
    evenly,
    pages_alike,
    read_source,
)

HEADERS, OPENED, OPENED_BYTES = 64, 32, 64 * 2**20
"""Images of which the header is read, and of which the values are, which lie in no more bytes than this."""
MOST_KEPT = 4096
"""Images of which the reach is kept."""
DEEP_SUFFIXES = frozenset((".png", ".apng", ".tif", ".tiff", ".npy", ".pgm", ".ppm", ".pnm"))
STATING = frozenset((".dcm", ".dicom", ".jp2", ".j2k", ".jpx", ".jpf", ".jpc", ".j2c"))
"""Endings of formats with more than 8 bits that may say themselves what is white."""
STEPS = (8, 10, 12, 14, 16)
"""Bits of cameras."""
DARK, NEARLY_ALL = 1 / 16, 99.9
"""A set looks black where so many per cent of its values lie below this part of the scale."""


@dataclass(frozen=True)
class Header:
    """What the head of a file says: its type as NumPy writes it ("u1", "u2", "f4"), and pages that are alike."""

    kind: str
    pages: int = 1


@dataclass(frozen=True)
class Reach:
    """The smallest and largest value of an image, and the one that all but one in a thousand lie below."""

    low: float
    high: float
    most: float


@dataclass
class Depths:
    """What was understood of the values of a set."""

    window: tuple[float, float] | None = None
    guesses: list[Guess] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def with_depths(
    items: Sequence[ImageItem], window: tuple[float, float] | None
) -> tuple[list[ImageItem], list[Guess], list[Finding]]:
    """The images with the window that they are shown in, and what the report says of their values.

    Args:
        items: Of the set.
        window: What a person stated; it holds for all images of more than 8 bits.

    Raises:
        InputError: The stated window is none, or no image holds more than 8 bits.
    """
    result = _depths(items, window)
    suffixes = DEEP_SUFFIXES if window is None else DEEP_SUFFIXES | STATING
    if result.window is None:
        return list(items), result.guesses, result.findings
    changed = [
        dataclasses.replace(item, window=result.window) if _suffix(item.name) in suffixes else item for item in items
    ]
    return changed, result.guesses, result.findings


def _depths(items: Sequence[ImageItem], window: tuple[float, float] | None) -> Depths:
    sure = window is not None and any(_suffix(item.name) in STATING for item in items)
    sample = evenly([item for item in items if _suffix(item.name) in DEEP_SUFFIXES], HEADERS)
    headers = {item.name: header for item in sample if (header := _header(item)) is not None}
    deep = [item for item in sample if item.name in headers and headers[item.name].kind not in ("u1", "b1")]
    result = Depths()
    if window is not None:
        _check(window, bool(deep) or sure)
        result.window = window
        result.guesses.append(Guess("values", f"shown from {_span(*window)}", "you said so", "stated", "window"))
    _tell_pages(headers, result)
    if deep:
        _tell_mixture(headers, result)
        _tell_range(deep, headers, result)
    return result


def _check(window: tuple[float, float], has_deep: bool) -> None:
    low, high = window
    if low >= high:
        raise InputError(
            f"The window {low:g},{high:g} is none: name the count that is black and a larger one as white."
        )
    if not has_deep:
        raise InputError("A window was set, but no image that was looked at holds more than 8 bits: remove it.")


def _tell_pages(headers: dict[str, Header], result: Depths) -> None:
    several = [header.pages for header in headers.values() if header.pages > 1]
    if several:
        result.guesses.append(
            Guess(
                "values",
                "of a TIFF of several pages the first is read",
                f"{len(several):,} of the {len(headers):,} images looked at have several pages alike, up to"
                f" {max(several):,}: save each as an image of its own if they count",
                "assumed",
            )
        )


def _tell_mixture(headers: dict[str, Header], result: Depths) -> None:
    kinds = Counter(_words(header.kind) for header in headers.values())
    if len(kinds) > 1:
        parts = " and ".join(f"{number:,} hold {kind}" for kind, number in kinds.most_common())
        rare = [name for name, header in headers.items() if _words(header.kind) != kinds.most_common(1)[0][0]]
        sentence = f"Of the {len(headers):,} images looked at, {parts}: a model reads each on the scale of its file."
        result.findings.append(Finding("depths", sentence, tuple(rare)))


def _tell_range(deep: Sequence[ImageItem], headers: dict[str, Header], result: Depths) -> None:
    """The set's window, from the values of a few images, where the scale of the files shows them badly."""
    kinds = {headers[item.name].kind for item in deep}
    reaches = _reaches(deep)
    if not reaches or len(kinds) > 1:
        return
    kind, count = kinds.pop(), len(reaches)
    low, high = min(reach.low for reach in reaches), max(reach.high for reach in reaches)
    most, scale = max(reach.most for reach in reaches), _scale(kind, low, high)
    looked = f"the {count:,} images looked at reach" if count > 1 else "the image looked at reaches"
    stated = result.window is not None
    if kind == "u2" and high < 2**14 and not stated:
        bits = next(step for step in STEPS if high < 2**step)
        result.window = 0.0, 2.0**bits - 1
        value, how = f"16 bit, shown as {bits} bit (0 to {2**bits - 1:,})", "assumed"
        why = f"{looked} {high:,.0f}; a model reads them on the scale of 65,535 unless its preprocessing sets range"
        result.guesses.append(Guess("values", value, why, how, "window"))
    elif scale is None and not stated:
        result.window = (low, high) if low < high else (low, low + 1)
        why = f"{looked} from {_span(low, high)}; a model refuses them until its preprocessing sets range"
        value = f"{_words(kind)}, shown from {_span(*result.window)}"
        result.guesses.append(Guess("values", value, why, "assumed", "window"))
    elif not stated:
        result.guesses.append(Guess("values", _words(kind), f"{looked} {high:,.5g}", "recognised", "window"))
    if scale is not None and most < DARK * scale:
        where = f"{NEARLY_ALL:g} % of their values lie below {most:,.5g} of {scale:,.5g}"
        sentence = f"On the scale of their files the images looked at are nearly black: {where}."
        result.findings.append(Finding("dark", sentence, tuple(item.name for item in deep)))


def _scale(kind: str, low: float, high: float) -> float | None:
    """The value that is white where nothing else is said; None where nothing says it."""
    if kind == "u2":
        return 65535.0
    return 1.0 if kind[0] == "f" and low >= 0 and high <= 1 else None


def _words(kind: str) -> str:
    bits = 8 * int(kind[1:])
    return {"u": f"{bits} bit", "b": "8 bit", "i": f"signed {bits} bit", "f": f"{bits}-bit floats"}[kind[0]]


def _span(low: float, high: float) -> str:
    return f"{low:,.5g} to {high:,.5g}"


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _header(item: ImageItem) -> Header | None:
    """What the head of a file says; None where it cannot be read: whoever opens the image is told why."""
    try:
        return _header_of(item.source)
    except Exception:  # any reader on damaged data
        return None


def _header_of(source: Source) -> Header:
    head = _head(source)
    if head.startswith(b"\x89PNG"):
        return Header("u2" if head[24] == 16 else "u1")
    if head.startswith(MAGIC):
        return Header(_npy(head).str.lstrip("<>|="))
    if head.startswith(MAGICS):
        kind, pages = pages_alike(source.path if isinstance(source, FileSource) else read_source(source, "it"))
        return Header(kind, pages)
    if head[:2] in (b"P2", b"P3", b"P5", b"P6"):
        words = b"\n".join(line.split(b"#")[0] for line in head.split(b"\n")[:10]).split()
        return Header("u2" if int(words[3]) == 65535 else "u1")  # any other white is stated, and needs no guess
    return Header("u1")


def _npy(head: bytes) -> np.dtype[Any]:
    """The type of an array, of which the first bytes are here."""
    file = io.BytesIO(head)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    kind: np.dtype[Any] = read(file)[2]
    return kind


def _head(source: Source) -> bytes:
    if isinstance(source, FileSource):
        with source.path.open("rb") as file:
            return file.read(4096)
    return source.read()[:4096]


def _reaches(items: Sequence[ImageItem]) -> list[Reach]:
    """Of a few images, as far as the bytes go that are read for it, and of one at least."""
    result: list[Reach] = []
    left = OPENED_BYTES
    for item in evenly(items, OPENED):
        try:
            size = item.source.size
            if result and size > left:
                continue
            left -= size
            if (reach := _reach(item)) is not None:
                result.append(reach)
        except (InputError, OSError):
            continue
    return result


def _reach(item: ImageItem) -> Reach | None:
    """Of one image; None where it holds 8 bits. Kept by its bytes for as long as the process lives."""
    digest = item.id
    if digest not in _kept:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[digest] = _read_reach(item)
    return _kept[digest]


_kept: dict[str, Reach | None] = {}


def _read_reach(item: ImageItem) -> Reach | None:
    opened = item.load()
    if not isinstance(opened, Raster):
        return None
    values = opened.values[..., : opened.channels - opened.alpha]
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return Reach(0.0, 0.0, 0.0)
    step = max(values.size // 2**20, 1)
    return Reach(float(values.min()), float(values.max()), float(np.percentile(values.reshape(-1)[::step], NEARLY_ALL)))
