"""What the points of the map can be coloured by, and the colour of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.drawing import class_colours
from workbench.predictions import GROUP, good_class
from workbench.quality import Coverage
from workbench.texts import shown
from workbench.ui import gallery
from workbench.ui.data.scope import Scope
from workbench.ui.data.support import table_of

MOST_TINTS = 9
"""Values that have a colour of their own; the rest share a grey."""
GREY, OK, BAD = "#8b9492", "#12a594", "#d2553f"
_FIXED = {
    "right": OK,
    "wrong": BAD,
    "out of reach": BAD,
    "within reach": OK,
    "training": "#3b6fc4",
    "one of several images": BAD,
    "not judged": GREY,
    "alone": GREY,
    "not compared": GREY,
}
Coded = tuple[NDArray[np.intp], list[str], list[str]]


def options(scope: Scope, reach: Coverage | None) -> dict[str, str]:
    """What there is to colour by: its key in the address, and its words."""
    result = {}
    if scope.images.class_names:
        result["class"] = "class"
    if any(item.split for item in scope.images):
        result["split"] = "split"
    if scope.predictions is not None:
        result["verdict"] = "verdict"
    if scope.families is not None:
        result["family"] = "family"
    if reach is not None and not reach.reason:
        result["reach"] = "reach of the training split"
    names = dict.fromkeys([*(name for name in (GROUP,) if name in table_of(scope)), *gallery.groups(scope.images)])
    result |= {f"by {name}": name for name in names}
    return result or {"none": "nothing"}


def coded(scope: Scope, tint: str, reach: Coverage | None) -> Coded:
    """For each image the entry of the legend, (N,), and the entries' names and colours."""
    values = _values(scope, tint, reach)
    counts = Counter(values)
    order = sorted(counts, key=lambda name: (-counts[name], name))
    named, rest = order[:MOST_TINTS], order[MOST_TINTS:]
    colours = _colours(scope, tint, named)
    place = {name: number for number, name in enumerate(named)} | dict.fromkeys(rest, len(named))
    entries = [*named, *([f"{len(rest):,} others"] if rest else [])]
    tones = [*(colours[name] for name in named), *([GREY] if rest else [])]
    return np.array([place[value] for value in values], np.intp), entries, tones


def _values(scope: Scope, tint: str, reach: Coverage | None) -> list[str]:
    table = table_of(scope)
    if tint == "class":
        return _texts(table["label"], "no label")
    if tint == "split":
        return _texts(table["split"], "no split")
    if tint == "verdict":
        return _texts(table["verdict"], "not judged")
    if tint == "family":
        families = table["family"].tolist()
        counts = Counter(families)
        return ["one of several images" if f is not None and counts[f] > 1 else "alone" for f in families]
    if tint == "reach" and reach is not None:
        known = np.isfinite(reach.frame["distance"].to_numpy(dtype=np.float64))
        words = np.where(reach.frame["outside"].to_numpy(dtype=bool), "out of reach", "within reach")
        words = np.where((reach.frame["split"] == "train").to_numpy(dtype=bool), "training", words)
        return [str(word) for word in np.where(known, words, "not compared")]
    if tint.startswith("by "):
        return _texts([item.attributes.get(tint.removeprefix("by ")) for item in scope.images], "not known")
    return ["image"] * len(table)


def _texts(values: Iterable[object], missing: str) -> list[str]:
    return [missing if value is None or value != value else shown(value) for value in values]


def _colours(scope: Scope, tint: str, names: Sequence[str]) -> Mapping[str, str]:
    if tint == "class":
        classes = scope.images.class_names
        known = class_colours(classes, good_class(classes))
        return {name: known.get(name, GREY) for name in names}
    free = class_colours([name for name in sorted(names) if name not in _FIXED], None)
    return {name: _FIXED.get(name) or free[name] for name in names}
