"""The two sides of a comparison, and all that they are compared by."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import FAMILY, GROUP, units_of
from workbench.reliability.drift_figures import Asked
from workbench.reliability.drift_time import moments_of
from workbench.texts import sentence_list, shown

if TYPE_CHECKING:
    import pandas as pd

FILE_CATEGORIES = {
    "format": "file format",
    "mode": "colour mode",
    "profile": "colour profile",
    "camera": "camera (EXIF)",
}
FILE_FIGURES = {"bytes": "file size", "quality": "JPEG quality", "width": "width", "height": "height", "bits": "bits"}
IMAGE_FIGURES = ("brightness", "contrast", "sharpness", "colour", "black", "white")
MAP_CELLS = 4
"""Cells a side into which the mass of a map is summed."""
TOLD_APART = 32
"""Values of an attribute that are told apart, the rarest taken together; numbers of more values are measurements."""
NOT_STATED, RARER_VALUES = "not stated", "other values"
PLAIN_COLUMNS = frozenset(
    ("name", "id", "label", "split", "predicted", "confidence", "unsure", "verdict", "error", "margin", "entropy")
)


@dataclasses.dataclass(frozen=True, eq=False)
class DriftMaps:
    """Where the model looks in a sample of M images of a side.

    Attributes:
        names: (M,) of the images.
        heatmaps: (M, G, G) the mass of each map in cells, summing to 1; NaN where there is no map.
        method: What made them, in words.
    """

    names: tuple[str, ...]
    heatmaps: NDArray[np.float32]
    method: str


@dataclasses.dataclass(frozen=True, eq=False)
class DriftSide:
    """What is known of the N images of one side.

    Attributes:
        title: What they are, as "the test split of Solar cells".
        table: The rows of a table of predictions.
        probabilities: (N, K) of the classes, NaN where an image cannot be read.
        classes: The K classes.
        measures: What was measured of the files and images, a row each; None where they were not measured.
        vectors: (N, D) an embedding, the same for both sides; None where there is none.
        maps: Of a sample; None where no maps were made.
        embedded: What the embedding is of, in words; empty where that is not known.
        note: What must be known to read it; empty where nothing must.
    """

    title: str
    table: pd.DataFrame
    probabilities: NDArray[np.floating]
    classes: tuple[str, ...]
    measures: pd.DataFrame | None = None
    vectors: NDArray[np.floating] | None = None
    maps: DriftMaps | None = None
    note: str = ""
    embedded: str = ""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def names(self) -> list[str]:
        """Of the images."""
        return [str(name) for name in self.table["name"]]

    def among(self, rows: NDArray[np.bool_]) -> DriftSide:
        """The same for some of the images; maps stay, and are found by name."""
        at = np.flatnonzero(rows)
        return dataclasses.replace(
            self,
            table=self.table.iloc[at].reset_index(drop=True),
            probabilities=self.probabilities[at],
            measures=None if self.measures is None else self.measures.iloc[at].reset_index(drop=True),
            vectors=None if self.vectors is None else self.vectors[at],
        )

    def score(self, positive: Sequence[str]) -> NDArray[np.float64]:
        """(N,) the probability of any of the classes `positive`."""
        columns = [name in positive for name in self.classes]
        return self.probabilities[:, columns].astype(np.float64).sum(axis=1).clip(0, 1)

    def figures(self, positive: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """What is followed over time, (N,) each."""
        result = {"confidence": self.table["confidence"].to_numpy(np.float64)}
        if positive:
            called = self.table["predicted"].isin(positive).to_numpy(np.float64)
            result |= {"defect score": self.score(positive), "share called defective": called}
        return result

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(N,) which images could be read and were answered."""
        whole = np.isfinite(self.probabilities).all(axis=1)
        return whole if self.vectors is None else whole & np.isfinite(self.vectors).all(axis=1)


def units_of_sides(reference: DriftSide, new: DriftSide, together: bool) -> tuple[NDArray[np.intp] | None, str, str]:
    """The unit of each image, the reference's first, (N + M,); None where nothing is known of units.

    Args:
        reference: N images.
        new: M images.
        together: Whether both are parts of one set, in which a group or family of one name is the same one.

    Returns:
        Also what to say of the units, and why they allow no verdict; either may be empty.
    """
    import pandas as pd

    tables = [side.table.reindex(columns=[GROUP, FAMILY]) for side in (reference, new)]
    if together:
        return units_of(pd.concat(tables, ignore_index=True)), "", ""
    first, second = units_of(tables[0]), units_of(tables[1])
    if first is None and second is None:
        return None, "", ""
    stated = [table[GROUP].notna().any() for table in tables]
    if stated[1] and not stated[0]:
        why = (
            "Lots (groups) are stated of the new images and not of the reference: how much lots differ is not known."
            " State the groups of the reference."
        )
        return np.concatenate([np.arange(len(reference)), len(reference) + _or_own(second, len(new))]), "", why
    note = ""
    if stated[0] and not stated[1]:
        second = np.zeros(len(new), np.intp)
        note = "No group is stated of the new images: all of them are taken as one lot."
    own = _or_own(first, len(reference))
    return np.concatenate([own, len(reference) + _or_own(second, len(new))]), note, ""


def _or_own(units: NDArray[np.intp] | None, count: int) -> NDArray[np.intp]:
    return np.arange(count) if units is None else units


def asked_of(reference: DriftSide, new: DriftSide, positive: Sequence[str]) -> tuple[list[Asked], list[str]]:
    """All that two sides are compared by, and in a sentence each what could not be compared.

    What is the same for every image is left out: there it is known that nothing differs.
    """
    lines, gaps = _measured(reference, new)
    lines += _answers(reference, new, positive)
    more, missing = _attributes(reference, new)
    lines += more
    maps, unseen = _maps(reference, new)
    return [line for line in lines + maps if _varies(line)], gaps + missing + unseen


def _varies(line: Asked) -> bool:
    if line.kind == "vectors":
        return bool(np.ptp(line.values, axis=0).any())
    known = np.where(np.isnan(line.values), -np.inf, line.values)
    return len(np.unique(known)) > 1


def _measured(reference: DriftSide, new: DriftSide) -> tuple[list[Asked], list[str]]:
    gaps, lines = [], []
    rows = np.arange(len(reference) + len(new))
    if reference.measures is None or new.measures is None:
        gaps.append("Files and images were not measured on both sides, so that nothing is said of them.")
    else:
        both = (reference.measures, new.measures)
        for column, title in FILE_CATEGORIES.items():
            lines.append(_category("files", title, [*both[0][column], *both[1][column]], rows))
        for column, title in [*FILE_FIGURES.items(), *((name, name) for name in IMAGE_FIGURES)]:
            family = "files" if column in FILE_FIGURES else "image"
            lines.append(_number(family, title, [*both[0][column], *both[1][column]], rows))
    if reference.vectors is None or new.vectors is None:
        gaps.append("There is no embedding of both sides, so that nothing is said of what the images look like to it.")
    else:
        vectors = np.concatenate([reference.vectors, new.vectors]).astype(np.float64)
        lines.append(Asked("embedding", "embedding", "vectors", vectors, (), rows))
        if len(vectors) and not np.ptp(vectors, axis=0).any():
            gaps.append(
                "The embedding is the same for every image, so that nothing is said of what the images look like."
            )
    return lines, gaps


def _answers(reference: DriftSide, new: DriftSide, positive: Sequence[str]) -> list[Asked]:
    rows, sides, lines = np.arange(len(reference) + len(new)), (reference, new), []
    if positive:
        scores = np.concatenate([side.score(positive) for side in sides])
        lines.append(_number("scores", "defect score", scores, rows))
    names = ("confidence", "predicted", "label")
    columns = {name: [value for side in sides for value in side.table[name]] for name in names}
    lines.append(_number("scores", "confidence", columns["confidence"], rows))
    lines.append(_category("classes", "predicted class", columns["predicted"], rows))
    if all(side.table["label"].notna().all() for side in sides):
        lines.append(_category("classes", "label", columns["label"], rows))
    return lines


def _attributes(reference: DriftSide, new: DriftSide) -> tuple[list[Asked], list[str]]:
    lines, gaps = [], []
    missing: dict[str, list[str]] = {}
    sides = ((reference, "reference"), (new, "new side"))
    rows = np.arange(len(reference) + len(new))
    columns = {title: _compared_columns(side.table) for side, title in sides}
    for name in dict.fromkeys(itertools.chain(*columns.values())):
        absent = [title for title, own in columns.items() if name not in own]
        if absent:
            missing.setdefault(absent[0], []).append(shown(name))
            continue
        both = (reference.table[name].tolist(), new.table[name].tolist())
        values = [*both[0], *both[1]]
        if gap := _incomparable(shown(name), both):
            gaps.append(gap)
        elif _numeric(values) and len(set(values)) > TOLD_APART:
            lines.append(_number("attributes", shown(name), values, rows))
        else:
            lines.append(_category("attributes", shown(name), values, rows))
    return lines, [*gaps, *(_not_stated(names, side) for side, names in missing.items())]


def _not_stated(names: list[str], side: str) -> str:
    """That attributes of one side are not known of the other."""
    what = f"attribute {names[0]} is" if len(names) == 1 else f"attributes {sentence_list(names)} are"
    return f"The {what} not stated of any image of the {side}: not compared."


def _incomparable(name: str, both: tuple[list[object], list[object]]) -> str:
    """Why the values of an attribute on both sides cannot be compared; empty where they can."""
    numeric = [_numeric(values) for values in both]
    if numeric[0] != numeric[1]:
        words = ["numbers" if one else "text" for one in numeric]
        return f"The attribute {name} holds {words[0]} in the reference and {words[1]} on the new side: not compared."
    known = [value for values in both for value in values if value is not None and value == value]
    counts = Counter(map(str, known))
    rare = len(known) - sum(count for _, count in counts.most_common(TOLD_APART - 1))
    if not numeric[0] and len(counts) > TOLD_APART and 2 * rare > len(known):
        return f"The attribute {name} has {len(counts):,} values, most of them of hardly any image: not compared."
    return ""


def _compared_columns(table: pd.DataFrame) -> list[str]:
    """Attributes that any image has; what joins images and what tells the time are no properties of an image."""
    own = [str(name) for name in table if name not in PLAIN_COLUMNS and name not in (GROUP, FAMILY)]
    return [name for name in own if table[name].notna().any() and moments_of(name, table[name]) is None]


def _numeric(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None and value == value]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def _number(family: str, name: str, values: Sequence[object] | NDArray[np.float64], rows: NDArray[np.intp]) -> Asked:
    numbers = np.array([value if isinstance(value, int | float | np.number) else np.nan for value in values], float)
    return Asked(family, name, "number", np.where(np.isfinite(numbers), numbers, np.nan), (), rows)


def _category(family: str, name: str, values: Sequence[object], rows: NDArray[np.intp]) -> Asked:
    words = [NOT_STATED if value is None or value != value else shown(value) for value in values]
    kept = [word for word, _ in Counter(words).most_common()]
    if len(kept) > TOLD_APART:
        kept = [*kept[: TOLD_APART - 1], RARER_VALUES]
    place = {word: number for number, word in enumerate(kept)}
    codes = np.array([place.get(word, len(kept) - 1) for word in words], np.float64)
    return Asked(family, name, "category", codes, tuple(kept), rows)


def _maps(reference: DriftSide, new: DriftSide) -> tuple[list[Asked], list[str]]:
    if reference.maps is None or new.maps is None:
        return [], ["No attribution maps were made of both sides, so that nothing is said of where the model looks."]
    heatmaps, rows, start = [], [], 0
    for side in (reference, new):
        place = {name: start + row for row, name in enumerate(side.names)}
        maps = side.maps
        assert maps is not None
        for name, heatmap in zip(maps.names, maps.heatmaps, strict=True):
            if name in place and np.isfinite(heatmap).all():
                heatmaps.append(heatmap)
                rows.append(place[name])
        start += len(side)
    counts = sum(row < len(reference) for row in rows), sum(row >= len(reference) for row in rows)
    if min(counts) < 2:
        return [], ["Hardly any image of one side has an attribution map: nothing is said of where the model looks."]
    return map_lines(np.array(heatmaps, np.float64), np.array(rows, np.intp)), []


def map_lines(heatmaps: NDArray[np.float64], rows: NDArray[np.intp]) -> list[Asked]:
    """What maps (M, G, G) of the images `rows` are compared by: mass by region, entropy (in nats) and centroid."""
    edge = heatmaps.shape[1]
    cells = heatmaps.reshape(len(heatmaps), MAP_CELLS, edge // MAP_CELLS, MAP_CELLS, edge // MAP_CELLS).sum((2, 4))
    flat = heatmaps.reshape(len(heatmaps), -1)
    entropy = -(flat * np.log(np.where(flat > 0, flat, 1))).sum(1)
    middle = (np.arange(edge) + 0.5) / edge
    centroid = np.stack([heatmaps.sum(2) @ middle, heatmaps.sum(1) @ middle], axis=1)
    return [
        Asked("maps", "mass by region of the maps", "vectors", cells.reshape(len(cells), -1), (), rows),
        Asked("maps", "entropy of the maps", "number", entropy, (), rows),
        Asked("maps", "centroid of the maps", "vectors", centroid, (), rows),
    ]
