"""Families by size: how often each part is shown, where, and under which labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from workbench.images import SPLITS, ImageItem
from workbench.quality.grading import GRADES
from workbench.quality.same_part import Families

if TYPE_CHECKING:
    import pandas as pd

SIZE_COLUMNS = ("family", "images", "grade", "splits", "labels", "names")


def family_sizes(found: Families, items: Iterable[ImageItem]) -> pd.DataFrame:
    """A row for each family of several images, the largest first.

    Args:
        found: Which images show one part.
        items: The images.

    Returns:
        family, images (how many), grade (the weakest by which one of them is joined), splits and labels (those of its
        images; None where none is stated) and names (its images, in order).
    """
    import pandas as pd

    members: dict[str, list[ImageItem]] = defaultdict(list)
    for item in items:
        family = found.by_name.get(item.name)
        if family is not None:
            members[family].append(item)
    grades: dict[str, int] = defaultdict(int)
    for family, grade in zip(found.frame["family"], found.frame["grade"], strict=True):
        if grade in GRADES:
            grades[family] = max(grades[family], GRADES.index(grade))
    several = [(family, own) for family, own in members.items() if len(own) > 1]
    several.sort(key=lambda entry: -len(entry[1]))
    rows = [
        (
            family,
            len(own),
            GRADES[grades[family]],
            ", ".join(split for split in SPLITS if any(item.split == split for item in own)) or None,
            ", ".join(sorted({item.label for item in own if item.label is not None})) or None,
            [item.name for item in own],
        )
        for family, own in several
    ]
    return pd.DataFrame(rows, columns=list(SIZE_COLUMNS))
