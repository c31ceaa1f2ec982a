"""Other people's text for the screen: as they typed it, and of the server's folders no more than a name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_MARKDOWN = frozenset("\\`*_{}[]()<>#+-.!|~$:&^=\"'")
_CODE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[^`\n]*\n(?s:.*?)(?:^ {0,3}(?P=fence)[`~]*["
    r" \t]*$|\Z)|(?<![`\\])(?P<span>`+)(?!`).+?(?<!`)(?P=span)(?!`)",
    re.MULTILINE,
)
_REACHES = re.compile(r"!(?=\[)|<|\$|(?<=\])[(\[:]|:(?=[A-Za-z_+])")
_TOP = r"(?:/|[A-Za-z]:[/\\])"
_QUOTED = re.compile(rf"(?<=['\"“]){_TOP}[^'\"“”]*[/\\](?=[^/\\'\"“”]+['\"”])")
_FOLDERS = re.compile(rf"(?<![\w.:/\\]){_TOP}(?:[^/\\\s'\"“”]+[/\\])+(?=[^/\\\s)\],;:]|(?P<end>))")


def escaped(text: str, most: int = 120) -> str:
    """Text as Markdown that shows just that text on one line, cut at `most` characters."""
    line = " ".join(text.split())
    line = line if len(line) <= most else line[: most - 1] + "…"
    line = unlinked("".join(c for c in line if c.isprintable()))
    return "".join(f"\\{c}" if c in _MARKDOWN else c for c in line)


def prose(text: str) -> str:
    """Users' Markdown: headings, lists, tables, code are drawn; images, links, HTML, formulas, icons stay text."""
    result, at = "", 0
    for code in _CODE.finditer(text):
        result += _as_text(text[at : code.start()]) + code[0]
        at = code.end()
    return result + _as_text(text[at:])


def _as_text(markdown: str) -> str:
    return unlinked(_REACHES.sub(r"\\\g<0>", markdown))


def unlinked(text: str) -> str:
    """Text in which the browser makes no links of addresses: split invisibly, as Markdown cannot prevent it."""
    return re.sub(r"(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=@)", "\u2060", text)


def without_folders(text: str, folders: Iterable[Path] = ()) -> str:
    """Text in which each path from the top of a disk is left with its last name.

    Args:
        text: Which may hold paths.
        folders: Folders that it may name: with these a path is recognised though it has spaces.
    """
    for folder in sorted({str(folder) for folder in folders} - {os.sep, "."}, key=len, reverse=True):
        text = text.replace(folder.rstrip(os.sep) + os.sep, "").replace(folder, os.path.basename(folder))
    return _FOLDERS.sub(_last, _QUOTED.sub("", text))


def _last(match: re.Match[str]) -> str:
    """Nothing where the last name follows; else that of the folder, which ends in a slash."""
    return "" if match["end"] is None else re.split(r"[/\\]", match[0])[-2]
