"""Figures over time, where the images say when they were taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.stats import mean_of_units, units_or_cases

if TYPE_CHECKING:
    import pandas as pd

TIME_WORD = re.compile(r"(^|[^a-z])(time|date|datetime|timestamp|taken|captured|recorded|day)([^a-z]|$)", re.IGNORECASE)
PARSED = 0.8
"""Share of the stated values that must read as moments."""
MOST_PERIODS, FEWEST_A_PERIOD = 24, 10
EPOCH = (631_152_000, 4_102_444_800)
"""Seconds since 1970 that are taken for a moment: from 1990 to 2100."""


def moments_of(name: str, values: pd.Series) -> pd.Series | None:
    """When each of N images was taken, as UTC, NaT where that is not stated; None where a column tells no time.

    A column tells the time where its name says so and nearly all its values read as dates (ISO 8601 or as EXIF writes
    them) or as seconds or milliseconds since 1970: an exposure time is none.
    """
    import pandas as pd

    stated = values.notna()
    if not TIME_WORD.search(name.replace("_", " ")) or not stated.any():
        return None
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
    if np.isfinite(numbers[stated]).mean() >= PARSED:
        seconds = np.where(numbers > EPOCH[1], numbers / 1000, numbers)
        seconds[~((seconds >= EPOCH[0]) & (seconds <= EPOCH[1]))] = np.nan
        result = pd.to_datetime(pd.Series(seconds, index=values.index), unit="s", utc=True, errors="coerce")
    else:
        texts = values.astype("string").str.replace(r"^(\d{4}):(\d{2}):(\d{2})", r"\1-\2-\3", regex=True)
        result = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    return result if result[stated].notna().mean() >= PARSED else None


def time_column(table: pd.DataFrame, taken: pd.Series | None = None) -> tuple[str, pd.Series] | None:
    """The column that tells when images were taken, and the moments; of the files' EXIF where no attribute does."""
    for name in table:
        if (found := moments_of(str(name), table[name])) is not None:
            return str(name), found
    if taken is not None and (found := moments_of("taken", taken)) is not None:
        return "day (EXIF)", found
    return None


def over_time(
    moments: pd.Series, figures: Mapping[str, NDArray[np.float64]], units: NDArray[np.intp] | None = None
) -> pd.DataFrame:
    """The mean of each figure in periods that hold equally many of N images, in order of time.

    Args:
        moments: (N,) when each image was taken; those that do not say are left out.
        figures: (N,) numbers between 0 and 1 by name, such as the defect score.
        units: (N,) the unit of each image; None where none are known.

    Returns:
        A row a period and figure: from, to, figure, value, low, high (95 %, by unit), images, units. Empty where the
        images are of one moment or too few for two periods.
    """
    import pandas as pd

    known = moments.notna().to_numpy(bool)
    own, values = units_or_cases(units, len(moments))[known], moments[known]
    columns = ["from", "to", "figure", "value", "low", "high", "images", "units"]
    periods = min(MOST_PERIODS, len(values) // FEWEST_A_PERIOD, values.nunique())
    if periods < 2:
        return pd.DataFrame(columns=columns)
    rank = values.rank(method="min").to_numpy() - 1
    period = np.minimum((rank * periods / len(values)).astype(int), periods - 1)
    rows = []
    for number in np.unique(period):
        inside = period == number
        ends = values[inside].min().isoformat(), values[inside].max().isoformat()
        for name, numbers in figures.items():
            rate = mean_of_units(numbers[known][inside], own[inside])
            rows.append((*ends, name, rate.value, rate.low, rate.high, rate.support, rate.groups))
    return pd.DataFrame(rows, columns=columns)
