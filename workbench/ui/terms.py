"""The texts behind "What does this mean?": one Markdown file a subject in assets/help, named by its term."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from string import Template

from workbench.catalog import shared


def text(key: str, **fields: object) -> str:
    """The text on a subject as Markdown for a popover.

    Args:
        key: The name of its file in assets/help, without the ending.
        fields: What stands in the text for each `$name`; escape what a user typed.

    Raises:
        KeyError: A field is missing.
    """
    return re.sub("^#", "####", Template(_read(key)).substitute(fields), flags=re.MULTILINE)


def entry(key: str, term: str) -> str:
    """What a text says about one of its terms, as a tooltip.

    Raises:
        KeyError: The text has no such term.
    """
    return _entries(key)[term.casefold()]


def entries(key: str, names: Iterable[str]) -> str:
    """What a text says about some of its terms, a paragraph each."""
    return "\n\n".join(f"**{name[0].upper()}{name[1:]}**: {entry(key, name)}" for name in names)


@cache
def _read(key: str) -> str:
    return shared(f"help/{key}.md").read_text(encoding="utf-8")


@cache
def _entries(key: str) -> dict[str, str]:
    return {
        term.casefold(): words for term, words in re.findall(r"^\*\*(.+?)\*\*: (.+)$", _read(key), flags=re.MULTILINE)
    }
