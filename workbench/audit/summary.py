"""One attribution map in a few numbers: where its mass lies, how spread it is, and a small image of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

GRID = 32
REGIONS = ("centre", "border", "top left", "top right", "bottom left", "bottom right", "mask")
RING = 0.125
"""The border's width, as a share of each side."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """Where the absolute attribution of one map lies.

    Attributes:
        shares: For each of `REGIONS` its share of the mass, 0 to 1; NaN for "mask" where there is none. "centre" is the
            middle half of height and width, "border" the outer eighth of each side, and the other four are the
            quadrants.
        entropy: Of `heatmap`, in nats: 0 where all lies in one cell, ln(1024) where it is spread evenly.
        peak: (row, column) of the largest absolute value, from 0 to 1 of the image's height and width.
        heatmap: The mass over the image in `GRID` x `GRID` cells, float32, summing to 1.
    """

    shares: Mapping[str, float]
    entropy: float
    peak: tuple[float, float]
    heatmap: NDArray[np.float32]


def summarise(values: NDArray[np.floating], mask: NDArray[np.bool_] | None = None) -> Summary:
    """Sum up a map that lies over the pixels of its image.

    A pixel on the edge of a region counts for both sides by its area, so that an even map has the same shares at every
    size.

    Args:
        values: Signed, of shape (H, W): `Attribution.on_image()`.
        mask: True inside, of shape (H, W).

    Raises:
        ValueError: The shapes differ, or the map is not finite or zero everywhere.
    """
    if values.ndim != 2 or (mask is not None and mask.shape != values.shape):
        shape = None if mask is None else mask.shape
        raise ValueError(f"expected a map (H, W) and a mask of its shape, got {values.shape} and {shape}")
    mass = np.abs(values)
    total = float(mass.sum(dtype=np.float64))
    if not (math.isfinite(total) and total > 0):
        raise ValueError("expected a finite map that is not zero everywhere")
    row, column = np.unravel_index(int(mass.argmax()), mass.shape)
    rows, columns = (_overlaps(n, np.linspace(0, 1, GRID + 1)) for n in mass.shape)
    heatmap = rows @ mass @ columns.T / total
    inside = heatmap[heatmap > 0]
    share = math.nan if mask is None else float(mass[mask].sum(dtype=np.float64)) / total
    return Summary(
        MappingProxyType(_shares(mass, total) | {"mask": share}),
        float(-(inside * np.log(inside)).sum()) + 0.0,
        ((int(row) + 0.5) / len(mass), (int(column) + 0.5) / mass.shape[1]),
        heatmap.astype(np.float32),
    )


def small_map(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """The mass of a map (H, W) over its image in `GRID` x `GRID` cells; zero where the map is zero everywhere."""
    return summarise(values).heatmap if values.any() else np.zeros((GRID, GRID), np.float32)


def _shares(mass: NDArray[np.floating], total: float) -> dict[str, float]:
    """Of all regions but the mask: each is a rectangle of bands, the border what lies outside of one."""
    bands = {"first": (0, 0.5), "second": (0.5, 1), "middle": (0.25, 0.75), "inner": (RING, 1 - RING)}
    rows, columns = ({name: _overlaps(n, np.array(ends))[0] for name, ends in bands.items()} for n in mass.shape)

    def within(down: str, across: str) -> float:
        return float(rows[down] @ mass @ columns[across]) / total

    return {
        "centre": within("middle", "middle"),
        "border": max(0.0, 1 - within("inner", "inner")),
        "top left": within("first", "first"),
        "top right": within("first", "second"),
        "bottom left": within("second", "first"),
        "bottom right": within("second", "second"),
    }


def _overlaps(count: int, ends: NDArray[np.floating]) -> NDArray[np.float64]:
    """How much of each of `count` pixels in a row lies in each interval between `ends` (0 to 1): (intervals, count)."""
    at = ends * count
    pixels = np.arange(count)
    return np.clip(np.minimum(at[1:, None], pixels + 1) - np.maximum(at[:-1, None], pixels), 0, 1)
