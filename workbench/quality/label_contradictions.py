"""Labels that contradict something else that is known of the image, without asking any model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.quality.grading import GRADES
from workbench.quality.same_part import Families

VERIFIED = GRADES[:-1]
"""The grades of likeness that make two images one part."""


@dataclasses.dataclass(frozen=True)
class Contradiction:
    """A label that contradicts another fact.

    Attributes:
        image: Name of the image.
        kind: "twins", "mask" or "intervention".
        why: What it contradicts, a sentence.
        twin: Name of the image of the same part, where that has another label.
    """

    image: str
    kind: str
    why: str
    twin: str | None = None


def twins_apart(items: Sequence[ImageItem], families: Families | None) -> list[Contradiction]:
    """Images of one part with different labels, both of each verified pair."""
    if families is None:
        return []
    labels = {item.name: item.label for item in items}
    result = []
    for row in families.pairs.itertuples(index=False):
        first, second, grade, score = str(row[0]), str(row[1]), row[2], row[3]
        here, there = labels.get(first), labels.get(second)
        if grade not in VERIFIED or here is None or there is None or here == there:
            continue
        for image, twin, label in ((first, second, there), (second, first, here)):
            why = f"{twin} is the {grade} (likeness {score:.2f}) and is labelled {label}."
            result.append(Contradiction(image, "twins", why, twin))
    return result


def against_masks(
    items: Sequence[ImageItem], good: str | None, on_progress: Callable[[int, int], None] | None = None
) -> tuple[list[Contradiction], int]:
    """Defects whose mask is empty and good parts whose mask is not, and how many masks were looked at.

    Args:
        items: Images.
        good: The class of parts without a defect; where None, nothing can be said.
        on_progress: Called with images done, of how many.
    """
    result, looked = [], 0
    for done, item in enumerate(items, 1):
        if good is not None and item.mask is not None and item.label is not None:
            try:
                inside = item.open_mask()
            except InputError:  # a fault of the file, which is told as one
                continue
            looked += 1
            if inside is not None and bool(inside.any()) == (item.label == good):
                marks = f"marks {np.count_nonzero(inside):,} pixels" if inside.any() else "is empty"
                what = "a good part" if item.label == good else "a defect"
                result.append(Contradiction(item.name, "mask", f"Its mask {marks}, but {item.label} is {what}."))
        if on_progress is not None and done % 32 == 0:
            on_progress(done, len(items))
    return result, looked


def soft_labels(items: Sequence[ImageItem]) -> tuple[str, Mapping[str, float]] | None:
    """Labels that the set itself holds in doubt: an attribute from 0 to 1, of which the label is what it rounds to.

    Returns:
        The attribute's name, and its value of each image where that is neither 0 nor 1; None where there is none.
    """
    for name in dict.fromkeys(name for item in items for name in item.attributes):
        values = {item.name: _share(item.attributes.get(name)) for item in items if item.label is not None}
        if any(value is None for value in values.values()) or not values:
            continue
        shares = {image: value for image, value in values.items() if value is not None}
        sides = {
            side: {item.label for item in items if item.name in shares and (shares[item.name] >= 0.5) == side}
            for side in (True, False)
        }
        doubtful = {image: value for image, value in shares.items() if 0 < value < 1}
        ends = {value for value in shares.values() if value in (0, 1)}
        if (
            doubtful
            and len(ends) == 2
            and all(len(side) == 1 for side in sides.values())
            and sides[True] != sides[False]
        ):
            return name, doubtful
    return None


def _share(value: object) -> float | None:
    """A number from 0 to 1, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number <= 1 else None
