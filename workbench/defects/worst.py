"""What the maps of a method are worth against masks, in a sentence, and where they fail most."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from workbench.defects.localise import FEW, Row

if TYPE_CHECKING:
    import pandas as pd


def concluded(title: str, frame: pd.DataFrame) -> str:
    """Whether the maps find the marked defects, held against a map that knows nothing.

    Args:
        title: The method's.
        frame: As of `summarise`; its last row is of all defects together.
    """
    row = frame.iloc[-1]
    support, share, low, high, chance = (
        float(row[name]) for name in ("support", "pointing", "pointing low", "pointing high", "pointing chance")
    )
    if support < FEW or math.isnan(share):
        return f"Too few to say: only {support:,.0f} marked defects were measured."
    figures = (
        f"its highest point lies on the defect in {share:.0%} of {support:,.0f} images ({low:.0%} to {high:.0%}; by"
        f" chance {chance:.0%})"
    )
    if low > chance:
        many = "finds the marked defects more often than chance"
        if low > 0.5:
            many = "finds most of the marked defects"
        elif high < 0.5:
            many = "finds fewer than half of the marked defects, but more than chance would"
        return f"{title} {many}: {figures}."
    if high < chance:
        return f"{title} points away from the marked defects: {figures}."
    return f"{title} cannot be told from chance: {figures}."


@dataclasses.dataclass(frozen=True)
class Share:
    """How much of one map lies within the mask of its image: what is kept of a `Row` once the figures are made.

    Attributes:
        name: The image's.
        kind: Kind of defect.
        mass: Share of the map's positive values that lies in the mask.
        chance: Share of the pixels that the mask covers.
    """

    name: str
    kind: str
    mass: float
    chance: float


def shares_of(rows: Iterable[Row]) -> dict[str, Share]:
    """The shares of the images that have a defect, by name."""
    return {
        row.name: Share(row.name, row.kind, row.mass, row.chance)
        for row in rows
        if row.kind is not None and row.chance > 0
    }


def worst_shares(shares: Mapping[str, Share], most: int = 12) -> list[Share]:
    """The defects whose map lies beside them most: the least of it in the mask, as a multiple of chance."""
    return sorted(shares.values(), key=lambda share: (share.mass / share.chance, share.name))[:most]
