"""Parts of an image by name: corners, border, centre, the ground-truth mask, or a box."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from workbench.audit import GRID
from workbench.errors import InputError

_FINE = 8


@dataclasses.dataclass(frozen=True)
class Region:
    """A part of an image of any size.

    Attributes:
        name: How it is called on the screen.
        box: (top, left, bottom, right) as shares of height and width, from 0 to 1.
        outside: Whether it is what lies outside of the box.
        of_mask: Whether it is what lies outside of the ground-truth mask instead.
    """

    name: str
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    outside: bool = False
    of_mask: bool = False

    def __post_init__(self) -> None:
        top, left, bottom, right = self.box
        if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
            raise InputError(
                f"The box {self.box} lies outside of the image or is empty: give top, left, bottom, right from 0 to 1."
            )

    def on(self, height: int, width: int, mask: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """True inside, of shape (height, width).

        Args:
            height: Of the image, in pixels.
            width: Likewise.
            mask: The ground-truth mask (height, width), for the region outside of it; nothing is masked where it is
                missing.
        """
        if self.of_mask:
            return np.ones((height, width), bool) if mask is None else ~mask
        top, left, bottom, right = self.box
        rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
        inside = ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))
        return ~inside if self.outside else inside

    def cells(self) -> NDArray[np.float64]:
        """How much of each cell of an audit's heatmap lies inside, 0 to 1, of shape (32, 32)."""
        grid = self.on(GRID * _FINE, GRID * _FINE)
        return np.asarray(grid.reshape(GRID, _FINE, GRID, _FINE).mean((1, 3)))

    @property
    def area(self) -> float:
        """Its share of the image; of the region outside of the mask, which differs from image to image, NaN."""
        return float("nan") if self.of_mask else float(self.cells().mean())


CORNERS = (
    Region("top left corner", (0, 0, 0.3, 0.3)),
    Region("top right corner", (0, 0.7, 0.3, 1)),
    Region("bottom left corner", (0.7, 0, 1, 0.3)),
    Region("bottom right corner", (0.7, 0.7, 1, 1)),
)
BORDER = Region("border", (0.125, 0.125, 0.875, 0.875), outside=True)
CENTRE = Region("centre", (0.25, 0.25, 0.75, 0.75))
QUADRANTS = (
    Region("top left quadrant", (0, 0, 0.5, 0.5)),
    Region("top right quadrant", (0, 0.5, 0.5, 1)),
    Region("bottom left quadrant", (0.5, 0, 1, 0.5)),
    Region("bottom right quadrant", (0.5, 0.5, 1, 1)),
)
BACKGROUND = Region("outside the mask", of_mask=True)
REGIONS = {region.name: region for region in (*CORNERS, BORDER, CENTRE, *QUADRANTS, BACKGROUND)}
"""Every region with a name."""


def shares(heatmaps: NDArray[np.floating], regions: tuple[Region, ...]) -> NDArray[np.float64]:
    """The share of each map's mass in each region.

    Args:
        heatmaps: (M, 32, 32), each summing to 1; NaN where there is no map.
        regions: R of them, none of which follows a mask.

    Returns:
        (M, R), NaN where there is no map.
    """
    cells = np.stack([region.cells().ravel() for region in regions], axis=1)
    return np.asarray(heatmaps.reshape(len(heatmaps), -1).astype(np.float64) @ cells)
