"""Class probabilities of labelled images by something that did not learn from their labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Predictions

FOLDS = 5
STRENGTH = 0.01
"""Inverse of the penalty of the head, on features of unit variance."""
MOST_ITERATIONS = 500
UNSEEN = ("validation", "test")
"""The splits whose labels a model did not learn."""


def head_probabilities(
    features: NDArray[np.float32],
    labels: NDArray[np.intp],
    units: NDArray[np.intp],
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Out-of-sample probabilities of a logistic head on frozen features, by stratified folds that keep units whole.

    Args:
        features: (M, D), finite.
        labels: (M,) from 0 to K - 1, each of which occurs.
        units: (M,) which images belong together: none of a unit is judged by a head that learned from another of it.
        on_progress: Called with the folds done, of how many.

    Returns:
        (M, K); all NaN where any class has fewer than two units, so that no fold can be left out.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    classes = int(labels.max()) + 1
    result = np.full((len(labels), classes), np.nan)
    fewest = min(len(np.unique(units[labels == k])) for k in range(classes))
    if classes < 2 or fewest < 2:
        return result
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=0)
    for done, (learn, judge) in enumerate(folds.split(features, labels, units), 1):
        known = np.unique(labels[learn])
        if len(known) > 1:
            result[judge] = 0
            result[np.ix_(judge, known)] = head_answers(features, labels, learn, judge)
        if on_progress is not None:
            on_progress(done, folds.n_splits)
    return result


def head_answers(
    features: NDArray[np.floating], labels: NDArray[np.intp], learn: NDArray[np.intp], judge: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The probabilities that a logistic regression gives the rows `judge`, of the classes that occur in the rows
    `learn`, in their order.

    Features (M, D) are brought to unit variance first.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    head = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=MOST_ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        head.fit(features[learn], labels[learn])
    answers: NDArray[np.float64] = head.predict_proba(features[judge])
    return answers


def by_model(
    names: Sequence[str],
    splits: Sequence[str | None],
    units: NDArray[np.intp],
    predictions: Predictions,
    classes: Sequence[str],
) -> NDArray[np.float64]:
    """The model's own probabilities of the images that it did not learn from, (N, K); NaN in the rows of all others.

    Those are images of `UNSEEN` splits of a set that has a training split, unless another image of their unit is in
    that: then the model has learned the label of the part.

    Args:
        names: N images.
        splits: The split of each.
        units: (N,) which belong together.
        predictions: What the model says of them.
        classes: The K classes that are wanted, all of them the model's.
    """
    result = np.full((len(names), len(classes)), np.nan)
    learned = {unit for unit, split in zip(units.tolist(), splits, strict=True) if split == "train"}
    columns = [predictions.class_names.index(name) for name in classes]
    if not learned:
        return result
    for i, (name, split) in enumerate(zip(names, splits, strict=True)):
        row = predictions.by_name.get(name)
        if row is not None and split in UNSEEN and units[i] not in learned:
            result[i] = predictions.probabilities[row, columns]
    return result
