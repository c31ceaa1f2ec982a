"""Corrections of how a set is read, as text: for links, and for flags of the command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from workbench.catalog import ImagesEntry, ReadOptions, validated
from workbench.errors import InputError

LONGEST_LINK = 4096
"""Characters of a text of options."""
MAPS = {"split": "splits", "label": "labels", "column": "columns"}
"""How an entry of a mapping begins, as in split.dev=validation."""


def options_text(options: ReadOptions) -> str:
    """The options that differ from the default, as in `layout=folders&split.dev=validation`; empty where none does."""
    pairs: list[tuple[str, str]] = []
    for name, value in options.model_dump(exclude_defaults=True).items():
        if name in MAPS.values():
            word = next(word for word, field in MAPS.items() if field == name)
            pairs += [(f"{word}.{key}", text) for key, text in sorted(value.items())]
        elif name == "leave_out":
            pairs += [(name, pattern) for pattern in value]
        else:
            pairs.append((name, ",".join(f"{number:.15g}" for number in value) if name == "window" else value))
    return urlencode(pairs)


def options_flags(options: ReadOptions) -> str:
    """The options that differ from the default as the command line takes them; empty where none does."""
    return " ".join(
        f"--read {shlex.quote(f'{name}={value}')}" for name, value in parse_qsl(options_text(options), True)
    )


def options_read(flags: Iterable[str]) -> ReadOptions:
    """The options of the command line's flags, as "layout=mvtec" and "split.dev=validation".

    Raises:
        InputError: A flag has no "=", or names an option or a value that does not exist.
    """
    parts = [flag.partition("=") for flag in flags]
    if without := next((name for name, sign, _ in parts if not sign), None):
        raise InputError(f"--read {without} has no value: write it as --read layout=folders or --read split.dev=test.")
    return options_of([(name.strip(), value.strip()) for name, _, value in parts])


def options_from(text: str) -> ReadOptions:
    """The options that `options_text` wrote.

    Raises:
        InputError: It is too long, or names an option or a value that does not exist.
    """
    if len(text) > LONGEST_LINK:
        raise InputError(f"The options of a set have over {LONGEST_LINK:,} characters: set them in workbench.toml.")
    return options_of(parse_qsl(text, keep_blank_values=True))


def options_of(pairs: Iterable[tuple[str, str]]) -> ReadOptions:
    """Options from names and values, as ("split.dev", "validation"). Errors as `options_from`."""
    table: dict[str, Any] = {}
    for name, value in pairs:
        word, dot, key = name.partition(".")
        if dot and word in MAPS:
            table.setdefault(MAPS[word], {})[key] = value
        elif name == "leave_out":
            table[name] = (*table.get(name, ()), value)
        else:
            table[name] = tuple(value.split(",")) if name == "window" else value
    return validated(ReadOptions, table, "how the image set is read")


def images_toml(name: str, entry: ImagesEntry) -> str:
    """The block of a set for a `workbench.toml`, with how it is to be read.

    Args:
        name: By which it can be chosen.
        entry: What stands in the block; what is as by default is not written.
    """
    table = entry.model_dump(exclude_defaults=True)
    read, block = table.pop("read", {}), f"images.{_toml(name)}"
    lines = [f"[{block}]", *(f"{field} = {_toml(value)}" for field, value in table.items())]
    if read:
        lines += ["", f"[{block}.read]", *(f"{field} = {_toml(value)}" for field, value in read.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """A value as TOML: JSON is that, but for one control character and for tables."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
