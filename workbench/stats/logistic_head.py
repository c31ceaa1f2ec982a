"""A logistic head: what can be read off features of a network that is left as it is."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
STRENGTH = 0.01
"""Inverse of the penalty of the head, on features of unit variance."""
MOST_ITERATIONS = 500


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
    features: NDArray[np.floating],
    labels: NDArray[np.intp],
    learn: NDArray[np.intp],
    judge: NDArray[np.intp],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """The probabilities that a logistic regression gives the rows `judge`, of the classes that occur in the rows
    `learn`, in their order.

    Features (M, D) are brought to unit variance first; `weights` say how much each row of `learn` counts, one each
    where missing.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    head = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=MOST_ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        head.fit(features[learn], labels[learn], logisticregression__sample_weight=weights)
    answers: NDArray[np.float64] = head.predict_proba(features[judge])
    return answers
