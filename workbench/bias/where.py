"""Where a model looks: mean maps and attribution shares by class and group, and whether they differ by chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.bias.by_unit import joined_by
from workbench.bias.groups import SHUFFLES
from workbench.bias.places import BORDER, CENTRE, CORNERS, QUADRANTS, Region, shares
from workbench.errors import InputError
from workbench.predictions import Predictions, factorise, units_of
from workbench.stats import (
    ENOUGH,
    FEW_UNITS,
    SIGNIFICANT,
    all_means_differ_by_units,
    blocks_of,
    holm,
    mean_of,
    means_differ,
    moments,
)
from workbench.texts import shown

if TYPE_CHECKING:
    import pandas as pd

    from workbench.audit import Summaries

LOOKED_AT = (*CORNERS, BORDER, CENTRE, *QUADRANTS)
"""The regions whose shares are told where none are named."""


@dataclasses.dataclass(frozen=True, eq=False)
class Maps:
    """Attribution maps of M images with what is known of each.

    Attributes:
        frame: One row an image: the rows of `Predictions.frame` that have a map.
        heatmaps: float64 (M, 32, 32): the absolute attribution, summing to 1.
        mask: (M,) the share of it inside the ground-truth mask; NaN where there is none.
        method: Which attribution method made them.
        units: (M,) the independent unit of each image, as `units_of` gives it of the whole set; None where each is
            taken as independent.
    """

    frame: pd.DataFrame
    heatmaps: NDArray[np.float64]
    mask: NDArray[np.float64]
    method: str
    units: NDArray[np.intp] | None = None

    @property
    def units_by_name(self) -> dict[str, int] | None:
        """The unit of each image by its name."""
        return None if self.units is None else dict(zip(self.frame["name"], self.units.tolist(), strict=True))

    def few_units(self, among: NDArray[np.bool_]) -> bool:
        """Whether the images `among` (M,) come in too few units to say anything of them."""
        return self.units is not None and len(np.unique(self.units[among])) < FEW_UNITS

    def where(self, rows: NDArray[np.bool_]) -> Maps:
        """Those of the images at `rows` (M,) alone."""
        units = None if self.units is None else self.units[rows]
        return Maps(self.frame[rows].reset_index(drop=True), self.heatmaps[rows], self.mask[rows], self.method, units)


def maps_of(summaries: Summaries, predictions: Predictions) -> Maps:
    """The maps of an audit beside what is known of their images.

    Left out are images without a map, and those of an older sample that are gone or by now called something else than
    was explained.

    Raises:
        InputError: No image has a map.
    """
    import pandas as pd

    frame = summaries.frame
    at = pd.Index(predictions.frame["name"]).get_indexer(frame["name"])
    rows = predictions.frame.iloc[at]
    valid = (at >= 0) & frame["error"].isna().to_numpy() & (rows["predicted"].to_numpy() == frame["target"].to_numpy())
    if not valid.any():
        raise InputError("No image of the sample has a map: choose another attribution method, or run the audit again.")
    heatmaps, mask = summaries.heatmaps[valid].astype(np.float64), frame["mask"].to_numpy(np.float64)[valid]
    units = units_of(predictions.frame)
    own = None if units is None else units[at[valid]]
    return Maps(rows[valid].reset_index(drop=True), heatmaps, mask, str(frame["method"].iloc[0]), own)


def mean_maps(maps: Maps, by: str = "predicted") -> dict[str, tuple[NDArray[np.float64], int]]:
    """For each group of `by` its mean map (32, 32), which sums to 1, and how many maps it is of."""
    codes, names = _groups(maps, by)
    return {name: (maps.heatmaps[codes == g].mean(0), int((codes == g).sum())) for g, name in enumerate(names)}


def focus(maps: Maps, by: str = "predicted", regions: Sequence[Region] = LOOKED_AT) -> pd.DataFrame:
    """The mean share of attribution in each region, by group.

    Args:
        maps: Those of M images.
        by: "predicted", "label" or an attribute.
        regions: None of which follows a mask.

    Returns:
        One row a group and region: group, region, share, low, high (95 %, Student's t, by unit where images come in
        units), area (what an even map has there), support, units (in how many independent units those come) and
        enough. The region "mask" is told where images have one, its area as NaN.
    """
    import pandas as pd

    codes, names = _groups(maps, by)
    values = np.column_stack([shares(maps.heatmaps, tuple(regions)), maps.mask])
    places = [*((region.name, region.area) for region in regions), ("mask", float("nan"))]
    lines = []
    for g, group in enumerate(names):
        for column, (region, area) in enumerate(places):
            inside = (codes == g) & np.isfinite(values[:, column])
            if not inside.any():
                continue
            rate = mean_of(values[inside, column], units=None if maps.units is None else maps.units[inside])
            ends = np.clip([rate.low, rate.high], 0, 1)
            support, units = rate.support, rate.groups or rate.support
            enough = support >= ENOUGH and not rate.few_units
            lines.append((group, region, rate.value, *ends, area, support, units, enough))
    columns = ["group", "region", "share", "low", "high", "area", "support", "units", "enough"]
    return pd.DataFrame(lines, columns=columns)


def differences(
    maps: Maps, *by: str, regions: Sequence[Region] = LOOKED_AT, draws: int = SHUFFLES, seed: int = 0
) -> pd.DataFrame:
    """Whether groups differ in where the model looks, more than chance alone would make them.

    The gap is that between the largest and the smallest mean share among images that the model calls alike: a different
    mix of classes is no bias. `p` comes from assigning those to the groups at random, by the permutations' normal
    limit (Strasser and Weber 1999); `p adjusted` is Holm's over all rows. Groups of fewer than `ENOUGH` maps are left
    out. Where images come in units, whole units change groups (`stats.blocks_of`), and a group needs `FEW_UNITS` of
    them; where the stated groups themselves are compared, or something finer, images of one family are a unit.

    Args:
        maps: Those of M images.
        by: Attributes.
        regions: None of which follows a mask.
        draws: Of each test, at least.
        seed: Of the draws.

    Returns:
        One row an attribute and region: by, region, most (group), least (group), gap, p, p adjusted, significant.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    values = shares(maps.heatmaps, tuple(regions))
    strata, classes = factorise(maps.frame["predicted"], np.arange(len(maps.frame)))
    # So that the smallest p stays small after Holm
    enough = max(draws, round(2 / SIGNIFICANT) * len(by) * len(regions))
    lines = []
    for name in by:
        codes, names = _groups(maps, name)
        own = _asked_by(maps, name)
        indices = [g for g in range(len(names)) if (codes == g).sum() >= ENOUGH and not own.few_units(codes == g)]
        if len(indices) < 2:
            continue
        by_unit = _chances_by_unit(own, codes, strata, values, indices, enough, rng)
        mask, shape = codes >= 0, (3, len(names), len(classes))
        place = codes[mask] * len(classes) + strata[mask]
        for column, region in enumerate(regions):
            sums = moments(place, values[mask, column], shape[1] * shape[2]).reshape(shape)[:, indices]
            most, least, gap = _extremes(sums[0], sums[1])
            p = means_differ(sums, enough, rng) if by_unit is None else by_unit[column]
            lines.append((name, region.name, names[indices[most]], names[indices[least]], gap, p))
    frame = pd.DataFrame(lines, columns=["by", "region", "most", "least", "gap", "p"])
    adjusted = holm(frame["p"].to_numpy(np.float64))
    return frame.assign(**{"p adjusted": adjusted, "significant": adjusted <= SIGNIFICANT})


def _groups(maps: Maps, by: str) -> tuple[NDArray[np.intp], list[str]]:
    """(M,) the number of each map's group, -1 where it is not known, and the groups' names."""
    if by not in maps.frame:
        raise InputError(f"There is no attribute {by!r}: choose one of the set's attributes, label or predicted.")
    codes, values = factorise(maps.frame[by], np.arange(len(maps.frame)))
    order = sorted(range(len(values)), key=lambda i: shown(values[i]))
    rank = np.full(len(values) + 1, -1, np.intp)
    rank[order] = np.arange(len(values))
    return rank[codes], [shown(values[i]) for i in order]


def _asked_by(maps: Maps, by: str) -> Maps:
    """The maps with the units that a comparison by an attribute counts."""
    if maps.units is None or not (joins := joined_by(maps.frame, np.arange(len(maps.frame)), by)):
        return maps
    return dataclasses.replace(maps, units=units_of(maps.frame, *joins))


def _chances_by_unit(
    maps: Maps,
    codes: NDArray[np.intp],
    strata: NDArray[np.intp],
    values: NDArray[np.float64],
    indices: list[int],
    draws: int,
    rng: np.random.Generator,
) -> list[float] | None:
    """The chance of gaps as wide between the groups `indices` in each of R columns of values (M, R), were units
    assigned to them at random; None where each image is a unit of its own."""
    inside = np.isin(codes, indices)
    if maps.units is None or len(np.unique(maps.units[inside])) == inside.sum():
        return None
    blocks = blocks_of(np.searchsorted(indices, codes[inside]), maps.units[inside], strata[inside])
    return all_means_differ_by_units(values[inside], blocks, len(indices), draws, rng)


def _extremes(count: NDArray[np.float64], total: NDArray[np.float64]) -> tuple[int, int, float]:
    """The groups with the largest and the smallest mean, and their gap, strata held equal; from (G, S) number and sum
    of values.

    The order is that of the means less those of the strata; the gap is the mean of the strata's gaps with Mantel and
    Haenszel's weights.
    """
    excess = (total.sum(1) - count @ (total.sum(0) / np.maximum(count.sum(0), 1))) / count.sum(1)
    most, least = int(excess.argmax()), int(excess.argmin())
    means = total / np.maximum(count, 1)
    weights = count[most] * count[least] / np.maximum(count[most] + count[least], 1)
    gap = float(weights @ (means[most] - means[least]) / max(weights.sum(), 1e-12))
    return (most, least, gap) if gap >= 0 else (least, most, -gap)
