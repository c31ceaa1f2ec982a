"""In which encoding a text was written: by its marks and its bytes, and refused where these allow several."""

from __future__ import annotations

import codecs
import io
import re

from workbench.errors import InputError

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""How a file begins that says its encoding; the longer mark before the one that it begins with."""
HEAD, STEP = 4096, 2**20
FOREIGN = re.compile(r"[^\x00-\x7f]+")
WESTERN = frozenset(range(0xC0, 0x100)) - {0xD7, 0xF7} | {0xB0, 0xB2, 0xB3, 0xB5}
"""Letters of Windows-1252, and the degree, square, cube and micro signs."""


def encoding_of(data: bytes, name: str) -> tuple[str, str]:
    """The encoding of a text, and a sentence about it where the text does not say it itself.

    Args:
        data: The whole text.
        name: Of its file, for sentences.

    Raises:
        InputError: It is in none that is known, or its bytes allow several.
    """
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return encoding, ""
    head = data[:HEAD]
    for encoding, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        if len(head) > 3 and head[first::2].count(0) > len(head) / 4 > 4 * head[1 - first :: 2].count(0):
            return encoding, f"{name} is in UTF-16 without a byte order mark, by the zeros between its letters."
    if _is_utf8(data):
        return "utf-8", ""
    likely = [(encoding, title) for encoding, title, judge in LEGACY if judge(data)]
    if len(likely) == 1:
        (encoding, title), *_ = likely
        return (
            encoding,
            f"{name} is not in UTF-8 and is read as {title}, which its bytes fit: check names with accents.",
        )
    several = f" (it may be {' or '.join(title for _, title in likely)})" if likely else ""
    raise InputError(f"{name} is not text in UTF-8, and its encoding cannot be told{several}: save it as CSV (UTF-8).")


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    text = io.BytesIO(data)
    try:
        while step := text.read(STEP):
            decoder.decode(step)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _foreign(data: bytes, encoding: str) -> list[str] | None:
    """The runs of letters beyond ASCII; None where the text cannot be in this encoding."""
    try:
        return FOREIGN.findall(data.decode(encoding))
    except UnicodeDecodeError:
        return None


def _eastern(data: bytes, encoding: str) -> str:
    """The letters beyond ASCII; nothing where the text cannot be in this encoding, or where they stand within words
    of Latin letters, as misread accents do."""
    runs = _foreign(data, encoding)
    if runs is None or re.search(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]", data.decode(encoding)):
        return ""
    return "".join(runs)


def _is_western(data: bytes) -> bool:
    """Accented letters one or two at a time, within words."""
    runs = _foreign(data, "cp1252")
    if runs is None or not all(len(run) <= 2 and all(ord(letter) in WESTERN for letter in run) for run in runs):
        return False
    return b"\0" not in data and bool(re.search(rb"[A-Za-z][\xc0-\xff]|[\xc0-\xff][A-Za-z]|\d\s?[\xb0\xb5]", data))


def _is_chinese(data: bytes) -> bool:
    """Characters of the first plane of GB 2312 for the most part: the common ones."""
    codes = [letter.encode("gb2312")[0] for letter in _eastern(data, "gb2312")]
    return bool(codes) and sum(0xB0 <= code <= 0xD7 for code in codes) >= 0.8 * len(codes)


def _is_japanese(data: bytes) -> bool:
    """Kana of full width, or common kanji; half kana are what other encodings look like."""
    text = _eastern(data, "cp932")
    codes = [letter.encode("cp932")[0] for letter in text]
    kana = sum("\u3040" <= letter <= "\u30ff" for letter in text)
    common = sum(0x88 <= code <= 0x97 for code in codes)
    return bool(text) and not re.search("[\uff61-\uff9f]", text) and kana + common >= 0.8 * len(text)


def _is_korean(data: bytes) -> bool:
    """Hangul alone."""
    text = _eastern(data, "euc_kr")
    return bool(text) and all("\uac00" <= letter <= "\ud7a3" for letter in text)


LEGACY = (
    ("cp1252", "Western European (Windows-1252)", _is_western),
    ("gb18030", "simplified Chinese (GBK)", _is_chinese),
    ("cp932", "Japanese (Shift-JIS)", _is_japanese),
    ("euc_kr", "Korean (EUC-KR)", _is_korean),
)
"""Encodings from before UTF-8 that spreadsheets still write, and by what each is known."""
