"""Whether the bytes of an image file are whole, by its own format: what decoders forgive is said here.

Pillow, as other decoders, draws a JPEG without its end marker in part in grey, and never compares the check sums of a
PNG's pixels or looks behind the end of an image.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping

NOT_WHOLE, SUM_WRONG = "its end is missing", "a check sum does not match"
Place = tuple[int | None, str | None]
"""Where an image ends, None where it does not; and what is wrong with its bytes."""
MOST_BLOCKS = 10**6
"""Blocks of a file that are followed: a file of more is taken as whole."""
_PNG_HEAD, _END_OF_IMAGE = 8, 0xD9
_MARK = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")
"""A marker of a JPEG that a length follows, or its end: no stuffed byte, filling, restart or start."""


def wholeness(data: bytes, format: str) -> tuple[str | None, int]:
    """What is wrong with the bytes of an image, if anything, and how many bytes that mean something follow its end.

    Args:
        data: All bytes of the file.
        format: As Pillow calls it; of TIFF and others whose parts lie in any order nothing is known: (None, 0).
    """
    reader = READERS.get(format)
    if reader is None:
        return None, 0
    end, fault = reader(data)
    if end is None:
        return fault or NOT_WHOLE, 0
    return fault, len(data[end:].strip(b"\0\r\n\t ")) if end < len(data) else 0


def _png(data: bytes) -> Place:
    at, fault = _PNG_HEAD, None
    for _ in range(MOST_BLOCKS):
        if at + 12 > len(data):
            return None, fault
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            return None, fault
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            fault = SUM_WRONG
        if kind == b"IEND":
            return end, fault
        at = end
    return len(data), fault


def _jpeg(data: bytes) -> Place:
    """A segment says how long it is; pixels follow that of a scan, up to the next marker that is no restart."""
    at = 2
    for _ in range(MOST_BLOCKS):
        mark = _MARK.search(data, at)
        if mark is None:
            return None, None
        if data[mark.start() + 1] == _END_OF_IMAGE:
            return mark.end(), None
        at = mark.end() + int.from_bytes(data[mark.end() : mark.end() + 2], "big")
    return len(data), None


def _gif(data: bytes) -> Place:
    at = 13 + _colours(data[10]) if len(data) > 13 else len(data)
    inside = False
    for _ in range(MOST_BLOCKS):
        if at >= len(data):
            return None, None
        block = data[at]
        if inside:
            at, inside = at + 1 + block, block > 0
        elif block == 0x3B:
            return at + 1, None
        elif block == 0x21:
            at, inside = at + 2, True
        elif block == 0x2C and at + 10 <= len(data):
            at, inside = at + 11 + _colours(data[at + 9]), True
        else:
            return None, None
    return len(data), None


def _colours(flags: int) -> int:
    """Bytes of a colour table that the flags announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _bmp(data: bytes) -> Place:
    stated = int.from_bytes(data[2:6], "little")
    if not stated >= 54:  # some programs write none
        return len(data), None
    return (stated if stated <= len(data) else None), None


def _webp(data: bytes) -> Place:
    end = 8 + int.from_bytes(data[4:8], "little")
    return (end if end <= len(data) else None), None


READERS: Mapping[str, Callable[[bytes], Place]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "GIF": _gif,
    "BMP": _bmp,
    "WEBP": _webp,
}
