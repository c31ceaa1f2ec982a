"""What a file says of its colours and its compression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

STANDARD_SUM = 3688
"""Sum of the table that the JPEG standard proposes for brightness; a quality of 50 means this very table."""
MOST_LETTERS = 60


def profile_name(profile: bytes | None) -> str:
    """The description in an ICC profile; "sRGB" where a file has none, for then that is what readers take it for."""
    if not profile:
        return "sRGB"
    text = printable(_description(profile))
    return "sRGB" if text.lower().startswith("srgb") else text or "without a name"


def _description(profile: bytes) -> str:
    for number in range(min(int.from_bytes(profile[128:132], "big"), 100)):
        entry = profile[132 + 12 * number : 144 + 12 * number]
        if entry[:4] == b"desc":
            start, size = int.from_bytes(entry[4:8], "big"), int.from_bytes(entry[8:12], "big")
            return _text(profile[start : start + min(size, 2**12)])
    return ""


def _text(tag: bytes) -> str:
    if tag[:4] == b"mluc":
        length, at = int.from_bytes(tag[20:24], "big"), int.from_bytes(tag[24:28], "big")
        return tag[at : at + length].decode("utf-16-be", "ignore")
    return tag[12 : 12 + int.from_bytes(tag[8:12], "big")].decode("latin-1")


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> int | None:
    """The quality from 1 to 100 at which libjpeg's table for brightness is as coarse as that of the file."""
    if not tables or len(table := list(tables[min(tables)])) != 64:
        return None
    scale = 100 * sum(table) / STANDARD_SUM
    return max(1, min(100, round((200 - scale) / 2 if scale <= 100 else 5000 / scale)))


def printable(text: object) -> str:
    """Text of a file without what no screen shows, cut to `MOST_LETTERS`."""
    return "".join(letter for letter in str(text) if letter.isprintable()).strip()[:MOST_LETTERS]
