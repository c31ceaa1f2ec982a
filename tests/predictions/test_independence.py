"""How images come in units, counted and said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.predictions import independence_of, units_of

NONE = None


def _brute(frame: pd.DataFrame) -> list[int]:
    """Units by spreading the least number of each group and family until nothing changes."""
    units = list(range(len(frame)))
    for _ in units:
        for name in frame:
            for value in frame[name].dropna().unique():
                rows = [i for i, other in enumerate(frame[name]) if other == value]
                least = min(units[i] for i in rows)
                units = [least if i in rows or u in {units[r] for r in rows} else u for i, u in enumerate(units)]
    return list(pd.factorize(pd.Series(units))[0])


def test_units_are_the_connected_parts_of_groups_and_families() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        columns = {}
        for name in ("group", "family"):
            values = rng.integers(0, 8, 14).astype(object)
            values[rng.random(14) < 0.4] = None
            columns[name] = values
        frame = pd.DataFrame(columns)
        units = units_of(frame)
        assert units is not None
        assert units.tolist() == _brute(frame)


@pytest.mark.parametrize(
    ("columns", "counted", "part"),
    [
        ({}, "3 images", "Each image is taken as independent: no group is known and families were not looked for"),
        ({"group": [NONE] * 3}, "3 images", "Each image is taken as independent"),
        ({"family": ["a", "a", "b"]}, "3 images of 2 parts (families)", "count parts, not images"),
        ({"family": ["a", "a", "b"]}, "3 images of 2 parts (families)", "Groups, such as lots, are not known"),
        ({"group": [1, 1, 2]}, "3 images from 2 groups", "Families were not looked for"),
        ({"group": [1, 1, 1]}, "3 images from 1 group", "count groups, not images"),
        ({"group": [1, NONE, NONE]}, "3 images from 3 groups", "Of 2 images neither is known: each counts as one"),
        ({"group": [1, NONE, 2], "family": ["a", "a", "b"]}, "3 images in 2 units (groups and families)", "units"),
        ({"family": ["a", "b", "c"]}, "3 images of 3 parts (families)", "Groups, such as lots, are not known"),
        ({"family": ["a", "b", "c"]}, "3 images of 3 parts (families)", "each is taken as independent"),
    ],
)
def test_what_is_said(columns: dict[str, list[object]], counted: str, part: str) -> None:
    known = independence_of(pd.DataFrame({"name": list("xyz"), **columns}))
    assert known.counted == counted
    assert part in known.sentence


@pytest.mark.parametrize(
    ("units", "column", "share"), [(15, "group", "18%"), (1, "family", "95%"), (58, "group", "5%")]
)
def test_few_units_are_said_to_be_blind_to_a_kind_that_is_not_among_them(units, column, share) -> None:
    said = independence_of(pd.DataFrame({column: np.repeat(np.arange(units), 4)})).sentence
    what = {"group": "group", "family": "part"}[column]
    assert f"cannot rule out a kind of {what} that makes up less than {share} of all" in said
    chance = (1 - float(share.removesuffix("%")) / 100) ** units
    assert chance == pytest.approx(0.05, abs=0.012), "that none of so many units is of such a kind"


def test_many_units_and_single_images_need_no_word_of_what_was_not_seen() -> None:
    for column in (np.repeat(np.arange(60), 2), np.arange(15)):
        assert "rule out" not in independence_of(pd.DataFrame({"group": column})).sentence


def test_units_reach_beyond_the_images_that_count() -> None:
    frame = pd.DataFrame({"group": ["a", "b", None], "family": ["1", "1", "2"]})
    assert independence_of(frame, np.array([True, False, True])).units == 2
    joined = pd.DataFrame({"group": ["a", "a", "b"], "family": ["1", "2", "2"]})
    assert independence_of(joined, np.array([0, 2])).units == 1, "the image between them joins them"
