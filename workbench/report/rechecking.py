"""Hold a report against one that is computed anew, and name what differs. The file is read as hostile input: bounded,
and nothing in it is executed, followed or opened."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import InputError
from workbench.files import read_file
from workbench.report.handover import REPORT_FORMAT
from workbench.report.html import seal_of
from workbench.report.matter import CHOICE_LISTS, Choices
from workbench.report.report_study import study_of

LARGEST_READ, DEEPEST_READ = 16 * 2**20, 64
"""Bytes of a report that is read, and elements within each other."""
VOID_ELEMENTS = frozenset(("meta", "img", "br", "hr", "rect", "link", "input"))
RELEASES_AT = ("made/releases/", "data/versions/")
"""How the names of what no computation gives again begin."""
DRAWN_ALIKE = 2
"""Of 255 levels by which pixels of a map may differ that another machine drew."""
UNSEALED_NOTE = "The file is not as it was written: its text has another digest than it states of itself."
_IMAGE = "data:image/png;base64,"


@dataclasses.dataclass(frozen=True)
class Stated:
    """A report as it was handed in.

    Attributes:
        text: Of the file.
        choices: What it says that it shows; None where that cannot be read.
        model: The digest of the model that it states.
        images: That of the image set.
        sealed: Whether its text has the digest that it states of itself.
    """

    text: str
    choices: Choices | None
    model: str
    images: str
    sealed: bool


@dataclasses.dataclass(frozen=True)
class Difference:
    """A part of a report that is not what the computation gives.

    Attributes:
        name: Of the figure, map or part.
        stated: What the report says, "" where it says nothing.
        computed: What was computed, likewise.
    """

    name: str
    stated: str
    computed: str


@dataclasses.dataclass(frozen=True)
class Recheck:
    """What came of it.

    Attributes:
        sealed: Whether the file has the digest that it states of itself.
        differences: In the order of the report.
        compared: How many named parts were held against each other.
        drawn: How many images among them.
        notes: What is no difference, and yet to be said.
    """

    sealed: bool
    differences: tuple[Difference, ...]
    compared: int
    drawn: int
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the report is what the computation gives."""
        return self.sealed and not self.differences


def read_report(path: Path) -> Stated:
    """A report from a file.

    Raises:
        InputError: It cannot be read, is too large, or is no report.
    """
    try:
        data = read_file(path, LARGEST_READ)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror}): check the file.") from None
    text = data.decode("utf-8", "replace")
    if "workbench-report" not in text:
        raise InputError(f"{path.name} is no report of the workbench: name the HTML file that workbench report wrote.")
    stated, own = seal_of(text)
    facts = _facts(text)
    if facts is None and stated == own:
        raise InputError(f"{path.name} holds no data that can be read: it is no report of this release.")
    facts = facts or {}
    model, images = (_text(facts.get(name), "key") for name in ("model", "images"))
    return Stated(text, _choices(facts.get("choices")), model, images, stated == own)


def of_another(stated: Stated, model: str, images: str) -> Recheck | None:
    """What is to be said where the model or the images at hand are not those of the report; None where they are.

    Args:
        stated: The report.
        model: The digest of the model at hand.
        images: That of the images.
    """
    pairs = (("data/model/key", stated.model, model), ("data/images/key", stated.images, images))
    apart = tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2])
    why = "Nothing was computed again: the report is about another model, or other images, labels or splits."
    return Recheck(stated.sealed, apart, 2, 0, (why,)) if apart else None


def unreadable(stated: Stated, why: str = "The data of the file cannot be read.") -> Recheck:
    """What is to be said of a report of which nothing could be computed again, and why."""
    said = (*([UNSEALED_NOTE] if not stated.sealed else []), f"Nothing was computed again: {why}")
    return Recheck(stated.sealed, (Difference("data", "what cannot be used", ""),), 1, 0, said)


def _facts(text: str) -> dict[str, Any] | None:
    """What stands in the block of data; None where it cannot be read or is of another format."""
    body = parts_of(text).get("data", ("",))[0]
    try:
        facts = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) and facts.get("format") == REPORT_FORMAT else None


def _choices(told: object) -> Choices | None:
    try:
        fields: dict[str, Any] = dict(told)  # type: ignore[call-overload]
        read, sections, decisions = (tuple(map(str, fields[name])) for name in CHOICE_LISTS)
        notes = {str(name): str(note) for name, note in dict(fields["notes"]).items()}
        study = study_of(fields.get("study"))
        return Choices(str(fields["model"]), str(fields["images"]), read, sections, notes, decisions, study=study)
    except (TypeError, ValueError, KeyError, AttributeError, InputError):
        return None


def _text(table: object, name: str) -> str:
    return str(table.get(name, "")) if isinstance(table, Mapping) else ""


class _Parts(HTMLParser):
    """Collects text, elements and attributes by the name of the figure that they stand in."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: defaultdict[str, list[str]] = defaultdict(list)
        self.open: list[tuple[str, str]] = []

    @property
    def name(self) -> str:
        return self.open[-1][1] if self.open else "frame"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        name = own.get("data-figure") or self.name
        if tag == "section":
            name = f"{own.get('id')}, unnamed"
        if tag == "script" and own.get("id") == "workbench-report":
            name = "data"
            self.parts["frame"].append(repr(attrs))
        elif own.get("name") != "workbench-report-sha256":
            image = own.get("src") if tag == "img" else None
            self.parts[name] += [f"<{tag} {[pair for pair in attrs if pair[0] != 'src' or image is None]}>"]
            self.parts[name] += [image] if image else []
        if tag not in VOID_ELEMENTS:
            if len(self.open) >= DEEPEST_READ:
                raise InputError("The file nests its elements deeper than a report does: it is no report.")
            self.open.append((tag, name))

    def handle_endtag(self, tag: str) -> None:
        if any(tag == each for each, _ in self.open):
            while self.open and self.open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.parts[self.name].append(data)

    def handle_comment(self, data: str) -> None:
        self.parts["frame"].append(data)

    def handle_decl(self, decl: str) -> None:
        self.parts["frame"].append(decl)

    def unknown_decl(self, data: str) -> None:
        self.parts["frame"].append(data)

    def handle_pi(self, data: str) -> None:
        self.parts["frame"].append(data)


def parts_of(text: str) -> dict[str, tuple[str, ...]]:
    """What a report's HTML holds, by the name of the figure that it stands in; what stands in none by its section."""
    parser = _Parts()
    parser.feed(text)
    parser.close()
    return {name: tuple(parts) for name, parts in parser.parts.items()}


def recheck(stated: Stated, computed: str) -> Recheck:
    """Hold a report against the text that `report_of` gives for the same choices."""
    theirs, ours = _flat(stated.text), _flat(computed)
    differences, notes, compared, drawn = [], list[str](), 0, 0
    for name in dict.fromkeys((*ours, *theirs)):
        before, after = theirs.get(name, ()), ours.get(name, ())
        compared += 1
        drawn += any(part.startswith(_IMAGE) for part in after)
        if before == after or _drawn_alike(before, after):
            continue
        if stated.sealed and name.startswith(RELEASES_AT):
            release = name.rpartition("/")[2]
            notes.append(f"Made with {release} {_short(before)}, checked with {_short(after)}.")
        else:
            differences.append(Difference(name, *_first_apart(before, after)))
    if not stated.sealed:
        notes.append(UNSEALED_NOTE)
    return Recheck(stated.sealed, tuple(differences), compared, drawn, tuple(dict.fromkeys(notes)))


def _flat(text: str) -> dict[str, tuple[str, ...]]:
    """The parts, with the data block's values by their own names."""
    parts = parts_of(text)
    body = parts.pop("data", ("",))
    try:
        parts |= {f"data/{name}": (value,) for name, value in _leaves(json.loads(body[0]))}
    except (ValueError, RecursionError):
        parts["data"] = body
    return parts


def _leaves(value: object, at: str = "") -> Iterator[tuple[str, str]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if pairs is None:
        yield at, json.dumps(value)
        return
    for name, inner in pairs:
        yield from _leaves(inner, f"{at}/{name}" if at else str(name))


def _drawn_alike(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    """Whether two parts differ in the bytes of images alone, and these show the same but for rounding."""
    if len(before) != len(after):
        return False
    for first, second in zip(before, after, strict=True):
        if first != second:
            if not (first.startswith(_IMAGE) and second.startswith(_IMAGE)):
                return False
            one, other = _pixels(first), _pixels(second)
            if one is None or other is None or one.shape != other.shape:
                return False
            if np.abs(one.astype(int) - other.astype(int)).max(initial=0) > DRAWN_ALIKE:
                return False
    return True


def _pixels(source: str) -> np.ndarray | None:
    import base64
    import binascii

    from workbench.images import image_from_bytes

    try:
        data = base64.b64decode(source.removeprefix(_IMAGE), validate=True)
        return np.asarray(image_from_bytes(data, "image.png").open())
    except (InputError, binascii.Error, ValueError):
        return None


def _first_apart(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, str]:
    """The first pieces of two parts that differ, cut to what a line holds."""
    for first, second in zip(before, after, strict=False):
        if first != second:
            at = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), 0)
            start = max(at - 40, 0)
            return first[start : start + 120], second[start : start + 120]
    return _short(before[len(after) :]), _short(after[len(before) :])


def _short(parts: tuple[str, ...]) -> str:
    return " ".join(parts)[:120]
