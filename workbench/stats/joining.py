"""Which cases are joined by what they share, directly or by way of others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def joined(columns: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """The first of the cases that a chain of shared marks joins to each, (N,).

    Args:
        columns: One or more of (N,) marks, numbered from 0; a negative one is shared with nobody.

    Example:
        >>> import numpy as np
        >>> from workbench.stats import joined
        >>> joined([np.array([0, 0, -1, 1]), np.array([0, 1, 1, 2])]).tolist()
        [0, 0, 0, 3]
    """
    size = len(columns[0])
    label, before = np.arange(size), np.full(size, -1)
    while (label != before).any():
        before = label.copy()
        for codes in columns:
            rows = codes >= 0
            first = np.full(codes.max(initial=-1) + 1, size)
            np.minimum.at(first, codes[rows], label[rows])
            label[rows] = first[codes[rows]]
        label = label[label]  # a long chain is followed in few steps
    return label


def units_or_cases(units: NDArray[np.intp] | None, count: int) -> NDArray[np.intp]:
    """The units of `count` cases; where none are known each case is a unit of its own."""
    return np.arange(count) if units is None else units
