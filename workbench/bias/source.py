"""Attributes that determine the label: its source, or what goes with it one to one. Their groups are just classes."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Predictions, factorise, groupable

Tie = Literal["one to one", "threshold"]
CHANCE = 0.001
"""More often than this an attribute that has nothing to do with the label must not be tied to it by accident."""


def tied_to_label(predictions: Predictions, rows: NDArray[np.bool_] | None = None) -> dict[str, Tie]:
    """The attributes by which no group can be compared with another of the same class, for the label is known from
    them.

    "one to one": each value goes with one class, and each class with one value. "threshold": a measurement whose values
    part the classes, as a probability of which the label was made. An attribute of several values a class, such as the
    kind of defect, is not among them: its groups are compared within the class. Chance is taken to have tied them where
    it would with more than `CHANCE`, by the number of ways to arrange the labels.

    Args:
        predictions: N images, with the attributes as they were measured.
        rows: (N,) which images count; all where missing.
    """
    frame = predictions.frame
    labelled = frame["label"].notna().to_numpy(bool)
    at = np.flatnonzero(labelled if rows is None else labelled & rows)
    labels, _ = factorise(frame["label"], at)
    ties: dict[str, Tie] = {}
    for name in groupable(predictions):
        codes, values = factorise(frame[name], at)
        mask = codes >= 0
        if mask.any() and (tie := _tie(codes[mask], values, labels[mask])) is not None:
            ties[name] = tie
    return ties


def _tie(codes: NDArray[np.intp], values: list[Any], labels: NDArray[np.intp]) -> Tie | None:
    """How M images' values, by number, map to their labels (M,); None if a value has two labels, or only one exists."""
    labels = np.unique(labels, return_inverse=True)[1]
    counts = np.bincount(labels)
    pairs = np.unique(np.column_stack([codes, labels]), axis=0)
    if len(counts) < 2 or len(pairs) > len(np.unique(pairs[:, 0])) or _by_chance(counts) > CHANCE:
        return None
    if len(pairs) == len(counts):
        return "one to one"
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        return None
    in_order = pairs[np.argsort(np.array(numbers, np.float64)[pairs[:, 0]]), 1]
    return "threshold" if np.count_nonzero(np.diff(in_order)) == len(counts) - 1 else None


def _by_chance(counts: NDArray[np.intp]) -> float:
    """The chance that randomly arranged labels (K class sizes) lie class by class along an order of values."""
    ways = math.lgamma(int(counts.sum()) + 1) - sum(math.lgamma(int(count) + 1) for count in counts)
    return math.exp(min(math.lgamma(len(counts) + 1) - ways, 0.0))
