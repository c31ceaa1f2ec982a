"""Families: images of one part, found by what they show."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.images import ImageItem

if TYPE_CHECKING:
    import pandas as pd

GRADES = ("same file", "same image", "same part", "very similar")
"""How alike two images are, the most alike first. All but the last make a family."""


@dataclasses.dataclass(frozen=True, eq=False)
class Families:
    """Which of N images show one part.

    Attributes:
        frame: One row an image, in order: name, family (of images alone their own name), grade (how it resembles the
            image `to`, one of `GRADES`; None for the first of a family and for images alone), to (the name of that
            image, or None).
        pairs: One row a pair: first, second (names), grade, score (likeness, at most 1), turn (how the second must be
            turned to match), by decreasing score. Those graded "very similar" join no family.
        threshold: The likeness from which two images count as one part, from the set's own null; None where nothing
            was registered.
        untold: Names of the images that cannot be told apart at this resolution.

    Example:
        >>> families.frame.columns.tolist(), families.pairs.columns.tolist()
        (['name', 'family', 'grade', 'to'], ['first', 'second', 'grade', 'score', 'turn'])
    """

    frame: pd.DataFrame
    pairs: pd.DataFrame
    threshold: float | None = None
    untold: tuple[str, ...] = ()

    @property
    def by_name(self) -> dict[str, str]:
        """The family of each image by its name."""
        return dict(zip(self.frame["name"], self.frame["family"], strict=True))


def families(
    items: Iterable[ImageItem],
    *,
    apart: Iterable[tuple[str, str]] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Families:
    """Find the images that show one part.

    Args:
        items: N images.
        apart: Pairs of digests of images that a person has said are not the same.
        on_progress: Called with how much is done, and of how much.

    Returns:
        The families, each image in exactly one.

    Raises:
        InputError: There are no images.

    Example:
        >>> families = wb.families(images.items[:12])
        >>> families.frame["family"].nunique()
        12
    """
    images = list(items)
    if not images:
        raise InputError("There are no images to compare: choose a set that holds some.")
    return _same_files(images, on_progress)


def _same_files(items: Sequence[ImageItem], on_progress: Callable[[int, int], None] | None) -> Families:
    import pandas as pd

    first: dict[str, str] = {}
    rows, pairs = [], defaultdict(list)
    for done, item in enumerate(items, 1):
        try:
            to = first.setdefault(item.id, item.name)
        except InputError:  # what cannot be read resembles nothing
            to = item.name
        grade = None if to == item.name else GRADES[0]
        rows.append((item.name, to, grade, None if grade is None else to))
        if grade is not None:
            for name, value in zip(
                ("first", "second", "grade", "score", "turn"), (to, item.name, grade, 1.0, ""), strict=True
            ):
                pairs[name].append(value)
        if on_progress is not None:
            on_progress(done, len(items))
    columns = ["first", "second", "grade", "score", "turn"]
    return Families(
        pd.DataFrame(rows, columns=["name", "family", "grade", "to"]), pd.DataFrame(dict(pairs), columns=columns)
    )
