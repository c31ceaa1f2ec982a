"""Groups that a person reads out of the names of images, or out of the order of their files."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from workbench.errors import InputError
from workbench.images import Guess, ImageItem
from workbench.sets.trees import natural

GROUP, PLACE = "group", "{group}"
LONGEST_PATTERN, MOST_WILD = 300, 2
"""Characters of a pattern, and wildcards of one field: a matcher must never have to try many ways."""
_WAYS = (
    "write name:lot{group}_*, where {group} is what names the group and * is anything, or order:60 for 60 files each"
)
_FIELDS = re.compile(r"([_\-. /]+)")
_WILD = re.compile(r"(\{group\}|\*)")


def grouped(items: Sequence[ImageItem], option: str, name: str) -> tuple[list[ImageItem], Guess]:
    """The images with the attribute `group` as an option says, and what the report says of it.

    Args:
        items: All images of the set.
        option: As for `groups_by`.
        name: Of the set.

    Raises:
        InputError: The option cannot be understood, or it joins no two images, or all.
    """
    values = groups_by([item.name for item in items], option)
    count, alone = len({value for value in values if value is not None}), values.count(None)
    if not count:
        raise InputError(f"No image of {name} is called as {option!r}, which the groups are to be read from: {_WAYS}.")
    if count == 1 and not alone:
        raise InputError(f"{option!r} puts all images of {name} into one group: {_WAYS}.")
    if count == len(values) - alone:
        raise InputError(
            f"{option!r} joins no two images of {name}: each would be a group of its own. To join: {_WAYS}."
        )
    before = any(GROUP in item.attributes for item in items)
    result = [
        dataclasses.replace(item, attributes=_attributes(item, value))
        for item, value in zip(items, values, strict=True)
    ]
    rest = f"; {alone:,} images are in none" if alone else ""
    over = ", in place of those that were recognised" if before else ""
    return result, Guess("groups", f"{count:,} by {option}{rest}{over}", "your option", "stated", GROUP)


def groups_by(names: Sequence[str], option: str) -> list[str | None]:
    """The group of each of N images; None where a pattern does not fit its name.

    Args:
        names: As in the set, with their folders.
        option: "name:" and a pattern of the name without its ending, in which `{group}` stands for what names the
            group and `*` for anything, neither reaching over `_`, `-`, `.`, a space or `/` but for a `*` at the end; or
            "order:" and a number of files, so many of which make a group in the natural order of each folder.

    Raises:
        InputError: It cannot be understood.
    """
    kind, _, rest = option.partition(":")
    if kind == "order" and re.fullmatch(r"[0-9]{1,9}", rest) and int(rest) > 1:
        return _by_order(names, int(rest))
    if kind == "name" and PLACE in rest:
        matcher = _matcher(rest)
        return [_by_name(matcher, name, "/" in rest) for name in names]
    raise InputError(f"The groups cannot be read from {option[:60]!r}: {_WAYS}.")


def _by_order(names: Sequence[str], length: int) -> list[str | None]:
    folders: dict[str, list[int]] = defaultdict(list)
    for place in sorted(range(len(names)), key=lambda i: natural(names[i])):
        folders[str(PurePosixPath(names[place]).parent)].append(place)
    result: list[str | None] = [None] * len(names)
    for folder, places in folders.items():
        begin = "" if folder == "." else f"{folder}/"
        for number, place in enumerate(places):
            first = number // length * length
            result[place] = f"{begin}{first + 1}-{min(first + length, len(places))}"
    return result


def _by_name(matcher: re.Pattern[str], name: str, whole: bool) -> str | None:
    path = PurePosixPath(name)
    match = matcher.fullmatch(str(path.with_suffix("")) if whole else path.stem)
    return None if match is None else "_".join(match.groups())


def _matcher(pattern: str) -> re.Pattern[str]:
    if len(pattern) > LONGEST_PATTERN:
        raise InputError(f"The pattern of groups has over {LONGEST_PATTERN} characters: shorten it.")
    open_end = pattern.endswith("*")
    parts = []
    for field in _FIELDS.split(pattern[:-1] if open_end else pattern):
        words = _WILD.split(field)
        if len(words) > 2 * MOST_WILD + 1:
            raise InputError(
                f"The field {field[:40]!r} of the pattern has more than {MOST_WILD} wildcards: leave some out."
            )
        if any(not word for word in words[2:-1:2]):
            raise InputError(f"Two wildcards of {field[:40]!r} follow each other: put a letter between them.")
        parts += [_part(word) for word in words]
    return re.compile("".join(parts) + (".*" if open_end else ""), re.IGNORECASE | re.DOTALL)


def _part(word: str) -> str:
    if word == PLACE:
        return r"([^_\-. /]+)"
    return r"[^_\-. /]*" if word == "*" else re.escape(word)


def _attributes(item: ImageItem, value: str | None) -> dict[str, object]:
    others = {name: own for name, own in item.attributes.items() if name != GROUP}
    return others if value is None else {**others, GROUP: value}
