"""When images were taken, and what changes over time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.reliability.drift_time import moments_of, over_time, time_column


def series(*values):
    return pd.Series(list(values), dtype=object)


@pytest.mark.parametrize(
    ("name", "value", "day"),
    [
        ("timestamp", "2026-11-03T10:00:00Z", "2026-11-03"),
        ("taken", "2026:11:03", "2026-11-03"),
        ("capture_time", "2026-11-03 23:30:00-05:00", "2026-11-04"),
        ("time", 1_762_164_000, "2025-11-03"),
        ("Date", 1_762_164_000_000, "2025-11-03"),
    ],
)
def test_moments_are_read(name, value, day) -> None:
    assert str(moments_of(name, series(value, None))[0].date()) == day


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("exposure time", (0.01, 0.02)),
        ("lifetime", ("2026-11-03",)),
        ("date", ("03/11/2026", "soon")),
        ("time", (None, None)),
        ("timestamp", ("9999999-99-99", "x")),
    ],
)
def test_what_is_no_moment_is_none(name, values) -> None:
    assert moments_of(name, series(*values)) is None


def test_periods_hold_as_many_images_and_follow_the_figure() -> None:
    days = pd.to_datetime(pd.Series(pd.date_range("2026-01-01", periods=60, tz="UTC")))
    score = np.r_[np.full(30, 0.1), np.full(30, 0.7)]
    frame = over_time(days, {"defect score": score})
    assert frame["images"].tolist() == [10] * 6
    assert frame["value"].tolist() == pytest.approx([0.1] * 3 + [0.7] * 3)
    assert not len(over_time(days[:12], {"defect score": score[:12]}))
    assert time_column(pd.DataFrame({"x": [1]}), series("2026:01:02"))[0] == "day (EXIF)"
