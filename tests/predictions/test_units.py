"""Which images count as one unit, against SciPy's connected components."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from workbench.predictions.independence import units_of


def slow(frame):
    """Images that share a value are joined by an edge from each to the first of them."""
    rows, columns = [], []
    for name in frame:
        for _, members in frame.groupby(name).groups.items():
            rows += [members[0]] * len(members)
            columns += list(members)
    size = len(frame)
    return connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(size, size)), directed=False)[
        1
    ]


@pytest.mark.parametrize("seed", range(8))
def test_units_are_the_connected_components(seed) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"group": rng.integers(0, 40, 60).astype(object), "family": rng.integers(0, 30, 60).astype(object)}
    )
    frame[rng.random(frame.shape) < [[0.3, 0.8]]] = None
    units, components = units_of(frame), slow(frame)
    assert len(set(zip(units, components, strict=True))) == units.max() + 1 == components.max() + 1
    assert units.tolist() == pd.factorize(units)[0].tolist()


def test_a_chain_of_ten_thousand_images_is_one_unit_at_once() -> None:
    order = np.random.default_rng(0).permutation(10_000)
    place = np.empty(10_000, int)
    place[order] = np.arange(10_000)
    frame = pd.DataFrame({"group": place // 2, "family": (place + 1) // 2})
    assert not units_of(frame).any()


def test_where_nothing_is_known_there_are_no_units() -> None:
    assert units_of(pd.DataFrame({"name": ["a", "b"]})) is None
    assert units_of(pd.DataFrame({"group": [None, np.nan]})) is None
    assert units_of(pd.DataFrame({"group": [None, "x", "x", None]})).tolist() == [0, 1, 1, 2]
