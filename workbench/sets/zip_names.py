"""The names in a zip, of which many tools do not say how they are encoded: told by the text that they make together."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from workbench.errors import InputError
from workbench.images import Guess, Question
from workbench.sets.usual_signs import CYRILLIC, HANGUL, HANZI, LATIN, MARKS

ENCODINGS = {
    "utf-8": "UTF-8",
    "gbk": "GBK (Chinese)",
    "cp932": "Shift-JIS (Japanese)",
    "cp949": "EUC-KR (Korean)",
    "big5": "Big5 (Chinese, traditional)",
    "cp866": "code page 866 (Cyrillic)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp437": "code page 437 (Latin)",
    "cp850": "code page 850 (Latin)",
    "cp1252": "Windows-1252 (Latin)",
}
LIKELIER, PLAUSIBLE = 0.25, 0.5
"""By how much text must be likelier than any other, and how likely at least, to be taken without asking."""
CHOICES = 4
_STATED, _UNICODE_PATH = 0x800, 0x7075
_LATIN, _CYRILLIC = ("cp437", "cp850", "cp1252"), ("cp866", "cp1251")
_FIRST = {"gbk": range(0xB0, 0xD8), "cp949": range(0xB0, 0xC9), "big5": range(0xA4, 0xC7)}
_JIS = (b"\x88\x9f", b"\x98\x72")
"""Where the more common signs of an encoding stand: their first bytes, or the first and the last of them."""


@dataclass(frozen=True)
class Names:
    """Names of members, in their order, and how they were understood."""

    texts: tuple[str, ...]
    guesses: tuple[Guess, ...] = ()
    questions: tuple[Question, ...] = ()


def member_names(members: Sequence[zipfile.ZipInfo], zip_name: str, encoding: str | None = None) -> Names:
    """The names of the members of a zip.

    Args:
        members: Whose names they are.
        zip_name: What sentences call the zip.
        encoding: One of `ENCODINGS`, for the names that do not state theirs.

    Raises:
        InputError: There is no such encoding, or it does not fit.
    """
    if encoding is not None and encoding not in ENCODINGS:
        raise InputError(f"There is no encoding {encoding!r} of names: choose one of {', '.join(ENCODINGS)}.")
    stated = [_stated(member) for member in members]
    unsaid = [_raw(member) for member, text in zip(members, stated, strict=True) if text is None]
    if not unsaid and encoding is not None:
        raise InputError(f"{zip_name} states how its names are encoded: leave the option 'names' out.")
    if not unsaid:
        return Names(tuple(text for text in stated if text is not None))
    if encoding is not None:
        texts = _decoded(unsaid, encoding)
        if texts is None:
            raise InputError(f"Names in {zip_name} are no text in {encoding}: choose another encoding.")
        guess = Guess("files", f"names read as {ENCODINGS[encoding]}", "you said so", "stated", "names")
        return Names(tuple(_filled(stated, texts)), (guess,))
    return _recognised(stated, unsaid)


def _recognised(stated: Sequence[str | None], unsaid: Sequence[bytes]) -> Names:
    """Names by the encoding that makes the likeliest text of all of them together."""
    utf8 = _decoded(unsaid, "utf-8")
    ranked = _ranked(unsaid) if utf8 is None else [(1.0, "utf-8", utf8)]
    best, encoding, texts = ranked[0]
    what = f"{len(unsaid):,} names read as {ENCODINGS[encoding]}"
    names = tuple(_filled(stated, texts))
    rivals = [entry for entry in ranked if entry[0] > best - LIKELIER]
    if best >= PLAUSIBLE and len(rivals) == 1:
        why = "the zip does not state how they are encoded, and this makes the likeliest text"
        return Names(names, (Guess("files", what, why, "recognised", "names"),))
    example = max(range(len(unsaid)), key=lambda place: sum(byte > 127 for byte in unsaid[place]))
    choices = tuple((name, f"{ENCODINGS[name]}: {texts[example]}") for _, name, texts in ranked[:CHOICES])
    sentence = "The zip does not state how its names are encoded, and more than one way makes likely text: which is it?"
    guess = Guess("files", what, "no way makes text that is clearly likelier", "assumed", "names")
    return Names(names, (guess,), (Question("names", sentence, choices),))


def _ranked(raw: Sequence[bytes]) -> list[tuple[float, str, list[str]]]:
    """How likely the names are in each encoding that fits, the likeliest first; of those that agree only one."""
    ranked: dict[tuple[str, ...], tuple[float, str, list[str]]] = {}
    for encoding in ENCODINGS:
        texts = _decoded(raw, encoding)
        if texts is not None:
            ranked.setdefault(tuple(texts), (likelihood(texts, encoding), encoding, texts))
    return sorted(ranked.values(), key=lambda entry: -entry[0])


def likelihood(texts: Iterable[str], encoding: str) -> float:
    """How usual the signs beyond ASCII are, each different word once, from 0 to 1."""
    words = {word for text in texts for word in _words(text)}
    weights = [weight for word in words for weight in _weights(word, encoding)]
    return sum(weights) / len(weights) if weights else 0.0


def _words(text: str) -> Iterator[str]:
    """Runs of letters and other signs beyond ASCII that hold any of the latter."""
    for inside, run in groupby(text, key=lambda sign: sign > "\x7f" or sign.isalpha()):
        word = "".join(run)
        if inside and not word.isascii():
            yield word


def _weights(word: str, encoding: str) -> list[float]:
    """How usual each sign of a word beyond ASCII is."""
    signs = [sign for sign in word if sign > "\x7f"]
    if encoding in _LATIN:
        mixed = len(signs) <= max(1, len(word) // 2)
        return [mixed * (1.0 if sign in LATIN else 0.4 * (sign.isalpha() and sign < "\u0250")) for sign in signs]
    if encoding in _CYRILLIC:
        fits = CYRILLIC.issuperset(word) and word in (word.lower(), word.upper(), word.title())
        return [float(fits)] * len(signs)
    at_end = word[0] > "\x7f" or word[-1] > "\x7f"  # where a strange sign in a Latin word is likelier than inside
    share = 1.0 if len(signs) * 2 >= len(word) else 0.5 if at_end else 0.0
    return [share * _eastern(sign, encoding) for sign in signs]


def _eastern(sign: str, encoding: str) -> float:
    """How usual a sign is, by its place in the table of an encoding of Eastern Asia, where common signs stand first."""
    if sign in MARKS:
        return 0.8
    if sign in HANZI:
        return 0.1 if encoding == "cp949" else 1.0
    code = sign.encode(encoding)
    if encoding == "cp932":
        if "\u3041" <= sign <= "\u30fa":
            return 1.0
        return 0.5 if len(code) == 1 else 0.6 if _JIS[0] <= code <= _JIS[1] else 0.1
    if encoding == "gbk":
        return 0.0 if code[1] < 0xA1 else 0.6 if code[0] in _FIRST["gbk"] else 0.3
    if encoding == "cp949" and sign in HANGUL:
        return 1.0
    common = len(code) > 1 and code[0] in _FIRST[encoding] and (encoding == "big5" or code[1] > 0xA0)
    return 0.1 if not common else 0.4 if encoding == "cp949" else 0.6


def _filled(stated: Iterable[str | None], texts: Iterable[str]) -> Iterator[str]:
    """The stated names, with the others in their places."""
    rest = iter(texts)
    return (next(rest) if text is None else text for text in stated)


def _decoded(raw: Iterable[bytes], encoding: str) -> list[str] | None:
    try:
        return [name.decode(encoding) for name in raw]
    except UnicodeDecodeError:
        return None


def _raw(member: zipfile.ZipInfo) -> bytes:
    """The bytes of a name that the zip does not state to be UTF-8, which Python takes for code page 437."""
    return member.orig_filename.encode("cp437")


def _stated(member: zipfile.ZipInfo) -> str | None:
    """A name that is sure: stated as UTF-8, plain ASCII, or repeated in an extra field (Info-ZIP's unicode path)."""
    if member.flag_bits & _STATED or member.orig_filename.isascii():
        return member.filename
    extra, raw = member.extra, _raw(member)
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        if kind == _UNICODE_PATH and length > 5 and extra[4] == 1:
            (check,) = struct.unpack("<I", extra[5:9])
            if check == zlib.crc32(raw):
                return extra[9 : 4 + length].decode("utf-8", "replace")
        extra = extra[4 + length :]
    return None
