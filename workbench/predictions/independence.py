"""Which images are independent of each other: those of one group (lot, module, part) or of one family are not.

A group is what a person says of the images, in the attribute `group`; a family is what the workbench found, images of
one part. Both are columns of the table of predictions. Images that share either belong to one unit, and whatever counts
images for an interval, a test or a promise counts units.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.images import ImageItem
from workbench.predictions.table import Predictions
from workbench.stats import joined, units_or_cases

if TYPE_CHECKING:
    import pandas as pd

GROUP, FAMILY = "group", "family"
"""The columns that say which images belong together."""
UNSEEN = 0.05
"""How unlikely it must be that a kind of unit was missed by chance for it to be ruled out."""
WORTH_SAYING = 0.05
"""How common a kind of unit of which none was seen may be without a word said."""


def units_of(frame: pd.DataFrame, *columns: str) -> NDArray[np.intp] | None:
    """The unit of each of N images, numbered in order of first appearance, (N,); None where neither a group nor a
    family is known of any.

    Images belong to one unit where a chain of shared groups and families joins them. An image of which nothing is known
    is a unit of its own.

    Args:
        frame: A table with a row an image.
        columns: What joins images; `GROUP` and `FAMILY` where none are named.

    Example:
        >>> import pandas as pd
        >>> from workbench.predictions import units_of
        >>> frame = pd.DataFrame({"group": ["a", "a", None, "b"], "family": ["1", "2", "2", "3"]})
        >>> units_of(frame).tolist()
        [0, 0, 0, 1]
    """
    present = [name for name in columns or (GROUP, FAMILY) if name in frame and frame[name].notna().any()]
    if not present:
        return None
    import pandas as pd

    units, _ = pd.factorize(joined([pd.factorize(frame[name])[0] for name in present]))
    return units.astype(np.intp)


def units_by_name(frame: pd.DataFrame) -> dict[str, int] | None:
    """The unit of each image by its name, as `units_of`; None where none is known."""
    units = units_of(frame)
    return None if units is None else dict(zip(frame["name"], units.tolist(), strict=True))


def units_of_items(items: Sequence[ImageItem], families: Mapping[str, str] | None = None) -> NDArray[np.intp]:
    """The unit of each of N images, (N,): those that share a stated group, a family or their bytes are one unit.

    Args:
        items: N images; of those that cannot be read the bytes say nothing.
        families: The family of each by its name, where it is known; else what the set itself says of it.
    """
    frame = _stated(items, families)
    frame["file"] = [item.readable_id for item in items]
    return units_or_cases(units_of(frame, GROUP, FAMILY, "file"), len(items))


def named_units(items: Sequence[ImageItem], families: Mapping[str, str] | None = None) -> dict[str, int] | None:
    """The unit of each image by its name, from stated groups and from families; None where neither is known of any.

    Args:
        items: All images of a set, for any of them may join two others.
        families: The family of each by its name, where they were looked for; else what the set itself says of it.
    """
    units = units_of(_stated(items, families))
    return None if units is None else dict(zip((item.name for item in items), units.tolist(), strict=True))


def units_among(
    items: Sequence[ImageItem], units: Mapping[str, int] | None = None, pool: Sequence[ImageItem] = ()
) -> NDArray[np.intp] | None:
    """The unit of each of N images, (N,); None where none is known.

    Args:
        items: N images.
        units: Their units by name, as `named_units` gives them of the whole set; one that is not there is its own. What
            the images themselves say where missing.
        pool: All images that then say so; those N where there are none.
    """
    units = named_units(pool or items) if units is None else units
    if units is None:
        return None
    free = max(units.values(), default=-1) + 1
    return np.array([units.get(item.name, free + number) for number, item in enumerate(items)], np.intp)


def spread_over(names: Sequence[str], units: Mapping[str, int] | None) -> list[str]:
    """Names in an order in which each unit comes once before any comes again, so that the first are of as many units as
    can be; in their own order where no unit holds several of them."""
    if units is None:
        return list(names)
    seen: Counter[int] = Counter()
    turn = {}
    for name in names:
        turn[name] = seen[units[name]]
        seen[units[name]] += 1
    return sorted(names, key=turn.__getitem__)


def _stated(items: Sequence[ImageItem], families: Mapping[str, str] | None) -> pd.DataFrame:
    """Group and family of each image, as they are known."""
    import pandas as pd

    known = families or {}
    rows = [(_said(item, GROUP), known.get(item.name, _said(item, FAMILY))) for item in items]
    return pd.DataFrame(rows, columns=[GROUP, FAMILY], dtype=object)


def _said(item: ImageItem, what: str) -> str | None:
    value = item.attributes.get(what)
    return None if value is None else str(value)


def with_families(predictions: Predictions, families: Mapping[str, str]) -> Predictions:
    """The same predictions with the family of each image, by its name, in the column `family`; images of which no
    family is known keep what the set itself says."""
    frame = predictions.frame.copy()
    found = frame["name"].map(families).astype(object)
    frame[FAMILY] = found.where(found.notna(), frame.get(FAMILY))
    return dataclasses.replace(predictions, frame=frame)


@dataclasses.dataclass(frozen=True)
class Independence:
    """How many independent units some images come in, and how that is known.

    Attributes:
        images: How many images.
        units: In how many units, or None where each image is taken as independent.
        by: What joins them: `GROUP` where it is stated of any, `FAMILY` where families were looked for.
        alone: Of how many images neither is known, where either is of others: each counts as one.
    """

    images: int
    units: int | None = None
    by: tuple[str, ...] = ()
    alone: int = 0

    @property
    def unit(self) -> str:
        """What is counted for an interval, a test or a promise, in the plural."""
        if self.units is None:
            return "images"
        return "units" if len(self.by) > 1 else {GROUP: "groups", FAMILY: "parts"}[self.by[0]]

    @property
    def counted(self) -> str:
        """As in "205 images of 34 parts (families)"."""
        if self.units is None:
            return f"{self.images:,} {'image' if self.images == 1 else 'images'}"
        what = self.unit if self.units != 1 else self.unit.removesuffix("s")
        joins = {"groups": ("from", ""), "parts": ("of", " (families)"), "units": ("in", " (groups and families)")}
        word, how = joins[self.unit]
        return f"{dataclasses.replace(self, units=None).counted} {word} {self.units:,} {what}{how}"

    @property
    def origin(self) -> str:
        """As in "8 of 205 from 34 parts": empty where each image counts for itself."""
        if self.units in (None, self.images):
            return ""
        return f" from {self.units:,} {self.unit if self.units != 1 else self.unit.removesuffix('s')}"

    @property
    def sentence(self) -> str:
        """What every figure with an interval must be read with."""
        if self.units is None:
            return (
                "Each image is taken as independent: no group is known and families were not looked for. Where images"
                " show one part, or come from one lot, intervals are too narrow and p-values too small."
            )
        rest = f" Of {self.alone:,} images neither is known: each counts as one." if self.alone else ""
        missing = "" if FAMILY in self.by else " Families were not looked for."
        missing += "" if GROUP in self.by else " Groups, such as lots, are not known."
        if self.units == self.images:
            return (
                f"No two of the {self.images:,} images belong together, as far as is known: each is taken as"
                f" independent.{missing}{rest}"
            )
        return f"Intervals, tests and limits count {self.unit}, not images: {self.counted}.{self.unseen}{missing}{rest}"

    @property
    def unseen(self) -> str:
        """What so few units cannot know: how common units may be of a kind of which none is among them."""
        share = 1 - UNSEEN ** (1 / self.units) if self.units else 0.0
        if share < WORTH_SAYING:
            return ""
        kind = self.unit.removesuffix("s")
        return (
            f" {self.units} {kind if self.units == 1 else self.unit} cannot rule out a kind of {kind} that makes up"
            f" less than {share:.0%} of all: what such a kind would change, no interval knows."
        )

    @property
    def short(self) -> str:
        """The same in a few words, for an image or a caption."""
        return "images taken as independent" if self.units is None else f"by unit: {self.counted}"


def independence_of(
    frame: pd.DataFrame, rows: NDArray[np.intp] | NDArray[np.bool_] | None = None, *columns: str
) -> Independence:
    """How independent the images at some rows of a table are; all where missing. Units are those of the whole table.

    Args:
        frame: A table with a row an image.
        rows: Where they stand, or booleans.
        columns: As for `units_of`.

    Example:
        >>> import pandas as pd
        >>> from workbench.predictions import independence_of
        >>> frame = pd.DataFrame({"family": ["1", "1", "2"]})
        >>> independence_of(frame).counted
        '3 images of 2 parts (families)'
    """
    units, part = units_of(frame, *columns), frame if rows is None else frame.iloc[np.arange(len(frame))[rows]]
    if units is None:
        return Independence(len(part))
    by = tuple(name for name in columns or (GROUP, FAMILY) if name in frame and frame[name].notna().any())
    alone = int(part[list(by)].isna().all(axis=1).sum())
    return Independence(len(part), len(np.unique(units if rows is None else units[rows])), by, alone)
