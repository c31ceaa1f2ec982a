"""Which pictures of a set stand for new ones: the test split where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.images import ImageItem, ImageSet
from workbench.predictions import Predictions


def tested(images: ImageSet, known: Predictions | None) -> list[ImageItem]:
    """The test split, by the set itself or by the predictions that were made with the model; all pictures where there is none."""
    if known is not None and (known.frame["split"] == "test").any():
        names = set(known.frame["name"][known.frame["split"] == "test"])
        return [item for item in images if item.name in names]
    return [item for item in images if item.split == "test"] or list(images)


def of_split(items: Sequence[ImageItem]) -> str:
    """Words for where they come from."""
    return " of the test split" if all(item.split == "test" for item in items) else " of the set"
