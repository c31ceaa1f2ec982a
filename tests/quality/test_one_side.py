"""What is alike without being verified stands on one side of a split, as long as it stays small."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from workbench.quality.one_side import one_side, unsure
from workbench.quality.same_part import Families


def found(count, pairs, families=None):
    """N images with the pairs of their numbers, the most alike first, each alone unless said otherwise."""
    names = [f"{row}.png" for row in range(count)]
    frame = pd.DataFrame({"name": names, "family": families or names})
    return Families(frame, pd.DataFrame([(names[a], names[b]) for a, b in pairs], columns=["first", "second"]), 0.8)


def sets_of(sides):
    return {frozenset(np.flatnonzero(sides == side).tolist()) for side in set(sides.tolist())}


def test_chains_and_unsure_pairs_stand_on_one_side() -> None:
    families = ["a", "a", *(f"{row}" for row in range(2, 40))]
    kin = found(40, [(0, 1), (1, 2), (7, 30)], families)
    sides = one_side(kin, pd.factorize(np.array(families))[0])
    assert {group for group in sets_of(sides) if len(group) > 1} == {frozenset({0, 1, 2}), frozenset({7, 30})}
    assert unsure(kin) == 2
    assert one_side(found(5, []), np.array([4, 4, 0, 1, 1])).tolist() == [2, 2, 0, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_nothing_grows_beyond_a_tenth_but_what_was_one_unit_before(seed) -> None:
    rng = np.random.default_rng(seed)
    units = np.sort(rng.integers(0, 30, 100))
    units[:25] = 0
    sides = one_side(found(100, rng.integers(0, 100, (300, 2)).tolist()), units)
    for own in sets_of(units):
        assert any(own <= side for side in sets_of(sides)), "no unit is torn apart"
    assert all(len(side) <= 10 or side in sets_of(units) for side in sets_of(sides))
    assert len(sets_of(sides)) < len(sets_of(units))


def test_the_most_alike_come_first_and_the_rest_where_there_is_room() -> None:
    chain = [(k, k + 1) for k in range(39)]
    sides = sets_of(one_side(found(40, chain), np.arange(40)))
    assert sides == {frozenset(range(start, start + 4)) for start in range(0, 40, 4)}


def test_where_different_parts_look_alike_likeness_joins_nothing() -> None:
    kin = dataclasses.replace(found(40, [(0, 1)]), sisters=True)
    assert one_side(kin, np.arange(40)).tolist() == list(range(40))
    assert unsure(kin) == 0
