"""What of an image might tell its label without showing the part: attributes, its file, its name, its light and rim."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.images import ImageItem
from workbench.quality.pixel_measures import CORNERS
from workbench.texts import shown

if TYPE_CHECKING:
    import pandas as pd

Origin = Literal["attribute", "file", "name", "pixels"]
BINS, MOST_WORDS = 8, 32
"""Into how many equally full parts a measurement is cut, and how many values of a word are told apart."""
NOT_STATED, ANOTHER_VALUE = "not stated", "another"
FILE_WORDS = {
    "camera": "camera (EXIF)", "taken": "day (EXIF)", "format": "file format", "mode": "colour mode",
    "profile": "colour profile",
}  # fmt: skip
FILE_NUMBERS = {
    "bytes": "file size", "quality": "JPEG quality", "bits": "bits", "width": "width", "height": "height",
    "orientation": "EXIF orientation",
}  # fmt: skip
PIXEL_NUMBERS = ("brightness", "contrast", "sharpness", "colour", "black", "white")
NUMBER_IN_NAME = re.compile(r"(\d+)(?!.*\d)")


@dataclasses.dataclass(frozen=True, eq=False)
class Property:
    """Something that is known of N images.

    Attributes:
        name: What it is called.
        origin: Where it comes from.
        codes: (N,) numbers of its values, for tables and words.
        values: What each number stands for.
        features: (N, D) what a linear model is given of it; dropped, (0, 0), once it was tested.
        coded: Whether that is the codes alone, one by one.
    """

    name: str
    origin: Origin
    codes: NDArray[np.intp]
    values: tuple[str, ...]
    features: NDArray[np.float64]
    coded: bool = True


def properties_of(items: Sequence[ImageItem], table: pd.DataFrame) -> tuple[Property, ...]:
    """The properties of N images, those that are the same for all left out.

    Args:
        items: The images, all of which can be read.
        table: What `measure` says of them, a row each.
    """
    lines = [*_attributes(items), *_of_names(items)]
    lines += [_of_words(words, "file", table[column].tolist()) for column, words in FILE_WORDS.items()]
    lines += [_of_numbers(words, "file", table[column].to_numpy(float)) for column, words in FILE_NUMBERS.items()]
    lines += [_of_numbers(name, "pixels", table[name].to_numpy(float)) for name in PIXEL_NUMBERS]
    corners = np.array(table["corners"].tolist(), np.float64)
    lines += [_of_patch(f"{place} corner", corners[:, number]) for number, place in enumerate(CORNERS)]
    lines.append(_of_border(np.array(table["edge"].tolist(), np.float64)))
    return tuple(line for line in lines if len(line.values) > 1)


def _attributes(items: Sequence[ImageItem]) -> list[Property]:
    names = dict.fromkeys(name for item in items for name in item.attributes)
    result = []
    for name in names:
        values = [item.attributes.get(name) for item in items]
        numbers = [float(value) if isinstance(value, int | float) else np.nan for value in values]
        measured = all(value is None or _is_number(value) for value in values) and len(set(values)) > MOST_WORDS
        own = _of_numbers(name, "attribute", np.array(numbers)) if measured else _of_words(name, "attribute", values)
        result.append(own)
    return result


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_names(items: Sequence[ImageItem]) -> list[Property]:
    paths = [PurePosixPath(item.name) for item in items]
    numbers = [NUMBER_IN_NAME.search(path.stem) for path in paths]
    values = np.array([float(found[1][:15]) if found else np.nan for found in numbers])
    words = [re.sub(r"\d+", "#", path.stem) for path in paths]
    folders = []
    for item, path in zip(items, paths, strict=True):
        known = {str(item.label).lower(), str(item.split).lower()}
        folders.append("/".join(part for part in path.parent.parts if part.lower() not in known))
    return [
        _of_numbers("number in the name", "name", values),
        _of_words("name without its numbers", "name", words),
        _of_words("folder", "name", folders),
    ]


def _of_words(name: str, origin: Origin, values: Sequence[object]) -> Property:
    words = [NOT_STATED if value is None else shown(value) for value in values]
    kept = [word for word, _ in Counter(words).most_common(MOST_WORDS)]
    if len(set(words)) > MOST_WORDS:
        kept = [*kept[:-1], ANOTHER_VALUE]
    place = {word: number for number, word in enumerate(kept)}
    codes = np.array([place.get(word, len(kept) - 1) for word in words], np.intp)
    return Property(name, origin, codes, tuple(kept), np.eye(len(kept))[codes])


def _of_numbers(name: str, origin: Origin, values: NDArray[np.float64]) -> Property:
    """Equally full parts, whose borders know nothing of the label; numbers of few values stand for themselves."""
    finite = np.isfinite(values)
    distinct = np.unique(values[finite])
    if len(distinct) <= BINS:
        return _of_words(name, origin, [value if there else None for value, there in zip(values, finite, strict=True)])
    inner = np.unique(np.quantile(values[finite], np.arange(1, BINS) / BINS))
    codes = np.searchsorted(inner, values, side="right")
    used, numbers = np.unique(np.where(finite, codes, len(inner) + 1), return_inverse=True)
    ends = [distinct[0], *inner, distinct[-1]]
    words = [NOT_STATED if code > len(inner) else f"{ends[code]:.4g} to {ends[code + 1]:.4g}" for code in used]
    return Property(name, origin, numbers.astype(np.intp), tuple(words), np.eye(len(used))[numbers])


def _of_patch(name: str, cells: NDArray[np.float64]) -> Property:
    """A corner: its light, its contrast and its pattern; in words its contrast over its light.

    Args:
        name: Of the corner.
        cells: (N, 1 + C) standard deviation and mean brightness of each of its C cells.
    """
    light = cells[:, 1:].mean(1) + 1
    relative = (cells[:, 0] + 0.5) / light
    contrast = _of_numbers(name, "pixels", relative)
    pattern = cells[:, 1:] / light[:, None]
    features = np.column_stack([contrast.features, np.log(light), pattern - pattern.mean(0)])
    return dataclasses.replace(
        contrast, coded=False, features=features, values=tuple(f"contrast {value}" for value in contrast.values)
    )


def _of_border(colours: NDArray[np.float64]) -> Property:
    light = _of_numbers("border colour", "pixels", colours.mean(1))
    return dataclasses.replace(
        light,
        coded=False,
        features=np.column_stack([light.features, colours / 255]),
        values=tuple(f"light {value}" for value in light.values),
    )
