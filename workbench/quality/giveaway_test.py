"""Whether a property tells a class: cross-validated, and held against labels that were dealt anew by whole units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

UNIT_FOLDS, RIDGE = 5, 1e-6
ENOUGH_ABOVE = 50
"""Permutations with a larger figure after which no more are drawn."""
DRAWS_AT_ONCE = 100
"""Permutations that are in memory at once."""


def folds_of(units: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """The fold of each of N images, (N,): whole units, folds about equally large."""
    sizes = np.bincount(units)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold, filled = np.zeros(len(sizes), np.intp), np.zeros(UNIT_FOLDS)
    if sizes.max() == 1:
        fold[order] = np.arange(len(order)) % UNIT_FOLDS
        return fold[units]
    for unit in order:
        fold[unit] = int(filled.argmin())
        filled[fold[unit]] += sizes[unit]
    return fold[units]


def accuracies_of_codes(
    codes: NDArray[np.intp], labels: NDArray[np.intp], folds: NDArray[np.intp], classes: int
) -> NDArray[np.float64]:
    """As `balanced` of `calls` for features that are the values of a word, one by one: (P,), on counts alone.

    Args:
        codes: (N,) numbers of values.
        labels: (P, N) numbers of classes, for P arrangements at once.
        folds: (N,) which images are held out together.
        classes: K.
    """
    values, many = int(codes.max()) + 1, len(labels)
    cells = UNIT_FOLDS * values * classes
    places = ((folds * values + codes) * classes)[None] + labels + (np.arange(many) * cells)[:, None]
    own = np.bincount(places.ravel(), minlength=many * cells).reshape(many, UNIT_FOLDS, values, classes)
    rest = own.sum(1, keepdims=True) - own
    share = rest / np.maximum(rest.sum(2, keepdims=True), 1)
    called = share.argmax(3)[..., None] == np.arange(classes)
    return np.asarray(((own * called).sum((1, 2)) / np.maximum(own.sum((1, 2)), 1)).mean(1), np.float64)


def calls(
    features: NDArray[np.float64], labels: NDArray[np.intp], folds: NDArray[np.intp], classes: int
) -> NDArray[np.intp]:
    """The class that a linear model of the other folds' images calls each of N images, (P, N).

    The model is least squares on the indicators of the classes, each over its share, so that no class is called for
    being frequent: of features that are the values of a word, one by one, it calls the class that each value makes more
    likely. Arguments as `accuracies_of_codes`, with features (N, D) for codes.
    """
    x = np.column_stack([np.ones(len(features)), features])
    x = x / np.maximum(np.abs(x).max(0), 1e-12)
    called = np.empty(labels.shape, np.intp)
    for fold in range(UNIT_FOLDS):
        out = folds == fold
        train, own = x[~out], labels[:, ~out]
        solved = np.linalg.solve(train.T @ train + RIDGE * np.eye(x.shape[1]), train.T)
        best = np.full((len(labels), int(out.sum())), -np.inf)
        chosen = np.zeros(best.shape, np.intp)
        for number in range(classes):
            member = own == number
            weights = member @ solved.T / np.maximum(member.mean(1, keepdims=True), 1e-12)
            score = weights @ x[out].T
            better = score > best + 1e-9
            best[better], chosen[better] = score[better], number
        called[:, out] = chosen
    return called


def balanced(called: NDArray[np.intp], labels: NDArray[np.intp], classes: int) -> NDArray[np.float64]:
    """The mean over K classes of the share of its images called rightly, (P,), of calls and labels (P, N)."""
    hits = called == labels
    shares = []
    for number in range(classes):
        member = labels == number
        shares.append((hits & member).sum(1) / np.maximum(member.sum(1), 1))
    return np.asarray(np.mean(shares, 0), np.float64)


def p_value(figure: float, null: Iterable[NDArray[np.float64]]) -> float:
    """The chance of a figure at least as large as this one among figures of dealt labels, which it counts as one of.

    Drawing ends once `ENOUGH_ABOVE` of them were: then the p-value is their share up to the last of them (Besag and
    Clifford 1991, "Sequential Monte Carlo p-values").
    """
    above = drawn = 0
    for part in null:
        places = np.flatnonzero(part >= figure - 1e-12)
        if above + len(places) >= ENOUGH_ABOVE:
            return ENOUGH_ABOVE / (drawn + int(places[ENOUGH_ABOVE - above - 1]) + 1)
        above, drawn = above + len(places), drawn + len(part)
    return (1 + above) / (1 + drawn)


def permuted(
    labels: NDArray[np.intp], units: NDArray[np.intp], draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.intp]]:
    """Labels (N,) dealt anew, (P, N) at a time: a unit takes the labels of another, over and over where it is larger.

    So what images of one unit share stays together, as a lot of one class does.
    """
    order = np.argsort(units, kind="stable")
    sizes = np.bincount(units)
    starts = np.cumsum(sizes) - sizes
    place = np.empty(len(units), np.intp)
    place[order] = np.arange(len(units)) - starts[units[order]]
    sorted_labels = labels[order]
    for start in range(0, draws, DRAWS_AT_ONCE):
        count = min(DRAWS_AT_ONCE, draws - start)
        donors = rng.permuted(np.tile(np.arange(len(sizes)), (count, 1)), axis=1)[:, units]
        yield sorted_labels[starts[donors] + place % sizes[donors]]
